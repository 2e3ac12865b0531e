package discord_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/leases"
	"github.com/hiliosai/switchboard/services/discord"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

// gatewayHost is a loopback address, which no proxy is asked for. Nothing listens there: the network is in memory.
const gatewayHost = "127.0.0.1:1"

// cluster is nodes that share a fake of Discord, a stream and leases, all of them within a synctest bubble.
type cluster struct {
	t       *testing.T
	discord *discordtest.Server
	gateway *discordtest.Gateway
	wire    *wire
	leases  leases.Store
	channel *integration.Channel
	stream  *stream
	logs    *integrationtest.Log
	ended   []func()
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{
		t: t, discord: discordtest.New(app()), wire: newWire(), leases: leases.NewMemory(), channel: channel(),
		stream: &stream{seen: map[string]bool{}}, logs: &integrationtest.Log{},
	}
	c.gateway = c.discord.Gateway
	c.gateway.Configure(func(g *discordtest.GatewayConfig) { g.Privileged = 1 << 15 })
	delete(c.channel.Credentials, "publicKey")
	delete(c.channel.Settings, "receive")
	c.channel.Settings["apiBase"] = "http://" + gatewayHost + discordtest.Root
	server := &http.Server{Handler: c.discord, ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(c.wire) })
	c.ended = append(c.ended, func() {
		_ = server.Close()
		c.discord.Close()
		serving.Wait()
	})
	return c
}

// close ends everything that newCluster and node began, the last first.
func (c *cluster) close() {
	for i := len(c.ended) - 1; i >= 0; i-- {
		c.ended[i]()
	}
}

// heard reads dispatches as short messages: what they become is another test's matter.
type heard struct{ gatewayPlatform }

type gatewayPlatform interface {
	integration.Platform
	integration.Receiver
	integration.Responder
	integration.HealthChecker
}

func (h heard) Normalize(ctx context.Context, w *integration.Webhook) ([]integration.Message, error) {
	var d struct {
		T string `json:"t"`
		D struct {
			ID      string `json:"id"`
			Channel string `json:"channel_id"`
			Content string `json:"content"`
		} `json:"d"`
	}
	if err := json.Unmarshal(w.Payload, &d); err != nil || d.T == "" {
		return h.gatewayPlatform.Normalize(ctx, w)
	}
	return []integration.Message{{
		ID: integration.ID(d.D.ID), DedupKey: d.D.ID, ConversationID: integration.ID(d.D.Channel),
		Content: integration.Content{Type: integration.TypeText, Text: d.D.Content},
	}}, nil
}

// testNode is one node. All that leaves it goes through its switch.
type testNode struct {
	service *integration.Service
	power   *power
	stop    func() // as a graceful stop does
}

func (c *cluster) node(id string) *testNode {
	c.t.Helper()
	p := &power{}
	client := httpapi.New(httpapi.Options{AllowPrivate: true, Dial: func(ctx context.Context, _, _ string) (net.Conn,
		error,
	) {
		return c.wire.dial(ctx, p)
	}})
	log := logrus.New()
	log.SetOutput(c.logs)
	entry := logrus.NewEntry(log).WithField("node", id)
	member := leases.NewMember(&cutStore{c.leases, p}, leases.Options{Node: id, Log: entry})
	def := discord.Definition(client)
	def.Platform = heard{def.Platform.(gatewayPlatform)}
	service, err := integration.Define(def, integration.Runtime{
		Channels: c, Events: &cutStream{c.stream, p}, Secrets: unsaid{}, Namespace: "hios", Log: entry, Leases: member,
	})
	require.NoError(c.t, err)
	require.NoError(c.t, service.Start(c.t.Context()))
	require.NoError(c.t, service.StartConsuming(c.t.Context()))
	var once sync.Once
	n := &testNode{service: service, power: p}
	n.stop = func() {
		once.Do(func() {
			require.NoError(c.t, service.StopConsuming(context.Background()))
			_ = member.Close(context.Background()) // a node that was killed cannot say goodbye
			require.NoError(c.t, service.Stop(context.Background()))
			client.Close()
		})
	}
	c.ended = append(c.ended, n.stop)
	return n
}

func (c *cluster) Channel(context.Context, string) (*integration.Channel, error) {
	return c.channel, nil
}

func (c *cluster) OfPlatform(context.Context, string) ([]*integration.Channel, error) {
	return []*integration.Channel{c.channel}, nil
}

func (*cluster) OnChange(func(string)) (stop func()) { return func() {} }

// connections are those that a node tells of.
func (c *cluster) connections(n *testNode) []integration.Connection {
	c.t.Helper()
	health, err := n.service.Call(c.t.Context(), integration.ActionHealthCheck,
		&action.Request{Params: json.RawMessage(`{}`)})
	require.NoError(c.t, err)
	list, _ := health.(*integration.Health).Details["connections"].([]integration.Connection)
	return list
}

// only is the only connection.
func (c *cluster) only(n *testNode) integration.Connection {
	c.t.Helper()
	list := c.connections(n)
	require.Len(c.t, list, 1)
	return list[0]
}

// guild is a server whose events go to shard 0 of any number of shards that is a power of two.
const guild = "0"

// guildOf returns a server of a shard.
func guildOf(shard int) string { return fmt.Sprint(uint64(shard)<<22 | 7) }

// publish makes messages in a server, numbered from first to last.
func (c *cluster) publish(guildID string, first, last int) {
	for n := first; n <= last; n++ {
		c.gateway.Publish(guildID, "MESSAGE_CREATE", map[string]any{
			"id": fmt.Sprint(n), "channel_id": "500", "content": fmt.Sprint("text ", n),
			"author": map[string]any{"id": "9", "username": "ada"},
		})
	}
}

// numbers are the ids from first to last.
func numbers(first, last int) []string {
	var list []string
	for n := first; n <= last; n++ {
		list = append(list, fmt.Sprint(n))
	}
	return list
}

// pass lets time go by, of which there is as much as wanted within a synctest bubble.
func pass(d time.Duration) { <-time.After(d) }

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

func (p *power) isOff() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut
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

// stream stores events as JetStream does: one of each id.
type stream struct {
	mu     sync.Mutex
	stored []string
	texts  []string
	seen   map[string]bool
	twice  int
	refuse bool
}

func (s *stream) put(e order.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e.Fence != nil && !e.Fence():
		return errors.New("the fence is down")
	case s.refuse:
		return errors.New("no response from stream")
	case s.seen[e.MsgID]:
		s.twice++
	default:
		s.seen[e.MsgID] = true
		s.stored = append(s.stored, e.MsgID[strings.LastIndex(e.MsgID, ":")+1:])
		s.texts = append(s.texts, string(e.Payload))
	}
	return nil
}

func (s *stream) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.stored...)
}

func (s *stream) setRefuse(refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

type cutStream struct {
	*stream
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
	slow     func() time.Duration // of each dial; nil is at once
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newWire() *wire { return &wire{accepted: make(chan net.Conn), closed: make(chan struct{})} }

func (w *wire) dial(ctx context.Context, p *power) (net.Conn, error) {
	if p.isOff() {
		return nil, errCut
	}
	if w.slow != nil {
		pass(w.slow())
	}
	near, far := net.Pipe()
	select {
	case w.accepted <- far:
	case <-w.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, near)
	return near, nil
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

// unsaid are the secrets of a node that has one bot.
type unsaid struct{}

func (unsaid) Add(...string)  {}
func (unsaid) Keep(...string) {}

func (unsaid) Redact(text string) string { return strings.ReplaceAll(text, botToken, "***") }

func (u unsaid) RedactExcept(text, _ string) string { return u.Redact(text) }
