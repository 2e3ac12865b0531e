// Package throttle holds calls back so that whoever takes them can keep up: while a key is blocked its calls wait and
// then go on in the order in which they came, and where a key has a rate its calls are spaced.
//
// It knows no platform. The caller says what a key stands for, and when to block it.
package throttle

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Keyed throttles calls by keys. The zero value is ready. Safe for concurrent use.
type Keyed struct {
	order atomic.Uint64

	mu     sync.Mutex
	queues map[string]*queue // of keys that are blocked or recovering; all others are free

	rates rates
}

// Ticket is a call's place among all calls. A call keeps its ticket while it is repeated.
type Ticket uint64

// NewTicket returns the next place.
func (k *Keyed) NewTicket() Ticket { return Ticket(k.order.Add(1)) }

// queue is a key that was blocked. After that its calls go one at a time, so that they do not run into the next block
// together. The key is free again when a call has ended and none is waiting.
type queue struct {
	until   time.Time
	waiting []*waiter // by ticket
	busy    bool
	timer   *time.Timer
}

type waiter struct {
	ticket   Ticket
	admitted chan struct{}
}

// Acquire waits until a call may be made for the key. The caller calls release once, when the call has ended. A wait
// that would be longer than maxWait, or than ctx allows, is not begun: after is how long it would be.
func (k *Keyed) Acquire(
	ctx context.Context, key string, ticket Ticket, maxWait time.Duration,
) (release func(), after time.Duration, err error) {
	k.mu.Lock()
	q := k.queues[key]
	if q == nil {
		k.mu.Unlock()
		return func() {}, 0, nil
	}
	pause := time.Until(q.until)
	if deadline, ok := ctx.Deadline(); pause > maxWait || ok && pause > time.Until(deadline) {
		k.mu.Unlock()
		return nil, pause, context.DeadlineExceeded
	}
	w := &waiter{ticket: ticket, admitted: make(chan struct{})}
	at, _ := slices.BinarySearchFunc(q.waiting, ticket, func(w *waiter, t Ticket) int { return compare(w.ticket, t) })
	q.waiting = slices.Insert(q.waiting, at, w)
	k.next(key, q)
	k.mu.Unlock()

	release = func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		q.busy = false
		k.next(key, q)
	}
	select {
	case <-w.admitted:
		return release, 0, nil
	case <-ctx.Done():
	}
	k.mu.Lock()
	if i := slices.Index(q.waiting, w); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		k.next(key, q)
		after = max(0, time.Until(q.until))
		k.mu.Unlock()
		return nil, after, ctx.Err()
	}
	k.mu.Unlock()
	release() // it was admitted meanwhile
	return nil, 0, ctx.Err()
}

func compare(a, b Ticket) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// next admits the first call that waits, or arranges for that, or frees the key. Callers hold mu.
func (k *Keyed) next(key string, q *queue) {
	switch pause := time.Until(q.until); {
	case q.busy || k.queues[key] != q:
	case pause > 0:
		if q.timer == nil {
			q.timer = time.AfterFunc(pause, func() { k.wake(key, q) })
		}
	case len(q.waiting) > 0:
		first := q.waiting[0]
		q.waiting, q.busy = slices.Delete(q.waiting, 0, 1), true
		close(first.admitted)
	default:
		delete(k.queues, key)
	}
}

func (k *Keyed) wake(key string, q *queue) {
	k.mu.Lock()
	defer k.mu.Unlock()
	q.timer = nil
	k.next(key, q)
}

// Block holds back the calls of a key for at least that long.
func (k *Keyed) Block(key string, pause time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	q := k.queues[key]
	if q == nil {
		if k.queues == nil {
			k.queues = map[string]*queue{}
		}
		q = &queue{}
		k.queues[key] = q
	}
	if until := time.Now().Add(pause); until.After(q.until) {
		q.until = until
	}
	k.next(key, q)
}
