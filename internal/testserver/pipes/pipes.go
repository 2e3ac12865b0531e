// Package pipes connects an HTTP client and a server of a test without a network, so that a bubble of testing/synctest
// knows when neither can go on. Over a network time passes for them while the machine does something else, and net/http
// gives up a connection whose writer was not scheduled for 50 ms.
package pipes

import (
	"context"
	"net"
)

// Listener takes the connections that are dialled with it. It is for one bubble.
type Listener struct {
	Opened int // connections so far

	conns chan net.Conn
}

// New returns a listener.
func New() *Listener { return &Listener{conns: make(chan net.Conn)} }

// Dial opens a connection, whatever the address.
func (l *Listener) Dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	l.Opened++
	l.conns <- far
	return near, nil
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	conn, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

// Close implements net.Listener. It may be called once.
func (l *Listener) Close() error { close(l.conns); return nil }

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }
