// Package cluster is this node's place in a Moleculer cluster: it makes a moleculer-go broker a full
// member of a cluster of Node brokers over NATS.
//
// moleculer-go keeps its services, mixins, lifecycle and local calls; its own network side is
// replaced by [Link] through its extension point, Config.TransporterFactory. The link knows nothing
// of platforms.
package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/moleculer-go/moleculer"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/cluster/wire"
)

// Options describe a node.
type Options struct {
	NodeID    string // unique in the cluster; a NATS subject token
	Namespace string // Moleculer's, "" for none
	Version   string // of this software, told to the cluster
	Metadata  map[string]any

	Concurrency  int           // requests that run at once
	Queue        int           // requests that wait while that many run; more are refused with QueueIsFullError
	DrainTimeout time.Duration // how long a stop waits for running requests

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
	pool       *pool
	beat       time.Duration // between two heartbeats
	delegates  atomic.Pointer[moleculer.BrokerDelegates]

	ctx    context.Context // of all requests; ends when the drain time is over
	cancel context.CancelFunc
	fatal  chan error
	tasks  sync.WaitGroup

	mu        sync.Mutex // guards what follows, and the order in which INFOs go out
	phase     phase
	seq       int64
	subs      []*nats.Subscription
	control   chan *nats.Msg
	strangers map[string]bool // senders of another protocol version, each logged once
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
	return &Link{
		opts: opts, nc: nc, log: opts.Log.WithField("node", opts.NodeID),
		prefix: wire.Prefix(opts.Namespace), instanceID: uuid.NewString(),
		catalog: newCatalog(), registry: newRegistry(), pending: newPendingCalls(),
		pool: newPool(opts.Concurrency, opts.Queue),
		beat: heartbeatInterval + rand.N(2*heartbeatJitter) - heartbeatJitter,
		ctx:  ctx, cancel: cancel, fatal: make(chan error, 1),
		seq: 1, control: make(chan *nats.Msg, 8192), strangers: map[string]bool{},
	}
}

// Fatal delivers the one error after which this node must not go on: another node has its id.
func (l *Link) Fatal() <-chan error { return l.fatal }

// NodeID is this node's id.
func (l *Link) NodeID() string { return l.opts.NodeID }

// Services lists what the cluster serves, this node's services first.
func (l *Link) Services() []ServiceStatus {
	return append(l.catalog.list(l.opts.NodeID), l.registry.services()...)
}

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
	for {
		news := l.registry.news()
		if _, ok := l.catalog.action(name); ok || l.registry.knows(name) {
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
	if err := l.subscribed(l.nc.Subscribe(wire.Subject(l.prefix, wire.Request, me), l.onRequest)); err != nil {
		return err
	}
	if err := l.nc.FlushTimeout(5 * time.Second); err != nil {
		return fmt.Errorf("subscribe to the cluster: %w", err)
	}
	l.phase = open
	l.tasks.Go(l.controlLoop)
	l.nc.SetReconnectHandler(func(*nats.Conn) { l.reconnected() })
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
	}
}

// reconnected tells the cluster that this node is back. What it missed comes back with the answers.
func (l *Link) reconnected() {
	l.log.WithField("server", l.nc.ConnectedUrlRedacted()).Info("connected to NATS again")
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
// for the running requests (wire note §6).
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
	l.mu.Unlock()
	if err := l.nc.FlushTimeout(time.Second); err != nil {
		l.log.WithError(err).Warn("could not tell the cluster that this node is leaving")
	}
	grace := time.NewTimer(stopDelay)
	defer grace.Stop()
	select {
	case <-grace.C:
	case <-l.ctx.Done():
	}

	l.setPhase(stopping)
	ctx, cancel := context.WithTimeout(l.ctx, l.opts.DrainTimeout)
	defer cancel()
	if left := l.pool.drain(ctx); left > 0 {
		l.log.WithField("requests", left).Warnf("requests still running after %s are cut off", l.opts.DrainTimeout)
	}
}

// stopDelay is how long the node still serves after it has said that it leaves, Node's default.
const stopDelay = 100 * time.Millisecond

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
	return wire.Header{Ver: wire.Protocol, Sender: l.opts.NodeID}
}

// sendInfo tells a node, or all, who this is and what it serves. The caller holds l.mu.
func (l *Link) sendInfo(nodeID string) {
	info := &wire.Announcement{
		Header: l.header(), Services: []any{}, IPList: addresses(), Hostname: hostname(),
		Client:     wire.Client{Type: "go", Version: l.opts.Version, LangVersion: runtime.Version()},
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
