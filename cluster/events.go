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

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster/wire"
)

// Emit sends an event: to one listener in each group, this node's own first, or with opts.Broadcast
// to all. It returns when the packets are handed to NATS and the local listeners are under way. Events
// are not acknowledged, and what is sent while the connection is down is an error.
func (l *Link) Emit(ctx context.Context, name string, data any, opts action.EmitOptions) error {
	return l.emit(ctx, nil, name, data, opts)
}

func (l *Link) emit(_ context.Context, parent *action.Request, name string, data any, opts action.EmitOptions) error {
	raw, err := encodeResult(data)
	if err != nil {
		return action.Client(http.StatusBadRequest, "INVALID_PARAMS", "the data of event '%s' cannot be encoded", name).Because(err)
	}
	p := &wire.EventPacket{
		Header: l.header(), ID: uuid.NewString(), Event: name, Data: raw, Meta: json.RawMessage("{}"), Level: 1, Broadcast: opts.Broadcast,
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

// recipients chooses the nodes that get an event, and for which groups. Balanced, each group has one
// node; a node gets one packet for all its groups, since it serves every group that a packet names, and
// every one there is when it names none.
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

// onEvent takes EVENT packets in: those sent to this node, or those that the queue group of an event
// group got.
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

// deliver has the listeners of this node called. A node that stops drops events, as in Node: nobody
// waits for an answer.
func (l *Link) deliver(p *wire.EventPacket) {
	if l.currentPhase() >= stopping {
		return
	}
	for _, listener := range l.catalog.listeners(p.Event, p.Groups, p.Broadcast) {
		if !l.pool.submit(func() { l.hear(p, listener) }) {
			l.log.WithField("event", p.Event).Warn("an event is dropped: too many requests wait already")
		}
	}
}

// hear calls one listener. Its panic must not end the process.
func (l *Link) hear(p *wire.EventPacket, listener *listener) {
	event := &action.Event{
		Request: action.Request{
			ID: p.ID, Service: listener.service, RequestID: p.RequestID, ParentID: orEmpty(p.ParentID), Caller: orEmpty(p.Caller),
			Sender: p.Sender, Level: p.Level, Tracing: p.Tracing, Params: p.Data, Meta: action.NewMeta(p.Meta), Headers: p.Headers, Cluster: (*caller)(l),
		},
		Name: p.Event, Groups: p.Groups, IsBroadcast: p.Broadcast,
	}
	if event.ID == "" {
		event.ID = uuid.NewString()
	}
	if event.RequestID == "" {
		event.RequestID = event.ID
	}
	defer func() {
		if r := recover(); r != nil {
			l.log.WithField("event", p.Event).WithField("stack", string(debug.Stack())).Errorf("event handler panicked: %v", r)
		}
	}()
	ctx := l.plainContext(listener.context(l.work), &event.Request, event)
	listener.handle(ctx, ctx.Payload())
}

// internal tells this node's services of what happens to the node. Such events start with $ and stay
// here.
func (l *Link) internal(name string, data any) {
	raw, err := wire.Encode(data)
	if err != nil {
		return
	}
	id := uuid.NewString()
	l.deliver(&wire.EventPacket{Header: l.header(), ID: id, RequestID: id, Event: name, Data: raw, Broadcast: true, Level: 1})
}
