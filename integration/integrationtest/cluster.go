package integrationtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
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
	wrote  Log // what the nodes have told each other

	requests     atomic.Int64
	mostRequests int64 // 0 is no limit
	closing      chan struct{}
	ended        []func()

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
		closing: make(chan struct{}),
	}
	counted := func(w http.ResponseWriter, r *http.Request) {
		n := c.requests.Add(1)
		if c.mostRequests > 0 && n > c.mostRequests { // time would stand still
			if n == c.mostRequests+1 {
				tb.Errorf("the platform was asked %d times: something asks again and again without a pause", n)
			}
			<-c.closing
			return
		}
		api.ServeHTTP(w, r)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(counted), ReadHeaderTimeout: time.Minute, ConnState: c.wire.noteState,
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(c.wire) })
	c.ended = append(c.ended, func() {
		close(c.closing)
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

// Logs returns all that the nodes have logged, as it was written: no secret is removed from it.
func (c *Cluster) Logs() string { return c.logs.String() }

// Cut ends all connections to the platform and lets none be opened, as while it restarts; or lets them be opened again.
func (c *Cluster) Cut(cut bool) { c.wire.setCut(cut) }

// Hang has the connections that are open now say nothing any more, and nothing that is sent over them arrive, as those
// of a peer that has gone without a word. New ones are well.
func (c *Cluster) Hang() { c.wire.hang() }

// Mute has nothing that nodes send arrive, while what the platform sends does; or has all arrive again, over new
// connections: those that have lost something end.
func (c *Cluster) Mute(mute bool) { c.wire.setMuted(mute) }

// Received returns how many bytes the nodes have read from the platform.
func (c *Cluster) Received() int { return int(c.wire.received.Load()) }

// Open returns how many connections the nodes keep open and use: those that wait for another request do not count.
func (c *Cluster) Open() int { return len(c.wire.busy()) }

// Delay has each new connection take as long as next says.
func (c *Cluster) Delay(next func() time.Duration) { c.wire.setDelay(next) }

// Requests returns how many requests the platform was asked, those that became WebSockets too.
func (c *Cluster) Requests() int { return int(c.requests.Load()) }

// SetChannel changes the channel, or adds it again, and tells all nodes.
func (c *Cluster) SetChannel(ch *integration.Channel) { c.change(ch.ID, ch) }

// RemoveChannel removes the channel, and tells all nodes.
func (c *Cluster) RemoveChannel() {
	c.mu.Lock()
	id := c.channel.ID
	c.mu.Unlock()
	c.change(id, nil)
}

func (c *Cluster) change(id string, ch *integration.Channel) {
	c.mu.Lock()
	c.channel = ch
	var listeners []func(string)
	for f := range c.changed {
		listeners = append(listeners, *f)
	}
	c.mu.Unlock()
	for _, f := range listeners {
		f(id)
	}
}

// Node is one node of a [Cluster].
type Node struct {
	Service *integration.Service
	id      string
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
	log.SetLevel(logrus.DebugLevel)
	entry := logrus.NewEntry(log).WithField("node", id)
	member := leases.NewMember(&cutStore{c.leases, p, &c.wrote}, leases.Options{Node: id, Log: entry})
	service, err := integration.Define(c.define(client), integration.Runtime{
		Channels: channels{c}, Events: &cutStream{c.Stream, p}, Secrets: bare{}, Namespace: "hios", Log: entry,
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
	n := &Node{Service: service, id: id, c: c, power: p}
	n.stop = sync.OnceFunc(func() {
		c.end("node "+id, p, func() error {
			err := service.StopConsuming(context.Background())
			_ = member.Close(context.Background()) // a node that was killed cannot say goodbye
			err = errors.Join(err, service.Stop(context.Background()))
			client.Close()
			return err
		})
	})
	c.ended = append(c.ended, n.stop)
	return n
}

// endsWithin is how long a node may take to stop.
const endsWithin = 10 * time.Second

// end runs stop. A receiver that does not end is found, and left without its connections.
func (c *Cluster) end(name string, p *power, stop func() error) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := stop(); err != nil {
			c.tb.Errorf("%s does not stop: %v", name, err)
		}
	}()
	select {
	case <-ended:
		return
	case <-time.After(endsWithin):
		c.tb.Errorf("%s does not stop: Receive has not returned %s after its ctx ended", name, endsWithin)
	}
	p.off()
	select {
	case <-ended:
	case <-time.After(time.Minute): // nothing can end its goroutine, and without that the test cannot end
		panic( //nolint:forbidigo // see above
			"integrationtest: Receive of " + name + " returns neither when its ctx ends nor when its connections are closed",
		)
	}
}

// bare removes no secrets: what leaves a node is looked at as it is written.
type bare struct{}

// Add implements [integration.Secrets].
func (bare) Add(...string) {}

// Keep implements [integration.Secrets].
func (bare) Keep(...string) {}

// Redact implements [integration.Secrets].
func (bare) Redact(text string) string { return text }

// RedactExcept implements [integration.Secrets].
func (bare) RedactExcept(text, _ string) string { return text }

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
	if s.c.channel == nil || id != s.c.channel.ID {
		return nil, integration.ErrChannelNotFound
	}
	return s.c.channel, nil
}

func (s channels) OfPlatform(
	_ context.Context, _ string, wanted func(*integration.Channel) bool,
) ([]*integration.Channel, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.c.channel == nil || !wanted(s.c.channel) {
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
	wrote *Log
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
	s.note(value)
	return s.Store.Put(ctx, key, value, revision)
}

func (s *cutStore) Delete(ctx context.Context, key string, revision uint64) error {
	if s.power.isAlone() {
		return errCut
	}
	return s.Store.Delete(ctx, key, revision)
}

// note keeps what is written, with the parts that are written as base64.
func (s *cutStore) note(value []byte) {
	var record struct{ Cursor, State, Shared []byte }
	_ = json.Unmarshal(value, &record) // something else has no such parts
	for _, part := range [][]byte{value, record.Cursor, record.State, record.Shared} {
		_, _ = s.wrote.Write(append(part, '\n'))
	}
}

// Stream stores events of messages as JetStream does: one of each id. Safe for concurrent use.
type Stream struct {
	mu      sync.Mutex
	ids     []string
	texts   []string
	seen    map[string]bool
	twice   int
	refuses bool
}

func (s *Stream) put(e order.Event) error {
	if strings.Contains(e.Name, ".processing.channel.") { // a condition, which has a stream of its own
		return nil
	}
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
