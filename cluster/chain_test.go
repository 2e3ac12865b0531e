package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
)

// relay calls "peer.do" with its own params.
func relay(opts action.CallOptions) action.Handler {
	return func(ctx context.Context, req *action.Request) (any, error) {
		result, err := req.Call(ctx, "peer.do", req.Params, opts)
		if err != nil {
			return nil, err
		}
		return result.Data, nil
	}
}

// withRelay is a node whose "svc.relay" calls the peer "a".
func withRelay(t *testing.T, opts action.CallOptions, adjust ...func(*cluster.Options)) (*node, *peer) {
	t.Helper()
	b := newHarness(t)
	n := b.start(b.prepare(adjust...), service("svc", handler("relay", relay(opts)), echo))
	p := b.peer("a")
	p.introduce(n, "peer.do")
	return n, p
}

func TestCallOfAHandlerContinuesItsChain(t *testing.T) {
	_, p := withRelay(
		t, action.CallOptions{Meta: json.RawMessage(`{"extra":1,"user":4}`), RequestID: "not used in a chain"},
	)
	id := p.request("svc.relay", fields{"to": "x"}, fields{
		"requestID": "trace", "parentID": "span", "caller": "api", "level": 3, "tracing": true,
		"meta": fields{"user": 3, "lang": "de"}, "timeout": 5000.5,
	})
	req := p.expect("REQ", "a")
	defer p.respond(packet{fields: fields{"id": req.fields["id"]}}, fields{"success": true})
	require.NotEqual(t, id, req.fields["id"])
	left, ok := req.fields["timeout"].(float64)
	require.True(t, ok)
	require.True(t, 0 < left && left < 5000.5, "the time that is left: %v", left)
	delete(req.fields, "id")
	delete(req.fields, "timeout")
	require.Equal(t, fields{
		"action": "peer.do", "params": fields{"to": "x"}, "meta": fields{"user": 4.0, "lang": "de", "extra": 1.0},
		"level": 4.0, "requestID": "trace",
		"tracing": true, "parentID": id, "caller": "svc", "stream": false, "ver": "4", "sender": nodeID,
	}, req.fields)
}

func TestCallOfAHandlerWithoutTimeoutSendsNone(t *testing.T) {
	for name, timeout := range map[string]any{"absent": nil, "zero": 0} {
		t.Run(name, func(t *testing.T) {
			_, p := withRelay(t, action.CallOptions{})
			p.request("svc.relay", nil, fields{"timeout": timeout})
			req := p.expect("REQ", "a")
			require.NotContains(t, req.fields, "timeout")
			p.respond(req, fields{"success": true})
		})
	}
}

func TestMetaOfACallComesBackToTheCallersCaller(t *testing.T) {
	_, p := withRelay(t, action.CallOptions{})
	failure := fields{
		"name": "MoleculerClientError", "message": "bad", "code": 409, "type": "BAD", "retryable": false, "nodeID": "far",
		"data": fields{"x": 1},
	}
	for name, response := range map[string]fields{
		"success": {"success": true, "data": "done"},
		"failure": {"success": false, "error": failure},
	} {
		t.Run(name, func(t *testing.T) {
			id := p.request("svc.relay", nil, fields{"meta": fields{"user": 3}})
			response["meta"] = fields{"$statusCode": 201}
			p.respond(p.expect("REQ", "a"), response)
			res := p.answer(id)
			require.Equal(t, fields{"user": 3.0, "$statusCode": 201.0}, res["meta"])
			if response["success"] == true {
				require.Equal(t, "done", res["data"])
				return
			}
			require.Equal(t, fields{
				"name": "MoleculerClientError", "message": "bad", "code": 409.0, "type": "BAD", "retryable": false,
				"nodeID": "far", "data": fields{"x": 1.0},
			}, errorOf(t, res), "an error passes through as it is")
		})
	}
}

func TestCallOfAChainWhoseTimeIsOverIsSkipped(t *testing.T) {
	b := newHarness(t)
	n := b.serve(handler("late", func(ctx context.Context, req *action.Request) (any, error) {
		<-ctx.Done()
		return req.Call(ctx, "peer.do", nil, action.CallOptions{Retries: 3})
	}))
	p := b.peer("a")
	p.introduce(n, "peer.do")
	require.Equal(t, fields{
		"name": "RequestSkippedError", "code": 514.0, "type": "REQUEST_SKIPPED", "retryable": false, "nodeID": nodeID,
		"message": "Calling 'peer.do' is skipped because timeout reached on 'go-node' node.",
		"data":    fields{"action": "peer.do", "nodeID": nodeID},
	}, errorOf(t, p.call("svc.late", nil, fields{"timeout": 1})))
	for _, got := range p.unread {
		require.NotEqual(t, "REQ", got.command)
	}
}

func TestChainOfCallsIsOnlySoDeep(t *testing.T) {
	_, p := withRelay(t, action.CallOptions{}, func(o *cluster.Options) { o.MaxCallLevel = 3 })
	id := p.request("svc.relay", nil, fields{"level": 2})
	p.respond(p.expect("REQ", "a"), fields{"success": true})
	require.Equal(t, true, p.answer(id)["success"])
	require.Equal(t, fields{
		"name": "MaxCallLevelError", "code": 500.0, "type": "MAX_CALL_LEVEL", "retryable": false, "nodeID": nodeID,
		"message": "Request level is reached the limit (3) on 'go-node' node.",
		"data":    fields{"nodeID": nodeID, "level": 3.0},
	}, errorOf(t, p.call("svc.relay", nil, fields{"level": 3})))
}

func TestCallsThatAHandlerMakesSideBySide(t *testing.T) {
	const calls = 20
	b := newHarness(t)
	b.serve(
		handler("all", func(ctx context.Context, req *action.Request) (any, error) {
			var group sync.WaitGroup
			for i := range calls {
				group.Go(func() {
					req.Meta.Set(fmt.Sprint("own", i), i)
					if _, err := req.Call(ctx, "svc.one", i, action.CallOptions{}); err != nil {
						req.Meta.Set("error", err.Error())
					}
				})
			}
			group.Wait()
			return nil, nil
		}),
		handler("one", func(_ context.Context, req *action.Request) (any, error) {
			req.Meta.Set("one"+string(req.Params), true)
			return nil, nil
		}))
	meta := b.peer("a").call("svc.all", nil, nil)["meta"]
	require.Len(t, meta, 2*calls)
	require.NotContains(t, meta, "error")
}

func TestCallMayBringItsTimeoutOrGetTheActions(t *testing.T) {
	for name, tc := range map[string]struct {
		opts       action.CallOptions
		definition fields
		ctx        time.Duration
		min, max   float64
	}{
		"its own":      {action.CallOptions{Timeout: 300 * time.Second}, fields{}, 0, 290_000, 300_000},
		"the action's": {action.CallOptions{}, fields{"timeout": 400_000}, 0, 390_000, 400_000},
		"its own over the action's": {
			action.CallOptions{Timeout: 300 * time.Second}, fields{"timeout": 400_000}, 0, 290_000, 300_000,
		},
		"never more than there is": {action.CallOptions{
			Timeout: 300 * time.Second,
		}, fields{}, 200 * time.Second, 190_000, 200_000},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			n := b.serve()
			p := b.peer("a")
			p.announce(offering(tc.definition))
			ctx := context.Background()
			if tc.ctx > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tc.ctx)
				defer cancel()
			}
			done := calling(ctx, n, "peer.do", nil, tc.opts)
			req := p.expect("REQ", "a")
			timeout, ok := req.fields["timeout"].(float64)
			require.True(t, ok, "%v", req.fields)
			require.True(t, tc.min < timeout && timeout <= tc.max, "%v", timeout)
			p.respond(req, fields{"success": true})
			require.NoError(t, receive(t, done).err)
		})
	}
}

func TestCallThatIsNotAnsweredInTimeFails(t *testing.T) {
	n, p := withPeer(t)
	_, err := n.Call(context.Background(), "peer.do", nil, action.CallOptions{Timeout: time.Millisecond})
	require.Equal(t, action.RequestTimeout("peer.do", "a").Message, err.(*action.Error).Message) //nolint:errorlint // documented to be one
	p.expect("REQ", "a")
}

func TestLocalActionIsBoundByItsOwnTimeout(t *testing.T) {
	b := newHarness(t)
	n := b.serve(action.New("slow", action.Spec{Timeout: time.Millisecond, Handle: func(
		ctx context.Context, _ *action.Request,
	) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}))
	_, err := n.Call(within(t), "svc.slow", nil, action.CallOptions{})
	require.Equal(t, "REQUEST_TIMEOUT", typeOf(t, err))
}

func TestCallWithoutParamsSendsAnEmptyObject(t *testing.T) {
	n, p := withPeer(t)
	done := calling(within(t), n, "peer.do", nil, action.CallOptions{})
	req := p.expect("REQ", "a")
	require.Equal(t, fields{}, req.fields["params"])
	p.respond(req, fields{"success": true})
	require.NoError(t, receive(t, done).err)
}

func TestCallPrefersTheLocalAction(t *testing.T) {
	b := newHarness(t)
	n := b.serve(echo)
	p := b.peer("a")
	p.announce(fields{"name": "svc", "fullName": "svc", "actions": fields{"svc.echo": fields{}}})
	for range 3 {
		result, err := n.Call(within(t), "svc.echo", 1, action.CallOptions{})
		require.NoError(t, err)
		require.Equal(t, nodeID, result.NodeID)
	}
	done := calling(within(t), n, "svc.echo", 1, action.CallOptions{NodeID: "a"})
	p.respond(p.expect("REQ", "a"), fields{"success": true})
	require.Equal(t, "a", receive(t, done).NodeID)
}

func TestLocalCallLogsItsHiddenCause(t *testing.T) {
	b := newHarness(t)
	n := b.serve(handler("fail", func(context.Context, *action.Request) (any, error) { return nil, context.Canceled }),
		handler("explode", func(context.Context, *action.Request) (any, error) { return explosive{}, nil }))
	for name, want := range map[string]string{"svc.fail": "context canceled", "svc.explode": "hunter2 exploded"} {
		result, err := n.Call(within(t), name, nil, action.CallOptions{})
		require.Equal(t, "INTERNAL_ERROR", typeOf(t, err))
		require.Nil(t, result)
		require.True(t, slices.ContainsFunc(n.logs.AllEntries(), func(e *logrus.Entry) bool {
			return e.Level == logrus.ErrorLevel && strings.Contains(e.Message+fmt.Sprint(e.Data["error"]), want)
		}))
	}
}

func TestCallsToANodeThatWasReplacedAreRejected(t *testing.T) {
	n, p := withPeer(t)
	done := calling(context.Background(), n, "peer.do", nil, action.CallOptions{})
	p.expect("REQ", "a")
	p.send("INFO", fields{"seq": 1, "instanceID": "another", "services": []fields{offering(fields{})}})
	require.Equal(t, action.RequestRejected("peer.do", "a"), receive(t, done).err)
}

// again is a failure that may pass.
func again() fields {
	return fields{
		"success": false,
		"error":   fields{"name": "MoleculerRetryableError", "message": "m", "code": 503, "type": "AGAIN", "retryable": true},
	}
}

func TestRetryGoesToAnotherNodeUnderTheSameTrace(t *testing.T) {
	b := newHarness(t)
	n := b.serve()
	a, c := b.peer("a"), b.peer("c")
	a.introduce(n, "peer.do")
	c.introduce(n, "peer.do")
	for range 2 {
		done := calling(within(t), n, "peer.do", nil, action.CallOptions{Retries: 1})
		isRequest := func(got packet) bool { return got.command == "REQ" }
		first := a.await(isRequest) // peers see what others are sent, too
		a.respond(first, again())
		second := a.await(isRequest)
		require.ElementsMatch(t, []string{"a", "c"}, []string{first.target, second.target})
		require.Equal(t, first.fields["requestID"], second.fields["requestID"])
		require.NotEqual(t, first.fields["id"], second.fields["id"])
		a.respond(second, fields{"success": true, "data": "done"})
		require.JSONEq(t, `"done"`, string(receive(t, done).Data))
	}
}

func TestRetryOfALocalFailureGoesToAnotherNode(t *testing.T) {
	b := newHarness(t)
	n := b.serve(
		handler(
			"do", func(context.Context, *action.Request) (any, error) { return nil, action.Retryable(503, "AGAIN", "m") },
		),
	)
	p := b.peer("a")
	p.announce(fields{"name": "svc", "fullName": "svc", "actions": fields{"svc.do": fields{}}})
	done := calling(within(t), n, "svc.do", nil, action.CallOptions{Retries: 1})
	p.respond(p.expect("REQ", "a"), fields{"success": true})
	require.NoError(t, receive(t, done).err)
}

func TestCallRejectedByALeavingNodeIsRetriedElsewhere(t *testing.T) {
	b := newHarness(t)
	n := b.serve()
	a, c := b.peer("a"), b.peer("c")
	a.introduce(n, "peer.do")
	done := calling(within(t), n, "peer.do", nil, action.CallOptions{Retries: 1})
	a.expect("REQ", "a")
	c.introduce(n, "peer.do")
	a.send("DISCONNECT", nil)
	c.respond(c.expect("REQ", "c"), fields{"success": true})
	require.Equal(t, "c", receive(t, done).NodeID)
}

func TestRetryCount(t *testing.T) {
	policy := func(more fields) fields {
		p := fields{"enabled": true, "delay": 1, "maxDelay": 1}
		for k, v := range more {
			p[k] = v
		}
		return fields{"retryPolicy": p}
	}
	final := fields{
		"success": false,
		"error":   fields{"name": "MoleculerError", "message": "m", "code": 500, "type": "FINAL", "retryable": false},
	}
	for name, tc := range map[string]struct {
		definition fields
		opts       action.CallOptions
		answer     fields
		want       int
	}{
		"once":                            {fields{}, action.CallOptions{}, again(), 1},
		"as often as the caller says":     {fields{}, action.CallOptions{Retries: 1}, again(), 2},
		"as often as the action's policy": {policy(fields{"retries": 2}), action.CallOptions{}, again(), 3},
		"Node's default of the policy":    {policy(nil), action.CallOptions{}, again(), 6},
		"a policy of none":                {policy(fields{"retries": 0}), action.CallOptions{}, again(), 1},
		"a policy that is off": {policy(
			fields{"retries": 2, "enabled": false},
		), action.CallOptions{}, again(), 1},
		"a policy out of all proportion":       {policy(fields{"retries": 1_000_000}), action.CallOptions{}, again(), 11},
		"the caller's over the policy":         {policy(fields{"retries": 5}), action.CallOptions{Retries: 2}, again(), 3},
		"once where it would not help":         {policy(fields{"retries": 2}), action.CallOptions{Retries: 2}, final, 1},
		"once where the policy makes no sense": {fields{"retryPolicy": "often"}, action.CallOptions{}, again(), 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			n := b.serve()
			p := b.peer("a")
			p.announce(offering(tc.definition))
			done := calling(within(t), n, "peer.do", nil, tc.opts)
			for range tc.want {
				p.respond(p.expect("REQ", "a"), tc.answer)
			}
			require.Error(t, receive(t, done).err)
			for _, got := range p.sync() {
				require.NotEqual(t, "REQ", got.command)
			}
		})
	}
}

func TestRetryEndsWithItsContext(t *testing.T) {
	b := newHarness(t)
	n := b.serve()
	p := b.peer("a")
	p.announce(offering(fields{"retryPolicy": fields{"enabled": true, "delay": 1e9, "maxDelay": 1e9}}))
	ctx, cancel := context.WithCancel(context.Background())
	done := calling(ctx, n, "peer.do", nil, action.CallOptions{})
	p.respond(p.expect("REQ", "a"), again())
	cancel()
	require.Error(t, receive(t, done).err)
}

func TestRetryEndsWhenThisNodeLeaves(t *testing.T) {
	b := newHarness(t)
	n := b.prepare()
	require.NoError(t, n.Join())
	p := b.peer("a")
	p.announce(offering(fields{"retryPolicy": fields{"enabled": true, "delay": 1e9, "maxDelay": 1e9}}))
	done := calling(context.Background(), n, "peer.do", nil, action.CallOptions{})
	p.respond(p.expect("REQ", "a"), again())
	n.Leave()
	require.Error(t, receive(t, done).err)
}

func TestBulkheadRefusesWhatExceedsIt(t *testing.T) {
	bothWays(t, func(t *testing.T, g *gate, wait moleculer.Action) {
		t.Helper()
		b := newHarness(t)
		a := wait
		a.Schema = action.Spec{Handle: a.Schema.(action.Spec).Handle, Concurrency: 1}
		b.serve(a, echo)
		p := b.peer("a")
		// One runs, one waits, one is too much: which is which is the workers' affair.
		ids := []string{p.request("svc.wait", nil, nil), p.request("svc.wait", nil, nil), p.request("svc.wait", nil, nil)}
		receive(t, g.entered)
		refused := p.await(func(got packet) bool { return got.is("RES", "a") }).fields
		require.Equal(t, fields{
			"name": "QueueIsFullError", "code": 429.0, "type": "QUEUE_FULL", "retryable": true, "nodeID": nodeID,
			"message": "Queue is full. Request 'svc.wait' action on 'go-node' node is rejected.",
			"data":    fields{"action": "svc.wait", "nodeID": nodeID, "size": 1.0, "limit": 1.0},
		}, errorOf(t, refused))
		require.Equal(t, 1.0, p.call("svc.echo", 1, nil)["data"], "other actions are served")
		g.open()
		for _, id := range ids {
			if id != refused["id"] {
				require.Equal(t, "done", p.answer(id)["data"])
			}
		}
	})
}

func TestBulkheadWaitEndsAtTheDeadline(t *testing.T) {
	bothWays(t, func(t *testing.T, g *gate, wait moleculer.Action) {
		t.Helper()
		b := newHarness(t)
		a := wait
		a.Schema = action.Spec{Handle: a.Schema.(action.Spec).Handle, Concurrency: 1}
		b.serve(a)
		p := b.peer("a")
		running := p.request("svc.wait", nil, nil)
		receive(t, g.entered)
		require.Equal(t, "REQUEST_TIMEOUT", errorOf(t, p.call("svc.wait", nil, fields{"timeout": 5}))["type"])
		g.open()
		require.Equal(t, "done", p.answer(running)["data"])
	})
}

func TestBulkheadIsLeftAfterAPanic(t *testing.T) {
	b := newHarness(t)
	b.serve(
		action.New(
			"panic", action.Spec{Concurrency: 1, Handle: func(context.Context, *action.Request) (any, error) { panic("boom") }},
		),
	)
	p := b.peer("a")
	for range 3 {
		require.Equal(t, "INTERNAL_ERROR", errorOf(t, p.call("svc.panic", nil, nil))["type"])
	}
}

func TestBulkheadIsAnnounced(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	b.serve(
		action.New(
			"do", action.Spec{Concurrency: 3, Handle: func(context.Context, *action.Request) (any, error) { return nil, nil }},
		),
	)
	services := p.expect("INFO", "").fields["services"].([]any)
	require.Equal(t, fields{"enabled": true, "concurrency": 3.0, "maxQueueSize": 3.0},
		services[1].(fields)["actions"].(fields)["svc.do"].(fields)["bulkhead"])
}
