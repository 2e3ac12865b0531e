package leasestest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/leases"
)

// Benchmark measures how long one member takes for 10,000 keys, another one after it closed,
// and what [leases.Lease.Valid] costs.
func Benchmark(b *testing.B, h Harness) {
	b.Helper()
	b.Run("10000 keys", func(b *testing.B) {
		const keys = 10_000
		list := make([]leases.Wanted, keys)
		for i := range list {
			list[i].Key = fmt.Sprint("channel-", i)
		}
		for range b.N {
			b.StopTimer()
			open := h.New(b)
			first, taken := startMember(b, open(), "a", keys)
			b.StartTimer()
			first.group.Want(list)
			wait(b, taken)
			b.StopTimer()
			second, again := startMember(b, open(), "b", keys)
			second.group.Want(list)
			begin := time.Now()
			require.NoError(b, first.Close(context.Background()))
			wait(b, again)
			b.ReportMetric(float64(time.Since(begin).Milliseconds()), "ms/join-and-hand-over")
			require.NoError(b, second.Close(context.Background()))
		}
	})
	b.Run("valid", func(b *testing.B) {
		m := leases.NewMember(h.New(b)(), leases.Options{Node: "a"})
		held := make(chan *leases.Lease, 1)
		g, err := m.Group("platform", leases.GroupOptions{Run: func(ctx context.Context, l *leases.Lease) {
			held <- l
			<-ctx.Done()
		}})
		require.NoError(b, err)
		g.Want([]leases.Wanted{{Key: "channel"}})
		l := <-held
		b.ReportAllocs()
		for b.Loop() {
			if !l.Valid() {
				b.Fatal("the lease is lost")
			}
		}
		require.NoError(b, m.Close(context.Background()))
	})
}

type runner struct {
	*leases.Member
	group *leases.Group
}

// startMember starts a member, and a channel that is closed when it has taken keys.
func startMember(b *testing.B, store leases.Store, name string, keys int) (member runner, taken <-chan struct{}) {
	b.Helper()
	m := leases.NewMember(store, leases.Options{Node: name})
	all, one := make(chan struct{}), make(chan struct{}, keys)
	g, err := m.Group("platform", leases.GroupOptions{Run: func(ctx context.Context, _ *leases.Lease) {
		one <- struct{}{}
		<-ctx.Done()
	}})
	require.NoError(b, err)
	go func() {
		for range keys {
			<-one
		}
		close(all)
	}()
	return runner{m, g}, all
}

func wait(b *testing.B, done <-chan struct{}) {
	b.Helper()
	select {
	case <-done:
	case <-time.After(maxWait):
		b.Fatal("not all keys were taken")
	}
}
