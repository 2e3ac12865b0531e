package app

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"

	"github.com/sirupsen/logrus"
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

// memoryShare is how much of the memory that the system allows the process the Go runtime may use. The rest is for what
// it does not count, such as the program itself.
const memoryShare = 0.9

// limitMemory has the collector work harder near the limit of the process's cgroup, which would end the process. The
// environment's GOMEMLIMIT has the last word. limit finds the limit in bytes; its error says that there is none.
func limitMemory(limit func() (uint64, error), log *logrus.Entry) (stop func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	most, err := limit()
	if err != nil || most == 0 || most > math.MaxInt64 {
		return func() {}
	}
	share := int64(float64(most) * memoryShare)
	before := debug.SetMemoryLimit(share)
	log.Infof("the memory limit is %d MB, of which the node uses %d", most>>20, share>>20)
	return func() { debug.SetMemoryLimit(before) }
}
