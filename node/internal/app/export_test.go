package app

import (
	"context"
	"sync/atomic"
)

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
