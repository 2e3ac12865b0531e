package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/moleculer-go/moleculer"
	"github.com/moleculer-go/moleculer/broker"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/internal/testserver"
)

// patience bounds every wait for what must happen.
const patience = time.Minute

// The login of every test server, so that a test can look for what must not leak.
const user, password = "switchboard", "s3cr3t-of-nats"

// shared gives the NATS server of all tests that need none of their own; each has its own namespace on
// it. Fuzzing goes without, which would take what the server does for its own work.
var shared = sync.OnceValue(func() *server.Server {
	s, err := startServer(server.RANDOM_PORT)
	if err != nil {
		panic(err)
	}
	running = s
	return s
})

var running *server.Server

func TestMain(m *testing.M) { goleak.VerifyTestMain(withServer{testserver.Parallel(m)}) }

// withServer runs the tests and stops the shared server.
type withServer struct{ *testing.M }

func (m withServer) Run() int {
	defer func() {
		if running != nil {
			stopServer(running)
		}
	}()
	return m.M.Run()
}

func startServer(port int) (*server.Server, error) {
	s, err := server.NewServer(
		&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, Username: user, Password: password},
	)
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		return nil, fmt.Errorf("no NATS server on port %d", port)
	}
	return s, nil
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// dial connects as the node does.
func dial(t *testing.T, s *server.Server, more ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), append(more, nats.UserInfo(user, password),
		nats.ReconnectBufSize(-1), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0,
			0))...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// harness is one test's cluster: a namespace of its own on a NATS server.
type harness struct {
	*testing.T
	server    *server.Server
	namespace string
	dial      []nats.Option // of the node's connection
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	t.Parallel()
	return &harness{T: t, server: shared(), namespace: uuid.NewString()}
}

// node is the node under test.
type node struct {
	*cluster.Link
	nc     *nats.Conn
	broker *broker.ServiceBroker
	log    *logrus.Logger
	logs   *test.Hook
}

const nodeID = "go-node"

// prepare makes a node that has not started yet.
func (b *harness) prepare(adjust ...func(*cluster.Options)) *node {
	b.Helper()
	logger, logs := test.NewNullLogger()
	opts := cluster.Options{
		NodeID: nodeID, Namespace: b.namespace, Version: "1.2.3", Metadata: map[string]any{"region": "eu"},
		Concurrency: 16, Queue: 16, DrainTimeout: patience, Log: logrus.NewEntry(logger),
	}
	for _, f := range adjust {
		f(&opts)
	}
	nc := dial(b.T, b.server, b.dial...)
	link := cluster.New(nc, opts)
	return &node{link, nc, link.NewBroker(), logger, logs}
}

// start starts a node that serves these services, until the test ends.
func (b *harness) start(n *node, services ...moleculer.ServiceSchema) *node {
	b.Helper()
	for _, s := range services {
		n.broker.Publish(s)
	}
	n.broker.Start()
	b.Cleanup(n.broker.Stop)
	return n
}

// serve starts a node with a service "svc" of these actions.
func (b *harness) serve(actions ...moleculer.Action) *node {
	b.Helper()
	return b.start(b.prepare(), service("svc", actions...))
}

func service(name string, actions ...moleculer.Action) moleculer.ServiceSchema {
	return moleculer.ServiceSchema{Name: name, Actions: actions}
}

func handler(name string, handle action.Handler) moleculer.Action {
	return action.New(name, action.Spec{Handle: handle})
}

// echo answers with its params.
var echo = handler("echo", func(_ context.Context, req *action.Request) (any, error) { return req.Params, nil })

// gate is an action whose calls wait inside until it opens.
type gate struct {
	entered chan struct{}
	opened  chan struct{}
}

func newGate() *gate { return &gate{make(chan struct{}, 1000), make(chan struct{})} }

func (g *gate) action(name string) moleculer.Action {
	return handler(name, func(ctx context.Context, _ *action.Request) (any, error) {
		g.entered <- struct{}{}
		select {
		case <-g.opened:
			return "done", nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

// later is action with a result that is not waited for.
func (g *gate) later(name string) moleculer.Action {
	return handler(name, func(ctx context.Context, _ *action.Request) (any, error) {
		promise := &action.Promise{}
		promise.Go(func() (any, error) {
			select {
			case <-g.opened:
				return "done", nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		g.entered <- struct{}{}
		return promise, nil
	})
}

// bothWays runs a test with an action that waits for the gate, and with one whose result comes later.
func bothWays(t *testing.T, test func(t *testing.T, g *gate, wait moleculer.Action)) {
	t.Helper()
	g, late := newGate(), newGate()
	t.Run("waiting", func(t *testing.T) { test(t, g, g.action("wait")) })
	t.Run("later", func(t *testing.T) { test(t, late, late.later("wait")) })
}

func (g *gate) open() { close(g.opened) }

// receive takes what must come.
func receive[T any](tb testing.TB, from <-chan T) T {
	tb.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		require.FailNow(tb, "nothing came")
		panic("unreachable")
	}
}

// within is a context for what must happen.
func within(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tb.Cleanup(cancel)
	return ctx
}

// peer is a Node broker as the wire sees it: a raw connection that reads everything and sends what the
// test tells it to.
type peer struct {
	t      *testing.T
	id     string
	ver    string // of the protocol
	seq    int    // of its last INFO
	prefix string
	nc     *nats.Conn
	all    *nats.Subscription
	mute   atomic.Bool // leave PINGs to all to the test
	unread []packet    // what others than the awaited one came before it
}

type fields = map[string]any

// packet is what somebody else sent.
type packet struct {
	command, target string
	raw             []byte
	fields          fields
}

func (p packet) is(command, target string) bool { return p.command == command && p.target == target }

func (b *harness) peer(id string) *peer {
	b.Helper()
	p := &peer{
		t: b.T, id: id, ver: "4", seq: 1, prefix: "MOL-" + b.namespace + ".", nc: dial(b.T, b.server, nats.NoEcho()),
	}
	var err error
	p.all, err = p.nc.SubscribeSync(p.prefix + ">")
	require.NoError(b, err)
	_, err = p.nc.Subscribe(p.prefix+"PING", p.pong)
	require.NoError(b, err)
	require.NoError(b, p.nc.FlushTimeout(patience))
	b.Cleanup(p.goodbye)
	return p
}

// pong answers the PINGs to all, as every node does. One that leaves waits for that.
func (p *peer) pong(msg *nats.Msg) {
	if !p.mute.Load() {
		p.answerPing(msg.Data)
	}
}

func (p *peer) answerPing(raw []byte) {
	var ping fields
	if json.Unmarshal(raw, &ping) == nil {
		data := fmt.Appendf(nil, `{"ver":%q,"sender":%q,"id":%q,"time":1,"arrived":1}`, p.ver, p.id, ping["id"])
		_ = p.nc.Publish(p.prefix+"PONG."+ping["sender"].(string), data)
	}
}

// goodbye says that the peer is gone, where it can still be heard.
func (p *peer) goodbye() {
	_ = p.nc.Publish(p.prefix+"DISCONNECT", fmt.Appendf(nil, `{"ver":%q,"sender":%q}`, p.ver, p.id))
	if p.nc.IsConnected() {
		_ = p.nc.FlushTimeout(patience)
	}
}

// raw sends bytes.
func (p *peer) raw(subject string, data []byte) {
	p.t.Helper()
	require.NoError(p.t, p.nc.Publish(p.prefix+subject, data))
}

// send sends a packet; "ver" and "sender" are added where f has none.
func (p *peer) send(subject string, f fields) {
	p.t.Helper()
	whole := fields{"ver": p.ver, "sender": p.id}
	for k, v := range f {
		whole[k] = v
	}
	data, err := json.Marshal(whole)
	require.NoError(p.t, err)
	p.raw(subject, data)
}

// next reads the next packet of somebody else.
func (p *peer) next() packet {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		msg, err := p.all.NextMsg(time.Until(deadline))
		require.NoError(p.t, err)
		got := packet{raw: msg.Data}
		got.command, got.target = split(msg.Subject[len(p.prefix):])
		if json.Unmarshal(msg.Data, &got.fields) == nil && got.fields["sender"] != p.id {
			return got
		}
	}
}

func split(subject string) (command, target string) {
	for i, c := range subject {
		if c == '.' {
			return subject[:i], subject[i+1:]
		}
	}
	return subject, ""
}

// await gives the first unread packet that matches and keeps the others for later.
func (p *peer) await(match func(packet) bool) packet {
	p.t.Helper()
	for i, old := range p.unread {
		if match(old) {
			p.unread = append(p.unread[:i:i], p.unread[i+1:]...)
			return old
		}
	}
	for begun := time.Now(); time.Since(begun) < patience; {
		got := p.next()
		if match(got) {
			return got
		}
		p.unread = append(p.unread, got)
	}
	require.FailNow(p.t, "it did not come")
	panic("unreachable")
}

// expect awaits a packet to this peer, or with target "" one to all.
func (p *peer) expect(command, target string) packet {
	p.t.Helper()
	return p.await(func(got packet) bool { return got.is(command, target) })
}

// sync returns the unread packets that came until the node had handled everything sent to it so far.
func (p *peer) sync() []packet {
	p.t.Helper()
	p.send("PING."+nodeID, fields{"id": "sync", "time": 1})
	p.await(func(got packet) bool { return got.is("PONG", p.id) && got.fields["id"] == "sync" })
	return p.unread
}

// introduce makes the peer a member that serves these actions of a service "peer".
func (p *peer) introduce(n *node, actions ...string) {
	p.t.Helper()
	definitions := fields{}
	for _, a := range actions {
		definitions[a] = fields{"name": a}
	}
	p.announce(fields{"name": "peer", "fullName": "peer", "actions": definitions})
	for _, a := range actions {
		require.NoError(p.t, n.WaitFor(within(p.t), a))
	}
}

// announce makes the peer a member with these services, of which the node knows on return.
func (p *peer) announce(services ...fields) {
	p.t.Helper()
	p.seq++
	p.send("INFO", fields{
		"seq": p.seq, "instanceID": "instance of " + p.id, "client": fields{"type": "nodejs", "version": "0.14.36"},
		"services": append([]fields{}, services...),
	})
	p.sync()
}

// listening is a service of a peer that listens to these events.
func listening(name string, patterns ...string) fields {
	events := fields{}
	for _, pattern := range patterns {
		events[pattern] = fields{"name": pattern}
	}
	return fields{"name": name, "fullName": name, "events": events}
}

// offering is a service "peer" of a peer with one action "peer.do" of this definition.
func offering(definition fields) fields {
	return fields{"name": "peer", "fullName": "peer", "actions": fields{"peer.do": definition}}
}

// request sends a REQ and gives its id.
func (p *peer) request(name string, params any, more fields) (id string) {
	p.t.Helper()
	id = uuid.NewString()
	f := fields{"id": id, "action": name, "params": params, "meta": fields{}, "level": 1, "requestID": id}
	for k, v := range more {
		f[k] = v
	}
	p.send("REQ."+nodeID, f)
	return id
}

// answer awaits the RES to a request.
func (p *peer) answer(id string) fields {
	p.t.Helper()
	return p.await(func(got packet) bool { return got.is("RES", p.id) && got.fields["id"] == id }).fields
}

// call sends a REQ and awaits its RES.
func (p *peer) call(name string, params any, more fields) fields {
	p.t.Helper()
	return p.answer(p.request(name, params, more))
}
