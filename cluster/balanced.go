package cluster

import (
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/hiliosai/switchboard/cluster/wire"
)

// Nodes that disable their balancer let NATS choose a node: they publish calls and events to queue groups named after
// the action or the event group (docs/design/moleculer-wire.md §1). The other nodes cannot know that a node does so, so
// this node always subscribes to these groups. A failed subscription is no reason to stop: only such callers miss it.

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

// join subscribes to a queue group once.
func (l *Link) join(subject, queue string, handle nats.MsgHandler) {
	key := subject + " " + queue
	if _, ok := l.balanced[key]; ok {
		return
	}
	sub, err := l.nc.QueueSubscribe(subject, queue, handle)
	if err != nil {
		l.log.WithError(err).WithField("subject", subject).
			Warn("nodes without a balancer of their own do not reach this one here")
		return
	}
	l.balanced[key] = sub
}

// unbalance ends the queue subscriptions, so that NATS chooses other nodes. It returns them, because requests may still
// wait there. The caller holds l.mu.
func (l *Link) unbalance() []*nats.Subscription {
	subs := slices.Collect(maps.Values(l.balanced))
	for _, sub := range subs {
		l.drainSubscription(sub)
	}
	clear(l.balanced)
	return subs
}
