package cluster

import (
	"context"
	"sync/atomic"

	"github.com/hiliosai/switchboard/action"
)

// bulkhead bounds how many calls of one action run at once, and how many wait for a slot. Safe for concurrent use.
type bulkhead struct {
	slots   chan struct{}
	waiting atomic.Int64
}

func newBulkhead(concurrency int) *bulkhead {
	return &bulkhead{slots: make(chan struct{}, concurrency)}
}

// enter takes a slot. It fails with QueueIsFullError if as many calls wait as may run, and with ctx's error if ctx ends
// first.
func (b *bulkhead) enter(ctx context.Context, name, nodeID string) error {
	select {
	case b.slots <- struct{}{}:
		return nil
	default:
	}
	defer b.waiting.Add(-1)
	if n := int(b.waiting.Add(1)); n > cap(b.slots) {
		return action.QueueIsFull(name, nodeID, n-1, cap(b.slots))
	}
	select {
	case b.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave gives the slot back.
func (b *bulkhead) leave() { <-b.slots }
