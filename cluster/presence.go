package cluster

import (
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster/wire"
)

// How often the node says that it is alive, Node's default, give or take a twentieth so that the
// nodes of a cluster do not all speak at once; and how often it looks for silent ones, unless they may be silent for
// a shorter time than six of these.
const (
	heartbeatInterval = 10 * time.Second
	heartbeatJitter   = 20 // the interval through this
	expireInterval    = 5 * time.Second
)

// expireEvery is how often the node looks for silent ones.
func (l *Link) expireEvery() time.Duration {
	if silence := l.registry.silence; silence > 0 {
		return max(min(expireInterval, silence/6), time.Millisecond)
	}
	return expireInterval
}

// controlLoop handles the packets about nodes in the order of their arrival, and drops nodes that are silent.
func (l *Link) controlLoop() {
	check := time.NewTicker(l.expireEvery())
	defer check.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case msg := <-l.control:
			l.onControl(msg)
		case <-check.C:
			l.lookForSilent(time.Now())
		}
	}
}

// lookForSilent drops silent nodes, but none whose heartbeat waits to be read.
func (l *Link) lookForSilent(now time.Time) {
	for range len(l.control) {
		l.onControl(<-l.control)
	}
	l.expire(now)
}

func (l *Link) onControl(msg *nats.Msg) {
	cmd := strings.TrimPrefix(msg.Subject, l.prefix+".")
	if i := strings.IndexByte(cmd, '.'); i >= 0 {
		cmd = cmd[:i]
	}
	switch wire.Command(cmd) {
	case wire.Info:
		var p wire.InfoPacket
		if l.decode(msg, &p) {
			l.onInfo(&p)
		}
	case wire.Heartbeat:
		var p wire.HeartbeatPacket
		if l.decode(msg, &p) && p.Sender != l.opts.NodeID && !l.registry.heartbeat(p.Sender, p.CPU, time.Now()) {
			l.ask(p.Sender)
		}
	case wire.Discover:
		var p wire.BarePacket
		if l.decode(msg, &p) {
			// This node's own id is answered too: the sender may be another node that has taken it, and
			// learns so before it does any harm.
			l.mu.Lock()
			if l.phase >= ready && l.phase < closed {
				l.sendInfo(p.Sender)
			}
			l.mu.Unlock()
		}
	case wire.Disconnect:
		var p wire.BarePacket
		if l.decode(msg, &p) && p.Sender != l.opts.NodeID && l.registry.disconnect(p.Sender, time.Now()) {
			l.gone(p.Sender, false)
		}
	case wire.Ping:
		var p wire.PingPacket
		if l.decode(msg, &p) && p.Sender != l.opts.NodeID {
			l.pong(&p)
		}
	case wire.Pong: // this node pings when it leaves only
		var p wire.PingPacket
		if l.decode(msg, &p) {
			l.knows(p.Sender)
		}
	default:
	}
}

// decode reads a packet and says whether it can be used.
func (l *Link) decode(msg *nats.Msg, packet wire.Packet) bool {
	err := wire.Decode(l.opts.Protocol, msg.Data, packet)
	if err == nil {
		return true
	}
	l.unusable(msg, packet.From(), err)
	return false
}

func (l *Link) onInfo(p *wire.InfoPacket) {
	if p.Sender != l.opts.NodeID {
		news := l.registry.info(p, time.Now())
		node := map[string]any{"id": p.Sender}
		if news.replaced { // nobody will answer what the instance before it was asked
			l.catchUp()
			l.pending.reject(p.Sender)
			l.streams.forget(p.Sender)
		}
		switch {
		case news.joined:
			l.logPeer(p.Sender, "node joined: %s %s", p.Client.Type, p.Client.Version)
			l.internal("$node.connected", map[string]any{"node": node, "reconnected": news.reconnected})
		case news.changed:
			l.internal("$node.updated", map[string]any{"node": node})
		}
		if news.changed && p.Services != nil {
			l.internal("$services.changed", map[string]any{"localService": false})
		}
		return
	}
	if p.InstanceID != "" && p.InstanceID != l.instanceID {
		l.mu.Lock()
		l.contested = true
		l.mu.Unlock()
		select {
		case l.fatal <- fmt.Errorf("another node of the cluster has the id %q too; give this one another (node.id)", l.opts.NodeID):
		default:
		}
	}
}

// logPeer logs the coming and going of a node. Visitors, who come and go with each command, are of interest to few.
func (l *Link) logPeer(nodeID, format string, args ...any) {
	level := logrus.InfoLevel
	if l.registry.isVisitor(nodeID) {
		level = logrus.DebugLevel
	}
	l.log.WithField("peer", nodeID).Logf(level, format, args...)
}

func (l *Link) gone(nodeID string, unexpected bool) {
	why := "it left"
	if unexpected {
		why = "no heartbeat for " + l.registry.silence.String()
	}
	l.logPeer(nodeID, "node is gone: %s", why)
	l.knows(nodeID)
	l.catchUp()
	l.pending.reject(nodeID)
	l.streams.forget(nodeID)
	l.internal("$node.disconnected", map[string]any{"node": map[string]any{"id": nodeID}, "unexpected": unexpected})
}

// ask makes a node introduce itself.
func (l *Link) ask(nodeID string) {
	if err := l.publish(wire.Discover, nodeID, &wire.BarePacket{Header: l.header()}); err != nil {
		l.log.WithError(err).Debug("cannot ask a node who it is")
	}
}

func (l *Link) pong(p *wire.PingPacket) {
	pong := &wire.PingPacket{Header: l.header(), Time: p.Time, ID: p.ID, Arrived: time.Now().UnixMilli()}
	if err := l.publish(wire.Pong, p.Sender, pong); err != nil {
		l.log.WithError(err).Debug("cannot answer a ping")
	}
}

// heartbeats beats until the link closes.
func (l *Link) heartbeats() {
	beat := time.NewTicker(l.beat)
	defer beat.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-beat.C:
			l.lastCPU.Store(cpuPercent())
			if err := l.publish(wire.Heartbeat, "", &wire.HeartbeatPacket{Header: l.header(), CPU: l.lastCPU.Load()}); err != nil {
				l.log.WithError(err).Debug("no heartbeat sent")
			}
		}
	}
}

func (l *Link) expire(now time.Time) {
	for _, id := range l.registry.expire(now) {
		l.gone(id, true)
	}
	for _, p := range l.streams.expire(now) {
		l.fail(p, action.RequestTimeout(p.Action, l.opts.NodeID))
	}
}

// cpuPercent is the machine's load since the last call, nil when it cannot be read.
func cpuPercent() *int {
	percent, err := cpu.Percent(0, false)
	if err != nil || len(percent) == 0 {
		return nil
	}
	n := int(percent[0] + 0.5)
	return &n
}
