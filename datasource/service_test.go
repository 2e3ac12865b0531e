package datasource_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
)

// cluster answers every call in the same way and notes it.
type cluster struct {
	action.Cluster
	answer string
	err    error
	parent *action.Request
	name   string
	params any
}

func (c *cluster) Call(
	_ context.Context, parent *action.Request, name string, params any, _ action.CallOptions,
) (*action.CallResult, error) {
	c.parent, c.name, c.params = parent, name, params
	if c.err != nil {
		return nil, c.err
	}
	return &action.CallResult{Data: json.RawMessage(c.answer)}, nil
}

func TestServiceIsCalledAsPartOfTheRequest(t *testing.T) {
	t.Parallel()
	ctx, _, _ := open(t, datasource.Service("users", "v2.users"))
	client := get[*datasource.ServiceClient](ctx, t, "users")
	calls := &cluster{answer: `{"name": "Ada"}`}
	req := &action.Request{RequestID: "trace", Cluster: calls}
	inRequest := action.WithRequest(ctx, req)

	var got user
	require.NoError(t, client.Call(inRequest, "get", map[string]int{"id": 1}, &got))
	require.Equal(t, user{"Ada"}, got)
	require.Same(t, req, calls.parent, "with it go trace, meta and deadline")
	require.Equal(t, []any{"v2.users.get", map[string]int{"id": 1}}, []any{calls.name, calls.params})
	require.NoError(t, client.Call(inRequest, "remove", nil, nil))

	calls.answer = `["` + canary + `"]`
	err := client.Call(inRequest, "get", nil, &got)
	require.Equal(t, "DATASOURCE_ANSWER_INVALID", action.AsError(err, "a.b", "n").Type)
	require.NotContains(t, err.Error(), canary)

	calls.err = action.ServiceNotFound("v2.users.get", "")
	require.Equal(t, calls.err, client.Call(inRequest, "get", nil, &got))
}

func TestServiceIsCalledOutsideOfRequests(t *testing.T) {
	t.Parallel()
	calls := &cluster{answer: `{"name": "Ada"}`}
	set, _ := newSet(t, datasource.Service("users", "users"))
	require.NoError(t, set.Open(datasource.WithCluster(t.Context(), calls)))
	client := get[*datasource.ServiceClient](set.Context(t.Context()), t, "users")
	var got user
	require.NoError(t, client.Call(t.Context(), "get", nil, &got))
	require.Equal(t, user{"Ada"}, got)
	require.Nil(t, calls.parent)
	require.NoError(t, set.Close(t.Context()))

	ctx, _, _ := open(t, datasource.Service("users", "users"))
	require.ErrorIs(
		t, get[*datasource.ServiceClient](ctx, t, "users").Call(ctx, "get", nil, &got), datasource.ErrNoCluster,
	)
}
