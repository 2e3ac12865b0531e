package inflight_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/inflight"
)

func TestBytesHoldsNoMoreThanItsLimit(t *testing.T) {
	b := inflight.New(10)
	require.True(t, b.Take(10))
	require.False(t, b.Take(1))
	b.Give(4)
	require.False(t, b.TakeUpTo(1, 6), "what is left is for others")
	require.True(t, b.TakeUpTo(1, 7))
	require.True(t, b.Take(3))
	require.EqualValues(t, 10, b.Held())
}

func TestBytesHoldsItsLimitConcurrently(t *testing.T) {
	b := inflight.New(50)
	var taken atomic.Int64
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			if b.Take(1) {
				taken.Add(1)
			}
		})
	}
	group.Wait()
	require.LessOrEqual(t, taken.Load(), int64(50))
	require.Equal(t, taken.Load(), b.Held())
}
