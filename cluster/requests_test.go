package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/cluster/wire"
)

// errorOf is the error object of a RES that failed.
func errorOf(t *testing.T, res fields) fields {
	t.Helper()
	require.Equal(t, false, res["success"])
	require.IsType(t, fields{}, res["error"])
	return res["error"].(fields)
}

func TestRequestIsAnsweredAsNodeAnswersIt(t *testing.T) {
	b := newHarness(t)
	b.serve(echo)
	p := b.peer("a")
	id := p.request("svc.echo", fields{"big": json.Number("9007199254740993")}, fields{"meta": fields{"user": 3}})
	res := p.await(func(got packet) bool { return got.is("RES", "a") })
	require.JSONEq(
		t,
		`{"id":"`+id+`","meta":{"user":3},"success":true,"data":{"big":9007199254740993},"ver":"4","sender":"`+nodeID+`"}`,
		string(res.raw),
	)
	require.Contains(t, string(res.raw), "9007199254740993", "numbers keep their precision")
}

func TestHandlerSeesTheWholeRequest(t *testing.T) {
	b := newHarness(t)
	seen := make(chan action.Request, 1)
	b.serve(handler("look", func(_ context.Context, req *action.Request) (any, error) {
		got := *req
		got.Cluster, got.Meta = nil, got.Meta.With(nil)
		seen <- got
		return nil, nil
	}))
	p := b.peer("a")
	tracing := true
	for name, tc := range map[string]struct {
		packet fields
		want   action.Request
	}{
		"a full one": {
			fields{
				"id": "1", "requestID": "0", "parentID": "span", "caller": "v2.posts", "level": 3, "tracing": true, "stream": false,
				"params": fields{"to": "x"}, "meta": fields{"user": 3}, "timeout": 898.946134,
			},
			action.Request{
				ID: "1", RequestID: "0", ParentID: "span", Caller: "v2.posts", Level: 3, Tracing: &tracing,
				Params: json.RawMessage(`{"to":"x"}`), Meta: action.NewMeta(json.RawMessage(`{"user":3}`)),
			},
		},
		"the least that Node accepts": {
			fields{"id": "2"}, action.Request{ID: "2", RequestID: "2", Meta: action.NewMeta(json.RawMessage("{}"))},
		},
		"nulls and odd streams": {
			fields{
				"id": "3", "params": nil, "meta": nil, "timeout": nil, "tracing": nil, "parentID": nil, "requestID": nil,
				"caller": nil, "stream": "",
			},
			action.Request{
				ID: "3", RequestID: "3", Params: json.RawMessage("null"), Meta: action.NewMeta(json.RawMessage("{}")),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.packet["action"] = "svc.look"
			tc.want.Action, tc.want.Service, tc.want.Sender = "svc.look", "svc", "a"
			tc.want.SetFields(nil) // they are small
			p.send("REQ."+nodeID, tc.packet)
			require.Equal(t, tc.want, receive(t, seen))
		})
	}
}

func TestResults(t *testing.T) {
	b := newHarness(t)
	results := map[string]struct {
		result any
		want   any
	}{
		"nothing": {nil, nil},
		"raw":     {json.RawMessage(`{"error":"just a key"}`), fields{"error": "just a key"}},
		"struct":  {action.Route{Method: "GET", Path: "/"}, fields{"method": "GET", "path": "/"}},
		"list":    {[]int{1, 2}, []any{1.0, 2.0}},
	}
	var actions []moleculer.Action
	for name, tc := range results {
		actions = append(
			actions, handler(name, func(context.Context, *action.Request) (any, error) { return tc.result, nil }),
		)
	}
	b.serve(actions...)
	p := b.peer("a")
	for name, tc := range results {
		t.Run(name, func(t *testing.T) {
			res := p.call("svc."+name, nil, nil)
			require.Equal(t, true, res["success"])
			require.Equal(t, tc.want, res["data"])
		})
	}
}

// explosive panics when it is encoded.
type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("hunter2 exploded") }

// A Node caller hangs for ever on some errors that lack a field, so all of them must be there always.
func TestResponseErrorsHaveAllFields(t *testing.T) {
	internal := func(string) fields {
		return fields{
			"name": "MoleculerServerError", "code": 500.0, "type": "INTERNAL_ERROR", "retryable": false,
			"message": "Internal error; the node's log has the details under this requestID", "data": fields{},
		}
	}
	notFound := func(name string) fields {
		return fields{
			"name": "ServiceNotFoundError", "code": 404.0, "type": "SERVICE_NOT_FOUND", "retryable": true,
			"message": "Service '" + name + "' is not found on 'go-node' node.",
			"data":    fields{"action": name, "nodeID": nodeID},
		}
	}
	timedOut := func(name string) fields {
		return fields{
			"name": "RequestTimeoutError", "code": 504.0, "type": "REQUEST_TIMEOUT", "retryable": true,
			"message": "Request is timed out when call '" + name + "' action on 'go-node' node.",
			"data":    fields{"action": name, "nodeID": nodeID},
		}
	}
	exactly := func(want fields) func(string) fields { return func(string) fields { return want } }
	bad := action.Client(409, "BAD", "bad luck")
	fails := func(err error) action.Handler {
		return func(context.Context, *action.Request) (any, error) { return nil, err }
	}
	gives := func(result any) action.Handler {
		return func(context.Context, *action.Request) (any, error) { return result, nil }
	}
	type failure struct {
		handle action.Handler // nil: there is no such action
		more   fields
		want   func(name string) fields
	}
	failures := map[string]failure{
		"typed": {fails(bad.With(map[string]int{"x": 1})), nil, exactly(fields{
			"name": "MoleculerClientError", "code": 409.0, "type": "BAD", "retryable": false, "message": "bad luck",
			"data": fields{"x": 1.0},
		})},
		"typed_without_data": {fails(bad), nil, exactly(fields{
			"name": "MoleculerClientError", "code": 409.0, "type": "BAD", "retryable": false, "message": "bad luck",
			"data": fields{},
		})},
		"typed_with_odd_data": {fails(bad.With(func() {})), nil, exactly(fields{
			"name": "MoleculerClientError", "code": 409.0, "type": "BAD", "retryable": false, "message": "bad luck",
			"data": fields{},
		})},
		"typed_from_elsewhere": {fails(
			&action.Error{Name: "E", Message: "m", Code: 418, Type: "T", Retryable: true, NodeID: "far"},
		), nil, exactly(fields{
			"name": "E", "code": 418.0, "type": "T", "retryable": true, "message": "m", "data": fields{}, "nodeID": "far",
		})},
		"plain":           {fails(errors.New("password is hunter2")), nil, internal},
		"nil_pointer":     {fails((*action.Error)(nil)), nil, internal},
		"panic":           {func(context.Context, *action.Request) (any, error) { panic("hunter2") }, nil, internal},
		"unencodable":     {gives(func() {}), nil, internal},
		"raw_but_no_json": {gives(json.RawMessage("<html>")), nil, internal},
		"explosive":       {gives(explosive{}), nil, internal},
		"explosive_data":  {fails(bad.With(explosive{})), nil, internal},
		"unencodable_meta": {func(
			_ context.Context, req *action.Request,
		) (any, error) {
			req.Meta.Set("f", func() {})
			return 1, nil
		}, nil, internal},
		"own_deadline": {func(
			ctx context.Context, _ *action.Request,
		) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, fields{"timeout": 1.5}, timedOut},
		"dead_on_arrival":      {gives("never run"), fields{"timeout": 1e-6}, timedOut},
		"unknown":              {nil, nil, notFound},
		"unknown_with_no_meta": {nil, fields{"meta": nil}, notFound},
	}
	b := newHarness(t)
	var actions []moleculer.Action
	for name, f := range failures {
		if f.handle != nil {
			actions = append(actions, handler(name, f.handle))
		}
	}
	n := b.serve(actions...)
	p := b.peer("a")
	for name, f := range failures {
		t.Run(name, func(t *testing.T) {
			res := p.call("svc."+name, nil, f.more)
			want := f.want("svc." + name)
			if want["nodeID"] == nil {
				want["nodeID"] = nodeID
			}
			require.Equal(t, want, errorOf(t, res))
			require.Nil(t, res["data"])
		})
	}
	t.Run("what is hidden from callers is in the log", func(t *testing.T) {
		var logged strings.Builder
		for _, e := range n.logs.AllEntries() {
			line, err := e.String()
			require.NoError(t, err)
			logged.WriteString(line)
		}
		require.Contains(t, logged.String(), "password is hunter2")
		require.Contains(t, logged.String(), "action panicked: hunter2")
	})
}

func TestMetaGoesBackWithTheHandlersAdditions(t *testing.T) {
	add := func(req *action.Request) { req.Meta.Set("$statusCode", 201) }
	b := newHarness(t)
	b.serve(
		handler("succeed", func(_ context.Context, req *action.Request) (any, error) { add(req); return nil, nil }),
		handler(
			"fail", func(_ context.Context, req *action.Request) (any, error) { add(req); return nil, errors.New("boom") },
		),
		handler("panic", func(_ context.Context, req *action.Request) (any, error) { add(req); panic("boom") }),
	)
	p := b.peer("a")
	for _, name := range []string{"svc.succeed", "svc.fail", "svc.panic"} {
		t.Run(name, func(t *testing.T) {
			require.Equal(
				t, fields{"user": 3.0, "$statusCode": 201.0}, p.call(name, nil, fields{"meta": fields{"user": 3}})["meta"],
			)
		})
	}
}

func TestActionsThatAreNotPublicAreNotFoundFromOutside(t *testing.T) {
	b := newHarness(t)
	var actions []moleculer.Action
	for _, visibility := range []string{"private", "protected"} {
		a := handler(visibility, func(context.Context, *action.Request) (any, error) { return "reached", nil })
		a.Settings = map[string]any{"visibility": visibility}
		actions = append(actions, a)
	}
	b.serve(actions...)
	p := b.peer("a")
	for _, name := range []string{"svc.private", "svc.protected"} {
		t.Run(name, func(t *testing.T) { require.Equal(t, "SERVICE_NOT_FOUND", errorOf(t, p.call(name, nil, nil))["type"]) })
	}
}

func TestCallersTimeoutGoesBeforeTheActions(t *testing.T) {
	b := newHarness(t)
	limit := func(ctx context.Context, _ *action.Request) (any, error) {
		deadline, limited := ctx.Deadline()
		if !limited {
			return "none", nil
		}
		return time.Until(deadline).Round(time.Hour).String(), nil
	}
	b.serve(action.New("own", action.Spec{Handle: limit, Timeout: time.Hour}), handler("bare", limit))
	p := b.peer("a")
	const twoHours = 2 * 3600 * 1000
	for name, tc := range map[string]struct {
		action  string
		timeout fields
		want    string
	}{
		"the caller's":                      {"svc.own", fields{"timeout": twoHours + 0.5}, "2h0m0s"},
		"absent, the action's":              {"svc.own", nil, "1h0m0s"},
		"null, the action's":                {"svc.own", fields{"timeout": nil}, "1h0m0s"},
		"mistyped, the action's":            {"svc.own", fields{"timeout": "5"}, "1h0m0s"},
		"zero, none":                        {"svc.own", fields{"timeout": 0}, "none"},
		"neither":                           {"svc.bare", nil, "none"},
		"the caller's, the action has none": {"svc.bare", fields{"timeout": twoHours}, "2h0m0s"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, p.call(tc.action, nil, tc.timeout)["data"]) })
	}
}

func TestEightCallsAreInsideTheHandlerAtOnce(t *testing.T) {
	b := newHarness(t)
	g := newGate()
	b.serve(g.action("wait"))
	p := b.peer("a")
	var ids []string
	for range 8 {
		ids = append(ids, p.request("svc.wait", nil, nil))
	}
	for range 8 {
		receive(t, g.entered)
	}
	g.open()
	for _, id := range ids {
		require.Equal(t, "done", p.answer(id)["data"])
	}
}

func TestSlowCallDoesNotDelayOthers(t *testing.T) {
	bothWays(t, func(t *testing.T, g *gate, wait moleculer.Action) {
		t.Helper()
		b := newHarness(t)
		b.serve(wait, echo)
		p := b.peer("a")
		id := p.request("svc.wait", nil, nil)
		receive(t, g.entered)
		require.Equal(t, 1.0, p.call("svc.echo", 1, nil)["data"])
		g.open()
		require.Equal(t, "done", p.answer(id)["data"])
	})
}

func TestRequestBytesLimitRefusesMore(t *testing.T) {
	bothWays(t, func(t *testing.T, g *gate, wait moleculer.Action) {
		t.Helper()
		b := newHarness(t)
		b.start(b.prepare(func(o *cluster.Options) { o.RequestBytes = 1000 }), service("svc", wait))
		p := b.peer("a")
		running := p.request("svc.wait", strings.Repeat("x", 600), nil)
		receive(t, g.entered)
		require.Equal(t, "QUEUE_FULL", errorOf(t, p.call("svc.wait", strings.Repeat("x", 600), nil))["type"])
		small := p.request("svc.wait", "x", nil)
		receive(t, g.entered)
		g.open()
		require.Equal(t, "done", p.answer(running)["data"])
		require.Equal(t, "done", p.answer(small)["data"])
		require.Equal(t, "done", p.call("svc.wait", strings.Repeat("x", 600), nil)["data"], "what is answered holds nothing")
	})
}

func TestRequestLimitRefusesMore(t *testing.T) {
	bothWays(t, func(t *testing.T, g *gate, wait moleculer.Action) {
		t.Helper()
		b := newHarness(t)
		b.start(b.prepare(func(o *cluster.Options) { o.Concurrency, o.Queue = 1, 1 }), service("svc", wait))
		p := b.peer("a")
		running := p.request("svc.wait", nil, nil)
		receive(t, g.entered)
		waiting := p.request("svc.wait", nil, nil)
		require.Equal(t, fields{
			"name": "QueueIsFullError", "code": 429.0, "type": "QUEUE_FULL", "retryable": true, "nodeID": nodeID,
			"message": "Queue is full. Request 'svc.wait' action on 'go-node' node is rejected.",
			"data":    fields{"action": "svc.wait", "nodeID": nodeID, "size": 2.0, "limit": 2.0},
		}, errorOf(t, p.call("svc.wait", nil, nil)))
		g.open()
		require.Equal(t, "done", p.answer(running)["data"])
		require.Equal(t, "done", p.answer(waiting)["data"])
	})
}

// Requests that are over in no time wait elsewhere than others: together they are no more than the node may hold.
func TestRequestLimitCountsAllKinds(t *testing.T) {
	b := newHarness(t)
	g := newGate()
	slow := handler("slow", func(context.Context, *action.Request) (any, error) {
		for begun := time.Now(); time.Since(begun) < time.Millisecond; {
		}
		return "slow", nil
	})
	b.start(b.prepare(func(o *cluster.Options) { o.Concurrency, o.Queue = 1, 1 }), service("svc", slow, g.action("wait")))
	p := b.peer("a")
	require.Equal(t, "slow", p.call("svc.slow", nil, nil)["data"], "now it is known to be")
	running := p.request("svc.wait", nil, nil)
	receive(t, g.entered)
	waiting := p.request("svc.wait", nil, nil)
	require.Equal(t, "QUEUE_FULL", errorOf(t, p.call("svc.slow", nil, nil))["type"])
	g.open()
	for _, id := range []string{running, waiting} {
		require.Equal(t, "done", p.answer(id)["data"])
	}
	require.Equal(t, "slow", p.call("svc.slow", nil, nil)["data"])
}

func TestRequestsAreAnsweredWithAnyID(t *testing.T) {
	ids := []string{
		`"1"`, `""`, `7`, `-1.50`, `9007199254740993`, `true`, `false`, `null`, `{"a":{"b":[1]}}`, `[1,"x"]`,
		`"\u00e9\ud800"`, ``,
	}
	for _, ver := range []string{"4", "5"} {
		t.Run("protocol "+ver, func(t *testing.T) {
			b := newHarness(t)
			n := b.prepare(func(o *cluster.Options) { o.Protocol = wire.Version(ver) })
			b.start(n, service(
				"svc", echo, handler("fail", func(context.Context, *action.Request) (any, error) { return nil, errors.New("no") }),
				handler("context", func(_ context.Context, req *action.Request) (any, error) {
					return []any{req.ID != "", req.RequestID != "", req.Level}, nil
				})))
			p := b.peer("a")
			p.ver = ver
			for _, id := range ids {
				for _, name := range []string{"svc.echo", "svc.fail", "svc.context", "svc.none", ""} {
					member := `"id":` + id + `,`
					if id == "" {
						member = ""
					}
					p.raw("REQ."+nodeID,
						[]byte(`{`+member+`"ver":"`+ver+`","sender":"a","action":"`+name+`","requestID":5,"parentID":{},`+
							`"caller":false,"level":"3"}`))
					res := p.expect("RES", "a")
					require.Equal(
						t, member != "", strings.HasPrefix(string(res.raw), `{`+member+`"meta"`) && member != "", "%s", res.raw,
					)
					if member == "" {
						require.NotContains(t, res.fields, "id")
					}
					if name == "svc.context" {
						require.Equal(t, []any{true, true, 3.0}, res.fields["data"])
					}
				}
			}
			for _, id := range ids {
				if id != "" {
					p.raw("PING."+nodeID, []byte(`{"ver":"`+ver+`","sender":"a","id":`+id+`,"time":`+id+`}`))
					require.Contains(t, string(p.expect("PONG", "a").raw), `"time":`+id+`,"id":`+id+`,`)
				}
			}
		})
	}
}

func TestAnswerWithAnOddIDHarmsNobody(t *testing.T) {
	n, p := withPeer(t)
	done := calling(within(t), n, "peer.do", nil, action.CallOptions{})
	req := p.expect("REQ", "a")
	for _, id := range []any{nil, 7, true, fields{}, []any{req.fields["id"]}} {
		p.send("RES."+nodeID, fields{"id": id, "success": true, "data": "wrong"})
	}
	p.respond(req, fields{"success": 1, "data": "right"})
	require.JSONEq(t, `"right"`, string(receive(t, done).Data))
}

func TestStreamIsRefusedOnce(t *testing.T) {
	b := newHarness(t)
	b.serve(echo)
	p := b.peer("a")
	id := p.request("svc.echo", nil, fields{"stream": true, "seq": 0})
	for seq := 1; seq <= 3; seq++ {
		p.request("svc.echo", "chunk", fields{"id": id, "stream": true, "seq": seq})
	}
	p.request("svc.echo", nil, fields{"id": id, "stream": false, "seq": 4})
	require.Equal(t, "STREAM_NOT_SUPPORTED", errorOf(t, p.answer(id))["type"])
	p.call("svc.echo", "after all of these", nil)
	for _, got := range p.unread {
		require.NotEqual(t, "RES", got.command)
	}
}

func TestStreamFieldsWithoutAStreamAreAnOrdinaryCall(t *testing.T) {
	b := newHarness(t)
	b.serve(echo)
	p := b.peer("a")
	for name, more := range map[string]fields{
		"false": {"stream": false}, "null": {"stream": nil}, "empty": {"stream": ""}, "zero": {"stream": 0},
		"odd seq": {"seq": "0"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, 1.0, p.call("svc.echo", 1, more)["data"]) })
	}
}

func TestResponseLargerThanNATSTakesBecomesAnError(t *testing.T) {
	b := newHarness(t)
	huge := strings.Repeat("x", 2<<20)
	b.serve(
		handler("result", func(context.Context, *action.Request) (any, error) { return huge, nil }),
		handler(
			"error", func(context.Context, *action.Request) (any, error) { return nil, action.Client(400, "BIG", "%s", huge) },
		),
		handler(
			"meta", func(_ context.Context, req *action.Request) (any, error) { req.Meta.Set("big", huge); return nil, nil },
		),
	)
	p := b.peer("a")
	for _, name := range []string{"svc.result", "svc.error", "svc.meta"} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, "MAX_PAYLOAD_EXCEEDED", errorOf(t, p.call(name, nil, nil))["type"])
		})
	}
}
