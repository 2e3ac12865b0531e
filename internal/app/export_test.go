package app

import (
	"context"
	"encoding/json"

	"github.com/hiliosai/switchboard/action"
)

// Call runs an action on this node.
func (n *Node) Call(ctx context.Context, name string, params json.RawMessage) (json.RawMessage, error) {
	result, err := n.link.Call(ctx, name, params, action.CallOptions{})
	if err != nil {
		return nil, err
	}
	return result.Data, nil
}

// NATSURL is the server that the node is connected to.
func (n *Node) NATSURL() string {
	if n.embedded != nil {
		return n.embedded.ClientURL()
	}
	return n.nc.ConnectedUrlRedacted()
}

// How the heap grows.
var (
	GCPercent   = gcPercent
	TuneGC      = tuneGC
	LimitMemory = limitMemory
)

// On how many processors the process runs.
var (
	TuneProcessors = tuneProcessors
	Available      = available
)

// Parallelism gives the number of processors after each look.
func Parallelism(most func() int) func(busy float64) int {
	p := &parallelism{now: 1, most: most}
	return func(busy float64) int {
		p.look(busy)
		return p.now
	}
}
