// Package cluster makes a moleculer-go broker a full member of a cluster of Node brokers over NATS.
//
// moleculer-go keeps its services, mixins, lifecycle and local calls. [Link] replaces its network side through its
// extension point, Config.TransporterFactory. The link knows nothing of platforms.
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
	"github.com/hiliosai/switchboard/metrics"
)

// Options describes a node.
type Options struct {
	NodeID    string // unique in the cluster; a NATS subject token
	Namespace string // Moleculer's, "" for none
	Version   string // of this software, as the cluster sees it
	Metadata  map[string]any
	Protocol  wire.Version // empty means wire.V4

	MaxCallLevel int // depth at which a chain of calls ends with MaxCallLevelError; 0 means no limit
	StreamLimit  int // bytes of a request stream; 0 means 10 MB

	Concurrency  int           // requests that run at once
	RequestBytes int64         // bytes of all requests that run or wait; more are refused; 0 means no limit
	Queue        int           // requests that wait while that many run; more are refused with QueueIsFullError
	DrainTimeout time.Duration // how long a stop waits for running requests

	// Health adds values to the answer of $node.health, under these names; nil adds nothing.
	Health func(ctx context.Context) map[string]any
	// Reconnected is called when the connection is back: events may have been missed.
	Reconnected func()

	// Metrics counts what the link does, and is what $node.metrics tells; nil counts nothing.
	Metrics *metrics.Registry

	// HeartbeatInterval is the time between two heartbeats; 0 means 10 s. With a negative one (Node's 0) this node
	// sends no heartbeats and never drops a silent node.
	HeartbeatInterval time.Duration
	// HeartbeatTimeout is how long another node may be silent before it counts as gone; 0 means 30 s, a negative one
	// means for ever.
	HeartbeatTimeout time.Duration

	Log *logrus.Entry
}

// Link speaks Moleculer's protocol on a NATS connection. [New] makes one, and [Link.NewBroker] makes a broker on top of
// it, whose Start and Stop also start and stop the link. Safe for concurrent use.
type Link struct {
	opts            Options
	nc              *nats.Conn
	log             *logrus.Entry
	metrics         *metrics.Cluster // nil counts nothing
	prefix          string
	instanceID      string
	catalog         *catalog
	registry        *registry
	pending         *pendingCalls
	streams         *streams
	unusableSenders *unusableSenders
	pool            *pool
	fastQueue       *fastQueue
	unanswered      atomic.Int64  // requests that were accepted and not answered yet
	unansweredBytes atomic.Int64  // of their params and meta
	beat            time.Duration // between two heartbeats

	stopDelay, leaveAckTimeout time.Duration // the constants, but for tests
	delegates                  atomic.Pointer[moleculer.BrokerDelegates]

	ctx    context.Context // ends when the link closes
	cancel context.CancelFunc
	work   context.Context // of all requests; ends when the drain time is over
	cutOff context.CancelFunc
	fatal  chan error
	tasks  sync.WaitGroup
	born   time.Time

	lastCPU atomic.Pointer[int] // percent, as of the last heartbeat

	mu           sync.Mutex // guards what follows, and the order in which INFOs go out
	phase        phase
	seq          int64
	subs         []*nats.Subscription
	answers      *nats.Subscription            // one of them: RES
	served       []*nats.Subscription          // of them: REQ and EVENT
	balanced     map[string]*nats.Subscription // by subject and queue
	announced    bool                          // the cluster knows of this node
	idConflict   bool                          // another node has this one's id
	control      chan *nats.Msg
	leaveUnacked map[string]bool // nodes that may not know yet that this one is leaving
	leaveAcked   chan struct{}   // closed when leaveUnacked is empty
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

// New prepares a link. The caller keeps the connection and closes it after the broker's Stop.
func New(nc *nats.Conn, opts Options) *Link {
	ctx, cancel := context.WithCancel(context.Background())
	work, cutOff := context.WithCancel(ctx)
	opts.Protocol = cmp.Or(opts.Protocol, wire.V4)
	opts.HeartbeatInterval = max(cmp.Or(opts.HeartbeatInterval, heartbeatInterval), 0)
	opts.HeartbeatTimeout = max(cmp.Or(opts.HeartbeatTimeout, heartbeatTimeout), 0)
	jitter := opts.HeartbeatInterval / heartbeatJitter
	l := &Link{
		opts: opts, nc: nc, log: opts.Log.WithField("node", opts.NodeID),
		metrics: opts.Metrics.Cluster(),
		prefix:  wire.Prefix(opts.Namespace), instanceID: uuid.NewString(),
		catalog: newCatalog(), registry: newRegistry(opts.silence()), pending: newPendingCalls(),
		pool: newPool(opts.Concurrency, opts.Queue),
		beat: opts.HeartbeatInterval + rand.N(2*jitter+1) - jitter,
		ctx:  ctx, cancel: cancel, work: work, cutOff: cutOff, fatal: make(chan error, 1),
		seq: 1, control: make(chan *nats.Msg, 8192), unusableSenders: newUnusableSenders(),
		stopDelay: stopDelay, leaveAckTimeout: leaveAckTimeout,
		born: time.Now(), streams: newStreams(opts.NodeID, cmp.Or(opts.StreamLimit, 10<<20)),
	}
	l.fastQueue = newFastQueue(l.pool)
	l.addNodeService()
	opts.Metrics.Read(l.measure)
	return l
}

// silence is how long another node may be silent; 0 means for ever.
func (o *Options) silence() time.Duration {
	if o.HeartbeatInterval == 0 { // as in Node
		return 0
	}
	return o.HeartbeatTimeout
}

// Fatal delivers the only error after which the process must stop: another node has the same id.
func (l *Link) Fatal() <-chan error { return l.fatal }

// NodeID is this node's id.
func (l *Link) NodeID() string { return l.opts.NodeID }

// Services lists the services of the cluster, this node's first. It leaves out the brokers' own services, whose names
// start with $.
func (l *Link) Services() []ServiceStatus {
	return slices.DeleteFunc(append(l.catalog.list(l.opts.NodeID), l.registry.services()...), func(s ServiceStatus) bool {
		return strings.HasPrefix(s.FullName, "$")
	})
}

// conflictWait is how long a starting node waits for the INFO of another node with the same id.
const conflictWait = 200 * time.Millisecond

// Open connects the link to the cluster. It fails if another node has the same id. The broker's Start opens a link
// that is not open yet, but it does not wait for such a node, and it panics on errors.
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
		return l.takeRequests() // not before: they may be for the other node
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close closes a link that was opened without a broker.
func (l *Link) Close() error { return l.close() }

// Join makes the link a member of the cluster that serves nothing. A broker joins by its own Start.
func (l *Link) Join() error {
	if err := l.open(); err != nil {
		return err
	}
	l.announce()
	return nil
}

// Leave leaves the cluster after Join.
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

// NodeIDs lists the ids of the other available nodes, sorted.
func (l *Link) NodeIDs() []string { return slices.Sorted(maps.Keys(l.registry.present())) }

// WaitForServices waits until each of the services is on some node. names are full names, such as "v2.posts".
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

// WaitQuiet waits until no node has introduced itself for a while.
func (l *Link) WaitQuiet(ctx context.Context, quiet time.Duration) {
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

// open subscribes and asks who is there, unless that has been done.
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

// listen subscribes to packets about nodes and to responses.
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

// takeRequests subscribes to requests and events for this node.
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

// announce makes the node's services known. From then on the node serves requests.
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

// watchConnection reacts when the connection is lost or restored. It uses a status listener, because the connection has
// only one handler of each kind and others may need it.
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

// disconnected fails the calls that wait for an answer: the connection lost it.
func (l *Link) disconnected() {
	last := l.pending.last()
	l.catchUp()
	l.pending.rejectIf(
		func(c *pendingCall) bool { return c.n <= last }, func(*pendingCall) error { return action.BrokerDisconnected() },
	)
}

// catchUp waits until the answers and requests that arrived so far are handled. When a node is known to be gone, its
// last packets may still wait in a subscription.
func (l *Link) catchUp() {
	l.mu.Lock()
	subs := append([]*nats.Subscription{l.answers}, l.served...)
	l.mu.Unlock()
	waitDrained(l.ctx, subs...)
}

// reconnected tells the cluster that this node is back. The answers bring what it missed.
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

// leave announces that this node serves nothing any more, waits until all nodes know it, refuses further requests, and
// waits for the running requests and until their answers have been read (docs/design/moleculer-wire.md §6). Node only
// waits for stopDelay, and loses the calls of nodes that are too busy to notice in time. Here they are pinged.
func (l *Link) leave() {
	l.mu.Lock()
	if l.phase != ready {
		l.phase = max(l.phase, stopping)
		l.mu.Unlock()
		return
	}
	if l.idConflict {
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
	silent := l.waitLeaveAcked(l.registry.present(), served)
	select {
	case <-grace.C:
	case <-l.ctx.Done():
	}
	l.setPhase(stopping)
	l.drain()
	nodes := l.registry.present()
	maps.DeleteFunc(nodes, func(id string, _ bool) bool { return silent[id] }) // they would not answer this time either
	l.waitLeaveAcked(nodes, nil)
}

// How long a leaving node still serves: at least stopDelay, which is Node's default, and at most leaveAckTimeout if
// nodes do not answer.
const (
	stopDelay       = 100 * time.Millisecond
	leaveAckTimeout = time.Second
)

// cutOffTimeout is how long requests may take to answer after their context was cancelled.
const cutOffTimeout = time.Second

// drain waits for the running requests. When the drain time is over it cancels them, and gives them time to answer
// their callers.
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

// waitLeaveAcked waits until the nodes have read everything that this node has sent, and until everything that they
// sent to subs before is handled. It returns the nodes that did not answer in time.
func (l *Link) waitLeaveAcked(nodes map[string]bool, subs []*nats.Subscription) (silent map[string]bool) {
	ctx, cancel := context.WithTimeout(l.ctx, l.leaveAckTimeout)
	defer cancel()
	acked := l.pingAll(nodes)
	if err := l.flush(); err != nil {
		l.log.WithError(err).Warn("could not tell the cluster that this node is leaving")
		cancel() // no node will answer
	}
	select {
	case <-acked:
	case <-ctx.Done():
	}
	waitDrained(ctx, subs...)
	l.mu.Lock()
	defer l.mu.Unlock()
	silent, l.leaveUnacked = l.leaveUnacked, nil
	return silent
}

func (l *Link) flush() error {
	if !l.nc.IsConnected() { // a flush would wait for the connection
		return nats.ErrConnectionReconnecting
	}
	return l.nc.FlushTimeout(l.leaveAckTimeout)
}

// pingAll pings all nodes. A PONG shows that its sender has read everything sent before the PING, and it comes after
// everything that its sender sent before. The channel is closed when all given nodes have answered or are gone.
func (l *Link) pingAll(nodes map[string]bool) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaveAcked, l.leaveUnacked = make(chan struct{}), maps.Clone(nodes)
	if len(l.leaveUnacked) == 0 {
		close(l.leaveAcked)
		return l.leaveAcked
	}
	now := strconv.AppendInt(nil, time.Now().UnixMilli(), 10)
	if err := l.publish(
		wire.Ping, "", &wire.PingPacket{Header: l.header(), Time: now, ID: strconv.AppendQuote(nil, l.instanceID)},
	); err != nil {
		l.log.WithError(err).Warn("cannot ask whether the cluster knows that this node is leaving")
	}
	return l.leaveAcked
}

// ackLeave notes that a node knows that this one is leaving, or that it is gone itself.
func (l *Link) ackLeave(nodeID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.leaveUnacked[nodeID] {
		return
	}
	if delete(l.leaveUnacked, nodeID); len(l.leaveUnacked) == 0 {
		close(l.leaveAcked)
	}
}

// waitDrained waits until all messages that have arrived at the subscriptions are handled, or ctx ends.
func waitDrained(ctx context.Context, subs ...*nats.Subscription) {
	look := time.NewTicker(drainPoll)
	defer look.Stop()
	for _, sub := range subs {
		waiting, _, err := sub.Pending() // includes the message that is being handled
		begun, _ := sub.Delivered()
		last := begun + int64(waiting) // at least: both cannot be read at once
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

// drainPoll is how often waitDrained looks, because NATS sends no notification.
const drainPoll = time.Millisecond

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
	if l.announced && !l.idConflict { // otherwise the others drop the other node with this id
		err = l.publish(wire.Disconnect, "", &wire.BarePacket{Header: l.header()})
	}
	answers, subs := l.answers, l.subs
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(l.ctx, time.Second)
	defer cancel()
	waitDrained(ctx, answers)
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

// leaveQuietly leaves without an INFO or DISCONNECT, because another node has the same id: the others would drop that
// node. Requests that NATS has already delivered to this process are still served.
func (l *Link) leaveQuietly() {
	l.mu.Lock()
	for _, sub := range l.served {
		if err := sub.Unsubscribe(); err != nil {
			l.log.WithError(err).WithField("subject", sub.Subject).Debug("a subscription was not ended cleanly")
		}
	}
	queues := l.unbalance()
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(l.ctx, l.leaveAckTimeout)
	defer cancel()
	waitDrained(ctx, queues...)
	l.setPhase(stopping)
	l.drain()
}

// drainSubscription ends a subscription after its waiting messages have been handled.
func (l *Link) drainSubscription(sub *nats.Subscription) {
	if err := sub.Drain(); err != nil {
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

// sendInfo sends INFO to a node, or to all if nodeID is "". The caller holds l.mu.
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
	l.metrics.PacketSent(string(cmd), len(data))
	return nil
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// addresses lists the first IPv4 address of each interface, or the loopback's if there is no other.
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
