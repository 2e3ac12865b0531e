package cluster

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hiliosai/switchboard/action"
)

// pace is what is known of how long an action takes: an exponential mean of its last calls.
type pace struct{ mean atomic.Int64 }

const (
	// brief is the time up to which an action counts as over in no time.
	brief = 50 * time.Microsecond
	// waitless is by how much longer an action may take whose results come later: it computes, and waits for nothing.
	waitless = 5
)

func (p *pace) isBrief() bool { return p.mean.Load() < int64(brief) }

func (p *pace) took(d time.Duration, later bool) {
	if later {
		d /= waitless
	}
	mean := p.mean.Load()
	if mean == 0 {
		mean = int64(d)
	}
	p.mean.Store(mean + (int64(d)-mean)/8) // concurrent calls may overwrite each other: an estimate
}

// bulkhead bounds how many calls of one action run at once, and how many wait for that.
type bulkhead struct {
	slots   chan struct{}
	waiting atomic.Int64
}

func newBulkhead(concurrency int) *bulkhead {
	return &bulkhead{slots: make(chan struct{}, concurrency)}
}

// enter takes a slot. It fails when as many wait as may run, or when ctx ends first.
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

func (b *bulkhead) leave() { <-b.slots }
