package action_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/moleculer-go/moleculer"
	"github.com/moleculer-go/moleculer/payload"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

// asked is what a cluster was asked to do.
type asked struct {
	parent *action.Request
	name   string
	value  any
	opts   any
}

// recorder is a cluster that takes note of what it is asked.
type recorder struct{ asked []asked }

func (r *recorder) Call(
	_ context.Context, parent *action.Request, name string, params any, opts action.CallOptions,
) (*action.CallResult, error) {
	r.asked = append(r.asked, asked{parent, name, params, opts})
	return &action.CallResult{NodeID: "n"}, nil
}

func (r *recorder) Emit(
	_ context.Context, parent *action.Request, name string, data any, opts action.EmitOptions,
) error {
	r.asked = append(r.asked, asked{parent, name, data, opts})
	return nil
}

func TestRequestReachesItsCluster(t *testing.T) {
	r := &recorder{}
	req := &action.Request{ID: "1", Cluster: r}
	ctx := context.Background()
	result, err := req.Call(ctx, "peer.do", 5, action.CallOptions{NodeID: "n"})
	require.NoError(t, err)
	require.Equal(t, "n", result.NodeID)
	require.NoError(t, req.Emit(ctx, "x", 6))
	require.NoError(t, req.Broadcast(ctx, "y", 7, "mail"))
	require.Equal(t, []asked{
		{req, "peer.do", 5, action.CallOptions{NodeID: "n"}},
		{req, "x", 6, action.EmitOptions{}},
		{req, "y", 7, action.EmitOptions{Groups: []string{"mail"}, Broadcast: true}},
	}, r.asked)
}

func TestRequestWithoutAClusterSaysSo(t *testing.T) {
	var req action.Request
	ctx := context.Background()
	_, err := req.Call(ctx, "peer.do", nil, action.CallOptions{})
	var e *action.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "INTERNAL_ERROR", e.Type)
	require.Error(t, req.Emit(ctx, "x", nil))
	require.Error(t, req.Broadcast(ctx, "x", nil))
}

// bare is a context as moleculer-go's own tests have it.
type bare struct {
	moleculer.Context
	log *logrus.Entry
}

func (b bare) Logger() *logrus.Entry { return b.log }

func TestListenerTakesEventsOfMoleculerGoToo(t *testing.T) {
	logger, log := test.NewNullLogger()
	var got *action.Event
	l := action.NewEvent("user.*", "mail", func(_ context.Context, e *action.Event) error {
		got = e
		return errors.New("boom")
	})
	require.Equal(t, []string{"user.*", "mail"}, []string{l.Name, l.Group})
	l.Handler(bare{log: logrus.NewEntry(logger)}, payload.New(map[string]any{"id": 1}))
	require.JSONEq(t, `{"id":1}`, string(got.Params))
	require.Len(t, log.AllEntries(), 1)
	require.Equal(t, errors.New("boom"), log.LastEntry().Data["error"])
}

func TestMetaWithMoreIsAnother(t *testing.T) {
	for name, tc := range map[string]struct{ more, want string }{
		"over it":      {`{"b":3,"c":4}`, `{"a":1,"b":3,"c":4}`},
		"nothing":      {``, `{"a":1,"b":2}`},
		"an empty one": {`{}`, `{"a":1,"b":2}`},
		"no object":    {`[5]`, `{"a":1,"b":2}`},
		"no JSON":      {`{"a":`, `{"a":1,"b":2}`},
	} {
		t.Run(name, func(t *testing.T) {
			m := meta(`{"a":1}`)
			m.Set("b", 2)
			other := m.With(json.RawMessage(tc.more))
			data, err := other.MarshalJSON()
			require.NoError(t, err)
			require.JSONEq(t, tc.want, string(data))
			other.Set("a", 9)
			data, err = m.MarshalJSON()
			require.NoError(t, err)
			require.JSONEq(t, `{"a":1,"b":2}`, string(data), "the first is as it was")
		})
	}
}

func TestMetaMerge(t *testing.T) {
	m := meta(`{"a":1}`)
	m.Merge(json.RawMessage(` {"a":2,"$statusCode":201}`))
	data, err := m.MarshalJSON()
	require.NoError(t, err)
	require.JSONEq(t, `{"a":2,"$statusCode":201}`, string(data))
	var zero action.Meta
	zero.Merge(json.RawMessage(`{"a":2}`))
	var a int
	require.True(t, zero.Get("a", &a))
	require.Equal(t, 2, a)
}

func TestMetaIsForManyAtOnce(t *testing.T) {
	m := meta(`{"a":1}`)
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			m.Set(fmt.Sprint(i), i)
			m.Merge(json.RawMessage(`{"b":2}`))
			m.String("a")
			_, _ = m.MarshalJSON()
			m.With(nil)
		})
	}
	group.Wait()
	data, err := m.MarshalJSON()
	require.NoError(t, err)
	var all map[string]any
	require.NoError(t, json.Unmarshal(data, &all))
	require.Len(t, all, 52)
}

func TestErrorsOfTheChainAreThoseOfNode(t *testing.T) {
	data := func(e *action.Error) string {
		raw, err := json.Marshal(e.Data)
		require.NoError(t, err)
		return string(raw)
	}
	skipped := action.RequestSkipped("svc.do", "n")
	require.Equal(
		t,
		[]any{
			"RequestSkippedError", 514, "REQUEST_SKIPPED", false,
			"Calling 'svc.do' is skipped because timeout reached on 'n' node.",
		},
		[]any{skipped.Name, skipped.Code, skipped.Type, skipped.Retryable, skipped.Message})
	require.JSONEq(t, `{"action":"svc.do","nodeID":"n"}`, data(skipped))
	deep := action.MaxCallLevel("n", 5)
	require.Equal(
		t, []any{"MaxCallLevelError", 500, "MAX_CALL_LEVEL", false, "Request level is reached the limit (5) on 'n' node."},
		[]any{deep.Name, deep.Code, deep.Type, deep.Retryable, deep.Message})
	require.JSONEq(t, `{"nodeID":"n","level":5}`, data(deep))
}
