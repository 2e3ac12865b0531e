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
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"maps"
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
	Queue        int           // requests that wait while that many run; more are refused with QueueIsFullError
	DrainTimeout time.Duration // how long a stop waits for running requests

	// Health adds to what $node.health tells, under these names; nil adds nothing.
	Health func(ctx context.Context) map[string]any
	// Reconnected is called when the connection is back: events may have been missed.
	Reconnected func()

	HeartbeatInterval time.Duration // 0 means 10 s; callers take a node for dead after 30 s of silence by default

	Log *logrus.Entry
}

// Link speaks Moleculer's protocol on a NATS connection. Make one with [New], a broker on top of it
// with [Link.NewBroker]; the broker's Start and Stop drive it. Safe for concurrent use.
type Link struct {
	opts       Options
	nc         *nats.Conn
	log        *logrus.Entry
	prefix     string
	instanceID string
	catalog    *catalog
	registry   *registry
	pending    *pendingCalls
	streams    *streams
	pool       *pool
	lane       *lane
	unanswered atomic.Int64  // requests that were accepted
	beat       time.Duration // between two heartbeats
	delegates  atomic.Pointer[moleculer.BrokerDelegates]

	ctx    context.Context // of all requests; ends when the drain time is over
	cancel context.CancelFunc
	fatal  chan error
	tasks  sync.WaitGroup
	born   time.Time

	lastCPU atomic.Pointer[int] // percent, as of the last heartbeat

	mu        sync.Mutex // guards what follows, and the order in which INFOs go out
	phase     phase
	seq       int64
	subs      []*nats.Subscription
	requests  *nats.Subscription            // one of them
	balanced  map[string]*nats.Subscription // by subject and queue
	control   chan *nats.Msg
	strangers map[string]bool // senders of another protocol version, each logged once
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
	opts.Protocol = cmp.Or(opts.Protocol, wire.V4)
	opts.HeartbeatInterval = cmp.Or(opts.HeartbeatInterval, heartbeatInterval)
	jitter := opts.HeartbeatInterval / heartbeatJitter
	l := &Link{
		opts: opts, nc: nc, log: opts.Log.WithField("node", opts.NodeID),
		prefix: wire.Prefix(opts.Namespace), instanceID: uuid.NewString(),
		catalog: newCatalog(), registry: newRegistry(), pending: newPendingCalls(),
		pool: newPool(opts.Concurrency, opts.Queue),
		beat: opts.HeartbeatInterval + rand.N(2*jitter+1) - jitter,
		ctx:  ctx, cancel: cancel, fatal: make(chan error, 1),
		seq: 1, control: make(chan *nats.Msg, 8192), strangers: map[string]bool{},
		born: time.Now(), streams: newStreams(opts.NodeID, cmp.Or(opts.StreamLimit, 10<<20)),
	}
	l.lane = newLane(l.pool)
	l.addNodeService()
	return l
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
	if err := l.open(); err != nil {
		return err
	}
	wait := time.NewTimer(conflictWait)
	defer wait.Stop()
	select {
	case err := <-l.fatal:
		return err
	case <-wait.C:
		return nil
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

// open subscribes and asks who is there.
func (l *Link) open() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != created {
		return nil
	}
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
	if err := l.subscribed(l.nc.Subscribe(wire.Subject(l.prefix, wire.Response, me), l.onResponse)); err != nil {
		return err
	}
	requests, err := l.nc.Subscribe(wire.Subject(l.prefix, wire.Request, me), l.onRequest)
	if err := l.subscribed(requests, err); err != nil {
		return err
	}
	l.requests = requests
	if err := l.subscribed(l.nc.Subscribe(wire.Subject(l.prefix, wire.Event, me), l.onEvent(""))); err != nil {
		return err
	}
	if err := l.nc.FlushTimeout(5 * time.Second); err != nil {
		return fmt.Errorf("subscribe to the cluster: %w", err)
	}
	l.phase = open
	l.tasks.Go(l.controlLoop)
	status := l.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING)
	l.tasks.Go(func() { l.watchConnection(status) })
	return l.publish(wire.Discover, "", &wire.BarePacket{Header: l.header()})
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
	l.phase = ready
	l.seq++
	l.sendInfo("")
	l.balance()
	l.tasks.Go(l.heartbeats)
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
				return
			case s == nats.CONNECTED:
				l.reconnected()
			case s == nats.RECONNECTING:
				// Answers that come now are lost.
				l.pending.rejectIf(func(*pendingCall) bool { return true }, func(*pendingCall) error { return action.BrokerDisconnected() })
			}
		}
	}
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
	if err := l.publish(wire.Discover, "", &wire.BarePacket{Header: l.header()}); err != nil {
		l.log.WithError(err).Warn("cannot ask who is in the cluster")
	}
	l.sendInfo("")
}

// leave makes callers go elsewhere, waits for them to notice, refuses what still comes, and waits
// for the running requests (wire note §6). Node gives callers stopDelay to notice and loses the calls of
// those that are too busy for that; here they are asked.
func (l *Link) leave() {
	l.mu.Lock()
	if l.phase != ready {
		l.phase = max(l.phase, stopping)
		l.mu.Unlock()
		return
	}
	l.phase = leaving
	l.seq++
	l.sendInfo("")
	l.unbalance()
	l.askAll()
	requests, aware := l.requests, l.aware
	l.mu.Unlock()
	limit, cancelLimit := context.WithTimeout(l.ctx, awareTimeout)
	defer cancelLimit()
	if err := l.nc.FlushTimeout(awareTimeout); err != nil {
		l.log.WithError(err).Warn("could not tell the cluster that this node is leaving")
		cancelLimit() // nobody will answer
	}
	grace := time.NewTimer(stopDelay)
	defer grace.Stop()
	select {
	case <-grace.C:
	case <-l.ctx.Done():
	}
	select {
	case <-aware:
	case <-limit.Done():
	}
	taken(limit, requests)

	l.setPhase(stopping)
	ctx, cancel := context.WithTimeout(l.ctx, l.opts.DrainTimeout)
	defer cancel()
	if left := l.pool.drain(ctx); left > 0 {
		l.log.WithField("requests", left).Warnf("requests still running after %s are cut off", l.opts.DrainTimeout)
	}
}

// How long the node still serves after it has said that it leaves: at least Node's default, at most until
// awareTimeout where nodes do not answer.
const (
	stopDelay    = 100 * time.Millisecond
	awareTimeout = time.Second
)

// askAll pings all nodes. Their answers show that they have read what was sent before, and are preceded
// by all that they have sent before reading it. The caller holds l.mu.
func (l *Link) askAll() {
	l.aware, l.unaware = make(chan struct{}), l.registry.present()
	if len(l.unaware) == 0 {
		close(l.aware)
		return
	}
	now := strconv.AppendInt(nil, time.Now().UnixMilli(), 10)
	if err := l.publish(wire.Ping, "", &wire.PingPacket{Header: l.header(), Time: now, ID: strconv.AppendQuote(nil, l.instanceID)}); err != nil {
		l.log.WithError(err).Warn("cannot ask whether the cluster knows that this node is leaving")
	}
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

// taken waits until all messages that have arrived for a subscription have been handled.
func taken(ctx context.Context, sub *nats.Subscription) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if waiting, _, err := sub.Pending(); err != nil || waiting == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

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
	err := l.publish(wire.Disconnect, "", &wire.BarePacket{Header: l.header()})
	for _, sub := range l.subs {
		if e := sub.Unsubscribe(); e != nil && err == nil {
			err = e
		}
	}
	l.mu.Unlock()
	l.cancel()
	l.tasks.Wait()
	if e := l.nc.FlushTimeout(time.Second); err == nil {
		err = e
	}
	return err
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
