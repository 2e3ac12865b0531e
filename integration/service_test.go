package integration_test

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
	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/mixins"
)

type user struct {
	ID string `json:"id" params:"min:1"`
}

// get answers with what it was asked for.
func get(_ *integration.Context, in user) (user, error) { return in, nil }

func newGet(spec action.Spec) moleculer.Action { return integration.NewAction("get", get, spec) }

// answering is an action that answers with a text.
func answering(name, text string) moleculer.Action {
	return integration.NewAction(
		name, func(*integration.Context, integration.None) (string, error) { return text, nil }, action.Spec{},
	)
}

// failingWith is an action that fails.
func failingWith(name string, err error) moleculer.Action {
	return integration.NewAction(
		name, func(*integration.Context, integration.None) (string, error) { return "", err }, action.Spec{},
	)
}

func anyone(*integration.Context) error { return nil }

// wrong is a definition with every fault there is.
func wrong() integration.ServiceDefinition {
	return integration.ServiceDefinition{
		Name: "7 dwarfs",
		Actions: []moleculer.Action{
			newGet(action.Spec{}), newGet(action.Spec{}),
			{Name: "idle"},
			answering("bad name", ""),
			integration.NewAction("count", func(*integration.Context, int) (int, error) { return 0, nil }, action.Spec{}),
			integration.NewAction[user, user]("lazy", nil, action.Spec{}),
			integration.NewAction("odd", func(*integration.Context, struct {
				N int `params:"email"`
			},
			) (int, error) {
				return 0, nil
			}, action.Spec{}),
		},
		Events: []moleculer.Event{{Name: "dawn"}, {Handler: func(moleculer.Context, moleculer.Payload) {}}},
		Hooks:  []integration.Hook{{Actions: "get|fly", Before: anyone}, {Actions: "get"}, {Before: anyone}},
		Datasources: []datasource.Definition{
			{},
			datasource.HTTP("api", datasource.HTTPOptions{}), datasource.New[int]("db", nil),
			datasource.New[int]("db", nil),
		},
		Cache: integration.CacheOptions{RedisURL: "redis://:CANARY@host:port"},
	}
}

var faults = []string{
	"name must begin with a letter", "action get is defined twice", "action idle has no handler", `action "bad name"`,
	"action count: params are decoded into a struct",
	"action lazy: has no handler", "action odd", `event "dawn" needs`, `event "" needs`,
	`hook 1: there is no action "fly"`, "hook 2: does nothing", `hook 3: there is no action ""`,
	"datasource 1 has no name", `datasource "api"`, `two datasources "db"`, "cache: the URL is not",
}

func TestDefineServiceNamesEveryFault(t *testing.T) {
	_, err := integration.DefineService(wrong(), newHarness(t).runtime)
	for _, fault := range faults {
		require.ErrorContains(t, err, fault)
	}
	require.NotContains(t, err.Error(), "CANARY")
}

func TestDefineServiceNamesFaultsOfDefinitionAndRuntime(t *testing.T) {
	_, err := integration.DefineService(wrong(), integration.Runtime{})
	require.ErrorContains(t, err, "the runtime is incomplete")
	for _, fault := range faults[:12] { // the rest takes a runtime to find out
		require.ErrorContains(t, err, fault)
	}
}

func TestVersionStandsBeforeTheName(t *testing.T) {
	for name, test := range map[string]struct {
		version  string
		settings object
		want     string
	}{
		"none":             {"", nil, "users"},
		"a number":         {"2", nil, "v2.users"},
		"a word":           {"beta", nil, "beta.users"},
		"one to be hidden": {"2", object{"$noVersionPrefix": true}, "users"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newHarness(t).service(
				integration.ServiceDefinition{
					Version: test.version, Settings: test.settings, Actions: []moleculer.Action{newGet(action.Spec{})},
				},
			)
			require.Equal(t, test.want, s.FullName())
			require.Equal(t, "users", s.Name())
			answer, err := newNode(t).serve(s).call(test.want+".get", user{"u1"}, nil)
			require.NoError(t, err)
			require.JSONEq(t, `{"id":"u1"}`, string(answer.Data))
		})
	}
}

func TestServicesOwnDefinitionComesBeforeItsMixins(t *testing.T) {
	own, first, second := object{
		"db": object{"host": "own"}, "$secureSettings": []string{"db.host"},
	}, object{"db": object{"host": "first", "port": 1}, "list": []int{1}}, object{"db": object{"port": 2, "tls": true}}
	b := newHarness(t)
	s := b.service(integration.ServiceDefinition{
		Settings: own, Metadata: object{"a": 1}, Dependencies: []string{"own"},
		Actions: []moleculer.Action{answering("who", "own")},
		Mixins: []moleculer.Mixin{
			{
				Name: "first", Settings: first, Metadata: object{"a": 2, "b": 2}, Dependencies: []string{"theirs"},
				Actions: []moleculer.Action{answering("who", "first"), answering("more", "first")},
			},
			{Name: "second", Settings: second, Actions: []moleculer.Action{
				answering("more", "second"),
			}, Events: []moleculer.Event{{Name: "dawn", Handler: func(moleculer.Context, moleculer.Payload) {}}}},
		},
	})
	schema := s.Schema()
	require.JSONEq(
		t, `{"db":{"host":"own","port":1,"tls":true},"list":[1],"$secureSettings":["db.host"]}`, toJSON(t, schema.Settings),
	)
	require.JSONEq(t, `{"a":1,"b":2}`, toJSON(t, schema.Metadata))
	require.Len(t, schema.Events, 1)
	require.Equal(t, object{"host": "own"}, own["db"], "what the author wrote stays as it is")
	require.Equal(t, object{"host": "first", "port": 1}, first["db"])
	for name, want := range map[string]string{"who": "own", "more": "first"} {
		answer, err := ask(t, s, name, nil, nil)
		require.NoError(t, err)
		require.Equal(t, want, answer)
	}
}

func TestMixinsSecretSettingsAreNotAnnounced(t *testing.T) {
	s := newHarness(t).service(integration.ServiceDefinition{
		Settings: object{"mine": "x", "$secureSettings": []string{"mine"}},
		Mixins: []moleculer.Mixin{
			{Name: "theirs", Settings: object{"apiKey": "CANARY", "$secureSettings": []string{"apiKey"}}},
		},
	})
	require.ElementsMatch(t, []any{"mine", "apiKey"}, list(t, s.Schema().Settings["$secureSettings"]))
}

func list(t *testing.T, v any) (items []any) {
	t.Helper()
	decode(t, v, &items)
	return items
}

func TestLifecycleOfAMixinIsRun(t *testing.T) {
	var life ledger
	note := func(what string) moleculer.LifecycleFunc {
		return func(moleculer.BrokerContext, moleculer.ServiceSchema) { life.add(what) }
	}
	s := newHarness(t).service(
		integration.ServiceDefinition{
			Mixins: []moleculer.Mixin{{Name: "m", Started: note("started"), Stopped: note("stopped")}},
		},
	)
	n := newNode(t)
	n.serve(s)
	require.Equal(t, []string{"started"}, life.lines())
	n.broker.Stop()
	require.Equal(t, []string{"started", "stopped"}, life.lines())
}

func TestServicesOwnMixinReplacesTheBuiltInOne(t *testing.T) {
	asked := 0
	own := moleculer.Mixin{Name: "memoize", Hooks: object{"memoize": action.Middleware{
		Stage: action.StageCache,
		Wrap: func(_ action.Endpoint, next action.Handler) action.Handler {
			return func(ctx context.Context, req *action.Request) (any, error) {
				asked++
				return next(ctx, req)
			}
		},
	}}}
	b := newHarness(t)
	b.runtime.Cache = newCache(t)
	s := b.service(
		integration.ServiceDefinition{
			Mixins: []moleculer.Mixin{own}, Actions: []moleculer.Action{newGet(action.Spec{Cache: &action.CacheRule{}})},
		},
	)
	for range 2 {
		answer, err := ask(t, s, "get", user{"u1"}, nil)
		require.NoError(t, err)
		require.Equal(t, user{"u1"}, answer, "nothing was kept")
	}
	require.Equal(t, 2, asked)
	require.Empty(t, s.Schema().Events, "nor is there anything to clean")
}

func TestMixinOfDatasourcesStandsBesideTheServicesOwn(t *testing.T) {
	var life ledger
	b := newHarness(t)
	set, err := datasource.NewSet(b.runtime.Log, life.source("theirs", nil, nil))
	require.NoError(t, err)
	s := b.service(integration.ServiceDefinition{
		Datasources: []datasource.Definition{life.source("own", nil, nil)},
		Mixins:      []moleculer.Mixin{mixins.Datasources(set, b.runtime.Log)},
		Actions: []moleculer.Action{integration.NewAction("read", func(
			ctx *integration.Context, _ integration.None,
		) (string, error) {
			own, err := datasource.Get[*source](ctx, "own")
			if err != nil {
				return "", err
			}
			return own.name, nil
		}, action.Spec{})},
	})
	require.NoError(t, s.Start(t.Context()))
	defer func() { require.NoError(t, s.Stop(context.Background())) }()
	answer, err := ask(t, s, "read", nil, nil)
	require.NoError(t, err)
	require.Equal(t, "own", answer)
}

func newCache(t *testing.T) *cache.Cache {
	t.Helper()
	c := cache.New(cache.NewMemory(cache.MemoryOptions{}), cache.Options{TTL: time.Minute})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestMemoisedResultNeedsThePermission(t *testing.T) {
	b := newHarness(t)
	b.runtime.Cache = newCache(t)
	calls := 0
	s := b.service(integration.ServiceDefinition{Actions: []moleculer.Action{integration.NewAction("secrets", func(
		*integration.Context, integration.None,
	) (string, error) {
		calls++
		return "the secret", nil
	}, action.Spec{Cache: &action.CacheRule{Keys: []string{}}, Permissions: []string{"secrets.read"}})}})
	n := newNode(t).serve(s)
	may, mayNot := object{
		"user": object{"id": "u1", "permissions": []string{"secrets.read"}},
	}, object{"user": object{"id": "u2"}}
	for range 2 {
		answer, err := n.call("users.secrets", nil, may)
		require.NoError(t, err)
		require.JSONEq(t, `"the secret"`, string(answer.Data))
		_, err = n.call("users.secrets", nil, mayNot)
		requireError(t, err, 403, "FORBIDDEN")
		_, err = n.call("users.secrets", nil, nil)
		requireError(t, err, 401, "UNAUTHORIZED")
		_, err = ask(t, s, "secrets", nil, mayNot)
		requireError(t, err, 403, "FORBIDDEN")
	}
	require.Equal(t, 1, calls)
}

func TestCallWithoutAClusterEqualsOneThroughIt(t *testing.T) {
	b := newHarness(t)
	b.runtime.Cache = newCache(t)
	b.runtime.Secrets.Add(token)
	s := b.service(integration.ServiceDefinition{
		Hooks: []integration.Hook{{Actions: "*", After: func(ctx *integration.Context, result any) (any, error) {
			ctx.SetMeta("hooked", true)
			return result, nil
		}}},
		Actions: []moleculer.Action{
			newGet(action.Spec{}),
			integration.NewAction("kept", get, action.Spec{Cache: &action.CacheRule{}}),
			integration.NewAction("guarded", get, action.Spec{Permissions: []string{"read"}}),
			failingWith("typed", action.Client(409, "TAKEN", "taken by %s", token).With(object{"by": "u1"})),
			failingWith(
				"platform",
				&integration.Error{
					Kind: integration.FaultThrottled, Code: "SLOW", Message: "slow down " + token, RetryAfter: time.Second,
					PlatformCode: token,
				},
			),
			failingWith("wrapped", errors.Join(errors.New("inner "+token), action.Server(500, "BROKEN", "broken"))),
		},
	})
	n := newNode(t).serve(s)
	_, err := n.call("users.kept", user{"u1"}, nil)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		action string
		params any
	}{
		"an answer": {"get", user{"u1"}}, "a memoised answer": {"kept", user{"u1"}}, "wrong params": {"get", user{}},
		"no user":                  {"guarded", user{"u1"}},
		"an error of the author's": {"typed", object{}}, "an error of a platform": {"platform", object{}},
		"an error among others": {"wrapped", object{}},
	} {
		t.Run(name, func(t *testing.T) {
			req := &action.Request{Params: json.RawMessage(toJSON(t, test.params)), Meta: metaOf(t, object{"a": 1})}
			here, hereErr := s.Call(t.Context(), test.action, req)
			there, thereErr := n.call("users."+test.action, test.params, object{"a": 1})
			if thereErr == nil {
				require.NoError(t, hereErr)
				require.JSONEq(t, string(there.Data), toJSON(t, here))
				require.JSONEq(t, string(there.Meta), toJSON(t, req.Meta))
				return
			}
			far, near := thereErr.(*action.Error), action.AsError(hereErr, "users."+test.action, "") //nolint:errorlint // it is one
			require.Equal(
				t, []any{far.Name, far.Code, far.Type, far.Message, far.Retryable},
				[]any{near.Name, near.Code, near.Type, near.Message, near.Retryable},
			)
			if near.Data != nil && test.action != "get" { // whose faults name the node
				require.JSONEq(t, toJSON(t, far.Data), toJSON(t, near.Data))
			}
			require.NotContains(t, toJSON(t, near), token)
		})
	}
}

func TestErrorThatIsNilInsideFailsItsCallAlone(t *testing.T) {
	var none *action.Error
	var nobody *integration.Error
	n := newNode(t).serve(
		newHarness(t).service(
			integration.ServiceDefinition{Actions: []moleculer.Action{failingWith("none", none), failingWith("nobody", nobody)}},
		),
	)
	for _, name := range []string{"users.none", "users.nobody"} {
		_, err := n.call(name, nil, nil)
		requireError(t, err, 500, "INTERNAL_ERROR")
	}
}

func TestErrorDataHoldsNoSecret(t *testing.T) {
	b := newHarness(t)
	b.runtime.Secrets.Add(token)
	s := b.service(integration.ServiceDefinition{Actions: []moleculer.Action{
		failingWith(
			"fail", action.Client(400, "BAD", "bad").With(object{"url": "https://api/bot" + token, "list": []any{token}}),
		),
	}})
	_, err := ask(t, s, "fail", nil, nil)
	require.NotContains(t, toJSON(t, errorOf(t, err, 400, "BAD").Data), strings.TrimPrefix(token, "123456:"))
}
