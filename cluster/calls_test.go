package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
)

// outcome is what a call came to.
type outcome struct {
	*action.CallResult
	err error
}

// calling starts a call.
func calling(ctx context.Context, n *node, name string, params any, opts action.CallOptions) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		result, err := n.Call(ctx, name, params, opts)
		done <- outcome{result, err}
	}()
	return done
}

// typeOf is the type of the Moleculer error that a call failed with.
func typeOf(t *testing.T, err error) string {
	t.Helper()
	var e *action.Error
	require.ErrorAs(t, err, &e)
	return e.Type
}

// withPeer is a node and a peer "a" that serves "peer.do".
func withPeer(t *testing.T) (*node, *peer) {
	t.Helper()
	b := newHarness(t)
	n := b.serve(echo)
	p := b.peer("a")
	p.introduce(n, "peer.do")
	return n, p
}

// respond answers a REQ with these fields.
func (p *peer) respond(req packet, f fields) {
	p.t.Helper()
	f["id"] = req.fields["id"]
	p.send("RES."+nodeID, f)
}

func TestCallIsSentAsNodeSendsIt(t *testing.T) {
	n, p := withPeer(t)
	done := calling(
		within(t), n, "peer.do", fields{"to": "x"},
		action.CallOptions{Meta: json.RawMessage(`{"user":3}`), RequestID: "trace"},
	)
	req := p.expect("REQ", "a")
	require.Regexp(t, `^[0-9a-f-]{36}$`, req.fields["id"])
	require.IsType(t, 0.0, req.fields["timeout"])
	require.InDelta(t, patience.Milliseconds(), req.fields["timeout"], float64(patience.Milliseconds()))
	delete(req.fields, "id")
	delete(req.fields, "timeout")
	require.Equal(t, fields{
		"action": "peer.do", "params": fields{"to": "x"}, "meta": fields{"user": 3.0}, "level": 1.0, "requestID": "trace",
		"tracing": nil, "parentID": nil, "caller": nil, "stream": false, "ver": "4", "sender": nodeID,
	}, req.fields)
	p.send("DISCONNECT", nil)
	require.Error(t, receive(t, done).err)
}

func TestCallWithoutOptionsBeginsATraceAndHasNoTimeout(t *testing.T) {
	n, p := withPeer(t)
	done := calling(context.Background(), n, "peer.do", nil, action.CallOptions{})
	req := p.expect("REQ", "a")
	require.Equal(t, req.fields["id"], req.fields["requestID"])
	require.Equal(t, fields{}, req.fields["meta"])
	require.NotContains(t, req.fields, "timeout")
	p.respond(req, fields{"success": true})
	require.NoError(t, receive(t, done).err)
}

func TestCallGetsTheAnswersDataAndMeta(t *testing.T) {
	n, p := withPeer(t)
	done := calling(within(t), n, "peer.do", nil, action.CallOptions{})
	p.respond(
		p.expect("REQ", "a"),
		fields{"success": true, "data": fields{"error": "just a key"}, "meta": fields{"$statusCode": 201}},
	)
	got := receive(t, done)
	require.NoError(t, got.err)
	require.Equal(
		t, []string{`{"error":"just a key"}`, `{"$statusCode":201}`, "a"},
		[]string{string(got.Data), string(got.Meta), got.NodeID},
	)
}

func TestErrorOfAnotherNodeKeepsItsParts(t *testing.T) {
	n, p := withPeer(t)
	for name, tc := range map[string]struct {
		response fields
		want     *action.Error
	}{
		"a whole one": {
			fields{"error": fields{
				"name": "MoleculerClientError", "message": "bad", "code": 409, "type": "BAD", "retryable": true, "nodeID": "far",
				"data": fields{"x": 1}, "stack": "…",
			}},
			&action.Error{
				Name: "MoleculerClientError", Message: "bad", Code: 409, Type: "BAD", Retryable: true, NodeID: "far",
				Data: json.RawMessage(`{"x":1}`),
			},
		},
		"one of a library, whose code is a word": {
			fields{"error": fields{"name": "NatsError", "message": "m", "code": "MAX_PAYLOAD_EXCEEDED"}},
			&action.Error{Name: "NatsError", Message: "m", Code: 500, Type: "MAX_PAYLOAD_EXCEEDED", NodeID: "a"},
		},
		"one without a code": {
			fields{"error": fields{"name": "Error", "message": "m", "code": nil}},
			&action.Error{Name: "Error", Message: "m", Code: 500, NodeID: "a"},
		},
		"no error object": {
			fields{},
			action.Server(500, "INVALID_RESPONSE", "node a answered with neither success nor error"),
		},
		"an error that is a text": {
			fields{"error": "boom"},
			action.Server(500, "INVALID_RESPONSE", "node a answered with neither success nor error"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			done := calling(within(t), n, "peer.do", nil, action.CallOptions{})
			tc.response["success"] = false
			p.respond(p.expect("REQ", "a"), tc.response)
			require.Equal(t, tc.want, receive(t, done).err)
		})
	}
}

func TestAnswerThatIsAStreamIsAnError(t *testing.T) {
	n, p := withPeer(t)
	done := calling(within(t), n, "peer.do", nil, action.CallOptions{})
	p.respond(p.expect("REQ", "a"), fields{"success": true, "data": nil, "stream": true, "seq": 0})
	require.Equal(t, "STREAM_NOT_SUPPORTED", typeOf(t, receive(t, done).err))
}

func TestAnswersThatNobodyWaitsForAreIgnored(t *testing.T) {
	n, p := withPeer(t)
	done := calling(within(t), n, "peer.do", nil, action.CallOptions{})
	req := p.expect("REQ", "a")
	p.send("RES."+nodeID, fields{"id": "unknown", "success": true, "data": "wrong"})
	p.send("RES."+nodeID, fields{"success": true, "data": "wrong"})
	p.respond(req, fields{"success": true, "data": "right"})
	p.respond(req, fields{"success": true, "data": "late"})
	require.JSONEq(t, `"right"`, string(receive(t, done).Data))
}

func TestCallEndsWithItsContext(t *testing.T) {
	n, p := withPeer(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := calling(ctx, n, "peer.do", nil, action.CallOptions{})
	p.expect("REQ", "a")
	cancel()
	err := receive(t, done).err
	require.Equal(t, "REQUEST_TIMEOUT", typeOf(t, err))
	require.ErrorIs(t, err, context.Canceled)
}

func TestCallWhoseTimeIsOverIsNotSent(t *testing.T) {
	n, p := withPeer(t)
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	_, err := n.Call(ctx, "peer.do", nil, action.CallOptions{})
	require.Equal(t, "REQUEST_TIMEOUT", typeOf(t, err))
	for _, got := range p.sync() {
		require.NotEqual(t, "REQ", got.command)
	}
}

func TestCallsToANodeThatLeavesAreRejected(t *testing.T) {
	for name, leave := range map[string]func(*node, *peer){
		"it says so":      func(_ *node, p *peer) { p.send("DISCONNECT", nil) },
		"it falls silent": func(n *node, _ *peer) { n.ExpireAt(time.Now().Add(time.Minute)) },
	} {
		t.Run(name, func(t *testing.T) {
			n, p := withPeer(t)
			done := calling(within(t), n, "peer.do", nil, action.CallOptions{})
			p.expect("REQ", "a")
			leave(n, p)
			require.Equal(t, action.RequestRejected("peer.do", "a"), receive(t, done).err)
		})
	}
}

func TestCallThatRunsWhenThisNodeLeavesIsGivenUp(t *testing.T) {
	b := newHarness(t)
	n := b.prepare()
	require.NoError(t, n.Join())
	p := b.peer("a")
	p.introduce(n, "peer.do")
	done := calling(context.Background(), n, "peer.do", nil, action.CallOptions{})
	p.expect("REQ", "a")
	n.Leave()
	require.Equal(t, "BAD_GATEWAY", typeOf(t, receive(t, done).err))
	_, err := n.Call(context.Background(), "peer.do", nil, action.CallOptions{})
	require.Equal(t, "BAD_GATEWAY", typeOf(t, err), "and so is one that comes after")
}

func TestCallsThatCannotBeSent(t *testing.T) {
	n, _ := withPeer(t)
	for name, tc := range map[string]struct {
		action string
		params any
		opts   action.CallOptions
		want   string
	}{
		"nobody serves the action":    {"nobody.home", nil, action.CallOptions{}, "SERVICE_NOT_FOUND"},
		"the given node does not":     {"peer.do", nil, action.CallOptions{NodeID: "b"}, "SERVICE_NOT_FOUND"},
		"params that are no JSON":     {"peer.do", func() {}, action.CallOptions{}, "INVALID_PARAMS"},
		"raw params that are no JSON": {"peer.do", json.RawMessage(`{`), action.CallOptions{}, "INVALID_PARAMS"},
		"meta that is no JSON":        {"peer.do", nil, action.CallOptions{Meta: json.RawMessage(`{`)}, "INVALID_PARAMS"},
		"params larger than NATS takes": {
			"peer.do", strings.Repeat("x", 2<<20), action.CallOptions{}, "MAX_PAYLOAD_EXCEEDED",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := n.Call(within(t), tc.action, tc.params, tc.opts)
			require.Equal(t, tc.want, typeOf(t, err))
		})
	}
}

func TestCallsGoToTheGivenNode(t *testing.T) {
	b := newHarness(t)
	n := b.serve(echo)
	first, second := b.peer("a"), b.peer("b")
	first.introduce(n, "peer.do")
	second.introduce(n, "peer.do", "only.b")
	for range 3 {
		done := calling(within(t), n, "peer.do", nil, action.CallOptions{NodeID: "b"})
		second.respond(second.expect("REQ", "b"), fields{"success": true})
		require.Equal(t, "b", receive(t, done).NodeID)
	}
}

func TestLocalActionIsCalledHere(t *testing.T) {
	b := newHarness(t)
	private := handler("private", func(_ context.Context, req *action.Request) (any, error) {
		req.Meta.Set("$statusCode", 201)
		return req.Meta.String("user") + " from " + req.Sender, nil
	})
	private.Settings = map[string]any{"visibility": "private"}
	n := b.serve(
		private, handler("fail", func(context.Context, *action.Request) (any, error) { return nil, errors.New("boom") }),
		handler("panic", func(context.Context, *action.Request) (any, error) { panic("boom") }))
	result, err := n.Call(within(t), "svc.private", nil, action.CallOptions{Meta: json.RawMessage(`{"user":"ada"}`)})
	require.NoError(t, err)
	require.Equal(t, []string{`"ada from go-node"`, nodeID}, []string{string(result.Data), result.NodeID})
	require.JSONEq(t, `{"user":"ada","$statusCode":201}`, string(result.Meta))
	for _, name := range []string{"svc.fail", "svc.panic"} {
		_, err = n.Call(within(t), name, nil, action.CallOptions{})
		require.Equal(t, "INTERNAL_ERROR", typeOf(t, err))
	}
}

func TestConcurrentCallsGetTheirOwnAnswers(t *testing.T) {
	b := newHarness(t)
	b.serve(echo)
	caller := b.start(b.prepare(func(o *cluster.Options) { o.NodeID = "caller" }))
	require.NoError(t, caller.WaitFor(within(t), "svc.echo"))
	ctx := within(t)
	var calls sync.WaitGroup
	answers := make([]string, 100)
	for i := range answers {
		calls.Go(func() {
			for {
				result, err := caller.Call(ctx, "svc.echo", i, action.CallOptions{})
				if e := new(action.Error); errors.As(err, &e) && e.Type == "QUEUE_FULL" {
					continue
				}
				if err == nil {
					answers[i] = string(result.Data)
				}
				return
			}
		})
	}
	calls.Wait()
	for i, answer := range answers {
		require.JSONEq(t, answer, string(mustJSON(t, i)))
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return data
}
