// Package gather has small writes to a connection that follow each other closely go out in one.
//
// The client of NATS writes whenever one of its publishers waits for something. Where each of many goroutines publishes and
// then waits, as sends do, that is one call of the system for every message, which wakes the server each time. Gathered, a
// send costs a quarter less of this process's CPU and half of the server's (bench, 64 sends at once on one processor: 86 us
// and 99 us to 62 and 39).
package gather

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// enough, in bytes, is what is worth a write of its own.
	enough = 4096
	// writeTimeout is how long the other side may take nothing, before the connection is given up. It is the NATS client's own.
	writeTimeout = time.Minute
	// closeTimeout is the same for what is still held back when the connection is closed.
	closeTimeout = time.Second
)

// Dialer makes TCP connections that gather what is written to them, by the options of the embedded one. It is a
// nats.CustomDialer, for a client without a timeout of its own for writes (nats.FlusherTimeout). One client uses one
// dialer, and one connection of it at a time.
type Dialer struct {
	net.Dialer

	mu   sync.Mutex
	last *conn
}

// Dial connects to an address. It closes the connection that it made before: the client of NATS forgets one whose login
// was refused without closing it.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last != nil {
		_ = d.last.Close() // closed already, as a rule
		d.last = nil
	}
	c, err := d.Dialer.Dial(network, address)
	if err != nil {
		return nil, err
	}
	d.last = gathering(c)
	return d.last, nil
}

func gathering(c net.Conn) *conn {
	g := &conn{Conn: c, held: make([]byte, 0, enough), kick: make(chan struct{}, 1)}
	go g.run()
	return g
}

// conn holds small writes back for as long as other goroutines have something to do before they would wait. A write that
// fails ends the connection.
type conn struct {
	net.Conn
	closing atomic.Bool

	mu   sync.Mutex
	held []byte        // accepted and not written yet, less than enough
	two  [2][]byte     // of a write
	kick chan struct{} // something is held; closed with err
	err  error         // of all further writes
}

// Write takes p, and writes it now or soon, in the order of the calls. As with a TCP connection, that it was taken does not
// mean that it arrives.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return 0, c.err
	case len(c.held)+len(p) >= enough:
		if err := c.writeOut(p); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	if c.held = append(c.held, p...); len(c.held) == len(p) {
		select {
		case c.kick <- struct{}{}:
		default: // it has not looked yet
		}
	}
	return len(p), nil
}

// run writes what is held, when all who could add to it have had their turn.
func (c *conn) run() {
	for range c.kick {
		runtime.Gosched()
		c.mu.Lock()
		_ = c.writeOut(nil) // the next Write tells
		c.mu.Unlock()
	}
}

// writeOut writes what is held and then p. The caller holds c.mu.
func (c *conn) writeOut(p []byte) error {
	if c.err != nil || len(c.held)+len(p) == 0 {
		return c.err
	}
	c.limit(writeTimeout)
	if c.closing.Load() { // looked at afterwards, as Close may have set its own limit just before
		c.limit(closeTimeout)
	}
	c.two = [2][]byte{c.held, p}
	buffers := net.Buffers(c.two[:])
	_, err := buffers.WriteTo(c.Conn)
	c.two = [2][]byte{}
	c.held = c.held[:0]
	if err != nil {
		_ = c.end(err) // the first error counts
	}
	return err
}

func (c *conn) limit(d time.Duration) {
	_ = c.SetWriteDeadline(time.Now().Add(d)) // a connection that has none is closed, and says so when written to
}

// end closes the connection; err is what writes say from now on. The caller holds c.mu.
func (c *conn) end(err error) error {
	if c.err == nil {
		c.err = err
		close(c.kick)
	}
	return c.Conn.Close()
}

// Close writes what is held and closes the connection.
func (c *conn) Close() error {
	c.closing.Store(true)
	c.limit(closeTimeout) // of a write that is under way, too
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.writeOut(nil) // there is nobody left to tell
	return c.end(net.ErrClosed)
}
