package cluster_test

import (
	"errors"
	"testing"

	"github.com/moleculer-go/moleculer"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

// legacy is a service written for moleculer-go alone.
func legacy() moleculer.ServiceSchema {
	does := func(name string, handle moleculer.ActionHandler) moleculer.Action {
		return moleculer.Action{Name: name, Handler: handle}
	}
	return moleculer.ServiceSchema{Name: "legacy", Version: "2", Actions: []moleculer.Action{
		does("sum", func(_ moleculer.Context, params moleculer.Payload) any {
			return params.Get("a").Int() + params.Get("b").Int()
		}),
		does("who", func(ctx moleculer.Context, _ moleculer.Payload) any { return ctx.Meta().Get("user").String() }),
		does("nothing", func(moleculer.Context, moleculer.Payload) any { return nil }),
		does("relay", func(ctx moleculer.Context, params moleculer.Payload) any { return <-ctx.Call("svc.echo", params) }),
		does("typed", func(moleculer.Context, moleculer.Payload) any { return action.Client(409, "BAD", "bad luck") }),
		does("plain", func(moleculer.Context, moleculer.Payload) any { return errors.New("no such post") }),
		does("panic", func(moleculer.Context, moleculer.Payload) any { panic("hunter2") }),
	}}
}

func TestMoleculerGoServiceAnswersTheCluster(t *testing.T) {
	b := newHarness(t)
	b.start(b.prepare(), service("svc", echo), legacy())
	p := b.peer("a")
	for name, tc := range map[string]struct {
		params any
		meta   fields
		want   any
	}{
		"v2.legacy.sum":     {fields{"a": 1, "b": 2}, nil, 3.0},
		"v2.legacy.who":     {nil, fields{"meta": fields{"user": "ada"}}, "ada"},
		"v2.legacy.nothing": {nil, nil, nil},
		"v2.legacy.relay":   {fields{"a": "b"}, nil, fields{"a": "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			res := p.call(name, tc.params, tc.meta)
			require.Equal(t, true, res["success"], "%v", res)
			require.Equal(t, tc.want, res["data"])
		})
	}
}

func TestMoleculerGoServiceErrors(t *testing.T) {
	b := newHarness(t)
	b.start(b.prepare(), legacy())
	p := b.peer("a")
	for name, want := range map[string]fields{
		"v2.legacy.typed": {
			"name": "MoleculerClientError", "code": 409.0, "type": "BAD", "retryable": false, "message": "bad luck",
			"data": fields{}, "nodeID": nodeID,
		},
		"v2.legacy.plain": {
			"name": "MoleculerServerError", "code": 500.0, "type": "", "retryable": false, "message": "no such post",
			"data": fields{}, "nodeID": nodeID,
		},
		"v2.legacy.panic": {
			"name": "MoleculerServerError", "code": 500.0, "type": "INTERNAL_ERROR", "retryable": false, "data": fields{},
			"nodeID":  nodeID,
			"message": "Internal error; the node's log has the details under this requestID",
		},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, want, errorOf(t, p.call(name, nil, nil))) })
	}
}

func TestMoleculerGoServiceIsCalledLocally(t *testing.T) {
	b := newHarness(t)
	n := b.start(b.prepare(), legacy())
	result, err := n.Call(within(t), "v2.legacy.sum", fields{"a": 1, "b": 2}, action.CallOptions{})
	require.NoError(t, err)
	require.JSONEq(t, "3", string(result.Data))
}

func TestMoleculerGoKeepsOffTheWire(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	b.serve(echo)
	p.expect("INFO", "")
	var sent []string
	for _, got := range p.sync() {
		if !got.is("INFO", nodeID) { // the answer to its own DISCOVER, in case another node has its id
			sent = append(sent, got.command)
		}
	}
	require.Equal(t, []string{"DISCOVER"}, sent, "a start sends one DISCOVER and one INFO")
}
