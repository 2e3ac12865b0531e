package leases

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A node looks twice a second.
func BenchmarkPlanAtRest(b *testing.B) {
	for _, keys := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(keys, " keys"), func(b *testing.B) {
			m := NewMember(NewMemory(), Options{Node: "a"})
			g, err := m.Group("platform", GroupOptions{Run: func(ctx context.Context, _ *Lease) { <-ctx.Done() }})
			require.NoError(b, err)
			list := make([]Wanted, keys)
			for i := range list {
				list[i].Key = fmt.Sprint("channel-", i)
			}
			g.Want(list)
			held := func() int {
				m.mu.Lock()
				defer m.mu.Unlock()
				return len(g.leases)
			}
			require.Eventually(b, func() bool { return held() == keys }, time.Minute, time.Millisecond)
			b.ReportAllocs()
			for b.Loop() {
				m.mu.Lock()
				p := g.plan()
				m.mu.Unlock()
				require.Empty(b, p.take)
			}
			require.NoError(b, m.Close(context.Background()))
		})
	}
}

func TestHashSpreadsKeysEvenly(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	sp := &spread{group: "telegram"}
	for i := range 7 {
		sp.nodes = append(sp.nodes, &spreadNode{name: fmt.Sprintf("node-%d", i)})
	}
	const keys = 70_000
	for i := range keys {
		counts[sp.best(fmt.Sprint("channel-", i), "", nil, keys).name]++
	}
	for name, n := range counts {
		require.InDelta(t, keys/7, n, keys/7/20, name)
	}
	require.Len(t, counts, 7)
}
