package integration_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/integration"
)

// inside runs look inside of an action of a service "v2.users", for a call with that meta.
func (b *harness) inside(meta any, look func(ctx *integration.Context) error) error {
	b.t.Helper()
	s := b.service(integration.ServiceDefinition{
		Version: "2", Settings: object{"loud": true},
		Actions: []moleculer.Action{integration.NewAction("look", func(
			ctx *integration.Context, _ integration.None,
		) (integration.None, error) {
			return integration.None{}, look(ctx)
		}, action.Spec{})},
	})
	cluster, _ := b.runtime.Cluster.(action.Cluster)
	_, err := s.Call(
		b.t.Context(), "look",
		&action.Request{ID: "r1", RequestID: "trace", Meta: action.NewMeta([]byte(toJSON(b.t, meta))), Cluster: cluster},
	)
	return err
}

func TestContextTellsWhoCalls(t *testing.T) {
	tell := func(ctx *integration.Context) []string {
		return []string{
			ctx.TenantID(), ctx.TenantName(), ctx.UserID(), ctx.ChannelID(), ctx.RequestID(), ctx.UserAgent(), ctx.ClientIP(),
		}
	}
	for name, test := range map[string]struct {
		meta object
		want []string
	}{
		"nobody": {nil, []string{"", "", "", "", "trace", "", ""}},
		"all of meta": {
			object{
				"tenantId": "t1", "tenantName": "Acme", "userId": "u1", "channelId": "c1", "requestId": "q1", "userAgent": "curl",
				"clientIP": "::1", "user": object{"id": "u2", "tenantId": "t2"},
			},
			[]string{"t1", "Acme", "u1", "c1", "q1", "curl", "::1"},
		},
		"a user alone": {object{"user": object{"id": 7, "tenantId": "t2"}}, []string{"t2", "", "7", "", "trace", "", ""}},
		"no texts": {object{
			"tenantId": object{}, "userId": true, "requestId": nil, "user": "root",
		}, []string{"", "", "", "", "trace", "", ""}},
		"numbers": {object{
			"tenantId": 42, "userId": 9007199254740993, "channelId": 1,
		}, []string{"42", "", "9007199254740993", "1", "trace", "", ""}},
		"an unknown user": {object{"user": object{"email": "a@b"}}, []string{"", "", "", "", "trace", "", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			require.NoError(t, b.inside(test.meta, func(ctx *integration.Context) error {
				require.Equal(t, test.want, tell(ctx))
				require.Equal(t, test.want, tell(integration.FromContext(ctx)))
				derived, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				require.Equal(t, test.want, tell(integration.FromContext(derived)))
				return nil
			}))
		})
	}
}

func TestMetaOfAContextGoesBothWays(t *testing.T) {
	b := newHarness(t)
	require.NoError(t, b.inside(object{"n": 1}, func(ctx *integration.Context) error {
		var n int
		var text string
		require.True(t, ctx.Meta("n", &n))
		require.Equal(t, 1, n)
		require.False(t, ctx.Meta("n", &text), "it does not fit")
		require.False(t, ctx.Meta("none", &n))
		ctx.SetMeta("n", 2)
		require.True(t, integration.FromContext(ctx).Meta("n", &n))
		require.Equal(t, 2, n)
		require.JSONEq(t, `{"n":2}`, toJSON(t, ctx.Request.Meta))
		return nil
	}))
}

func TestLogLineTellsWhoseItIs(t *testing.T) {
	b := newHarness(t)
	logs := b.watch()
	require.NoError(t, b.inside(object{
		"tenantId": "t1", "channelId": "c1", "userId": "u1",
	}, func(ctx *integration.Context) error {
		ctx.Log().Info("hi")
		return nil
	}))
	require.NoError(t, b.inside(nil, func(ctx *integration.Context) error { ctx.Log().Info("hi"); return nil }))
	want := []logrus.Fields{
		{"service": "users", "action": "look", "requestID": "trace", "tenant": "t1", "channel": "c1", "user": "u1"},
		{"service": "users", "action": "look", "requestID": "trace"},
	}
	require.Equal(t, want, []logrus.Fields{logs.AllEntries()[0].Data, logs.AllEntries()[1].Data})
}

func TestContextWithoutAServiceIsHarmless(t *testing.T) {
	ctx := integration.FromContext(t.Context())
	require.Nil(t, ctx.Settings())
	require.NotNil(t, ctx.Log())
	require.NoError(t, ctx.Cache().Set(ctx, "a", 1, 0))
	requireError(t, ctx.SendToChannel("a", 1), 500, "INTERNAL_ERROR")
	requireError(t, ctx.Call("a.b", nil, nil), 500, "INTERNAL_ERROR")
	require.Error(t, ctx.Emit("a", 1))
	require.Error(t, ctx.Broadcast("a", 1))
	ctx.SetMeta("a", 1)
}

func TestCacheOfAContextIsTheServicesOwn(t *testing.T) {
	b := newHarness(t)
	b.runtime.Cache = newCache(t)
	require.NoError(t, b.runtime.Cache.Set(t.Context(), "v2.users.get:u1", "a memoised result", 0))
	require.NoError(t, b.inside(nil, func(ctx *integration.Context) error {
		n, err := cache.Memoize(ctx, "count", nil, 0, func(context.Context) (int, error) { return 7, nil })
		require.Equal(t, 7, n)
		return err
	}))
	var n int
	found, err := b.runtime.Cache.Get(t.Context(), "v2.users:count", &n)
	require.NoError(t, err)
	require.True(t, found)
	require.NoError(t, b.inside(nil, func(ctx *integration.Context) error { return ctx.Cache().Clean(ctx, "**") }))
	found, err = b.runtime.Cache.Get(t.Context(), "v2.users:count", &n)
	require.NoError(t, err)
	require.False(t, found)
	var text string
	found, err = b.runtime.Cache.Get(t.Context(), "v2.users.get:u1", &text)
	require.NoError(t, err)
	require.True(t, found, "what is not in its part stays")
}

func TestCallsDecodeAnswersAndErrors(t *testing.T) {
	gone := action.Client(404, "GONE", "gone")
	for name, test := range map[string]struct {
		answer string
		err    error
		want   *user
		typ    string
	}{
		"an answer":           {answer: `{"id":"u1"}`, want: &user{"u1"}},
		"null":                {answer: `null`, want: &user{}},
		"nothing":             {answer: ``, want: &user{}},
		"what does not fit":   {answer: `{"id":"u1","x":`, typ: "INTERNAL_ERROR"},
		"what is not a user":  {answer: `[1]`, typ: "INTERNAL_ERROR"},
		"an error of another": {err: gone, typ: "GONE"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.runtime.Cluster = &others{answer: func(name string, params json.RawMessage) (*action.CallResult, error) {
				require.Equal(t, `orders.get {"id":"o1"}`, name+" "+string(params))
				if test.err != nil {
					return nil, test.err
				}
				return &action.CallResult{Data: json.RawMessage(test.answer)}, nil
			}}
			require.NoError(t, b.inside(nil, func(ctx *integration.Context) error {
				var u user
				err := ctx.Call("orders.get", user{"o1"}, &u)
				if test.typ != "" {
					require.Equal(t, test.typ, err.(*action.Error).Type) //nolint:errorlint // it is one
					return nil
				}
				require.Equal(t, *test.want, u)
				require.NoError(t, ctx.Call("orders.get", user{"o1"}, nil), "an answer may be dropped")
				return err
			}))
		})
	}
}

func TestEventsGoOutAsAsked(t *testing.T) {
	b := newHarness(t)
	cluster := &others{}
	b.runtime.Cluster = cluster
	require.NoError(t, b.inside(nil, func(ctx *integration.Context) error {
		return errors.Join(ctx.Emit("a", 1), ctx.Emit("b", user{"u1"}, "mail"), ctx.Broadcast("c", nil, "mail", "audit"))
	}))
	require.Equal(t, []string{
		`a 1 {"Groups":null,"Broadcast":false}`, `b {"id":"u1"} {"Groups":["mail"],"Broadcast":false}`,
		`c null {"Groups":["mail","audit"],"Broadcast":true}`,
	}, cluster.lines())
}

func TestReliableEventCarriesTheTraceAndItsOwn(t *testing.T) {
	b := newHarness(t)
	require.NoError(t, b.inside(object{
		"tenantId": "t1", "user": object{"id": 1}, "userId": "u1", "token": token,
	}, func(ctx *integration.Context) error {
		return ctx.SendToChannel(
			"users.created", user{"u1"}, integration.SendOptions{MessageID: "m1", Header: map[string]string{"x-kind": "a\nb"}},
		)
	}))
	e := b.events.one(t)
	require.Equal(t, []string{"users.created", "m1", `{"id":"u1"}`}, []string{e.Name, e.ID, string(e.Payload)})
	require.Equal(t, []string{"a b"}, e.Header["x-kind"])
	require.Equal(
		t, []string{"trace", "r1", "v2.users"},
		[]string{e.Header["$requestID"][0], e.Header["$parentID"][0], e.Header["$caller"][0]},
	)
	meta, err := base64.StdEncoding.DecodeString(e.Header["$meta"][0])
	require.NoError(t, err)
	require.JSONEq(t, `{"tenantId":"t1","userId":"u1"}`, string(meta), "of meta only ids go along")
}

func TestReliableEventsHaveDifferentIDs(t *testing.T) {
	b := newHarness(t)
	require.NoError(t, b.inside(nil, func(ctx *integration.Context) error {
		return errors.Join(ctx.SendToChannel("a", nil), ctx.SendToChannel("a", nil))
	}))
	require.Regexp(t, `^[0-9a-f-]{36}$`, b.events.events[0].ID)
	require.NotEqual(t, b.events.events[0].ID, b.events.events[1].ID)
}

func TestLongHeaderOfAReliableEventStaysWhole(t *testing.T) {
	b := newHarness(t)
	long := strings.Repeat("x", 1000)
	require.NoError(t, b.inside(nil, func(ctx *integration.Context) error {
		return ctx.SendToChannel("a", nil, integration.SendOptions{Header: map[string]string{"signature": long}})
	}))
	require.Equal(t, []string{long}, b.events.one(t).Header["signature"])
}

func TestReliableEventThatIsNotStoredIsAnError(t *testing.T) {
	for name, test := range map[string]struct {
		fail      error
		payload   any
		code      int
		typ       string
		retryable bool
	}{
		"for now":       {errors.New("no answer"), 1, 503, "EVENTS_UNAVAILABLE", true},
		"for ever":      {rejected{errors.New("too large")}, 1, 413, "EVENT_REJECTED", false},
		"without a way": {nil, func() {}, 400, "EVENT_INVALID", false},
		"in time":       {context.DeadlineExceeded, 1, 503, "EVENTS_UNAVAILABLE", true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.events.fail = func(event) error { return test.fail }
			err := b.inside(nil, func(ctx *integration.Context) error { return ctx.SendToChannel("a", test.payload) })
			require.Equal(t, test.retryable, errorOf(t, err, test.code, test.typ).Retryable)
			if test.fail != nil {
				require.ErrorIs(t, err, test.fail)
			}
		})
	}
}

func TestPermissionsDecideWhatACallMay(t *testing.T) {
	const ok = 0
	user := func(more object) object {
		u := object{"id": "u1"}
		for k, v := range more {
			u[k] = v
		}
		return object{"user": u}
	}
	write := func(ctx *integration.Context) error { return ctx.RequirePermission("users.write", "users.*") }
	admin := func(ctx *integration.Context) error { return ctx.RequireRole("admin", "owner") }
	logged := func(ctx *integration.Context) error { _, err := ctx.RequireUser(); return err }
	tenant := func(ctx *integration.Context) error { _, err := ctx.RequireTenant(); return err }
	own := func(ctx *integration.Context) error { _, err := ctx.RequireTenant("t1"); return err }
	for name, test := range map[string]struct {
		meta    object
		require func(*integration.Context) error
		code    int
	}{
		"nobody may write":         {nil, write, 401},
		"another may not":          {user(object{"permissions": []string{"users.read"}}), write, 403},
		"a role is no permission":  {user(object{"roles": []string{"users.write"}}), write, 403},
		"who may, may":             {user(object{"permissions": []string{"users.write"}}), write, ok},
		"who may all, may":         {user(object{"permissions": []string{"*"}}), write, ok},
		"nobody is an admin":       {nil, admin, 401},
		"a user is none":           {user(object{"permissions": []string{"admin", "role:admin", "*"}}), admin, 403},
		"an owner will do":         {user(object{"role": "owner"}), admin, ok},
		"nobody is no user":        {nil, logged, 401},
		"an empty user is none":    {object{"user": object{}}, logged, 401},
		"a user is one":            {user(nil), logged, ok},
		"no tenant":                {user(nil), tenant, 403},
		"a tenant":                 {object{"tenantId": "t9"}, tenant, ok},
		"no tenant is not the own": {nil, own, 403},
		"another tenant":           {object{"tenantId": "t2", "user": object{"id": 1, "tenantId": "t1"}}, own, 403},
		"the user's tenant":        {user(object{"tenantId": "t1"}), own, ok},
		"what is nobody's is not theirs": {
			nil, func(ctx *integration.Context) error { _, err := ctx.RequireTenant(""); return err }, 403,
		},
		"what asks for nothing": {nil, func(ctx *integration.Context) error { return ctx.RequirePermission() }, ok},
	} {
		t.Run(name, func(t *testing.T) {
			err := newHarness(t).inside(test.meta, test.require)
			if test.code == ok {
				require.NoError(t, err)
				return
			}
			requireError(t, err, test.code, map[int]string{401: "UNAUTHORIZED", 403: errorType(err)}[test.code])
		})
	}
}

func errorType(err error) string {
	e, _ := errors.AsType[*action.Error](err)
	if e == nil {
		return ""
	}
	return e.Type
}

func TestUserWithANumberForATenantIsStillAUser(t *testing.T) {
	require.NoError(t, newHarness(t).inside(object{
		"user": object{"id": 7, "tenantId": 42},
	}, func(ctx *integration.Context) error {
		_, err := ctx.RequireUser()
		require.Equal(t, "42", ctx.TenantID())
		return err
	}))
}

func TestPlatformFindsItsContext(t *testing.T) {
	b := newHarness(t)
	b.runtime.Cache, b.store.channel.TenantID = newCache(t), "t7"
	b.def.Settings = object{"loud": true}
	seen := make(chan string, 2)
	note := func(ctx context.Context) {
		c := integration.FromContext(ctx)
		_, err := cache.Memoize(ctx, "seen", nil, 0, func(context.Context) (int, error) { return 1, nil })
		seen <- fmt.Sprintln(c.Request.Action, c.TenantID(), c.Settings(), c.Cache() != nil, err)
	}
	b.def.Platform = &nosy{b.platform, note}
	s := b.define()
	for name, params := range map[string]any{
		integration.ActionReceiveWebhook: webhookParams(), integration.ActionSendMessage: sendParams(),
	} {
		_, err := ask(t, s, name, params, object{"tenantId": "t7"})
		require.NoError(t, err)
		require.Equal(t, "parrot."+name+" t7 map[loud:true] true <nil>\n", receive(t, seen))
	}
}

// nosy is a platform that looks at its context.
type nosy struct {
	*platform
	look func(context.Context)
}

func (n *nosy) Normalize(ctx context.Context, _ *integration.Webhook) ([]integration.Message, error) {
	n.look(ctx)
	return nil, nil
}

func (n *nosy) Send(
	ctx context.Context, _ *integration.Message, _ *integration.Channel,
) (*integration.SendResult, error) {
	n.look(ctx)
	return nil, nil
}

func TestContextIsForManyGoroutines(t *testing.T) {
	b := newHarness(t)
	b.runtime.Cache, b.runtime.Cluster = newCache(t), &others{
		answer: func(string, json.RawMessage) (*action.CallResult, error) { return &action.CallResult{}, nil },
	}
	require.NoError(t, b.inside(object{"tenantId": "t1"}, func(ctx *integration.Context) error {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				ctx.SetMeta("k", i)
				_ = ctx.TenantID() + ctx.UserID()
				ctx.Log().Debug("hi")
				_ = ctx.Cache().Set(ctx, "k", i, 0)
				_ = ctx.SendToChannel("a", i)
				_ = ctx.Emit("a", i)
				_ = ctx.Call("a.b", i, nil)
				_ = integration.FromContext(ctx).RequirePermission("x")
			})
		}
		wg.Wait()
		return nil
	}))
	require.Len(t, b.events.events, 20)
}
