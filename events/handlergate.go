package events

import (
	"context"
	"sync"
	"time"
)

// handlerGate lets the handlers of a process run side by side, or one of them alone. The zero value is open.
type handlerGate struct {
	mu      sync.Mutex
	running int           // handlers that run side by side
	alone   chan struct{} // closed when the handler that runs alone, or waits to, has ended; nil if there is none
	empty   chan struct{} // closed when running becomes 0; nil if no handler waits for it
}

// enter starts a handler beside others. It waits while one runs alone. leave ends it.
func (g *handlerGate) enter() {
	for {
		g.mu.Lock()
		alone := g.alone
		if alone == nil {
			g.running++
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		<-alone
	}
}

func (g *handlerGate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.running == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// tryAlone starts a handler that runs alone, if no other runs now. The returned function ends it.
func (g *handlerGate) tryAlone() (end func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running > 0 || g.alone != nil {
		return nil, false
	}
	return g.close(), true
}

// enterAlone starts a handler that runs alone: it lets no other start and waits for those that run. After maxWait, or
// when ctx ends, it starts beside them and returns alone = false. The returned function ends it.
func (g *handlerGate) enterAlone(ctx context.Context, maxWait time.Duration) (end func(), alone bool) {
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	g.mu.Lock()
	for g.alone != nil {
		before := g.alone
		g.mu.Unlock()
		<-before
		g.mu.Lock()
	}
	end = g.close()
	if g.running == 0 {
		g.mu.Unlock()
		return end, true
	}
	empty := make(chan struct{})
	g.empty = empty
	g.mu.Unlock()
	select {
	case <-empty:
		return end, true
	case <-timer.C:
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.empty == empty {
		g.empty = nil
	}
	return end, g.running == 0
}

// close lets no other handler start until the returned function is called. It may be called more than once.
func (g *handlerGate) close() (end func()) {
	alone := make(chan struct{})
	g.alone = alone
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.alone = nil
		close(alone)
	})
}
