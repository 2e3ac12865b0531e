// Package netbatch sends small writes to a connection that follow each other closely as one write.
//
// The NATS client writes whenever one of its publishers waits for something. When many goroutines publish and then
// wait, as sends do, every message costs one system call and wakes the server. With batches, a send costs a quarter
// less of this process's CPU and half of the server's (bench, 64 sends at once on one processor: 86 us and 99 us
// before, 62 us and 39 us with batches).
package netbatch

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// batchSize is how many bytes are worth a write of their own.
	batchSize = 4096
	// writeTimeout bounds a write. It is the NATS client's own.
	writeTimeout = time.Minute
	// closeTimeout bounds the last write when the connection is closed.
	closeTimeout = time.Second
)

// Dialer makes TCP connections that batch small writes. It is a nats.CustomDialer for a client without a write timeout
// of its own (nats.FlusherTimeout(0)). Each client needs a Dialer of its own, and uses one connection of it at a time.
type Dialer struct {
	net.Dialer

	mu   sync.Mutex
	last *conn
}

// Dial connects to an address. It closes the connection that it made before, because the NATS client does not close a
// connection whose login was refused.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last != nil {
		_ = d.last.Close() // usually closed already
		d.last = nil
	}
	c, err := d.Dialer.Dial(network, address)
	if err != nil {
		return nil, err
	}
	d.last = newConn(c)
	return d.last, nil
}

func newConn(c net.Conn) *conn {
	g := &conn{Conn: c, buffer: make([]byte, 0, batchSize), wake: make(chan struct{}, 1)}
	go g.run()
	return g
}

// conn keeps small writes in a buffer until the other runnable goroutines have had their turn. A failed write ends the
// connection.
type conn struct {
	net.Conn
	closing atomic.Bool

	mu      sync.Mutex
	buffer  []byte        // accepted and not written yet, less than batchSize
	vectors [2][]byte     // the parts of one write
	wake    chan struct{} // the buffer is not empty any more; closed when err is set
	err     error         // of all further writes
}

// Write accepts p and writes it now or soon, in the order of the calls. As with any TCP connection, success does not
// mean that p arrives.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return 0, c.err
	case len(c.buffer)+len(p) >= batchSize:
		if err := c.writeOut(p); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	if c.buffer = append(c.buffer, p...); len(c.buffer) == len(p) {
		select {
		case c.wake <- struct{}{}:
		default: // run has not seen the last one yet
		}
	}
	return len(p), nil
}

// run writes the buffer after all runnable goroutines have had their turn to add to it.
func (c *conn) run() {
	for range c.wake {
		runtime.Gosched()
		c.mu.Lock()
		_ = c.writeOut(nil) // the next Write returns the error
		c.mu.Unlock()
	}
}

// writeOut writes the buffer and then p. The caller holds c.mu.
func (c *conn) writeOut(p []byte) error {
	if c.err != nil || len(c.buffer)+len(p) == 0 {
		return c.err
	}
	c.limit(writeTimeout)
	if c.closing.Load() { // checked afterwards, because Close may just have set its own deadline
		c.limit(closeTimeout)
	}
	c.vectors = [2][]byte{c.buffer, p}
	buffers := net.Buffers(c.vectors[:])
	_, err := buffers.WriteTo(c.Conn)
	c.vectors = [2][]byte{}
	c.buffer = c.buffer[:0]
	if err != nil {
		_ = c.end(err) // the first error counts
	}
	return err
}

func (c *conn) limit(d time.Duration) {
	_ = c.SetWriteDeadline(time.Now().Add(d)) // it fails only for a closed connection, whose writes fail too
}

// end closes the connection. Further writes return err. The caller holds c.mu.
func (c *conn) end(err error) error {
	if c.err == nil {
		c.err = err
		close(c.wake)
	}
	return c.Conn.Close()
}

// Close writes the buffer and closes the connection.
func (c *conn) Close() error {
	c.closing.Store(true)
	c.limit(closeTimeout) // for a running write too
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.writeOut(nil) // no further Write can return the error
	return c.end(net.ErrClosed)
}
