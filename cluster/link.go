// Package cluster is this node's place in a Moleculer cluster: it makes a moleculer-go broker a full
// member of a cluster of Node brokers over NATS.
//
// moleculer-go keeps its services, mixins, lifecycle and local calls; its own network side is
// replaced by [Link] through its extension point, Config.TransporterFactory. The link knows nothing
// of platforms.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/moleculer-go/moleculer"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster/wire"
)

// Options describe a node.
type Options struct {
	NodeID    string // unique in the cluster; a NATS subject token
	Namespace string // Moleculer's, "" for none
	Version   string // of this software, told to the cluster
	Metadata  map[string]any
	Protocol  wire.Version // empty means wire.V4

	MaxCallLevel int // depth at which a chain of calls ends with MaxCallLevelError; 0 means none
	StreamLimit  int // bytes of a request stream; 0 means 10 MB

	Concurrency  int           // requests that run at once
	RequestBytes int64         // of all requests that run or wait; more are refused; 0 for any number
	Queue        int           // requests that wait while that many run; more are refused with QueueIsFullError
	DrainTimeout time.Duration // how long a stop waits for running requests

	// Health adds to what $node.health tells, under these names; nil adds nothing.
	Health func(ctx context.Context) map[string]any
	// Reconnected is called when the connection is back: events may have been missed.
	Reconnected func()

	// HeartbeatInterval is the time between two heartbeats, 0 meaning 10 s. A negative one, as Node's 0, means that
	// neither this node beats nor the silence of others counts.
	HeartbeatInterval time.Duration
	// HeartbeatTimeout is how long another node may be silent before it counts as gone, 0 meaning 30 s, and negative
	// for ever.
	HeartbeatTimeout time.Duration

	Log *logrus.Entry
}

// Link speaks Moleculer's protocol on a NATS connection. Make one with [New], a broker on top of it
// with [Link.NewBroker]; the broker's Start and Stop drive it. Safe for concurrent use.
type Link struct {
	opts            Options
	nc              *nats.Conn
	log             *logrus.Entry
	prefix          string
	instanceID      string
	catalog         *catalog
	registry        *registry
	pending         *pendingCalls
	streams         *streams
	strangers       *strangers
	pool            *pool
	lane            *lane
	unanswered      atomic.Int64  // requests that were accepted
	unansweredBytes atomic.Int64  // of their params and meta
	beat            time.Duration // between two heartbeats

	stopDelay, awareTimeout time.Duration // the constants, but for tests
	delegates               atomic.Pointer[moleculer.BrokerDelegates]

	ctx    context.Context // ends when the link closes
	cancel context.CancelFunc
	work   context.Context // of all requests; ends when the drain time is over
	cutOff context.CancelFunc
	fatal  chan error
	tasks  sync.WaitGroup
	born   time.Time

	lastCPU atomic.Pointer[int] // percent, as of the last heartbeat

	mu        sync.Mutex // guards what follows, and the order in which INFOs go out
	phase     phase
	seq       int64
	subs      []*nats.Subscription
	answers   *nats.Subscription            // one of them: RES
	served    []*nats.Subscription          // of them: REQ and EVENT
	balanced  map[string]*nats.Subscription // by subject and queue
	announced bool                          // the cluster knows of this node
	contested bool                          // another node has this one's id
	control   chan *nats.Msg
	unaware   map[string]bool // nodes that may not know yet that this one is leaving
	aware     chan struct{}   // closed when there are no such nodes any more
}

// phase of a link's life, in order.
type phase int

const (
	created  phase = iota
	open           // subscribed, not announced
	ready          // announced, serving
	leaving        // announced as empty, still serving
	stopping       // refusing requests
	closed
)

// New prepares a link. The connection stays the caller's, who closes it after the broker's Stop.
func New(nc *nats.Conn, opts Options) *Link {
	ctx, cancel := context.WithCancel(context.Background())
	work, cutOff := context.WithCancel(ctx)
	opts.Protocol = cmp.Or(opts.Protocol, wire.V4)
	opts.HeartbeatInterval = max(cmp.Or(opts.HeartbeatInterval, heartbeatInterval), 0)
	opts.HeartbeatTimeout = max(cmp.Or(opts.HeartbeatTimeout, heartbeatTimeout), 0)
	jitter := opts.HeartbeatInterval / heartbeatJitter
	l := &Link{
		opts: opts, nc: nc, log: opts.Log.WithField("node", opts.NodeID),
		prefix: wire.Prefix(opts.Namespace), instanceID: uuid.NewString(),
		catalog: newCatalog(), registry: newRegistry(opts.silence()), pending: newPendingCalls(),
		pool: newPool(opts.Concurrency, opts.Queue),
		beat: opts.HeartbeatInterval + rand.N(2*jitter+1) - jitter,
		ctx:  ctx, cancel: cancel, work: work, cutOff: cutOff, fatal: make(chan error, 1),
		seq: 1, control: make(chan *nats.Msg, 8192), strangers: newStrangers(),
		stopDelay: stopDelay, awareTimeout: awareTimeout,
		born: time.Now(), streams: newStreams(opts.NodeID, cmp.Or(opts.StreamLimit, 10<<20)),
	}
	l.lane = newLane(l.pool)
	l.addNodeService()
	return l
}

// silence is how long another node may be silent, 0 for ever.
func (o *Options) silence() time.Duration {
	if o.HeartbeatInterval == 0 { // as in Node
		return 0
	}
	return o.HeartbeatTimeout
}

// Fatal delivers the one error after which this node must not go on: another node has its id.
func (l *Link) Fatal() <-chan error { return l.fatal }

// NodeID is this node's id.
func (l *Link) NodeID() string { return l.opts.NodeID }

// Services lists what the cluster serves, this node's services first. The brokers' own services, whose
// names start with $, are left out.
func (l *Link) Services() []ServiceStatus {
	return slices.DeleteFunc(append(l.catalog.list(l.opts.NodeID), l.registry.services()...), func(s ServiceStatus) bool {
		return strings.HasPrefix(s.FullName, "$")
	})
}

// conflictWait is how long a node that starts waits for another with its id to speak up.
const conflictWait = 200 * time.Millisecond

// Open connects the link to the cluster, and fails if another node has this one's id. The broker's
// Start does so itself where it has not been done, but does not wait for such a node, and can only
// panic.
func (l *Link) Open(ctx context.Context) error {
	if err := l.listen(); err != nil {
		return err
	}
	if err := l.discover(); err != nil {
		return err
	}
	wait := time.NewTimer(conflictWait)
	defer wait.Stop()
	select {
	case err := <-l.fatal:
		return err
	case <-wait.C:
		return l.takeRequests() // not before: they would be the other node's
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends what Open began, where no broker has been started.
func (l *Link) Close() error { return l.close() }

// Join makes a member of the cluster that serves nothing; a broker joins by its own Start.
func (l *Link) Join() error {
	if err := l.open(); err != nil {
		return err
	}
	l.announce()
	return nil
}

// Leave ends what Join began.
func (l *Link) Leave() {
	l.leave()
	if err := l.close(); err != nil {
		l.log.WithError(err).Debug("the cluster was not left cleanly")
	}
}

// WaitFor waits until some node serves the action.
func (l *Link) WaitFor(ctx context.Context, name string) error {
	return l.waitUntil(ctx, func() bool {
		_, ok := l.catalog.action(name)
		return ok || l.registry.knows(name)
	})
}

// NodeIDs lists the other nodes of the cluster that are known to be there, in order.
func (l *Link) NodeIDs() []string { return slices.Sorted(maps.Keys(l.registry.present())) }

// WaitForServices waits until each of the services, named by their full names, is on some node.
func (l *Link) WaitForServices(ctx context.Context, names ...string) error {
	return l.waitUntil(ctx, func() bool {
		known := l.Services()
		return !slices.ContainsFunc(names, func(name string) bool {
			return !slices.ContainsFunc(known, func(s ServiceStatus) bool { return s.FullName == name })
		})
	})
}

func (l *Link) waitUntil(ctx context.Context, holds func() bool) error {
	for {
		news := l.registry.news()
		if holds() {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Settle waits until no node has introduced itself for a while.
func (l *Link) Settle(ctx context.Context, quiet time.Duration) {
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	for {
		select {
		case <-l.registry.news():
			timer.Reset(quiet)
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// open subscribes and asks who is there, where that has not been done.
func (l *Link) open() error {
	if l.currentPhase() != created {
		return nil
	}
	if err := l.listen(); err != nil {
		return err
	}
	if err := l.takeRequests(); err != nil {
		return err
	}
	return l.discover()
}

// listen subscribes to what is said of nodes, and to answers.
func (l *Link) listen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	me := l.opts.NodeID
	// Packets about nodes go through one channel: a DISCONNECT must not overtake the INFO before it.
	for _, s := range []string{
		wire.Subject(l.prefix, wire.Discover, ""), wire.Subject(l.prefix, wire.Discover, me),
		wire.Subject(l.prefix, wire.Info, ""), wire.Subject(l.prefix, wire.Info, me),
		wire.Subject(l.prefix, wire.Heartbeat, ""), wire.Subject(l.prefix, wire.Disconnect, ""),
		wire.Subject(l.prefix, wire.Ping, ""), wire.Subject(l.prefix, wire.Ping, me),
		wire.Subject(l.prefix, wire.Pong, me),
	} {
		if err := l.subscribed(l.nc.ChanSubscribe(s, l.control)); err != nil {
			return err
		}
	}
	answers, err := l.nc.Subscribe(wire.Subject(l.prefix, wire.Response, me), l.onResponse)
	if err := l.subscribed(answers, err); err != nil {
		return err
	}
	l.answers = answers
	if err := l.flushSubscriptions(); err != nil {
		return err
	}
	l.phase = open
	l.tasks.Go(l.controlLoop)
	status := l.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING)
	l.tasks.Go(func() { l.watchConnection(status) })
	return nil
}

// takeRequests subscribes to what this node is asked and told.
func (l *Link) takeRequests() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for cmd, handle := range map[wire.Command]nats.MsgHandler{wire.Request: l.onRequest, wire.Event: l.onEvent("")} {
		sub, err := l.nc.Subscribe(wire.Subject(l.prefix, cmd, l.opts.NodeID), handle)
		if err := l.subscribed(sub, err); err != nil {
			return err
		}
		l.served = append(l.served, sub)
	}
	return l.flushSubscriptions()
}

// discover asks who is there.
func (l *Link) discover() error {
	return l.publish(wire.Discover, "", &wire.BarePacket{Header: l.header()})
}

func (l *Link) flushSubscriptions() error {
	if err := l.nc.FlushTimeout(5 * time.Second); err != nil {
		return fmt.Errorf("subscribe to the cluster: %w", err)
	}
	return nil
}

func (l *Link) subscribed(sub *nats.Subscription, err error) error {
	if err != nil {
		return fmt.Errorf("subscribe to the cluster: %w", err)
	}
	l.subs = append(l.subs, sub)
	return nil
}

// announce makes the node's services known; from now on it serves.
func (l *Link) announce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != open {
		return
	}
	l.phase, l.announced = ready, true
	l.seq++
	l.sendInfo("")
	l.balance()
	if l.beat > 0 {
		l.tasks.Go(l.heartbeats)
	}
}

// changed announces services that were added to a running node.
func (l *Link) changed() {
	l.registry.notify()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == ready {
		l.seq++
		l.sendInfo("")
		l.balance()
	}
}

// watchConnection follows the connection's ups and downs. It listens, as others may, instead of taking
// the connection's only handlers.
func (l *Link) watchConnection(status chan nats.Status) {
	defer l.nc.RemoveStatusListener(status)
	for {
		select {
		case <-l.ctx.Done():
			return
		case s, ok := <-status:
			switch {
			case !ok: // the connection has been closed
				l.disconnected()
				return
			case s == nats.CONNECTED:
				l.reconnected()
			case s == nats.RECONNECTING:
				l.disconnected()
			}
		}
	}
}

// disconnected gives up the calls whose answers are lost: those that have not come yet.
func (l *Link) disconnected() {
	last := l.pending.last()
	l.catchUp()
	l.pending.rejectIf(func(c *pendingCall) bool { return c.n <= last }, func(*pendingCall) error { return action.BrokerDisconnected() })
}

// catchUp waits until the answers and requests that have come so far have been handled. What a node sent last may
// still wait to be read when the node is known to be gone.
func (l *Link) catchUp() {
	l.mu.Lock()
	subs := append([]*nats.Subscription{l.answers}, l.served...)
	l.mu.Unlock()
	handled(l.ctx, subs...)
}

// reconnected tells the cluster that this node is back. What it missed comes back with the answers.
func (l *Link) reconnected() {
	l.log.WithField("server", l.nc.ConnectedUrlRedacted()).Info("connected to NATS again")
	if l.opts.Reconnected != nil {
		l.opts.Reconnected()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != ready {
		return
	}
	if err := l.discover(); err != nil {
		l.log.WithError(err).Warn("cannot ask who is in the cluster")
	}
	l.sendInfo("")
}

// leave makes callers go elsewhere, waits for them to notice, refuses what still comes, and waits
// for the running requests and until their answers have been read (docs/design/moleculer-wire.md §6). Node gives callers stopDelay to
// notice and loses the calls of those that are too busy for that; here they are asked.
func (l *Link) leave() {
	l.mu.Lock()
	if l.phase != ready {
		l.phase = max(l.phase, stopping)
		l.mu.Unlock()
		return
	}
	if l.contested {
		l.mu.Unlock()
		l.leaveQuietly()
		return
	}
	l.phase = leaving
	l.seq++
	l.sendInfo("")
	served := append(l.unbalance(), l.served...)
	l.mu.Unlock()

	grace := time.NewTimer(l.stopDelay)
	defer grace.Stop()
	silent := l.untilRead(l.registry.present(), served)
	select {
	case <-grace.C:
	case <-l.ctx.Done():
	}
	l.setPhase(stopping)
	l.drain()
	nodes := l.registry.present()
	maps.DeleteFunc(nodes, func(id string, _ bool) bool { return silent[id] }) // which would not answer this time either
	l.untilRead(nodes, nil)
}

// How long the node still serves after it has said that it leaves: at least Node's default, at most until
// awareTimeout where nodes do not answer.
const (
	stopDelay    = 100 * time.Millisecond
	awareTimeout = time.Second
)

// cutOffTimeout is how long requests that are cut off have to answer.
const cutOffTimeout = time.Second

// drain waits for the running requests, and cuts them off when the drain time is over. Their callers are to hear
// what became of them.
func (l *Link) drain() {
	ctx, cancel := context.WithTimeout(l.ctx, l.opts.DrainTimeout)
	defer cancel()
	left := l.pool.drain(ctx)
	if left == 0 {
		return
	}
	l.log.WithField("requests", left).Warnf("requests still running after %s are cut off", l.opts.DrainTimeout)
	l.cutOff()
	ctx, cancel = context.WithTimeout(l.ctx, cutOffTimeout)
	defer cancel()
	l.pool.drain(ctx)
}

// untilRead waits until the nodes have read what this one has sent so far, and until what they sent before that has been
// handled where it arrives at one of the subscriptions. It returns the nodes that did not answer in time.
func (l *Link) untilRead(nodes map[string]bool, subs []*nats.Subscription) (silent map[string]bool) {
	ctx, cancel := context.WithTimeout(l.ctx, l.awareTimeout)
	defer cancel()
	aware := l.askAll(nodes)
	if err := l.flush(); err != nil {
		l.log.WithError(err).Warn("could not tell the cluster that this node is leaving")
		cancel() // nobody will answer
	}
	select {
	case <-aware:
	case <-ctx.Done():
	}
	handled(ctx, subs...)
	l.mu.Lock()
	defer l.mu.Unlock()
	silent, l.unaware = l.unaware, nil
	return silent
}

func (l *Link) flush() error {
	if !l.nc.IsConnected() { // a flush would wait for the connection
		return nats.ErrConnectionReconnecting
	}
	return l.nc.FlushTimeout(l.awareTimeout)
}

// askAll pings all nodes. Their answers show that they have read what was sent before, and are preceded
// by all that they have sent before reading it. The channel is closed when these nodes have answered or are gone.
func (l *Link) askAll(nodes map[string]bool) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.aware, l.unaware = make(chan struct{}), maps.Clone(nodes)
	if len(l.unaware) == 0 {
		close(l.aware)
		return l.aware
	}
	now := strconv.AppendInt(nil, time.Now().UnixMilli(), 10)
	if err := l.publish(wire.Ping, "", &wire.PingPacket{Header: l.header(), Time: now, ID: strconv.AppendQuote(nil, l.instanceID)}); err != nil {
		l.log.WithError(err).Warn("cannot ask whether the cluster knows that this node is leaving")
	}
	return l.aware
}

// knows takes note that a node knows that this one is leaving, or is gone itself.
func (l *Link) knows(nodeID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.unaware[nodeID] {
		return
	}
	if delete(l.unaware, nodeID); len(l.unaware) == 0 {
		close(l.aware)
	}
}

// handled waits until all messages that have arrived for the subscriptions have been handled, or ctx ends.
func handled(ctx context.Context, subs ...*nats.Subscription) {
	look := time.NewTicker(handledPoll)
	defer look.Stop()
	for _, sub := range subs {
		waiting, _, err := sub.Pending() // the one being handled is among them
		begun, _ := sub.Delivered()
		last := begun + int64(waiting) // at least: there is no way to ask for both at once
		for err == nil && waiting > 0 && begun <= last {
			select {
			case <-look.C:
			case <-ctx.Done():
				return
			}
			waiting, _, err = sub.Pending()
			begun, _ = sub.Delivered()
		}
	}
}

// handledPoll is how often handled looks. NATS does not tell.
const handledPoll = time.Millisecond

// close leaves the cluster.
func (l *Link) close() error {
	l.mu.Lock()
	if l.phase == created || l.phase == closed {
		l.phase = closed
		l.mu.Unlock()
		l.cancel()
		return nil
	}
	l.phase = closed
	var err error
	if l.announced && !l.contested { // or the others would take another node with this id for gone
		err = l.publish(wire.Disconnect, "", &wire.BarePacket{Header: l.header()})
	}
	answers, subs := l.answers, l.subs
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(l.ctx, time.Second)
	defer cancel()
	handled(ctx, answers)
	for _, sub := range subs {
		if e := sub.Unsubscribe(); e != nil && !errors.Is(e, nats.ErrBadSubscription) && err == nil {
			err = e
		}
	}
	l.cancel()
	l.tasks.Wait()
	if e := l.nc.FlushTimeout(time.Second); err == nil {
		err = e
	}
	return err
}

// leaveQuietly makes room for another node with this one's id: what goes to the id is that node's, and callers must
// not go elsewhere. What NATS has routed to this process alone is still served.
func (l *Link) leaveQuietly() {
	l.mu.Lock()
	for _, sub := range l.served {
		if err := sub.Unsubscribe(); err != nil {
			l.log.WithError(err).WithField("subject", sub.Subject).Debug("a subscription was not ended cleanly")
		}
	}
	queues := l.unbalance()
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(l.ctx, l.awareTimeout)
	defer cancel()
	handled(ctx, queues...)
	l.setPhase(stopping)
	l.drain()
}

func (l *Link) forsake(sub *nats.Subscription) {
	if err := sub.Drain(); err != nil { // what has been routed here is still served
		l.log.WithError(err).WithField("subject", sub.Subject).Debug("a subscription was not ended cleanly")
	}
}

func (l *Link) setPhase(p phase) {
	l.mu.Lock()
	l.phase = p
	l.mu.Unlock()
}

func (l *Link) currentPhase() phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.phase
}

func (l *Link) header() wire.Header {
	return wire.Header{Ver: l.opts.Protocol, Sender: l.opts.NodeID}
}

// sendInfo tells a node, or all, who this is and what it serves. The caller holds l.mu.
func (l *Link) sendInfo(nodeID string) {
	info := &wire.Announcement{
		Header: l.header(), Services: []any{}, IPList: addresses(), Hostname: hostname(),
		Client:     l.client(),
		InstanceID: l.instanceID, Metadata: l.opts.Metadata, Seq: l.seq,
	}
	if info.Metadata == nil {
		info.Metadata = map[string]any{}
	}
	if l.phase == ready {
		info.Services = l.catalog.announcement()
	}
	if err := l.publish(wire.Info, nodeID, info); err != nil {
		l.log.WithError(err).Warn("cannot announce this node's services")
	}
}

func (l *Link) client() wire.Client {
	return wire.Client{Type: "go", Version: l.opts.Version, LangVersion: runtime.Version()}
}

func (l *Link) publish(cmd wire.Command, nodeID string, packet any) error {
	data, err := wire.Encode(packet)
	if err != nil {
		return fmt.Errorf("encode %s: %w", cmd, err)
	}
	if err := l.nc.Publish(wire.Subject(l.prefix, cmd, nodeID), data); err != nil {
		return fmt.Errorf("publish %s: %w", cmd, err)
	}
	return nil
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// addresses lists the first IPv4 address of each interface that leads somewhere, else the loopback's.
func addresses() []string {
	var outside, inside []string
	interfaces, err := net.Interfaces()
	if err != nil {
		return []string{}
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			ip, ok := a.(*net.IPNet)
			if !ok || ip.IP.To4() == nil {
				continue
			}
			if i.Flags&net.FlagLoopback != 0 {
				inside = append(inside, ip.IP.String())
			} else {
				outside = append(outside, ip.IP.String())
			}
			break
		}
	}
	if len(outside) > 0 {
		return outside
	}
	return append([]string{}, inside...)
}
