package cluster_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/moleculer-go/moleculer"
	"github.com/moleculer-go/moleculer/payload"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

// plain is a service "old" with one action "do", written for moleculer-go alone.
func plain(handle moleculer.ActionHandler) moleculer.ServiceSchema {
	return moleculer.ServiceSchema{Name: "old", Actions: []moleculer.Action{{Name: "do", Handler: handle}}}
}

// withPlain is a node with such a service, and a peer "a" that serves "peer.do".
func withPlain(t *testing.T, handle moleculer.ActionHandler) (*node, *peer) {
	t.Helper()
	b := newHarness(t)
	n := b.start(b.prepare(), service("svc", echo), plain(handle))
	p := b.peer("a")
	p.introduce(n, "peer.do")
	return n, p
}

func TestMoleculerGoServiceCallsInItsChain(t *testing.T) {
	_, p := withPlain(t, func(ctx moleculer.Context, params moleculer.Payload) any {
		answer := <-ctx.Call("peer.do", params, moleculer.Options{Meta: payload.New(map[string]any{"extra": 1})})
		return map[string]any{"answer": answer.Value(), "meta": ctx.Meta().Value()}
	})
	id := p.request(
		"old.do", fields{"to": "x"}, fields{"requestID": "trace", "level": 2, "meta": fields{"user": 3}, "timeout": 5000},
	)
	req := p.expect("REQ", "a")
	require.IsType(t, 0.0, req.fields["timeout"])
	require.Equal(t, []any{fields{"to": "x"}, fields{"user": 3.0, "extra": 1.0}, "trace", id, "old", 3.0},
		[]any{
			req.fields["params"], req.fields["meta"], req.fields["requestID"], req.fields["parentID"], req.fields["caller"],
			req.fields["level"],
		})
	p.respond(req, fields{"success": true, "data": []int{1}, "meta": fields{"$statusCode": 201}})
	res := p.answer(id)
	merged := fields{"user": 3.0, "$statusCode": 201.0}
	require.Equal(t, fields{"answer": []any{1.0}, "meta": merged}, res["data"])
	require.Equal(t, merged, res["meta"])
}

func TestMoleculerGoServiceGetsTypedErrors(t *testing.T) {
	type seen struct {
		is  bool
		err *action.Error
	}
	got := make(chan seen, 1)
	_, p := withPlain(t, func(ctx moleculer.Context, _ moleculer.Payload) any {
		answer := <-ctx.Call("peer.do", nil)
		var e *action.Error
		errors.As(answer.Error(), &e)
		got <- seen{answer.IsError(), e}
		return answer
	})
	id := p.request("old.do", nil, nil)
	failure := fields{
		"name": "MoleculerClientError", "message": "bad", "code": 409, "type": "BAD", "retryable": false, "nodeID": "far",
		"data": fields{"x": 1},
	}
	p.respond(p.expect("REQ", "a"), fields{"success": false, "error": failure})
	require.Equal(t, "BAD", errorOf(t, p.answer(id))["type"], "and passes them on")
	s := receive(t, got)
	require.True(t, s.is)
	require.Equal(t, []any{"MoleculerClientError", 409, "far"}, []any{s.err.Name, s.err.Code, s.err.NodeID})
}

func TestMoleculerGoServiceMakesManyCallsAtOnce(t *testing.T) {
	_, p := withPlain(t, func(ctx moleculer.Context, _ moleculer.Payload) any {
		answers := <-ctx.MCall(map[string]map[string]any{
			"here":  {"action": "svc.echo", "params": "ping"},
			"there": {"action": "peer.do", "params": 1},
			"none":  {"action": "nobody.home"},
			"odd":   {},
		})
		result := map[string]any{}
		for label, answer := range answers {
			result[label] = answer.Value()
			if answer.IsError() {
				result[label] = answer.Error().(*action.Error).Type //nolint:errorlint // it is one
			}
		}
		return result
	})
	id := p.request("old.do", nil, nil)
	p.respond(p.expect("REQ", "a"), fields{"success": true, "data": "pong"})
	require.Equal(
		t, fields{"here": "ping", "there": "pong", "none": "SERVICE_NOT_FOUND", "odd": "SERVICE_NOT_FOUND"},
		p.answer(id)["data"],
	)
}

func TestMoleculerGoServiceSendsEvents(t *testing.T) {
	n, p := withPlain(t, func(ctx moleculer.Context, params moleculer.Payload) any {
		ctx.Emit("user.created", params)
		ctx.Broadcast("user.created", params, "mail")
		ctx.Emit("user.created", func() {})
		return nil
	})
	p.announce(listening("mail", "user.*"), listening("audit", "user.*"))
	id := p.request("old.do", fields{"id": 1}, fields{"requestID": "trace", "level": 2, "meta": fields{"user": 3}})
	for _, want := range []struct {
		broadcast bool
		groups    []string
	}{{false, []string{"audit", "mail"}}, {true, []string{"mail"}}} {
		e := p.expect("EVENT", "a")
		require.Equal(t, want.groups, e.groups())
		require.Equal(t, []any{fields{"id": 1.0}, want.broadcast, "trace", id, "old", 3.0, fields{"user": 3.0}},
			[]any{
				e.fields["data"], e.fields["broadcast"], e.fields["requestID"], e.fields["parentID"], e.fields["caller"],
				e.fields["level"], e.fields["meta"],
			})
	}
	require.Equal(t, true, p.answer(id)["success"])
	require.Equal(t, "event not sent", n.logs.LastEntry().Message)
}

func TestMoleculerGoServiceSeesItsRequest(t *testing.T) {
	_, p := withPlain(t, func(ctx moleculer.Context, params moleculer.Payload) any {
		bctx := ctx.(moleculer.BrokerContext) //nolint:forcetypeassert // it is one in moleculer-go
		bctx.UpdateMeta(payload.New(map[string]any{"$statusCode": 202}))
		ctx.Logger().Debug("works")
		return []any{
			bctx.ID(), bctx.RequestID(), bctx.Caller(), bctx.ActionName(), bctx.EventName(), bctx.IsBroadcast(),
			len(bctx.Groups()),
			ctx.Meta().Get("user").Int(), ctx.Payload().Value(), params.Get("a").String(),
		}
	})
	id := p.request("old.do", fields{"a": "b"}, fields{"requestID": "trace", "caller": "api", "meta": fields{"user": 3}})
	res := p.answer(id)
	require.Equal(t, []any{id, "trace", "api", "old.do", "", false, 0.0, 3.0, fields{"a": "b"}, "b"}, res["data"])
	require.Equal(t, fields{"user": 3.0, "$statusCode": 202.0}, res["meta"])
}

func TestMoleculerGoServiceListens(t *testing.T) {
	b := newHarness(t)
	got := make(chan []any, 10)
	old := moleculer.ServiceSchema{Name: "old", Events: []moleculer.Event{{Name: "user.*", Handler: func(
		ctx moleculer.Context, data moleculer.Payload,
	) {
		bctx := ctx.(moleculer.BrokerContext) //nolint:forcetypeassert // it is one in moleculer-go
		got <- []any{
			bctx.EventName(), bctx.Groups(), bctx.IsBroadcast(), data.Get("id").Int(), ctx.Meta().Get("user").Int(),
			(<-ctx.Call("svc.echo", 5)).Int(),
		}
	}}}}
	b.start(b.prepare(), service("svc", echo), old)
	p := b.peer("a")
	p.send(
		"EVENT."+nodeID,
		fields{
			"event": "user.created", "data": fields{"id": 1}, "groups": []string{"old"}, "broadcast": true,
			"meta": fields{"user": 3},
		},
	)
	require.Equal(t, []any{"user.created", []string{"old"}, true, 1, 3, 5}, receive(t, got))
}

func TestStartedHookReachesTheCluster(t *testing.T) {
	b := newHarness(t)
	a, c := b.peer("a"), b.peer("c")
	entered, goOn, answers := make(chan struct{}), make(chan struct{}), make(chan string, 3)
	s := service("hook")
	s.Started = func(ctx moleculer.BrokerContext, _ moleculer.ServiceSchema) {
		close(entered)
		<-goOn
		opts := moleculer.Options{NodeID: "c", Meta: payload.New(map[string]any{"user": 3})}
		answers <- fmt.Sprint((<-ctx.Call("peer.do", map[string]any{"a": 1}, opts)).Value())
		answers <- fmt.Sprint((<-ctx.Call("svc.echo", 5)).Value())
		ctx.Emit("hook.started", map[string]any{"b": 2})
	}
	n := b.prepare()
	started := make(chan struct{})
	go func() {
		defer close(started)
		b.start(n, service("svc", echo), s)
	}()
	receive(t, entered)
	a.announce(offering(fields{}))
	c.announce(offering(fields{}), listening("mail", "hook.*"))
	close(goOn)
	req := c.expect("REQ", "c")
	require.Equal(t, []any{fields{"a": 1.0}, fields{"user": 3.0}}, []any{req.fields["params"], req.fields["meta"]})
	c.respond(req, fields{"success": true, "data": "done"})
	require.Equal(t, []string{"done", "5"}, []string{receive(t, answers), receive(t, answers)})
	e := c.expect("EVENT", "c")
	require.Equal(t, fields{"b": 2.0}, e.fields["data"])
	require.Equal(t, []string{"mail"}, e.groups())
	receive(t, started)
}

func TestParamsThatPanicFailTheirCallAlone(t *testing.T) {
	_, p := withPlain(
		t, func(ctx moleculer.Context, _ moleculer.Payload) any { return <-ctx.Call("peer.do", explosive{}) },
	)
	require.Equal(t, "INTERNAL_ERROR", errorOf(t, p.call("old.do", nil, nil))["type"])
}
