package cluster

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

// laneOf is a lane on a pool of its own, which is drained at the end of the test.
func laneOf(t *testing.T, limit, backlog, few int) *lane {
	t.Helper()
	l := newLane(drained(t, newPool(limit, backlog)))
	l.width, l.few = func() int { return few }, few
	return l
}

// depth is the number of requests that wait and that the pool does not count.
func (l *lane) depth() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.jobs) - l.head - l.queued
}

func TestTheLaneRunsRequestsInTheOrderOfTheirArrival(t *testing.T) {
	const jobs = 3000 // enough for the front of the queue to be given back
	l := laneOf(t, 4, jobs, 1)
	gate, done, order := make(chan struct{}), make(chan struct{}), []int{}
	l.watching = true // as if it were watched: no more workers
	begun := make(chan struct{})
	require.True(t, l.submit(func() { close(begun); <-gate }))
	receive(t, begun)
	for i := range jobs {
		require.True(t, l.submit(func() {
			if order = append(order, i); i == jobs-1 {
				close(done)
			}
		}))
	}
	close(gate)
	receive(t, done)
	for i, got := range order {
		require.Equal(t, i, got)
	}
}

func TestTheLaneGrowsWhenItsRequestsBlock(t *testing.T) {
	l := laneOf(t, 8, 100, 2)
	gate, running := make(chan struct{}), make(chan struct{}, 8)
	for range 8 {
		require.True(t, l.submit(func() { running <- struct{}{}; <-gate }))
	}
	for range 8 { // all of them run, though few would have been enough if they were brief
		receive(t, running)
	}
	quick := make(chan struct{})
	require.True(t, l.submit(func() { close(quick) }), "what comes now waits")
	require.Equal(t, 9, l.pool.depth()+l.depth())
	close(gate)
	receive(t, quick)
}

func TestTheLaneGetsAPlaceWhenThePoolHasNone(t *testing.T) {
	l := laneOf(t, 1, 1, 1)
	release := occupy(t, l.pool, 1)
	done := make(chan struct{})
	require.True(t, l.submit(func() { close(done) }))
	require.Equal(t, 2, l.pool.depth()+l.depth(), "one runs, one waits")
	require.False(t, l.submit(func() {}))
	release()
	receive(t, done)
}

func TestTheLaneRefusesWhenItIsFull(t *testing.T) {
	for name, tc := range map[string]struct{ backlog, taken int }{"a backlog": {2, 3}, "none": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			l := laneOf(t, 1, tc.backlog, 1)
			gate, running := make(chan struct{}), make(chan struct{}, 10)
			job := func() { running <- struct{}{}; <-gate }
			require.True(t, l.submit(job))
			receive(t, running)
			for range tc.taken - 1 {
				require.True(t, l.submit(job))
			}
			require.False(t, l.submit(job))
			require.Equal(t, tc.taken, l.pool.depth()+l.depth())
			close(gate)
			for range tc.taken - 1 {
				receive(t, running)
			}
		})
	}
}

func TestTheLaneTakesNothingFromAClosedPool(t *testing.T) {
	l := laneOf(t, 1, 1, 1)
	require.Zero(t, drain(t, l.pool))
	require.False(t, l.submit(func() {}))
}

func TestADrainRunsAllThatTheLaneHolds(t *testing.T) {
	l := laneOf(t, 4, 100, 1)
	gate, running := make(chan struct{}), make(chan struct{}, 100)
	var ran atomic.Int64
	job := func() { running <- struct{}{}; <-gate; ran.Add(1) }
	require.True(t, l.submit(job))
	receive(t, running)
	for range 99 {
		require.True(t, l.submit(job))
	}
	left := make(chan int)
	go func() { left <- drain(t, l.pool) }()
	for range 3 { // while it drains, what blocks still gets more workers
		receive(t, running)
	}
	close(gate)
	require.Zero(t, receive(t, left))
	require.Equal(t, int64(100), ran.Load())
}

func TestTheLaneUnderLoadLosesNothing(t *testing.T) {
	const senders, each = 8, 500
	l := laneOf(t, 4, senders*each, 2)
	var done, senders2 sync.WaitGroup
	var ran atomic.Int64
	for s := range senders {
		senders2.Go(func() {
			for i := range each {
				done.Add(1)
				job := func() {
					defer done.Done()
					ran.Add(1)
					if (s+i)%97 == 0 {
						<-time.After(2 * stall) // one that is not brief after all
					}
				}
				if i%3 == 0 {
					for !l.pool.submit(job) {
					}
				} else {
					for !l.submit(job) {
					}
				}
			}
		})
	}
	senders2.Wait()
	done.Wait()
	require.Equal(t, int64(senders*each), ran.Load())
	require.Zero(t, l.depth())
}

func TestAnActionIsBriefAsLongAsItsCallsAre(t *testing.T) {
	var p pace
	require.True(t, p.isBrief(), "as long as nobody knows better")
	p.took(time.Microsecond, false)
	require.True(t, p.isBrief())
	for range 3 {
		p.took(time.Millisecond, false)
	}
	require.False(t, p.isBrief())
	for range 100 {
		p.took(time.Microsecond, false)
	}
	require.True(t, p.isBrief(), "again")
	for range 100 {
		p.took(2*brief, true)
	}
	require.True(t, p.isBrief(), "it computes, and waits for nothing")
}

func TestABulkhead(t *testing.T) {
	b := newBulkhead(1)
	ctx, cancel := context.WithCancel(context.Background())
	require.NoError(t, b.enter(ctx, "svc.do", "n"))
	waits := make(chan error, 1)
	go func() { waits <- b.enter(context.Background(), "svc.do", "n") }()
	require.Eventually(t, func() bool { return b.waiting.Load() == 1 }, patience, time.Microsecond)
	require.Equal(t, action.QueueIsFull("svc.do", "n", 1, 1), b.enter(ctx, "svc.do", "n"))
	b.leave()
	require.NoError(t, receive(t, waits))
	cancel()
	require.ErrorIs(t, b.enter(ctx, "svc.do", "n"), context.Canceled, "who gives up waits no longer")
	require.Zero(t, b.waiting.Load())
	b.leave()
	require.NoError(t, b.enter(context.Background(), "svc.do", "n"))
}

func TestThePoolHiresOnlyWhoIsFree(t *testing.T) {
	p := drained(t, newPool(1, 5))
	release := occupy(t, p, 1)
	require.False(t, p.hire(func() {}), "it would have to wait")
	release()
	done := make(chan struct{})
	require.Eventually(t, func() bool { return p.hire(func() { close(done) }) }, patience, time.Microsecond)
	receive(t, done)
}
