package cache

import (
	"context"
	"sync"
	"time"
)

// refreshes are computations in the background, at most one per key at a time. The zero value is ready for use.
type refreshes struct {
	mu      sync.Mutex
	running map[string]context.CancelFunc // by key
	closed  bool
	wg      sync.WaitGroup
}

// start runs refresh in the background, unless one of the key is running. It gets the values of ctx and its own time
// limit.
func (r *refreshes) start(ctx context.Context, key string, limit time.Duration, refresh func(ctx context.Context)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.running[key] != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	if r.running == nil {
		r.running = map[string]context.CancelFunc{}
	}
	r.running[key] = cancel
	r.wg.Go(func() {
		defer r.end(key)
		refresh(ctx)
	})
}

func (r *refreshes) end(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[key]()
	delete(r.running, key)
}

// close cancels all refreshes and waits for them.
func (r *refreshes) close() {
	r.mu.Lock()
	r.closed = true
	for _, cancel := range r.running {
		cancel()
	}
	r.mu.Unlock()
	r.wg.Wait()
}
