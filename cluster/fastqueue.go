package cluster

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// fastQueue runs requests of actions that take a few microseconds. Waking a goroutine for each of them would cost more
// than the requests themselves, so a few workers of the pool run them one after another. When requests turn out to
// block, the queue starts more workers, so that no request waits behind them for longer than a moment. Safe for
// concurrent use.
type fastQueue struct {
	pool       *pool
	countFunc  func() int   // how many workers are enough at the moment
	begunTotal atomic.Int64 // requests that have been started, to see progress

	mu            sync.Mutex
	targetWorkers int      // the last result of countFunc, which takes a lock of Go's scheduler
	jobs          []func() // the waiting ones, from head on
	head          int
	workers       int // running ones, and those that wait in the pool's queue
	queuedWorkers int // workers that wait in the pool's queue
	watching      bool
}

// stallTime is how long requests may wait without progress before the queue starts another worker.
const stallTime = time.Millisecond

func newFastQueue(p *pool) *fastQueue {
	count := func() int { return min(p.limit, max(2, runtime.GOMAXPROCS(0))) } // GOMAXPROCS may change
	return &fastQueue{pool: p, countFunc: count, targetWorkers: count()}
}

// submit runs the job, now or later. It returns false if there is no room for it.
func (q *fastQueue) submit(job func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	started := q.workers < q.targetWorkers && q.startWorker()
	if !started && (len(q.jobs)-q.head >= q.pool.backlog || q.workers == 0 && !q.queueWorker()) {
		return false
	}
	// A worker that was just started has not looked for jobs yet: it needs q.mu to do so.
	q.jobs = append(q.jobs, job)
	if !started && !q.watching {
		q.watching = true
		go q.watch()
	}
	return true
}

// startWorker starts a worker if the pool has a free one. The caller holds q.mu.
func (q *fastQueue) startWorker() bool {
	ok := q.pool.tryRun(q.work)
	if ok {
		q.workers++
	}
	return ok
}

// queueWorker has the pool start a worker when one becomes free. The caller holds q.mu.
func (q *fastQueue) queueWorker() bool {
	ok := q.pool.submit(func() {
		q.mu.Lock()
		q.queuedWorkers--
		q.mu.Unlock()
		q.work()
	})
	if ok {
		q.workers++
		q.queuedWorkers++
	}
	return ok
}

// work runs jobs until none is left. It is the body of a worker.
func (q *fastQueue) work() {
	for {
		q.mu.Lock()
		if q.head == len(q.jobs) {
			q.jobs, q.head = q.jobs[:0], 0
			q.workers--
			q.mu.Unlock()
			return
		}
		job := q.jobs[q.head]
		q.jobs[q.head] = nil
		q.head++
		if q.head >= 1024 && 2*q.head >= len(q.jobs) { // reuse the front of a queue that is never empty
			q.jobs, q.head = append(q.jobs[:0], q.jobs[q.head:]...), 0
		}
		q.mu.Unlock()
		q.begunTotal.Add(1)
		job()
	}
}

// watch starts more workers whenever requests wait and none was started for stallTime. It ends when no request waits.
func (q *fastQueue) watch() {
	tick := time.NewTicker(stallTime)
	defer tick.Stop()
	last := q.begunTotal.Load()
	for range tick.C {
		begun := q.begunTotal.Load()
		q.mu.Lock()
		q.targetWorkers = q.countFunc()
		if q.head == len(q.jobs) {
			q.watching = false
			q.mu.Unlock()
			return
		}
		if begun == last {
			q.doubleWorkers()
		}
		q.mu.Unlock()
		last = begun
	}
}

// doubleWorkers starts as many workers as there are, as far as requests wait and the pool has free workers. The caller
// holds q.mu.
func (q *fastQueue) doubleWorkers() {
	for range min(len(q.jobs)-q.head, q.workers) {
		if !q.startWorker() {
			if q.queuedWorkers == 0 {
				q.queueWorker()
			}
			return
		}
	}
}

// latencyEWMA is an exponentially weighted moving average of how long an action's handler takes. Safe for concurrent
// use.
type latencyEWMA struct{ nanoseconds atomic.Int64 }

const (
	// inlineBelow is the average latency below which requests go through the fastQueue.
	inlineBelow = 50 * time.Microsecond
	// asyncDivisor divides the latency of handlers that return a promise: they compute and never block, so they may
	// take longer and still go through the fastQueue.
	asyncDivisor = 5
)

func (l *latencyEWMA) isBrief() bool { return l.nanoseconds.Load() < int64(inlineBelow) }

// observe adds a measurement. async says that the handler returned a promise.
func (l *latencyEWMA) observe(d time.Duration, async bool) {
	if async {
		d /= asyncDivisor
	}
	mean := l.nanoseconds.Load()
	if mean == 0 {
		mean = int64(d)
	}
	l.nanoseconds.Store(mean + (int64(d)-mean)/8) // concurrent calls may overwrite each other: this is an estimate
}
