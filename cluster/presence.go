package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/shirou/gopsutil/v4/cpu"

	"github.com/hiliosai/switchboard/cluster/wire"
)

// How often the node says that it is alive, Node's default, give or take half a second so that the
// nodes of a cluster do not all speak at once; and how often it looks for silent ones.
const (
	heartbeatInterval = 10 * time.Second
	heartbeatJitter   = 500 * time.Millisecond
	expireInterval    = 5 * time.Second
)

// controlLoop handles the packets about nodes in the order of their arrival.
func (l *Link) controlLoop() {
	for {
		select {
		case <-l.ctx.Done():
			return
		case msg := <-l.control:
			l.onControl(msg)
		}
	}
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
		if l.decode(msg, &p) && p.Sender != l.opts.NodeID && !l.registry.heartbeat(p.Sender, time.Now()) {
			l.ask(p.Sender)
		}
	case wire.Discover:
		var p wire.BarePacket
		if l.decode(msg, &p) && p.Sender != l.opts.NodeID {
			l.mu.Lock()
			if l.phase >= ready && l.phase < closed {
				l.sendInfo(p.Sender)
			}
			l.mu.Unlock()
		}
	case wire.Disconnect:
		var p wire.BarePacket
		if l.decode(msg, &p) && p.Sender != l.opts.NodeID && l.registry.disconnect(p.Sender) {
			l.gone(p.Sender, "it left")
		}
	case wire.Ping:
		var p wire.PingPacket
		if l.decode(msg, &p) && p.Sender != l.opts.NodeID {
			l.pong(&p)
		}
	case wire.Pong: // this node sends no pings yet
	default:
	}
}

// decode reads a packet and says whether it can be used.
func (l *Link) decode(msg *nats.Msg, packet wire.Packet) bool {
	err := wire.Decode(msg.Data, packet)
	if err == nil {
		return true
	}
	entry := l.log.WithError(err).WithField("subject", msg.Subject)
	if !errors.Is(err, wire.ErrVersion) {
		entry.Debug("packet dropped")
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if sender := packet.From(); !l.strangers[sender] && len(l.strangers) < maxNodes {
		l.strangers[sender] = true
		entry.Warn("packets of a node with another protocol version are dropped")
	}
	return false
}

func (l *Link) onInfo(p *wire.InfoPacket) {
	if p.Sender != l.opts.NodeID {
		if l.registry.info(p, time.Now()) {
			l.log.WithField("peer", p.Sender).Infof("node joined: %s %s", p.Client.Type, p.Client.Version)
		}
		return
	}
	if p.InstanceID != "" && p.InstanceID != l.instanceID {
		select {
		case l.fatal <- fmt.Errorf("another node of the cluster has the id %q too; give this one another (node.id)", l.opts.NodeID):
		default:
		}
	}
}

func (l *Link) gone(nodeID, why string) {
	l.log.WithField("peer", nodeID).Infof("node is gone: %s", why)
	l.pending.reject(nodeID)
}

// ask makes a node introduce itself.
func (l *Link) ask(nodeID string) {
	if err := l.publish(wire.Discover, nodeID, &wire.BarePacket{Header: l.header()}); err != nil {
		l.log.WithError(err).Debug("cannot ask a node who it is")
	}
}

func (l *Link) pong(p *wire.PingPacket) {
	pong := &wire.PingPacket{Header: l.header(), Time: p.Time, ID: p.ID, Arrived: time.Now().UnixMilli()}
	if len(pong.Time) == 0 {
		pong.Time = json.RawMessage("null")
	}
	if err := l.publish(wire.Pong, p.Sender, pong); err != nil {
		l.log.WithError(err).Debug("cannot answer a ping")
	}
}

// heartbeats beats until the link closes, and drops nodes that do not.
func (l *Link) heartbeats() {
	beat := time.NewTicker(l.beat)
	defer beat.Stop()
	check := time.NewTicker(expireInterval)
	defer check.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-beat.C:
			if err := l.publish(wire.Heartbeat, "", &wire.HeartbeatPacket{Header: l.header(), CPU: cpuPercent()}); err != nil {
				l.log.WithError(err).Debug("no heartbeat sent")
			}
		case <-check.C:
			l.expire(time.Now())
		}
	}
}

func (l *Link) expire(now time.Time) {
	for _, id := range l.registry.expire(now) {
		l.gone(id, "no heartbeat for "+heartbeatTimeout.String())
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
