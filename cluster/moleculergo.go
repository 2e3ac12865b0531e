// This file is the bridge to moleculer-go. Services that were written for moleculer-go alone, without package action,
// get their calls and events through it, and what they call or emit goes out through the link.

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

// bridgeHandler makes a handler of package action from a moleculer-go one.
func (l *Link) bridgeHandler(handle moleculer.ActionHandler) action.Handler {
	return func(ctx context.Context, req *action.Request) (any, error) {
		if handle == nil {
			return nil, action.ServiceNotAvailable(req.Action, l.opts.NodeID)
		}
		pctx := l.bridgeContext(ctx, req, nil)
		return bridgeResult(handle(pctx, pctx.Payload()))
	}
}

// bridgeResult turns what a moleculer-go handler returned into a result or an error.
func bridgeResult(result any) (any, error) {
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

// bridgeContext is the context that moleculer-go handlers get. It embeds moleculer-go's own context. Calls and events
// go out through the link, with the request's trace, deadline and meta.
type bridgeContext struct {
	moleculer.BrokerContext
	link    *Link
	ctx     context.Context
	req     *action.Request
	event   *action.Event
	payload moleculer.Payload
}

var _ moleculer.Context = (*bridgeContext)(nil)

// bridgeContext makes the context of a request or, if event is not nil, of an event.
func (l *Link) bridgeContext(ctx context.Context, req *action.Request, event *action.Event) *bridgeContext {
	var params any
	if len(req.Params) > 0 {
		_ = json.Unmarshal(req.Params, &params) // valid JSON, because it was part of a packet
	}
	var meta map[string]any
	if raw, err := req.Meta.MarshalJSON(); err == nil {
		_ = json.Unmarshal(raw, &meta)
	}
	ctx = action.WithRequest(ctx, req)
	return &bridgeContext{
		BrokerContext: molcontext.ActionContext(l.delegates.Load(), map[string]any{
			"sender": req.Sender, "id": req.ID, "action": req.Action, "params": params, "meta": meta,
			"level": req.Level, "parentID": req.ParentID,
		}),
		link: l, ctx: ctx, req: req, event: event, payload: payload.New(params),
	}
}

// Event gives listeners made by action.NewEvent their event.
func (p *bridgeContext) Event() (context.Context, *action.Event) { return p.ctx, p.event }

// Context gives action.ContextOf the Go context, for which moleculer-go's contexts have no place.
func (p *bridgeContext) Context() context.Context { return p.ctx }

func (p *bridgeContext) Payload() moleculer.Payload { return p.payload }

func (p *bridgeContext) RequestID() string { return p.req.RequestID }

func (p *bridgeContext) Caller() string { return p.req.Caller }

func (p *bridgeContext) Logger() *logrus.Entry { return p.link.requestLog(p.req) }

// Meta is the request's meta as it is now, with what calls added to it.
func (p *bridgeContext) Meta() moleculer.Payload {
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
func (p *bridgeContext) UpdateMeta(meta moleculer.Payload) {
	if raw, err := json.Marshal(payloadValue(meta)); err == nil {
		p.req.Meta.Merge(raw)
	}
}

func (p *bridgeContext) Groups() []string {
	if p.event == nil {
		return nil
	}
	return p.event.Groups
}

func (p *bridgeContext) IsBroadcast() bool { return p.event != nil && p.event.IsBroadcast }

func (p *bridgeContext) EventName() string {
	if p.event == nil {
		return ""
	}
	return p.event.Name
}

// Call runs an action of the cluster. Its error, if any, is an *action.Error inside the payload.
func (p *bridgeContext) Call(name string, params any, opts ...moleculer.Options) chan moleculer.Payload {
	return p.link.bridgeCall(p.ctx, p.req, name, params, opts...)
}

func (p *bridgeContext) MCall(calls map[string]map[string]any) chan map[string]moleculer.Payload {
	return p.link.bridgeCalls(p.ctx, p.req, calls)
}

func (p *bridgeContext) Emit(name string, data any, groups ...string) {
	p.send(name, data, action.EmitOptions{Groups: groups})
}

func (p *bridgeContext) Broadcast(name string, data any, groups ...string) {
	p.send(name, data, action.EmitOptions{Groups: groups, Broadcast: true})
}

func (p *bridgeContext) send(name string, data any, opts action.EmitOptions) {
	if err := p.link.emit(p.ctx, p.req, name, payloadValue(data), opts); err != nil {
		p.Logger().WithError(err).WithField("event", name).Warn("event not sent")
	}
}

// bridgeCall makes a call as moleculer-go does: the answer comes through a channel.
func (l *Link) bridgeCall(
	ctx context.Context, parent *action.Request, name string, params any, opts ...moleculer.Options,
) chan moleculer.Payload {
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
		result, err := l.call(ctx, parent, name, payloadValue(params), o)
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

func (l *Link) bridgeCalls(
	ctx context.Context, parent *action.Request, calls map[string]map[string]any,
) chan map[string]moleculer.Payload {
	answers := map[string]chan moleculer.Payload{}
	for label, c := range calls {
		name, _ := c["action"].(string)
		answers[label] = l.bridgeCall(ctx, parent, name, c["params"])
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

// payloadValue returns the Go value inside a moleculer-go payload, or v itself if it is none.
func payloadValue(v any) any {
	if p, ok := v.(moleculer.Payload); ok && p != nil {
		return p.Value()
	}
	return v
}

// dependencyTimeout bounds WaitFor of moleculer-go's contexts.
const dependencyTimeout = 30 * time.Second

// adopt connects the contexts that moleculer-go itself hands out, such as those of started hooks, with the link.
func (l *Link) adopt(delegates *moleculer.BrokerDelegates) {
	delegates.ActionDelegate = func(ctx moleculer.BrokerContext, opts ...moleculer.Options) chan moleculer.Payload {
		return l.bridgeCall(l.ctx, nil, ctx.ActionName(), ctx.Payload(), append(opts, moleculer.Options{Meta: ctx.Meta()})...)
	}
	delegates.MultActionDelegate = func(calls map[string]map[string]any) chan map[string]moleculer.Payload {
		return l.bridgeCalls(l.ctx, nil, calls)
	}
	emit := func(broadcast bool) moleculer.EmitEventFunc {
		return func(ctx moleculer.BrokerContext) {
			opts := action.EmitOptions{Groups: ctx.Groups(), Broadcast: broadcast}
			if err := l.Emit(l.ctx, ctx.EventName(), payloadValue(ctx.Payload()), opts); err != nil {
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
