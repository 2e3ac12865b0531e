package cluster_test

import (
	"context"
	"testing"

	"github.com/moleculer-go/moleculer"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
)

type traceKey struct{}

// traced is a mixin whose middleware notes its passing in the call's meta.
func traced(name string, stage action.Stage) moleculer.Mixin {
	return moleculer.Mixin{Name: name, Hooks: map[string]any{name: action.Middleware{
		Stage: stage,
		Context: func(ctx context.Context) context.Context {
			seen, _ := ctx.Value(traceKey{}).(string)
			return context.WithValue(ctx, traceKey{}, seen+name+" ")
		},
		Wrap: func(e action.Endpoint, next action.Handler) action.Handler {
			return func(ctx context.Context, req *action.Request) (any, error) {
				req.Meta.Set(name, e.Service+" "+e.Action+" "+e.Spec.Cache.Keys[0])
				return next(ctx, req)
			}
		},
	}}}
}

func TestMiddlewaresWrapMoleculerGoActionsByStage(t *testing.T) {
	b := newHarness(t)
	b.start(b.prepare(), moleculer.ServiceSchema{
		Name: "old", Version: "2",
		Mixins: []moleculer.Mixin{
			traced("inner", action.StageInner), traced("cache", action.StageCache), traced("access", action.StageAccess),
		},
		Actions: []moleculer.Action{{
			Name: "do", Settings: map[string]any{"cache": map[string]any{"keys": []any{"id"}, "ttl": 3}},
			Handler: func(ctx moleculer.Context, _ moleculer.Payload) any {
				seen, _ := action.ContextOf(ctx).Value(traceKey{}).(string)
				return seen + action.RequestFrom(action.ContextOf(ctx)).Action
			},
		}},
	})
	res := b.peer("a").call("v2.old.do", nil, nil)
	require.Equal(t, "access cache inner v2.old.do", res["data"])
	passed := "v2.old v2.old.do id"
	require.Equal(t, fields{"access": passed, "cache": passed, "inner": passed}, res["meta"])
}

func TestMixinsMiddlewaresAddToTheContextOfEvents(t *testing.T) {
	heard := make(chan string, 1)
	b := newHarness(t)
	s := service("svc", echo)
	s.Hooks = map[string]any{"mixin": action.Middleware{Context: func(ctx context.Context) context.Context {
		return context.WithValue(ctx, traceKey{}, "mixin ")
	}}}
	s.Events = []moleculer.Event{action.NewEvent("user.created", "", func(ctx context.Context, _ *action.Event) error {
		seen, _ := ctx.Value(traceKey{}).(string)
		heard <- seen + action.RequestFrom(ctx).RequestID
		return nil
	})}
	n := b.start(b.prepare(), s)
	require.NoError(t, n.Emit(t.Context(), "user.created", nil, action.EmitOptions{}))
	require.Regexp(t, `^mixin [0-9a-f-]{36}$`, receive(t, heard))
}

func TestNodeHealthTellsWhatTheNodeAdds(t *testing.T) {
	b := newHarness(t)
	b.start(b.prepare(func(o *cluster.Options) {
		o.Health = func(context.Context) map[string]any { return map[string]any{"datasources": []string{"db"}} }
	}), service("svc", echo))
	health := b.peer("a").call("$node.health", nil, nil)["data"].(fields)
	require.Equal(t, []any{"db"}, health["datasources"])
	require.Contains(t, health, "cpu")
}

func TestReconnectedIsCalledAfterAnOutage(t *testing.T) {
	o := newOutage(t)
	back := make(chan struct{}, 1)
	n := o.start(
		o.prepare(func(opts *cluster.Options) { opts.Reconnected = func() { back <- struct{}{} } }), service("svc", echo),
	)
	require.Empty(t, back)
	o.begin(n)
	o.end()
	receive(t, back)
}

func TestServicesOwnCallsHaveNoParentCall(t *testing.T) {
	b := newHarness(t)
	n := b.start(b.prepare(), service("svc", echo))
	p := b.peer("a")
	p.introduce(n, "peer.do")
	lifecycle := &action.Request{Service: "svc", RequestID: "trace", Meta: action.NewMeta(nil), Cluster: n.Caller()}
	done := make(chan error, 1)
	go func() {
		_, err := lifecycle.Call(context.Background(), "peer.do", nil, action.CallOptions{})
		done <- err
	}()
	req := p.expect("REQ", "a")
	require.Equal(
		t, []any{nil, "trace", "svc", 1.0},
		[]any{req.fields["parentID"], req.fields["requestID"], req.fields["caller"], req.fields["level"]},
	)
	p.respond(req, fields{"success": true, "data": nil})
	require.NoError(t, receive(t, done))
}
