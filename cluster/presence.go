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

const (
	// heartbeatInterval is Node's default.
	heartbeatInterval = 10 * time.Second
	// heartbeatJitter: the interval varies by a twentieth, so that nodes do not all send at once.
	heartbeatJitter = 20
	// expireInterval is how often the node looks for silent ones, at most; see expireEvery.
	expireInterval = 5 * time.Second
)

// expireEvery is how often the node looks for silent ones: at least six times within the time that they may be silent.
func (l *Link) expireEvery() time.Duration {
	if silence := l.registry.silence; silence > 0 {
		return max(min(expireInterval, silence/6), time.Millisecond)
	}
	return expireInterval
}

// controlLoop handles the packets about nodes in the order of their arrival, and drops silent nodes.
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

// lookForSilent drops silent nodes. It reads the waiting heartbeats first.
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
			// This node's own id gets an answer too: the sender may be another node with the same id, which
			// learns of the conflict before it serves anything.
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
	case wire.Pong: // this node pings only when it leaves
		var p wire.PingPacket
		if l.decode(msg, &p) {
			l.ackLeave(p.Sender)
		}
	default:
	}
}

// decode reads a packet. It returns false, after logging why, if the packet cannot be used.
func (l *Link) decode(msg *nats.Msg, packet wire.Packet) bool {
	l.metrics.PacketReceived(packetType(l.prefix, msg.Subject), len(msg.Data))
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
		if news.replaced { // the instance before it will not answer any more
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
		l.idConflict = true
		l.mu.Unlock()
		select {
		case l.fatal <- fmt.Errorf(
			"another node of the cluster has the id %q too; give this one another (node.id)", l.opts.NodeID,
		):
		default:
		}
	}
}

// logPeer logs that a node joined or left: at debug level if it is a visitor, which comes and goes with each command.
func (l *Link) logPeer(nodeID, format string, args ...any) {
	level := logrus.InfoLevel
	if l.registry.isVisitor(nodeID) {
		level = logrus.DebugLevel
	}
	l.log.WithField("peer", nodeID).Logf(level, format, args...)
}

// gone handles the end of another node. unexpected means that it was silent for too long.
func (l *Link) gone(nodeID string, unexpected bool) {
	why := "it left"
	if unexpected {
		why = "no heartbeat for " + l.registry.silence.String()
	}
	l.logPeer(nodeID, "node is gone: %s", why)
	l.ackLeave(nodeID)
	l.catchUp()
	l.pending.reject(nodeID)
	l.streams.forget(nodeID)
	l.internal("$node.disconnected", map[string]any{"node": map[string]any{"id": nodeID}, "unexpected": unexpected})
}

// ask sends DISCOVER to a node, which answers with INFO.
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

// heartbeats sends heartbeats until the link closes.
func (l *Link) heartbeats() {
	beat := time.NewTicker(l.beat)
	defer beat.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-beat.C:
			l.lastCPU.Store(cpuPercent())
			if err := l.publish(
				wire.Heartbeat, "", &wire.HeartbeatPacket{Header: l.header(), CPU: l.lastCPU.Load()},
			); err != nil {
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
		l.refuse(p, action.RequestTimeout(p.Action, l.opts.NodeID))
	}
}

// cpuPercent is the machine's CPU load since the last call, nil if it cannot be read.
func cpuPercent() *int {
	percent, err := cpu.Percent(0, false)
	if err != nil || len(percent) == 0 {
		return nil
	}
	n := int(percent[0] + 0.5)
	return &n
}
