// Package pace keeps calls in step with what those who take them can bear: it holds calls back while a
// key is paused, lets them go on in the order in which they came, and spaces them where a rate is given.
//
// It knows no platform: what a key stands for, and when to pause, is told by the caller.
package pace

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Pacer paces calls by keys. The zero value is ready. Safe for concurrent use.
type Pacer struct {
	order atomic.Uint64

	mu     sync.Mutex
	queues map[string]*queue // of keys that are paused or recovering; all others are free

	rates rates
}

// Turn is a call's place among all calls: it keeps it while it is repeated.
type Turn uint64

// Turn gives the next place.
func (p *Pacer) Turn() Turn { return Turn(p.order.Add(1)) }

// queue is a key that was paused. When the pause is over its calls go one at a time, so that they do
// not run into the next one together; the key is free again when one has gone well and none is waiting.
type queue struct {
	until   time.Time
	waiting []*waiter // by turn
	busy    bool
	timer   *time.Timer
}

type waiter struct {
	turn     Turn
	admitted chan struct{}
}

// Enter waits until a call may be made for the key. Then leave must be called, once, when the call has ended.
// A wait longer than patience, or than ctx allows, is not begun: after is how long it would be.
func (p *Pacer) Enter(ctx context.Context, key string, turn Turn, patience time.Duration) (leave func(), after time.Duration, err error) {
	p.mu.Lock()
	q := p.queues[key]
	if q == nil {
		p.mu.Unlock()
		return func() {}, 0, nil
	}
	pause := time.Until(q.until)
	if deadline, ok := ctx.Deadline(); pause > patience || ok && pause > time.Until(deadline) {
		p.mu.Unlock()
		return nil, pause, context.DeadlineExceeded
	}
	w := &waiter{turn: turn, admitted: make(chan struct{})}
	at, _ := slices.BinarySearchFunc(q.waiting, turn, func(w *waiter, t Turn) int { return compare(w.turn, t) })
	q.waiting = slices.Insert(q.waiting, at, w)
	p.next(key, q)
	p.mu.Unlock()

	leave = func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		q.busy = false
		p.next(key, q)
	}
	select {
	case <-w.admitted:
		return leave, 0, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	if i := slices.Index(q.waiting, w); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		p.next(key, q)
		after = max(0, time.Until(q.until))
		p.mu.Unlock()
		return nil, after, ctx.Err()
	}
	p.mu.Unlock()
	leave() // it was admitted meanwhile
	return nil, 0, ctx.Err()
}

func compare(a, b Turn) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// next admits whoever is first, or sees to it that somebody will be, or frees the key. Callers hold mu.
func (p *Pacer) next(key string, q *queue) {
	switch pause := time.Until(q.until); {
	case q.busy || p.queues[key] != q:
	case pause > 0:
		if q.timer == nil {
			q.timer = time.AfterFunc(pause, func() { p.wake(key, q) })
		}
	case len(q.waiting) > 0:
		first := q.waiting[0]
		q.waiting, q.busy = slices.Delete(q.waiting, 0, 1), true
		close(first.admitted)
	default:
		delete(p.queues, key)
	}
}

func (p *Pacer) wake(key string, q *queue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q.timer = nil
	p.next(key, q)
}

// Pause holds back the calls of a key for at least that long.
func (p *Pacer) Pause(key string, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.queues[key]
	if q == nil {
		if p.queues == nil {
			p.queues = map[string]*queue{}
		}
		q = &queue{}
		p.queues[key] = q
	}
	if until := time.Now().Add(pause); until.After(q.until) {
		q.until = until
	}
	p.next(key, q)
}
