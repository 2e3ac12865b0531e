package cluster_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

// outage is a cluster whose NATS server the test takes away and brings back.
type outage struct {
	*harness
	port      int
	mayReturn chan struct{} // closed when the node's connection may try again
	release   func()        // closes it
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	t.Parallel()
	s, err := startServer(server.RANDOM_PORT)
	require.NoError(t, err)
	o := &outage{
		harness: &harness{T: t, server: s, namespace: uuid.NewString()},
		port:    s.Addr().(*net.TCPAddr).Port, mayReturn: make(chan struct{}),
	}
	o.release = sync.OnceFunc(func() { close(o.mayReturn) })
	o.dial = []nats.Option{nats.CustomReconnectDelay(func(int) time.Duration {
		<-o.mayReturn
		return 10 * time.Millisecond
	})}
	t.Cleanup(func() { stopServer(o.server) })
	return o
}

// begin takes the server away and waits until everybody has noticed.
func (o *outage) begin(n *node, peers ...*peer) {
	o.Helper()
	o.Cleanup(o.release)
	stopServer(o.server)
	connections := []*nats.Conn{n.nc}
	for _, p := range peers {
		connections = append(connections, p.nc)
	}
	for _, nc := range connections {
		require.Eventually(o, func() bool { return !nc.IsConnected() }, patience, time.Millisecond)
	}
}

// end brings the server back, to the peers first.
func (o *outage) end(peers ...*peer) {
	o.Helper()
	s, err := startServer(o.port)
	require.NoError(o, err)
	o.server = s
	for _, p := range peers {
		require.Eventually(o, func() bool { return p.nc.FlushTimeout(time.Second) == nil }, patience, time.Millisecond)
	}
	o.release()
}

func TestNodeIntroducesItselfAndServesAfterOutage(t *testing.T) {
	o := newOutage(t)
	p := o.peer("a")
	n := o.serve(echo)
	p.expect("DISCOVER", "")
	before := p.expect("INFO", "")
	o.begin(n, p)
	o.end(p)
	p.expect("DISCOVER", "")
	require.Equal(t, before.fields, p.expect("INFO", "").fields)
	require.Equal(t, "ping", p.call("svc.echo", "ping", nil)["data"])
}

func TestCallsDuringAnOutageFailAtOnce(t *testing.T) {
	o := newOutage(t)
	p := o.peer("a")
	n := o.serve(echo)
	p.introduce(n, "peer.do")
	o.begin(n)
	_, err := n.Call(context.Background(), "peer.do", nil, action.CallOptions{})
	require.Equal(t, "BAD_GATEWAY", typeOf(t, err))
}

func TestNodeStopsDuringAnOutage(t *testing.T) {
	o := newOutage(t)
	n := o.serve(echo)
	o.begin(n)
	receive(t, stopping(n))
}
