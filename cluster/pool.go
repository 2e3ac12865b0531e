package cluster

import (
	"context"
	"sync"
	"sync/atomic"
)

// pool runs requests concurrently up to one bound, and holds those that wait up to another, so that
// a request that waits for a platform holds up no other one. Workers stay for further requests: a
// goroutine that has run a handler has the stack for the next.
type pool struct {
	limit   int // workers at most
	backlog int // requests that may wait for a worker

	held atomic.Int64 // requests whose job is done, but whose answer is not there yet

	mu      sync.Mutex
	idle    []chan func() // of workers without work, the last to become idle last
	queue   []func()      // oldest first; not empty only when every worker is busy
	workers int
	pending int // requests that run or wait
	closed  bool
	drained chan struct{} // closed once the pool is closed and nothing is pending or held
}

func newPool(limit, backlog int) *pool {
	return &pool{limit: limit, backlog: backlog, drained: make(chan struct{})}
}

// submit runs the job, now or later. False means that there is no room for it.
func (p *pool) submit(job func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	switch last := len(p.idle) - 1; {
	case last >= 0:
		p.idle[last] <- job // never blocks: the worker took everything out before it became idle
		p.idle = p.idle[:last]
	case p.workers < p.limit:
		p.workers++
		go p.work(job)
	case len(p.queue) < p.backlog:
		p.queue = append(p.queue, job)
	default:
		return false
	}
	p.pending++
	return true
}

// hire runs the job at once, if a worker is free. While requests are still running it does so even
// where the pool takes no more: the job is one of theirs.
func (p *pool) hire(job func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch last := len(p.idle) - 1; {
	case last >= 0:
		p.idle[last] <- job
		p.idle = p.idle[:last]
	case p.workers < p.limit && (!p.closed || p.pending > 0):
		p.workers++
		go p.work(job)
	default:
		return false
	}
	p.pending++
	return true
}

func (p *pool) work(job func()) {
	mine := make(chan func(), 1)
	for job != nil {
		job()
		job = p.next(mine)
	}
}

// next returns a worker's next request, nil when the pool is closed.
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

// hold is called in a job that ends before its request is answered.
func (p *pool) hold() { p.held.Add(1) }

// release ends what hold began.
func (p *pool) release() {
	if p.held.Add(-1) == 0 {
		p.mu.Lock()
		p.checkDrained()
		p.mu.Unlock()
	}
}

func (p *pool) checkDrained() {
	if p.closed && p.pending == 0 && p.held.Load() == 0 {
		select {
		case <-p.drained:
		default:
			close(p.drained)
		}
	}
}

// drain takes no more requests and waits until the last is done or ctx is over. It returns how many
// are left.
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

// depth is the number of requests that run or wait.
func (p *pool) depth() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pending + int(p.held.Load())
}
