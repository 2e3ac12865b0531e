package cluster

import (
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/hiliosai/switchboard/cluster/wire"
)

// Nodes that disable their balancer leave the choice of a node to NATS: they publish calls and events
// to queue groups named after the action or the group (docs/design/moleculer-wire.md §1). Any node of the cluster may do
// so without the others' knowledge, hence these subscriptions always are there. While they fail, only
// such callers miss this node, so it is not a reason to stop.

// balance subscribes to the queue groups of what this node serves. The caller holds l.mu.
func (l *Link) balance() {
	if l.balanced == nil {
		l.balanced = map[string]*nats.Subscription{}
	}
	for _, name := range l.catalog.remoteActions() {
		l.join(wire.Subject(l.prefix, wire.BalancedRequest, name), name, l.onRequest)
	}
	for _, e := range l.catalog.listened() {
		if strings.HasPrefix(e.pattern, "$") {
			continue
		}
		subject := e.pattern
		if base, ok := strings.CutSuffix(subject, "**"); ok {
			subject = base + ">"
		}
		l.join(wire.Subject(l.prefix, wire.BalancedEvent, e.group)+"."+subject, e.group, l.onEvent(e.group))
	}
}

func (l *Link) join(subject, queue string, handle nats.MsgHandler) {
	key := subject + " " + queue
	if _, ok := l.balanced[key]; ok {
		return
	}
	sub, err := l.nc.QueueSubscribe(subject, queue, handle)
	if err != nil {
		l.log.WithError(err).WithField("subject", subject).Warn("nodes without a balancer of their own do not reach this one here")
		return
	}
	l.balanced[key] = sub
}

// unbalance makes NATS choose other nodes from now on. It returns the subscriptions, at which requests may still
// wait. The caller holds l.mu.
func (l *Link) unbalance() []*nats.Subscription {
	subs := slices.Collect(maps.Values(l.balanced))
	for _, sub := range subs {
		l.forsake(sub)
	}
	clear(l.balanced)
	return subs
}
