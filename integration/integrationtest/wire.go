package integrationtest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// wire is a network in memory with one address.
type wire struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once

	received atomic.Int64 // bytes that nodes have read
	muted    atomic.Bool  // nothing that nodes send arrives

	mu    sync.Mutex
	cut   bool
	delay func() time.Duration // of a new connection; nil is none
	lines map[net.Conn]*line   // that their nodes have not closed, by the platform's end
}

func newWire() *wire {
	return &wire{accepted: make(chan net.Conn), closed: make(chan struct{}), lines: map[net.Conn]*line{}}
}

// line is a connection as the node has it.
type line struct {
	net.Conn
	wire   *wire
	far    net.Conn // the platform's end
	idle   bool     // it waits for another request; guarded by the wire's lock
	hangs  atomic.Bool
	closed chan struct{} // by this side
	once   sync.Once
}

// Read implements net.Conn.
func (l *line) Read(p []byte) (int, error) {
	for {
		n, err := l.Conn.Read(p)
		if !l.hangs.Load() {
			l.wire.received.Add(int64(n))
			return n, err
		}
		if err != nil { // that the other side has closed it does not arrive either
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				<-l.closed
			}
			return 0, err
		}
	}
}

// Close implements net.Conn.
func (l *line) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.wire.mu.Lock()
		defer l.wire.mu.Unlock()
		delete(l.wire.lines, l.far)
	})
	return l.Conn.Close()
}

// Write implements net.Conn.
func (l *line) Write(p []byte) (int, error) {
	if l.hangs.Load() || l.wire.muted.Load() {
		return len(p), nil
	}
	return l.Conn.Write(p)
}

func (w *wire) setCut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		w.breakAll()
	}
}

// breakAll ends all connections but those that hang: their nodes would not hear of it. The lock is held.
func (w *wire) breakAll() {
	for _, l := range w.lines {
		if !l.hangs.Load() {
			_ = l.Conn.Close()
		}
	}
}

func (w *wire) setMuted(muted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.muted.Store(muted)
	if !muted {
		w.breakAll()
	}
}

func (w *wire) hang() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lines {
		l.hangs.Store(true)
	}
}

// noteState notes whether a connection waits for another request.
func (w *wire) noteState(far net.Conn, state http.ConnState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.lines[far]; l != nil {
		l.idle = state == http.StateIdle
	}
}

// busy returns the connections that nodes keep open and use.
func (w *wire) busy() []*line {
	w.mu.Lock()
	defer w.mu.Unlock()
	var busy []*line
	for _, l := range w.lines {
		if !l.idle {
			busy = append(busy, l)
		}
	}
	return busy
}

// isClosed says whether its node has closed the connection.
func (l *line) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

func (w *wire) setDelay(next func() time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = next
}

func (w *wire) latency() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.delay == nil {
		return 0
	}
	return w.delay()
}

func (w *wire) add(l *line) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		_ = l.Conn.Close()
		return errCut
	}
	w.lines[l.far] = l
	return nil
}

func (w *wire) dial(ctx context.Context, p *power) (net.Conn, error) {
	if p.isOff() {
		return nil, errCut
	}
	if d := w.latency(); d > 0 {
		select {
		case <-time.After(d):
		case <-w.closed:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	near, far := net.Pipe()
	l := &line{Conn: near, wire: w, far: far, closed: make(chan struct{})}
	if err := w.add(l); err != nil {
		return nil, err
	}
	select {
	case w.accepted <- far:
	case <-w.closed:
		_ = l.Close()
		return nil, net.ErrClosed
	case <-ctx.Done():
		_ = l.Close()
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, l)
	return l, nil
}

// Accept implements net.Listener.
func (w *wire) Accept() (net.Conn, error) {
	select {
	case conn := <-w.accepted:
		return conn, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

// Addr implements net.Listener.
func (*wire) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
