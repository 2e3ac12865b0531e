package cluster

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const patience = time.Minute

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

// drained empties a pool at the end of a test, so that its workers go.
func drained(t *testing.T, p *pool) *pool {
	t.Helper()
	t.Cleanup(func() { require.Zero(t, drain(t, p)) })
	return p
}

func drain(t *testing.T, p *pool) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return p.drain(ctx)
}

// occupy fills n workers of a pool with jobs that run until release.
func occupy(t *testing.T, p *pool, n int) (release func()) {
	t.Helper()
	started, gate := make(chan struct{}, n), make(chan struct{})
	for range n {
		require.True(t, p.submit(func() { started <- struct{}{}; <-gate }))
	}
	for range n {
		receive(t, started)
	}
	return sync.OnceFunc(func() { close(gate) })
}

func TestPoolRunsAsManyJobsAtOnceAsItsLimit(t *testing.T) {
	p := drained(t, newPool(8, 0))
	release := occupy(t, p, 8) // returns only when all eight are running
	require.Equal(t, 8, p.depth())
	release()
}

func TestPoolRefusesWhenLimitAndBacklogAreFull(t *testing.T) {
	p := drained(t, newPool(1, 2))
	release := occupy(t, p, 1)
	defer release()
	var accepted []bool
	for range 3 {
		accepted = append(accepted, p.submit(func() {}))
	}
	require.Equal(t, []bool{true, true, false}, accepted)
}

func TestPoolTakesJobsAgainAfterItWasFull(t *testing.T) {
	p := drained(t, newPool(1, 0))
	occupy(t, p, 1)()
	require.Eventually(t, func() bool { return p.submit(func() {}) }, patience, time.Millisecond)
}

func TestPoolRunsWaitingJobsInTheirOrder(t *testing.T) {
	p := newPool(1, 3)
	release := occupy(t, p, 1)
	var order []int
	for i := range 3 {
		require.True(t, p.submit(func() { order = append(order, i) }))
	}
	release()
	require.Zero(t, drain(t, p))
	require.Equal(t, []int{0, 1, 2}, order)
}

func TestPoolRunsOtherJobsBesideASlowOne(t *testing.T) {
	p := drained(t, newPool(2, 10))
	release := occupy(t, p, 1)
	defer release()
	done := make(chan int)
	for i := range 5 {
		require.True(t, p.submit(func() { done <- i }))
	}
	for i := range 5 {
		require.Equal(t, i, receive(t, done))
	}
}

func TestPoolReusesItsWorkers(t *testing.T) {
	p := drained(t, newPool(4, 0))
	for range 20 {
		done := make(chan struct{})
		require.Eventually(t, func() bool { return p.submit(func() { close(done) }) }, patience, time.Millisecond)
		receive(t, done)
		require.Eventually(t, func() bool { return p.depth() == 0 }, patience, time.Millisecond)
	}
	require.Equal(t, 1, p.workers)
}

func TestPoolDrainWaitsForRunningAndWaitingJobs(t *testing.T) {
	p := newPool(1, 1)
	release := occupy(t, p, 1)
	var ran atomic.Bool
	require.True(t, p.submit(func() { ran.Store(true) }))
	left := make(chan int, 1)
	go func() { left <- drain(t, p) }()
	require.Eventually(t, func() bool { return !p.submit(func() {}) }, patience, time.Millisecond) // the drain has begun
	require.False(t, ran.Load())
	release()
	require.Zero(t, receive(t, left))
	require.True(t, ran.Load())
}

func TestPoolDrainGivesUpWithItsContext(t *testing.T) {
	p := drained(t, newPool(1, 1))
	release := occupy(t, p, 1)
	defer release()
	require.True(t, p.submit(func() {}))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.Equal(t, 2, p.drain(ctx))
}

func TestPoolTakesNothingAfterADrain(t *testing.T) {
	p := newPool(1, 1)
	require.Zero(t, drain(t, p))
	require.False(t, p.submit(func() {}))
}

func TestPoolRunsExactlyWhatItAcceptedWhileADrainBegins(t *testing.T) {
	for range 50 {
		p := newPool(4, 4)
		var accepted, ran atomic.Int64
		var submitters sync.WaitGroup
		for range 4 {
			submitters.Go(func() {
				for range 50 {
					if p.submit(func() { ran.Add(1) }) {
						accepted.Add(1)
					}
				}
			})
		}
		require.Zero(t, drain(t, p))
		submitters.Wait()
		require.Equal(t, accepted.Load(), ran.Load())
	}
}
