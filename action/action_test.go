package action_test

import (
	"context"
	"testing"

	"github.com/moleculer-go/moleculer"
	"github.com/moleculer-go/moleculer/payload"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

// goContext is what moleculer-go hands to an action; of it, only the meta is asked for here.
type goContext struct {
	moleculer.Context
	meta map[string]any
}

func (c goContext) Meta() moleculer.Payload { return payload.New(c.meta) }

// callFromGo calls an action as another moleculer-go service on the same broker does.
func callFromGo(handle action.Handler, params any) any {
	a := action.New("send", action.Spec{Handle: handle, Description: "sends"})
	return a.Handler(goContext{meta: map[string]any{"user": "ada"}}, payload.New(params))
}

func TestMoleculerGoActionCarriesItsSpec(t *testing.T) {
	a := action.New("send", action.Spec{Rest: "POST /send", Description: "sends"})
	spec, ok := a.Schema.(action.Spec)
	require.True(t, ok)
	require.Equal(t, []any{"send", "sends", "POST /send"}, []any{a.Name, a.Description, spec.Rest})
}

func TestLocalCallReachesTheHandlerAsJSON(t *testing.T) {
	callFromGo(func(_ context.Context, req *action.Request) (any, error) {
		require.JSONEq(t, `{"to":"x"}`, string(req.Params))
		require.Equal(t, "ada", req.Meta.String("user"))
		return nil, nil
	}, map[string]any{"to": "x"})
}

func TestLocalCallGetsTheResultAsGoValues(t *testing.T) {
	result := callFromGo(func(context.Context, *action.Request) (any, error) {
		return action.Route{Method: "GET", Path: "/"}, nil
	}, nil)
	require.Equal(t, map[string]any{"method": "GET", "path": "/"}, result)
}

func TestLocalCallGetsTheErrorItself(t *testing.T) {
	refused := action.Client(409, "BAD", "bad")
	result := callFromGo(func(context.Context, *action.Request) (any, error) { return nil, refused }, nil)
	require.Same(t, refused, result)
}

func TestLocalCallFailsForValuesThatJSONCannotHold(t *testing.T) {
	for name, tc := range map[string]struct{ params, result any }{
		"params": {params: func() {}},
		"result": {result: func() {}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Implements(
				t, (*error)(nil),
				callFromGo(func(context.Context, *action.Request) (any, error) { return tc.result, nil }, tc.params),
			)
		})
	}
}
