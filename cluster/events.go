package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/metrics"
)

// Emit sends an event to one listener of each group, preferably on this node, or with opts.Broadcast to all listeners.
// It returns when the packets are handed to NATS and the local listeners are queued. Events are not acknowledged. Emit
// fails while the connection is down.
func (l *Link) Emit(ctx context.Context, name string, data any, opts action.EmitOptions) error {
	return l.emit(ctx, nil, name, data, opts)
}

func (l *Link) emit(_ context.Context, parent *action.Request, name string, data any, opts action.EmitOptions) error {
	raw, err := encodeResult(data)
	if err != nil {
		return action.Client(http.StatusBadRequest, codes.InvalidParams, "the data of event '%s' cannot be encoded", name).
			Because(err)
	}
	p := &wire.EventPacket{
		Header: l.header(), ID: uuid.NewString(), Event: name, Data: raw, Meta: json.RawMessage("{}"), Level: 1,
		Broadcast: opts.Broadcast,
	}
	p.RequestID = p.ID
	if l.opts.Protocol == wire.V5 {
		p.Headers = json.RawMessage("{}")
	}
	if parent != nil {
		if meta, err := parent.Meta.MarshalJSON(); err == nil {
			p.Meta = meta
		}
		p.Level, p.RequestID, p.Tracing = parent.Level+1, cmp.Or(parent.RequestID, p.ID), parent.Tracing
		if parent.ID != "" { // a lifecycle hook is nobody's call
			p.ParentID = &parent.ID
		}
		if parent.Service != "" {
			p.Caller = &parent.Service
		}
	}
	way := metrics.Emitted
	if opts.Broadcast {
		way = metrics.Broadcast
	}
	l.metrics.Sent(way, name)
	var faults []error
	for node, groups := range l.recipients(name, opts) {
		out := *p
		out.Groups = groups
		if node == l.opts.NodeID {
			l.deliver(&out)
		} else if err := l.publish(wire.Event, node, &out); err != nil {
			faults = append(faults, sendError(err, fmt.Sprintf("event '%s'", name)))
		}
	}
	return errors.Join(faults...)
}

// recipients chooses the nodes that get an event, and for which groups. A balanced event goes to one node for each
// group. A node gets one packet for all its groups: it serves every group that a packet names, and all its groups when
// the packet names none.
func (l *Link) recipients(name string, opts action.EmitOptions) map[string][]string {
	own := l.catalog.groups(name)
	if len(opts.Groups) > 0 {
		own = slices.DeleteFunc(own, func(group string) bool { return !slices.Contains(opts.Groups, group) })
	}
	if !opts.Broadcast {
		chosen := l.registry.balance(name, opts.Groups, own, &l.catalog.matcher)
		if len(own) > 0 {
			chosen[l.opts.NodeID] = own
		}
		return chosen
	}
	chosen := map[string][]string{}
	for _, id := range l.registry.listeners(name, opts.Groups, &l.catalog.matcher) {
		chosen[id] = opts.Groups
	}
	if len(own) > 0 {
		chosen[l.opts.NodeID] = opts.Groups
	}
	return chosen
}

// onEvent receives EVENT packets: those sent to this node if group is "", else those of that event group's queue group.
func (l *Link) onEvent(group string) nats.MsgHandler {
	return func(msg *nats.Msg) {
		var p wire.EventPacket
		if !l.decode(msg, &p) {
			return
		}
		if p.Event == "" {
			l.warn(msg, p.Sender, "events without a name are dropped", "name the event by a text", nil)
			return
		}
		if l.currentPhase() < ready {
			return
		}
		if group != "" {
			p.Groups = []string{group}
		}
		l.deliver(&p)
	}
}

// deliver calls the listeners of this node in the pool. A stopping node drops events, as Node does: nobody waits for
// an answer.
func (l *Link) deliver(p *wire.EventPacket) {
	if l.currentPhase() >= stopping {
		return
	}
	for _, listener := range l.catalog.listeners(p.Event, p.Groups, p.Broadcast) {
		if !l.pool.submit(func() { l.callListener(p, listener) }) {
			l.log.WithField("event", p.Event).Warn("an event is dropped: too many requests wait already")
		}
	}
}

// callListener calls one listener. A panic of the listener does not end the process.
func (l *Link) callListener(p *wire.EventPacket, listener *listener) {
	event := &action.Event{
		Request: action.Request{
			ID: p.ID, Service: listener.service,
			RequestID: p.RequestID, ParentID: orEmpty(p.ParentID), Caller: orEmpty(p.Caller), Sender: p.Sender,
			Level: p.Level, Tracing: p.Tracing, Params: p.Data, Meta: action.NewMeta(p.Meta), Headers: p.Headers,
			Cluster: (*caller)(l),
		},
		Name: p.Event, Groups: p.Groups, IsBroadcast: p.Broadcast,
	}
	if event.ID == "" {
		event.ID = uuid.NewString()
	}
	if event.RequestID == "" {
		event.RequestID = event.ID
	}
	began := time.Now()
	counted := l.metrics.Handle(metrics.Listener{
		Service: listener.name, Group: listener.group, Event: p.Event, Caller: event.Caller,
	})
	defer func() {
		r := recover()
		counted.End(began, r != nil)
		if r != nil {
			l.log.WithField("event", p.Event).WithField("stack", string(debug.Stack())).Errorf("event handler panicked: %v", r)
		}
	}()
	ctx := l.bridgeContext(listener.context(l.work), &event.Request, event)
	listener.handle(ctx, ctx.Payload())
}

// internal emits an event about this node to its own services. Such events start with $ and do not leave the node.
func (l *Link) internal(name string, data any) {
	raw, err := wire.Encode(data)
	if err != nil {
		return
	}
	l.metrics.Sent(metrics.BroadcastLocal, name)
	id := uuid.NewString()
	l.deliver(
		&wire.EventPacket{Header: l.header(), ID: id, RequestID: id, Event: name, Data: raw, Broadcast: true, Level: 1},
	)
}
