package integrationtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/leases"
)

// ClusterURL is where nodes of a [Cluster] find the platform: a loopback address, for which no proxy is asked. Nothing
// listens there: the network is in memory.
const ClusterURL = "http://127.0.0.1:1"

// Cluster is nodes that share the fake of a platform, one channel, a stream and leases, for tests of a
// [integration.Receiver]. Its network is in memory, so that a test can run within a bubble of testing/synctest, where
// time passes as fast as it is waited for. Close it before the test ends.
type Cluster struct {
	Stream *Stream

	tb     testing.TB
	define func(*httpapi.Client) integration.Definition
	wire   *wire
	leases leases.Store
	logs   Log

	requests atomic.Int64
	ended    []func()

	mu      sync.Mutex
	channel *integration.Channel
	changed map[*func(string)]struct{}
}

// NewCluster starts the fake, api, at [ClusterURL]. closeAPI ends its connections; it may be nil.
func NewCluster(
	tb testing.TB, define func(*httpapi.Client) integration.Definition, channel *integration.Channel, api http.Handler,
	closeAPI func(),
) *Cluster {
	tb.Helper()
	c := &Cluster{
		tb: tb, define: define, wire: newWire(), leases: leases.NewMemory(), channel: channel,
		Stream: &Stream{seen: map[string]bool{}}, changed: map[*func(string)]struct{}{},
	}
	counted := func(w http.ResponseWriter, r *http.Request) {
		c.requests.Add(1)
		api.ServeHTTP(w, r)
	}
	server := &http.Server{Handler: http.HandlerFunc(counted), ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(c.wire) })
	c.ended = append(c.ended, func() {
		_ = server.Close()
		if closeAPI != nil {
			closeAPI()
		}
		serving.Wait()
	})
	return c
}

// Close ends everything that was begun, the last first.
func (c *Cluster) Close() {
	for i := len(c.ended) - 1; i >= 0; i-- {
		c.ended[i]()
	}
}

// Logs returns all that the nodes have logged.
func (c *Cluster) Logs() string { return c.logs.String() }

// Cut ends all connections to the platform and lets none be opened, as while it restarts; or lets them be opened again.
func (c *Cluster) Cut(cut bool) { c.wire.setCut(cut) }

// Hang has the connections that are open now say nothing any more, and nothing that is sent over them arrive, as those
// of a peer that has gone without a word. New ones are well.
func (c *Cluster) Hang() { c.wire.hang() }

// Delay has each new connection take as long as next says.
func (c *Cluster) Delay(next func() time.Duration) { c.wire.setDelay(next) }

// Requests returns how many requests the platform was asked, those that became WebSockets too.
func (c *Cluster) Requests() int { return int(c.requests.Load()) }

// SetChannel changes the channel, and tells all nodes.
func (c *Cluster) SetChannel(ch *integration.Channel) {
	c.mu.Lock()
	c.channel = ch
	var listeners []func(string)
	for f := range c.changed {
		listeners = append(listeners, *f)
	}
	c.mu.Unlock()
	for _, f := range listeners {
		f(ch.ID)
	}
}

// Node is one node of a [Cluster].
type Node struct {
	Service *integration.Service
	c       *Cluster
	power   *power
	stop    func()
}

// Node starts a node.
func (c *Cluster) Node(id string) *Node {
	c.tb.Helper()
	p := &power{}
	client := httpapi.New(httpapi.Options{AllowPrivate: true, Dial: func(ctx context.Context, _, _ string) (net.Conn,
		error,
	) {
		return c.wire.dial(ctx, p)
	}})
	log := logrus.New()
	log.SetOutput(&c.logs)
	secrets := &redact.Secrets{}
	log.AddHook(secrets)
	entry := logrus.NewEntry(log).WithField("node", id)
	member := leases.NewMember(&cutStore{c.leases, p}, leases.Options{Node: id, Log: entry})
	service, err := integration.Define(c.define(client), integration.Runtime{
		Channels: channels{c}, Events: &cutStream{c.Stream, p}, Secrets: secrets, Namespace: "hios", Log: entry,
		Leases: member,
	})
	if err == nil {
		err = service.Start(c.tb.Context())
	}
	if err == nil {
		err = service.StartConsuming(c.tb.Context())
	}
	if err != nil {
		c.tb.Fatal(err)
	}
	var once sync.Once
	n := &Node{Service: service, c: c, power: p}
	n.stop = func() {
		once.Do(func() {
			err := service.StopConsuming(context.Background())
			_ = member.Close(context.Background()) // a node that was killed cannot say goodbye
			if err = errors.Join(err, service.Stop(context.Background())); err != nil {
				c.tb.Errorf("node %s does not stop: %v", id, err)
			}
			client.Close()
		})
	}
	c.ended = append(c.ended, n.stop)
	return n
}

// Stop ends the node as a graceful stop does.
func (n *Node) Stop() { n.stop() }

// Kill ends the node as kill -9 does: nothing leaves it any more.
func (n *Node) Kill() { n.power.off() }

// LoseOthers cuts the node off from the other nodes. The platform and the stream are still there.
func (n *Node) LoseOthers() { n.power.loseOthers() }

// Connections returns those that the node tells of.
func (n *Node) Connections() []integration.Connection {
	n.c.tb.Helper()
	health, err := n.Service.Call(
		n.c.tb.Context(), integration.ActionHealthCheck, &action.Request{Params: json.RawMessage(`{}`)},
	)
	if err != nil {
		n.c.tb.Fatal(err)
	}
	list, _ := health.(*integration.Health).Details["connections"].([]integration.Connection)
	return list
}

// channels are the cluster's one.
type channels struct{ c *Cluster }

func (s channels) Channel(_ context.Context, id string) (*integration.Channel, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if id != s.c.channel.ID {
		return nil, integration.ErrChannelNotFound
	}
	return s.c.channel, nil
}

func (s channels) OfPlatform(
	_ context.Context, _ string, wanted func(*integration.Channel) bool,
) ([]*integration.Channel, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if !wanted(s.c.channel) {
		return nil, nil
	}
	return []*integration.Channel{s.c.channel}, nil
}

func (s channels) OnChange(f func(string)) (stop func()) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.changed[&f] = struct{}{}
	return func() {
		s.c.mu.Lock()
		defer s.c.mu.Unlock()
		delete(s.c.changed, &f)
	}
}

// power is a node's. A node without it reaches nothing, and says nothing.
type power struct {
	mu    sync.Mutex
	cut   bool
	alone bool // the other nodes cannot be reached
	conns []net.Conn
}

var errCut = errors.New("the power is cut")

func (p *power) off() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for _, conn := range p.conns {
		_ = conn.Close()
	}
}

func (p *power) isOff() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut
}

// loseOthers cuts the node off from the other nodes only.
func (p *power) loseOthers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alone = true
}

func (p *power) isAlone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut || p.alone
}

type cutStore struct {
	leases.Store
	power *power
}

func (s *cutStore) Get(ctx context.Context, key string) (leases.Entry, error) {
	if s.power.isAlone() {
		return leases.Entry{}, errCut
	}
	return s.Store.Get(ctx, key)
}

func (s *cutStore) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if s.power.isAlone() {
		return 0, errCut
	}
	return s.Store.Put(ctx, key, value, revision)
}

func (s *cutStore) Delete(ctx context.Context, key string, revision uint64) error {
	if s.power.isAlone() {
		return errCut
	}
	return s.Store.Delete(ctx, key, revision)
}

// Stream stores events as JetStream does: one of each id. Safe for concurrent use.
type Stream struct {
	mu      sync.Mutex
	ids     []string
	texts   []string
	seen    map[string]bool
	twice   int
	refuses bool
}

func (s *Stream) put(e order.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e.Fence != nil && !e.Fence():
		return errors.New("the fence is down")
	case s.refuses:
		return errors.New("no response from stream")
	case s.seen[e.MsgID]:
		s.twice++
	default:
		s.seen[e.MsgID] = true
		s.ids = append(s.ids, e.MsgID[strings.LastIndex(e.MsgID, ":")+1:])
		s.texts = append(s.texts, string(e.Payload))
	}
	return nil
}

// IDs returns the ids of the events, their dedup keys, in the order in which they were stored.
func (s *Stream) IDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.ids...)
}

// Payloads returns the events.
func (s *Stream) Payloads() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.texts...)
}

// Repeated returns how many events came again and were recognised.
func (s *Stream) Repeated() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.twice
}

// Refuse has the stream take nothing, as while JetStream is away, or take events again.
func (s *Stream) Refuse(refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses = refuse
}

type cutStream struct {
	*Stream
	power *power
}

func (*cutStream) Subject(name string) string { return "prefix." + name }

func (s *cutStream) Publish(ctx context.Context, e order.Event, onAck integration.AckFunc) {
	if s.power.isOff() {
		onAck(false, errCut)
		return
	}
	if err := s.put(e); err != nil {
		onAck(false, err)
		return
	}
	onAck(false, ctx.Err())
}

// wire is a network in memory with one address.
type wire struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once

	mu    sync.Mutex
	cut   bool
	delay func() time.Duration // of a new connection; nil is none
	conns []*line
}

func newWire() *wire { return &wire{accepted: make(chan net.Conn), closed: make(chan struct{})} }

// line is a connection as the node has it.
type line struct {
	net.Conn
	hangs  atomic.Bool
	closed chan struct{} // by this side
	once   sync.Once
}

// Read implements net.Conn.
func (l *line) Read(p []byte) (int, error) {
	for {
		n, err := l.Conn.Read(p)
		if !l.hangs.Load() {
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
	l.once.Do(func() { close(l.closed) })
	return l.Conn.Close()
}

// Write implements net.Conn.
func (l *line) Write(p []byte) (int, error) {
	if l.hangs.Load() {
		return len(p), nil
	}
	return l.Conn.Write(p)
}

func (w *wire) setCut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for _, conn := range w.conns {
			_ = conn.Close()
		}
		w.conns = nil
	}
}

func (w *wire) hang() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		conn.hangs.Store(true)
	}
	w.conns = nil
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

func (w *wire) add(conn *line) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		_ = conn.Close()
		return errCut
	}
	w.conns = append(w.conns, conn)
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
	select {
	case w.accepted <- far:
	case <-w.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	conn := &line{Conn: near, closed: make(chan struct{})}
	if err := w.add(conn); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, conn)
	return conn, nil
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

// Log keeps what is written to it. Safe for concurrent use.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *Log) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String returns all of it.
func (s *Log) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
