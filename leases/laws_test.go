package leases_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/leases"
)

// ledger holds members to the laws: one valid owner, growing epochs, no cursor that was written is lost.
type ledger struct {
	mu      sync.Mutex
	current map[string]*leases.Lease
	epochs  map[string]uint64
	written map[string]int
	faults  []string
}

func (g *ledger) begin(l *leases.Lease) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := l.Key()
	if last := g.current[key]; last != nil && last != l && last.Valid() && l.Valid() {
		g.faults = append(g.faults, "two valid owners of "+key)
	}
	if l.Epoch() < g.epochs[key] || l.Epoch() == g.epochs[key] && g.current[key] != l {
		g.faults = append(g.faults, fmt.Sprintf("epoch %d of %s came after %d", l.Epoch(), key, g.epochs[key]))
	}
	at, _ := strconv.Atoi(string(l.Cursor()))
	if at < g.written[key] && l.Valid() {
		g.faults = append(g.faults, fmt.Sprintf("the cursor of %s was %d and is %d", key, g.written[key], at))
	}
	g.current[key], g.epochs[key] = l, l.Epoch()
	return at
}

// work counts the cursor up.
func (g *ledger) work(ctx context.Context, l *leases.Lease) {
	at := g.begin(l)
	for ctx.Err() == nil {
		at++
		_ = l.Save([]byte(strconv.Itoa(at)))
		if l.Flush(ctx) == nil {
			g.mu.Lock()
			g.written[l.Key()] = at
			g.mu.Unlock()
		}
		select {
		case <-time.After(700 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func TestLawsHoldUnderFaults(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0))
				h, ledger := newHarness(t), &ledger{
					current: map[string]*leases.Lease{}, epochs: map[string]uint64{}, written: map[string]int{},
				}
				const keys = 20
				nodes := make([]*node, 4)
				start := func(i int) {
					nodes[i] = h.start(fmt.Sprint("n", i), ledger.work)
					nodes[i].Want(wanted(keys))
				}
				for i := range nodes {
					start(i)
				}
				for range 40 {
					after(time.Duration(random.IntN(12_000)) * time.Millisecond)
					n := nodes[random.IntN(len(nodes))]
					switch random.IntN(6) {
					case 0:
						n.away.Store(!n.away.Load())
					case 1:
						n.hangs.Store(!n.hangs.Load())
					case 2:
						n.deaf.Store(!n.deaf.Load())
					case 3:
						i := random.IntN(len(nodes))
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						_ = nodes[i].Member.Close(ctx)
						cancel()
						start(i)
					default:
						n.away.Store(false)
						n.hangs.Store(false)
					}
				}
				for _, n := range nodes {
					n.away.Store(false)
					n.hangs.Store(false)
					n.deaf.Store(false)
				}
				after(3 * time.Minute)
				requireBalance(t, keys, nodes...)
				require.Empty(t, ledger.faults)
			})
		})
	}
}
