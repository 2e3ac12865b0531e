package app

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// ID is that of the node in its cluster.
func (n *Node) ID() string { return n.config.NodeID() }

// NATSURL is the server that the node is connected to.
func (n *Node) NATSURL() string {
	if n.embedded != nil {
		return n.embedded.ClientURL()
	}
	return n.nc.ConnectedUrlRedacted()
}

// Call calls an action of the cluster.
func (n *Node) Call(ctx context.Context, name string, params any, opts action.CallOptions) (json.RawMessage, error) {
	result, err := n.link.Call(ctx, name, params, opts)
	if err != nil {
		return nil, err
	}
	return result.Data, nil
}

// Emit sends an event to the cluster.
func (n *Node) Emit(ctx context.Context, name string, data any) error {
	return n.link.Caller().Emit(ctx, nil, name, data, action.EmitOptions{})
}

// WaitForServices waits until each of the services, by full name, is on some node.
func (n *Node) WaitForServices(ctx context.Context, names ...string) error {
	return n.link.Caller().WaitForServices(ctx, names...)
}

// ApplyChannels creates or replaces channels, all or none of them.
func (n *Node) ApplyChannels(ctx context.Context, channels ...*integration.Channel) error {
	if n.channels == nil {
		return errors.New("the node has no channels")
	}
	return n.channels.Apply(ctx, channels)
}
