//go:build slow || chaos

package chaos_test

import (
	"context"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// condition is how a cable is.
type condition int

const (
	whole    condition = iota
	cut                // connections are closed, new ones as well
	halfOpen           // connections stay, and nothing gets through
	slow               // everything takes a while
)

// slowness is how long it takes on a slow cable, each way.
const slowness = 300 * time.Millisecond

// cable is the way to a server. It can be broken.
type cable struct {
	listener net.Listener
	server   string
	done     sync.WaitGroup

	mu        sync.Mutex
	condition condition
	links     map[*link]struct{}
	recording *tape // of what goes to the server; nil for none
}

// tape is what went over a cable to the server.
type tape struct {
	mu   sync.Mutex
	data []byte
}

func (t *tape) write(data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, data...)
}

func (t *tape) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.data)
}

// record begins a tape. It ends with the next one.
func (c *cable) record() *tape {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recording = &tape{}
	return c.recording
}

// link is a connection through a cable.
type link struct {
	near, far net.Conn
	lossy     bool // something was lost in it: what came after would make no sense
}

func (l *link) close() { _, _ = l.near.Close(), l.far.Close() }

// layCable lays a cable to the server of a URL and gives the URL of its near end.
func layCable(t *testing.T, server string) (*cable, string) {
	t.Helper()
	u, err := url.Parse(server)
	require.NoError(t, err)
	c := &cable{server: u.Host, links: map[*link]struct{}{}}
	c.listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c.done.Go(func() {
		for {
			near, err := c.listener.Accept()
			if err != nil {
				return
			}
			c.connect(near)
		}
	})
	t.Cleanup(func() {
		require.NoError(t, c.listener.Close())
		c.set(cut)
		c.done.Wait()
	})
	u.Host = c.listener.Addr().String()
	return c, u.String()
}

func (c *cable) connect(near net.Conn) {
	far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", c.server)
	if err != nil {
		_ = near.Close()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &link{near: near, far: far}
	if c.condition == cut {
		l.close()
		return
	}
	c.links[l] = struct{}{}
	c.done.Go(func() { c.carry(l, near, far) })
	c.done.Go(func() { c.carry(l, far, near) })
}

// parcel is what arrives at once, and when it is due.
type parcel struct {
	data []byte
	due  time.Time
}

// carry carries what comes from one end to the other.
func (c *cable) carry(l *link, from, to net.Conn) {
	parcels := make(chan parcel, 1024)
	c.done.Go(func() {
		for p := range parcels {
			if wait := time.Until(p.due); wait > 0 {
				timer := time.NewTimer(wait)
				<-timer.C
			}
			if _, err := to.Write(p.data); err != nil {
				l.close() // which ends the reading below
			}
		}
		l.close()
	})
	defer close(parcels)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			c.mu.Lock()
			delete(c.links, l)
			c.mu.Unlock()
			return
		}
		c.mu.Lock()
		p := parcel{append([]byte(nil), buffer[:n]...), time.Time{}}
		switch c.condition {
		case halfOpen:
			l.lossy = true
		case slow:
			p.due = time.Now().Add(slowness)
		default:
		}
		if c.recording != nil && from == l.near {
			c.recording.write(p.data)
		}
		lossy := l.lossy
		c.mu.Unlock()
		if !lossy {
			parcels <- p
		}
	}
}

// set changes how the cable is. Connections in which something was lost end with that.
func (c *cable) set(to condition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.condition = to
	for l := range c.links {
		if to == cut || l.lossy && to != halfOpen {
			l.close()
		}
	}
}
