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

// fastQueueOf is a fastQueue on a pool of its own, which is drained at the end of the test.
func fastQueueOf(t *testing.T, limit, backlog, few int) *fastQueue {
	t.Helper()
	q := newFastQueue(drained(t, newPool(limit, backlog)))
	q.countFunc, q.targetWorkers = func() int { return few }, few
	return q
}

// depth is the number of requests that wait and that the pool does not count.
func (q *fastQueue) depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs) - q.head - q.queuedWorkers
}

func TestFastQueueKeepsTheOrderOfArrival(t *testing.T) {
	const jobs = 3000 // enough for the front of the queue to be given back
	q := fastQueueOf(t, 4, jobs, 1)
	gate, done, order := make(chan struct{}), make(chan struct{}), []int{}
	q.watching = true // as if it were watched: no more workers
	begun := make(chan struct{})
	require.True(t, q.submit(func() { close(begun); <-gate }))
	receive(t, begun)
	for i := range jobs {
		require.True(t, q.submit(func() {
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

func TestFastQueueStartsMoreWorkersWhenRequestsBlock(t *testing.T) {
	q := fastQueueOf(t, 8, 100, 2)
	gate, running := make(chan struct{}), make(chan struct{}, 8)
	for range 8 {
		require.True(t, q.submit(func() { running <- struct{}{}; <-gate }))
	}
	for range 8 { // all of them run, though few would have been enough if they were brief
		receive(t, running)
	}
	quick := make(chan struct{})
	require.True(t, q.submit(func() { close(quick) }), "what comes now waits")
	require.Equal(t, 9, q.pool.depth()+q.depth())
	close(gate)
	receive(t, quick)
}

func TestFastQueueWaitsForABusyPool(t *testing.T) {
	q := fastQueueOf(t, 1, 1, 1)
	release := occupy(t, q.pool, 1)
	done := make(chan struct{})
	require.True(t, q.submit(func() { close(done) }))
	require.Equal(t, 2, q.pool.depth()+q.depth(), "one runs, one waits")
	require.False(t, q.submit(func() {}))
	release()
	receive(t, done)
}

func TestFastQueueRefusesWhenFull(t *testing.T) {
	for name, tc := range map[string]struct{ backlog, taken int }{"a backlog": {2, 3}, "none": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			q := fastQueueOf(t, 1, tc.backlog, 1)
			gate, running := make(chan struct{}), make(chan struct{}, 10)
			job := func() { running <- struct{}{}; <-gate }
			require.True(t, q.submit(job))
			receive(t, running)
			for range tc.taken - 1 {
				require.True(t, q.submit(job))
			}
			require.False(t, q.submit(job))
			require.Equal(t, tc.taken, q.pool.depth()+q.depth())
			close(gate)
			for range tc.taken - 1 {
				receive(t, running)
			}
		})
	}
}

func TestFastQueueRefusesOnAClosedPool(t *testing.T) {
	q := fastQueueOf(t, 1, 1, 1)
	require.Zero(t, drain(t, q.pool))
	require.False(t, q.submit(func() {}))
}

func TestDrainRunsAllJobsOfTheFastQueue(t *testing.T) {
	q := fastQueueOf(t, 4, 100, 1)
	gate, running := make(chan struct{}), make(chan struct{}, 100)
	var ran atomic.Int64
	job := func() { running <- struct{}{}; <-gate; ran.Add(1) }
	require.True(t, q.submit(job))
	receive(t, running)
	for range 99 {
		require.True(t, q.submit(job))
	}
	left := make(chan int)
	go func() { left <- drain(t, q.pool) }()
	for range 3 { // while it drains, what blocks still gets more workers
		receive(t, running)
	}
	close(gate)
	require.Zero(t, receive(t, left))
	require.Equal(t, int64(100), ran.Load())
}

func TestFastQueueLosesNothingUnderLoad(t *testing.T) {
	const senders, each = 8, 500
	q := fastQueueOf(t, 4, senders*each, 2)
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
						<-time.After(2 * stallTime) // one that is not brief after all
					}
				}
				if i%3 == 0 {
					for !q.pool.submit(job) {
					}
				} else {
					for !q.submit(job) {
					}
				}
			}
		})
	}
	senders2.Wait()
	done.Wait()
	require.Equal(t, int64(senders*each), ran.Load())
	require.Zero(t, q.depth())
}

func TestLatencyDecidesWhetherAnActionIsBrief(t *testing.T) {
	var p latencyEWMA
	require.True(t, p.isBrief(), "as long as nobody knows better")
	p.observe(time.Microsecond, false)
	require.True(t, p.isBrief())
	for range 3 {
		p.observe(time.Millisecond, false)
	}
	require.False(t, p.isBrief())
	for range 100 {
		p.observe(time.Microsecond, false)
	}
	require.True(t, p.isBrief(), "again")
	for range 100 {
		p.observe(2*inlineBelow, true)
	}
	require.True(t, p.isBrief(), "it computes, and waits for nothing")
}

func TestBulkheadBoundsRunningAndWaitingCalls(t *testing.T) {
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

func TestPoolTryRunNeedsAFreeWorker(t *testing.T) {
	p := drained(t, newPool(1, 5))
	release := occupy(t, p, 1)
	require.False(t, p.tryRun(func() {}), "it would have to wait")
	release()
	done := make(chan struct{})
	require.Eventually(t, func() bool { return p.tryRun(func() { close(done) }) }, patience, time.Microsecond)
	receive(t, done)
}
