package cluster

import (
	"context"
	"sync"
	"sync/atomic"
)

// pool runs jobs in goroutines: at most limit at once, while at most backlog others wait. A request that waits for a
// platform holds up no other request. Workers are kept for further jobs, because a goroutine that has run a handler has
// grown the stack for the next one. Safe for concurrent use.
type pool struct {
	limit   int // workers at most
	backlog int // jobs that may wait for a worker

	promised atomic.Int64 // requests whose job is done and whose promise is not resolved yet

	mu      sync.Mutex
	idle    []chan func() // workers without a job, the last one to become idle last
	queue   []func()      // waiting jobs, oldest first; empty unless every worker is busy
	workers int
	pending int // jobs that run or wait
	closed  bool
	drained chan struct{} // closed once the pool is closed and nothing is pending or promised
}

func newPool(limit, backlog int) *pool {
	return &pool{limit: limit, backlog: backlog, drained: make(chan struct{})}
}

// submit runs the job, now or later. It returns false if there is no room for it.
func (p *pool) submit(job func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	switch {
	case p.startLocked(job):
	case len(p.queue) < p.backlog:
		p.queue = append(p.queue, job)
	default:
		return false
	}
	p.pending++
	return true
}

// tryRun runs the job at once, or returns false if no worker is free. A closed pool runs it too while other jobs are
// pending: the fastQueue's workers run requests that were accepted before.
func (p *pool) tryRun(job func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed && p.pending == 0 || !p.startLocked(job) {
		return false
	}
	p.pending++
	return true
}

// startLocked gives the job to an idle worker or to a new one. It returns false if all workers are busy. The caller
// holds p.mu.
func (p *pool) startLocked(job func()) bool {
	switch last := len(p.idle) - 1; {
	case last >= 0:
		p.idle[last] <- job // never blocks: an idle worker's channel is empty
		p.idle = p.idle[:last]
	case p.workers < p.limit:
		p.workers++
		go p.work(job)
	default:
		return false
	}
	return true
}

func (p *pool) work(job func()) {
	mine := make(chan func(), 1)
	for job != nil {
		job()
		job = p.next(mine)
	}
}

// next returns a worker's next job, nil when the pool is closed.
func (p *pool) next(mine chan func()) func() {
	p.mu.Lock()
	p.pending--
	if len(p.queue) > 0 {
		job := p.queue[0]
		p.queue[0] = nil
		p.queue = p.queue[1:]
		p.mu.Unlock()
		return job
	}
	if p.closed {
		p.workers--
		p.checkDrained()
		p.mu.Unlock()
		return nil
	}
	p.idle = append(p.idle, mine)
	p.mu.Unlock()
	return <-mine
}

// promiseKept is called when the promise of a request that counts as promised is resolved and answered.
func (p *pool) promiseKept() {
	if p.promised.Add(-1) == 0 {
		p.mu.Lock()
		p.checkDrained()
		p.mu.Unlock()
	}
}

// checkDrained closes p.drained when nothing is left. The caller holds p.mu.
func (p *pool) checkDrained() {
	if p.closed && p.pending == 0 && p.promised.Load() == 0 {
		select {
		case <-p.drained:
		default:
			close(p.drained)
		}
	}
}

// drain closes the pool to new jobs and waits until the last one is done or ctx ends. It returns how many are left.
func (p *pool) drain(ctx context.Context) int {
	p.mu.Lock()
	p.closed = true
	for _, worker := range p.idle {
		close(worker)
	}
	p.workers -= len(p.idle)
	p.idle = nil
	p.checkDrained()
	p.mu.Unlock()
	select {
	case <-p.drained:
	case <-ctx.Done():
	}
	return p.depth()
}

// depth is the number of requests that run, wait or are promised.
func (p *pool) depth() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pending + int(p.promised.Load())
}
