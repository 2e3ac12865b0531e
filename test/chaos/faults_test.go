//go:build slow || chaos

package chaos_test

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/test/chaos"
)

// fault breaks something and mends it.
type fault struct {
	name string
	// disturbs says that it may leave a send unfinished for good: whoever had claimed it dies, or cannot tell the claims.
	disturbs bool
	do       func(ctx context.Context, w *world, random *rand.Rand)
}

// between is a random time.
func between(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(int64(high-low)))
}

func (w *world) anyNode(random *rand.Rand) *member { return w.nodes[random.IntN(len(w.nodes))] }

// faults are all that there are. pause is how long NATS hangs.
func faults(pause time.Duration) []fault {
	away := func(pick func(*world) *testserver.Server) func(context.Context, *world, *rand.Rand) {
		return func(ctx context.Context, w *world, random *rand.Rand) {
			pick(w).Stop()
			wait(ctx, between(random, 2*time.Second, 6*time.Second))
			pick(w).Start()
		}
	}
	hangs := func(pick func(*world) *testserver.Server) func(context.Context, *world, *rand.Rand) {
		return func(ctx context.Context, w *world, random *rand.Rand) {
			pick(w).Pause()
			wait(ctx, between(random, 2*time.Second, 6*time.Second))
			pick(w).Resume()
		}
	}
	bot := func(m mood) func(context.Context, *world, *rand.Rand) {
		return func(ctx context.Context, w *world, random *rand.Rand) {
			w.bot.set(m)
			wait(ctx, between(random, 2*time.Second, 5*time.Second))
			w.bot.set(willing)
		}
	}
	way := func(c condition) func(context.Context, *world, *rand.Rand) {
		return func(ctx context.Context, w *world, random *rand.Rand) {
			node := w.anyNode(random)
			node.cable.set(c)
			wait(ctx, between(random, 2*time.Second, 8*time.Second))
			node.cable.set(whole)
		}
	}
	postgres := func(w *world) *testserver.Server { return w.postgres }
	redis := func(w *world) *testserver.Server { return w.redis }
	return []fault{
		{"node killed", true, func(ctx context.Context, w *world, random *rand.Rand) {
			node := w.anyNode(random)
			node.Stop()
			wait(ctx, between(random, 500*time.Millisecond, 3*time.Second))
			node.Start()
		}},
		{"node restarted", true, func(_ context.Context, w *world, random *rand.Rand) {
			node := w.anyNode(random)
			node.Terminate()
			node.Start()
		}},
		{"both nodes away", true, func(ctx context.Context, w *world, random *rand.Rand) {
			end := (*testserver.Server).Stop
			if random.IntN(2) == 0 {
				end = (*testserver.Server).Terminate // of which they tell the gateway
			}
			for _, node := range w.nodes {
				end(node.Server)
			}
			wait(ctx, between(random, time.Second, 4*time.Second))
			for _, node := range w.nodes {
				node.Start()
			}
		}},
		{"NATS killed", true, func(ctx context.Context, w *world, random *rand.Rand) {
			w.nats.Stop()
			wait(ctx, between(random, 100*time.Millisecond, 3*time.Second))
			w.nats.Start()
		}},
		{"NATS restarted", true, func(ctx context.Context, w *world, random *rand.Rand) {
			w.nats.Terminate()
			wait(ctx, between(random, 100*time.Millisecond, 3*time.Second))
			w.nats.Start()
		}},
		{"NATS hangs", true, func(ctx context.Context, w *world, _ *rand.Rand) {
			w.nats.Pause()
			wait(ctx, pause)
			w.nats.Resume()
		}},
		{"node cut off", true, way(cut)},
		{"node half open", true, way(halfOpen)},
		{"node slow", true, way(slow)},
		{"PostgreSQL away", false, away(postgres)},
		{"PostgreSQL hangs", false, hangs(postgres)},
		{"Redis away", true, away(redis)},
		{"Redis hangs", true, hangs(redis)},
		{"bot throttles", false, bot(throttled)},
		{"bot fails", false, bot(failing)},
		{"bot hangs", true, bot(hanging)},
	}
}

// wreck makes faults in random order, each of the list once before any comes again, with rests between them, until
// time is over. The last one is mended by then.
func wreck(
	t *testing.T, ctx context.Context, w *world, list []fault, random *rand.Rand, current *atomic.Pointer[string],
	disturbed *atomic.Int64,
) {
	t.Helper()
	none := chaos.NoFault
	for {
		for _, i := range random.Perm(len(list)) {
			f := list[i]
			if !wait(ctx, between(random, 500*time.Millisecond, 2500*time.Millisecond)) {
				return
			}
			t.Log(time.Now().Format("15:04:05.000"), f.name)
			current.Store(&f.name)
			if f.disturbs {
				disturbed.Add(1)
			}
			f.do(ctx, w, random)
			if f.disturbs {
				disturbed.Add(1)
			}
			current.Store(&none)
		}
	}
}
