package cluster

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// lane runs requests that are over in no time. Waking a goroutine for each of them would cost more
// than they do, so a few workers of the pool take them one after another. Should they turn out to wait
// for something after all, more workers are taken, so that none is held up for longer than a moment.
type lane struct {
	pool  *pool
	width func() int // how many workers are enough, at the moment

	taken atomic.Int64 // requests that have been begun, to see progress

	mu       sync.Mutex
	few      int      // what width said last: asking takes a lock of Go's scheduler
	jobs     []func() // waiting, from head on
	head     int
	workers  int
	queued   int // workers that wait for their turn in the pool
	watching bool
}

// stall is how long requests may wait without progress before another worker is taken.
const stall = time.Millisecond

func newLane(p *pool) *lane {
	width := func() int { return min(p.limit, max(2, runtime.GOMAXPROCS(0))) } // of which there may be more at another time
	return &lane{pool: p, width: width, few: width()}
}

// submit runs the job, now or later. False means that there is no room for it.
func (l *lane) submit(job func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	hired := l.workers < l.few && l.hire()
	if !hired && (len(l.jobs)-l.head >= l.pool.backlog || l.workers == 0 && !l.queue()) {
		return false
	}
	// A worker that finds nothing to do has not looked yet: it needs l.mu.
	l.jobs = append(l.jobs, job)
	if !hired && !l.watching {
		l.watching = true
		go l.watch()
	}
	return true
}

// hire takes a worker that is free. The caller holds l.mu.
func (l *lane) hire() bool {
	ok := l.pool.hire(l.run)
	if ok {
		l.workers++
	}
	return ok
}

// queue takes a worker when one becomes free. The caller holds l.mu.
func (l *lane) queue() bool {
	ok := l.pool.submit(func() {
		l.mu.Lock()
		l.queued--
		l.mu.Unlock()
		l.run()
	})
	if ok {
		l.workers++
		l.queued++
	}
	return ok
}

// run is a worker's work: all that waits.
func (l *lane) run() {
	for {
		l.mu.Lock()
		if l.head == len(l.jobs) {
			l.jobs, l.head = l.jobs[:0], 0
			l.workers--
			l.mu.Unlock()
			return
		}
		job := l.jobs[l.head]
		l.jobs[l.head] = nil
		l.head++
		if l.head >= 1024 && 2*l.head >= len(l.jobs) { // the front of a queue that is never empty
			l.jobs, l.head = append(l.jobs[:0], l.jobs[l.head:]...), 0
		}
		l.mu.Unlock()
		l.taken.Add(1)
		job()
	}
}

// watch takes another worker whenever requests have waited for a while and none was begun.
func (l *lane) watch() {
	tick := time.NewTicker(stall)
	defer tick.Stop()
	last := l.taken.Load()
	for range tick.C {
		taken := l.taken.Load()
		l.mu.Lock()
		l.few = l.width()
		if l.head == len(l.jobs) {
			l.watching = false
			l.mu.Unlock()
			return
		}
		if taken == last {
			for range min(len(l.jobs)-l.head, l.workers) { // twice as many
				if !l.hire() {
					if l.queued == 0 {
						l.queue()
					}
					break
				}
			}
		}
		l.mu.Unlock()
		last = taken
	}
}
