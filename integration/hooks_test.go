package integration_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/moleculer-go/moleculer"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// tracing notes its steps.
func (l *ledger) hook(name, actions string) integration.Hook {
	return integration.Hook{
		Actions: actions,
		Before:  l.noting("before "+name, nil),
		After: func(_ *integration.Context, result any) (any, error) {
			l.add("after " + name)
			return result, nil
		},
		Error: func(*integration.Context, error) error {
			l.add("error " + name)
			return nil
		},
	}
}

func TestHooksAreNestedAsTheyAreListed(t *testing.T) {
	var steps ledger
	s := newHarness(t).service(integration.ServiceDefinition{
		Hooks:   []integration.Hook{steps.hook("a", "*"), steps.hook("b", "get|fail"), steps.hook("c", "other|fail")},
		Actions: []moleculer.Action{newGet(action.Spec{}), answering("other", ""), failingWith("fail", errors.New("broken"))},
	})
	for name, want := range map[string][]string{
		"get":   {"before a", "before b", "after b", "after a"},
		"other": {"before a", "before c", "after c", "after a"},
		"fail":  {"before a", "before b", "before c", "error c", "error b", "error a"},
	} {
		t.Run(name, func(t *testing.T) {
			steps.list = nil
			_, err := ask(t, s, name, user{"u1"}, nil)
			require.Equal(t, name == "fail", err != nil)
			require.Equal(t, want, steps.lines())
		})
	}
}

func TestHooksFindTheirActionsByTheirWholeNames(t *testing.T) {
	for name, test := range map[string]struct {
		actions string
		want    []string // who is guarded
	}{
		"all":                     {"*", []string{"admin.get", "get"}},
		"all among others":        {"get|*", []string{"admin.get", "get"}},
		"a name with a dot":       {"admin.get", []string{"admin.get"}},
		"the end of another name": {"get", []string{"get"}},
		"both":                    {"get|admin.get", []string{"admin.get", "get"}},
	} {
		t.Run(name, func(t *testing.T) {
			for settings, prefix := range map[string]string{`{}`: "users.", `{"$noServiceNamePrefix":true}`: ""} {
				refuse := func(*integration.Context) error { return action.Unauthorized() }
				def := integration.ServiceDefinition{
					Hooks:   []integration.Hook{{Actions: test.actions, Before: refuse}},
					Actions: []moleculer.Action{answering("admin.get", ""), answering("get", "")},
				}
				require.NoError(t, json.Unmarshal([]byte(settings), &def.Settings))
				n, guarded := newNode(t).serve(newHarness(t).service(def)), []string{}
				for _, name := range []string{"admin.get", "get"} {
					if _, err := n.call(prefix+name, nil, nil); err != nil {
						requireError(t, err, 401, "UNAUTHORIZED")
						guarded = append(guarded, name)
					}
				}
				require.Equal(t, test.want, guarded, prefix)
			}
		})
	}
}

func TestHooksMayRefuseOrChangeACall(t *testing.T) {
	refusal := action.Client(409, "REFUSED", "refused")
	for name, test := range map[string]struct {
		hook integration.Hook
		want string // the answer, or the type of the error
	}{
		"Before refuses": {integration.Hook{Before: func(*integration.Context) error { return refusal }}, "REFUSED"},
		"Before changes": {integration.Hook{
			Before: func(c *integration.Context) error { c.Request.Params = []byte(`{"id":"new"}`); return nil },
		}, `{"id":"new"}`},
		"After replaces": {integration.Hook{
			After: func(_ *integration.Context, r any) (any, error) { return []any{r}, nil },
		}, `[{"id":"u1"}]`},
		"After fails": {integration.Hook{
			After: func(*integration.Context, any) (any, error) { return "lost", refusal },
		}, "REFUSED"},
		"After gives nothing": {
			integration.Hook{After: func(*integration.Context, any) (any, error) { return nil, nil }}, `null`,
		},
		"Error replaces": {integration.Hook{
			Before: func(*integration.Context) error { return errors.New("raw") },
			Error: func(_ *integration.Context, err error) error {
				return action.Client(418, "NEW", "%v", err).Because(err)
			},
		}, "NEW"},
		"Error sees what After fails with": {integration.Hook{
			After: func(*integration.Context, any) (any, error) { return nil, refusal },
			Error: func(_ *integration.Context, err error) error {
				if errors.Is(err, refusal) {
					return action.Client(418, "NEW", "new")
				}
				return nil
			},
		}, "NEW"},
		"a Before that panics": {
			integration.Hook{Before: func(*integration.Context) error { panic("out") }}, "INTERNAL_ERROR",
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.hook.Actions = "*"
			n := newNode(t).serve(
				newHarness(t).service(
					integration.ServiceDefinition{
						Hooks: []integration.Hook{test.hook}, Actions: []moleculer.Action{newGet(action.Spec{})},
					},
				),
			)
			answer, err := n.call("users.get", user{"u1"}, nil)
			if err == nil {
				require.JSONEq(t, test.want, string(answer.Data))
				return
			}
			require.Equal(t, test.want, err.(*action.Error).Type) //nolint:errorlint // it is one
		})
	}
}

func TestHooksStandRoundTheStandardActionsOfAPlatform(t *testing.T) {
	b := newHarness(t)
	b.def.Hooks = []integration.Hook{
		{
			Actions: "i_status|i_sendMessage",
			Before:  func(c *integration.Context) error { return c.RequirePermission("parrots") },
		},
		{Actions: "i_status", After: func(_ *integration.Context, result any) (any, error) {
			return object{"spec": result}, nil
		}},
	}
	n := newNode(t).serve(b.define())
	_, err := n.call("parrot.i_status", nil, nil)
	requireError(t, err, 401, "UNAUTHORIZED")
	_, err = n.call("parrot.i_sendMessage", sendParams(), object{"user": object{"id": 1}})
	requireError(t, err, 403, "FORBIDDEN")
	require.Empty(t, b.platform.steps)
	answer, err := n.call("parrot.i_status", nil, object{"user": object{"id": 1, "permissions": []string{"parrots"}}})
	require.NoError(t, err)
	require.Contains(t, string(answer.Data), `{"spec":{"id":"parrot"`)
	answer, err = n.call("parrot.i_healthCheck", nil, nil)
	require.NoError(t, err)
	require.Contains(t, string(answer.Data), "healthy")
}

func TestHooksStandRoundPlainActions(t *testing.T) {
	var steps ledger
	s := newHarness(t).service(integration.ServiceDefinition{
		Hooks: []integration.Hook{steps.hook("a", "*"), {Actions: "do", After: func(
			c *integration.Context, result any,
		) (any, error) {
			return object{"was": result, "tenant": c.TenantID()}, nil
		}}},
		Actions: []moleculer.Action{
			{Name: "do", Handler: func(_ moleculer.Context, params moleculer.Payload) any { return params.Get("n").Int() + 1 }},
			{Name: "fail", Handler: func(moleculer.Context, moleculer.Payload) any { return action.Client(409, "NO", "no") }},
		},
	})
	n := newNode(t).serve(s)
	answer, err := n.call("users.do", object{"n": 1}, object{"tenantId": "t1"})
	require.NoError(t, err)
	require.JSONEq(t, `{"was":2,"tenant":"t1"}`, string(answer.Data))
	_, err = n.call("users.fail", nil, nil)
	requireError(t, err, 409, "NO")
	require.Equal(t, []string{"before a", "after a", "before a", "error a"}, steps.lines())
}
