package app

import (
	"context"
	"encoding/json"
	"sync/atomic"

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
	ProcessTime    = processTime
)

// Parallelism gives the number of processors after each look.
func Parallelism(most func() int) func(busy float64) int {
	p := &parallelism{now: 1, most: most}
	return func(busy float64) int {
		p.look(busy)
		return p.now
	}
}

// Lost delivers why the connection to NATS was closed for good.
func (n *Node) Lost() <-chan error { return n.lost }

// CountFinds counts how often it is found out how ready the node is.
func (n *Node) CountFinds() func() int64 {
	var count atomic.Int64
	find := n.readiness.find
	n.readiness.find = func(ctx context.Context) finding {
		count.Add(1)
		return find(ctx)
	}
	return count.Load
}
