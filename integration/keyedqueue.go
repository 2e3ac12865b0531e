package integration

import (
	"context"
	"sync"
)

// keyedQueue lets callers with the same key proceed in the order in which they joined. Callers with other keys do not
// wait. The zero value is ready to use.
type keyedQueue struct {
	mu   sync.Mutex
	last map[string]*ticket // the last caller's ticket by key; missing if all are done
}

// ticket is a caller's place behind those who joined before.
type ticket struct {
	of   *keyedQueue
	key  string
	left bool

	// Of the keyedQueue's mu:
	before *ticket       // nil: nobody is before
	done   bool          // this one and all before have left
	waited chan struct{} // closed when done; nil while nobody asks
}

// join takes the next ticket of a key. The caller must leave it.
func (s *keyedQueue) join(key string) *ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = map[string]*ticket{}
	}
	t := &ticket{of: s, key: key, before: s.last[key]}
	s.last[key] = t
	return t
}

// turn returns a channel that is closed when all earlier callers are done, nil if they are done already.
func (t *ticket) turn() <-chan struct{} {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if t.before == nil || t.before.done {
		t.before = nil
		return nil
	}
	if t.before.waited == nil {
		t.before.waited = make(chan struct{})
	}
	return t.before.waited
}

// wait returns nil when all earlier callers are done, or ctx's error.
func (t *ticket) wait(ctx context.Context) error {
	turn := t.turn()
	if turn == nil {
		return nil
	}
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave lets the next caller proceed once all earlier callers are done. A second call does nothing.
func (t *ticket) leave() {
	if t.left {
		return
	}
	t.left = true
	turn := t.turn()
	if turn == nil {
		t.finish()
		return
	}
	go func() {
		<-turn
		t.finish()
	}()
}

func (t *ticket) finish() {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	t.done, t.before = true, nil
	if t.of.last[t.key] == t {
		delete(t.of.last, t.key)
	}
	if t.waited != nil {
		close(t.waited)
	}
}
