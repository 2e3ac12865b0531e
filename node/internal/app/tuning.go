package app

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// This file fits the Go runtime to the node's load: the number of processors and the growth of the heap. node.tuning:
// false turns both off. The limit of memory, at the end, is kept in any case.

// A node that needs less than one processor runs on one. Go's scheduler wakes an idle one for whatever becomes ready to
// run, and a node's work is many small pieces that become ready together, so that much of what a second one does is to
// be woken. On one, a webhook takes a quarter less of this process's CPU, and of the NATS server's, because what is
// written goes out together (bench on two processors, Telegram: 29 us instead of 40 at 16 at once, 20 instead of 27 at
// 64, 17 instead of 23 at 256).
const (
	tickInterval = 250 * time.Millisecond
	// More processors are used when those in use were busy for more than this part of so many looks in a row, and fewer
	// when they would have been busy for less than that one. The gap keeps the number from going up and down.
	scaleUpAt, scaleUpTicks     = 0.9, 4
	scaleDownAt, scaleDownTicks = 0.8, 8
)

// parallelism decides on how many processors to run.
type parallelism struct {
	now       int
	most      func() int
	busyTicks int // looks in a row
	idleTicks int
}

// look takes how many processors were busy since the last one, and tells whether the number is another one now.
func (p *parallelism) look(busy float64) (changed bool) {
	before, fewer := p.now, (p.now+1)/2
	switch {
	case busy > scaleUpAt*float64(p.now):
		p.busyTicks, p.idleTicks = p.busyTicks+1, 0
	case busy < scaleDownAt*float64(fewer):
		p.busyTicks, p.idleTicks = 0, p.idleTicks+1
	default:
		p.busyTicks, p.idleTicks = 0, 0
	}
	switch {
	case p.busyTicks == scaleUpTicks:
		p.now, p.busyTicks = min(2*p.now, p.most()), 0
	case p.idleTicks == scaleDownTicks:
		p.now, p.idleTicks = fewer, 0
	}
	return p.now != before
}

// processClock tells the CPU time that the process has used, where the system does.
type processClock func() (used time.Duration, ok bool)

// tuneProcessors has the process run on no more processors than it keeps busy by the clock, until it is stopped. The
// environment's GOMAXPROCS has the last word.
func tuneProcessors(most func() int, clock processClock, log *logrus.Entry) (stop func()) {
	if os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		followLoad(most, clock, log, done)
	}()
	return func() {
		close(done)
		<-ended
		runtime.SetDefaultGOMAXPROCS()
	}
}

func followLoad(most func() int, clock processClock, log *logrus.Entry, done <-chan struct{}) {
	used, ok := clock()
	if !ok {
		return
	}
	p := &parallelism{now: 1, most: most}
	runtime.GOMAXPROCS(p.now)
	at := time.Now()
	tick := time.NewTicker(tickInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-done:
			return
		}
		before, since := used, at
		if used, ok = clock(); !ok {
			return
		}
		at = time.Now()
		if p.look(float64(used-before) / float64(at.Sub(since))) {
			runtime.GOMAXPROCS(p.now)
			log.Debugf("running on %d processor(s)", p.now)
		}
	}
}

// available is how many processors the process may use at the most: those that Go would use, by the machine and the
// limits of its container as they are now. Go tells that only by using them: who asks sets the number afterwards.
func available() int {
	runtime.SetDefaultGOMAXPROCS()
	return runtime.GOMAXPROCS(0)
}

// How far the heap may grow between two collections. A small one may grow further than Go lets it by itself, which
// saves a quarter of the CPU per request for some 10 MB (bench/node, echo and telegram at 64 calls at once). A large
// one, of many webhooks with many messages at once or of many channels, grows like any other of Go.
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

// tuneGC keeps the memory between collections in proportion, until it is stopped. The environment's GOGC has the last
// word.
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
