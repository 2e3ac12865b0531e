package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// How far the heap may grow between two collections. A small one may grow further than Go lets it by itself, which saves
// a quarter of the CPU per request for some 10 MB (bench/node, echo and telegram at 64 calls at once). A large one, of
// many webhooks with many messages at once or of many channels, grows like any other of Go.
const (
	mostGCPercent, leastGCPercent = 400, 100
	// heapGrowth, in bytes, is what is aimed at in between.
	heapGrowth = 28 << 20
)

// gcPercent is for a heap of which so many bytes are in use, in steps, so that it seldom changes.
func gcPercent(live uint64) int {
	const step = 25
	return int(min(max(heapGrowth*100/max(live, 1), leastGCPercent), mostGCPercent)) / step * step
}

// tuneGC keeps the memory between collections in proportion, until it is stopped. The environment's GOGC has the last word.
func tuneGC() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	t := &gcTuner{percent: mostGCPercent}
	debug.SetGCPercent(t.percent)
	t.arm()
	return func() { t.stopped.Store(true) }
}

type gcTuner struct {
	percent int // of the last look's, which come one after the other
	stopped atomic.Bool
}

// cycle is garbage by the next collection, which tells of it.
type cycle struct{ *gcTuner }

// arm has the next collection looked at.
func (t *gcTuner) arm() {
	runtime.SetFinalizer(&cycle{t}, func(c *cycle) {
		if !c.stopped.Load() {
			c.look()
			c.arm()
		}
	})
}

func (t *gcTuner) look() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	if want := gcPercent(live[0].Value.Uint64()); want != t.percent { // setting it stops the world for a moment
		t.percent = want
		debug.SetGCPercent(want)
	}
}
