package listener

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// connections counts those that are open. The zero value has none. Safe for concurrent use.
type connections struct {
	mu    sync.Mutex
	count int
	none  chan struct{} // closed when count is 0; nil while nobody waits
}

// note is an [http.Server.ConnState].
func (c *connections) note(_ net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.count++
	case http.StateActive, http.StateIdle: // open as before
	case http.StateClosed, http.StateHijacked:
		if c.count--; c.count == 0 && c.none != nil {
			close(c.none)
			c.none = nil
		}
	}
}

// awaitNone waits until no connection is open, for some time at most.
func (c *connections) awaitNone(ctx context.Context, most time.Duration) {
	c.mu.Lock()
	if c.count == 0 {
		c.mu.Unlock()
		return
	}
	none := make(chan struct{})
	c.none = none
	c.mu.Unlock()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-none:
	case <-timer.C:
	case <-ctx.Done():
	}
}
