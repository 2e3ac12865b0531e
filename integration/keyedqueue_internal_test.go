package integration

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKeyedQueueKeepsOrderOfOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s keyedQueue
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		const many = 200
		for n := range many {
			p := s.join("a")
			wg.Go(func() {
				defer p.leave()
				<-time.After(rand.N(time.Second))
				if n%7 == 0 {
					return // fails, and leaves before its turn
				}
				if err := p.wait(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, n)
			})
		}
		wg.Wait()
		synctest.Wait()
		require.IsIncreasing(t, order)
		require.Len(t, order, many-many/7-1)
		require.Empty(t, s.last, "nothing is kept of a key that nobody waits for")
	})
}

func TestKeyedQueueKeysDoNotWaitForEachOther(t *testing.T) {
	var s keyedQueue
	slow := s.join("a")
	defer slow.leave()
	p := s.join("b")
	require.NoError(t, p.wait(t.Context()))
	p.leave()
}

func TestKeyedQueueWaitEndsWithItsContext(t *testing.T) {
	var s keyedQueue
	slow := s.join("a")
	p := s.join("a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.wait(ctx), context.Canceled)
	p.leave()
	slow.leave()
	last := s.join("a")
	require.NoError(t, last.wait(t.Context()))
	last.leave()
}

func BenchmarkSequencer(b *testing.B) {
	var s keyedQueue
	b.ReportAllocs()
	for b.Loop() {
		p := s.join("a")
		_ = p.wait(b.Context())
		p.leave()
	}
}
