package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/moleculer-go/moleculer"
	molcontext "github.com/moleculer-go/moleculer/context"
	"github.com/moleculer-go/moleculer/payload"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
)

// plain runs an action of a service that was written for moleculer-go alone.
func (l *Link) plain(handle moleculer.ActionHandler) action.Handler {
	return func(ctx context.Context, req *action.Request) (any, error) {
		if handle == nil {
			return nil, action.ServiceNotAvailable(req.Action, l.opts.NodeID)
		}
		pctx := l.plainContext(ctx, req, nil)
		return plainResult(handle(pctx, pctx.Payload()))
	}
}

// plainResult turns what a moleculer-go handler returned into a result or an error.
func plainResult(result any) (any, error) {
	if p, ok := result.(moleculer.Payload); ok && p != nil {
		if p.IsError() {
			result = p.Error()
		} else {
			result = p.Value()
		}
	}
	err, ok := result.(error)
	if !ok {
		return result, nil
	}
	var m action.Moleculer
	if errors.As(err, &m) {
		return nil, err
	}
	return nil, action.Server(http.StatusInternalServerError, "", "%s", err.Error()).Because(err)
}

// plainContext is what handlers written for moleculer-go get. Beneath is moleculer-go's own context;
// what reaches the cluster goes through the link, with the request's trace, deadline and meta.
type plainContext struct {
	moleculer.BrokerContext
	link    *Link
	ctx     context.Context
	req     *action.Request
	event   *action.Event
	payload moleculer.Payload
}

var _ moleculer.Context = (*plainContext)(nil)

func (l *Link) plainContext(ctx context.Context, req *action.Request, event *action.Event) *plainContext {
	var params any
	if len(req.Params) > 0 {
		_ = json.Unmarshal(req.Params, &params) // it is valid JSON, having come as part of a packet
	}
	var meta map[string]any
	if raw, err := req.Meta.MarshalJSON(); err == nil {
		_ = json.Unmarshal(raw, &meta)
	}
	ctx = action.WithRequest(ctx, req)
	return &plainContext{
		BrokerContext: molcontext.ActionContext(l.delegates.Load(), map[string]any{
			"sender": req.Sender, "id": req.ID, "action": req.Action, "params": params, "meta": meta,
			"level": req.Level, "parentID": req.ParentID,
		}),
		link: l, ctx: ctx, req: req, event: event, payload: payload.New(params),
	}
}

// Event is how listeners made by action.NewEvent get at their event.
func (p *plainContext) Event() (context.Context, *action.Event) { return p.ctx, p.event }

// Context is how action.ContextOf gets at what moleculer-go's contexts have no place for.
func (p *plainContext) Context() context.Context { return p.ctx }

func (p *plainContext) Payload() moleculer.Payload { return p.payload }

func (p *plainContext) RequestID() string { return p.req.RequestID }

func (p *plainContext) Caller() string { return p.req.Caller }

func (p *plainContext) Logger() *logrus.Entry { return p.link.requestLog(p.req) }

// Meta is the request's as it is now: what calls brought back is in it.
func (p *plainContext) Meta() moleculer.Payload {
	var meta map[string]any
	if raw, err := p.req.Meta.MarshalJSON(); err == nil {
		_ = json.Unmarshal(raw, &meta)
	}
	if meta == nil {
		return payload.Empty()
	}
	return payload.New(meta)
}

// UpdateMeta adds to the request's meta, which goes back to the caller.
func (p *plainContext) UpdateMeta(meta moleculer.Payload) {
	if raw, err := json.Marshal(plainValue(meta)); err == nil {
		p.req.Meta.Merge(raw)
	}
}

func (p *plainContext) Groups() []string {
	if p.event == nil {
		return nil
	}
	return p.event.Groups
}

func (p *plainContext) IsBroadcast() bool { return p.event != nil && p.event.IsBroadcast }

func (p *plainContext) EventName() string {
	if p.event == nil {
		return ""
	}
	return p.event.Name
}

// Call runs an action of the cluster. Its error, if any, is an *action.Error inside the payload.
func (p *plainContext) Call(name string, params any, opts ...moleculer.Options) chan moleculer.Payload {
	return p.link.plainCall(p.ctx, p.req, name, params, opts...)
}

func (p *plainContext) MCall(calls map[string]map[string]any) chan map[string]moleculer.Payload {
	return p.link.plainCalls(p.ctx, p.req, calls)
}

func (p *plainContext) Emit(name string, data any, groups ...string) {
	p.send(name, data, action.EmitOptions{Groups: groups})
}

func (p *plainContext) Broadcast(name string, data any, groups ...string) {
	p.send(name, data, action.EmitOptions{Groups: groups, Broadcast: true})
}

func (p *plainContext) send(name string, data any, opts action.EmitOptions) {
	if err := p.link.emit(p.ctx, p.req, name, plainValue(data), opts); err != nil {
		p.Logger().WithError(err).WithField("event", name).Warn("event not sent")
	}
}

// plainCall makes a call the way moleculer-go does: the answer comes through a channel.
func (l *Link) plainCall(ctx context.Context, parent *action.Request, name string, params any, opts ...moleculer.Options) chan moleculer.Payload {
	answer := make(chan moleculer.Payload, 1)
	var o action.CallOptions
	for _, opt := range opts {
		o.NodeID = cmp.Or(o.NodeID, opt.NodeID)
		if opt.Meta != nil && opt.Meta.Exists() {
			if raw, err := json.Marshal(opt.Meta.Value()); err == nil {
				o.Meta = raw
			}
		}
	}
	go func() {
		defer func() { // params may have methods that panic
			if r := recover(); r != nil {
				l.log.WithField("action", name).WithField("stack", string(debug.Stack())).Errorf("a call panicked: %v", r)
				answer <- payload.New(action.Internal(fmt.Errorf("panic: %v", r)))
			}
		}()
		result, err := l.call(ctx, parent, name, plainValue(params), o)
		var value any
		if err == nil && len(result.Data) > 0 {
			err = json.Unmarshal(result.Data, &value)
		}
		if err != nil {
			answer <- payload.New(err)
			return
		}
		answer <- payload.New(value)
	}()
	return answer
}

func (l *Link) plainCalls(ctx context.Context, parent *action.Request, calls map[string]map[string]any) chan map[string]moleculer.Payload {
	answers := map[string]chan moleculer.Payload{}
	for label, c := range calls {
		name, _ := c["action"].(string)
		answers[label] = l.plainCall(ctx, parent, name, c["params"])
	}
	all := make(chan map[string]moleculer.Payload, 1)
	go func() {
		results := make(map[string]moleculer.Payload, len(answers))
		for label, answer := range answers {
			results[label] = <-answer
		}
		all <- results
	}()
	return all
}

// plainValue takes a Go value out of moleculer-go's payload.
func plainValue(v any) any {
	if p, ok := v.(moleculer.Payload); ok && p != nil {
		return p.Value()
	}
	return v
}

// dependencyTimeout bounds how long a moleculer-go service waits for others by its context's WaitFor.
const dependencyTimeout = 30 * time.Second

// adopt makes the contexts that moleculer-go itself hands out, such as those of started hooks, reach
// the cluster through the link.
func (l *Link) adopt(delegates *moleculer.BrokerDelegates) {
	delegates.ActionDelegate = func(ctx moleculer.BrokerContext, opts ...moleculer.Options) chan moleculer.Payload {
		return l.plainCall(l.ctx, nil, ctx.ActionName(), ctx.Payload(), append(opts, moleculer.Options{Meta: ctx.Meta()})...)
	}
	delegates.MultActionDelegate = func(calls map[string]map[string]any) chan map[string]moleculer.Payload {
		return l.plainCalls(l.ctx, nil, calls)
	}
	emit := func(broadcast bool) moleculer.EmitEventFunc {
		return func(ctx moleculer.BrokerContext) {
			opts := action.EmitOptions{Groups: ctx.Groups(), Broadcast: broadcast}
			if err := l.Emit(l.ctx, ctx.EventName(), plainValue(ctx.Payload()), opts); err != nil {
				l.log.WithError(err).WithField("event", ctx.EventName()).Warn("event not sent")
			}
		}
	}
	delegates.EmitEvent, delegates.BroadcastEvent = emit(false), emit(true)
	delegates.WaitFor = func(services ...string) error {
		ctx, cancel := context.WithTimeout(l.ctx, dependencyTimeout)
		defer cancel()
		return l.WaitForServices(ctx, services...)
	}
	l.delegates.Store(delegates)
}
