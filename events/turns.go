package events

import (
	"context"
	"sync"
	"time"
)

// turns let the handlers of a process run side by side, or one of them alone.
type turns struct {
	mu      sync.Mutex
	running int           // handlers that run side by side
	alone   chan struct{} // closed when the one that runs alone, or waits to, has ended; nil without one
	empty   chan struct{} // closed when the last of those side by side has ended, for the one that waits
}

// join begins a handler that others may run beside. It waits while one runs alone. leave ends it.
func (t *turns) join() {
	for {
		t.mu.Lock()
		alone := t.alone
		if alone == nil {
			t.running++
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		<-alone
	}
}

func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running--
	if t.running == 0 && t.empty != nil {
		close(t.empty)
		t.empty = nil
	}
}

// try begins a handler that runs alone, if none runs now. The returned function ends it.
func (t *turns) try() (end func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running > 0 || t.alone != nil {
		return nil, false
	}
	return t.close(), true
}

// wait begins a handler that runs alone: no other begins any more, and those that run are waited for. After a while, or
// when ctx ends, it goes ahead beside them, and says so. The returned function ends it.
func (t *turns) wait(ctx context.Context, patience time.Duration) (end func(), alone bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	t.mu.Lock()
	for t.alone != nil {
		before := t.alone
		t.mu.Unlock()
		<-before
		t.mu.Lock()
	}
	end = t.close()
	if t.running == 0 {
		t.mu.Unlock()
		return end, true
	}
	empty := make(chan struct{})
	t.empty = empty
	t.mu.Unlock()
	select {
	case <-empty:
		return end, true
	case <-timer.C:
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.empty == empty {
		t.empty = nil
	}
	return end, t.running == 0
}

// close keeps others from beginning until the returned function has been called. That may be called again.
func (t *turns) close() (end func()) {
	alone := make(chan struct{})
	t.alone = alone
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.alone = nil
		close(alone)
	})
}
