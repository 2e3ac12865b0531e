package payload_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/payload"
)

func TestTreeIsReadByPaths(t *testing.T) {
	var tree payload.Tree
	require.NoError(
		t,
		json.Unmarshal(
			[]byte(
				`{"id":90071992547409931,"a":{"text":"hi","big":1e400,"half":0.5,"on":true},"list":[{"n":7},5,{}],"nil":null}`,
			),
			&tree,
		),
	)
	require.Equal(t, "90071992547409931", tree.Text("id"))
	require.Equal(t, int64(90071992547409931), tree.Int("id"))
	require.Equal(t, "hi", tree.Text("a.text"))
	require.InDelta(t, 0.5, tree.Float("a.half"), 0)
	require.True(t, tree.Bool("a.on"))
	require.Equal(t, "hi", tree.Object("a").Text("text"))
	require.Len(t, tree.List("list"), 2)
	require.Equal(t, int64(7), tree.List("list")[0].Int("n"))
}

func TestTreeGivesZeroValuesForMissingPaths(t *testing.T) {
	for _, text := range []string{
		`{}`, `null`, `{"a":5}`, `{"a":[]}`, `{"a":{"b":{}}}`, `{"a":{"b":[1,"2"]}}`, `{"a":{"b":null}}`,
	} {
		var tree payload.Tree
		require.NoError(t, json.Unmarshal([]byte(text), &tree))
		require.Empty(t, tree.Text("a.b"), text)
		require.Zero(t, tree.Int("a.b"), text)
		require.Zero(t, tree.Float("a.b"), text)
		require.False(t, tree.Bool("a.b"), text)
		require.Empty(t, tree.Object("a.b").Text("c"), text)
		require.Empty(t, tree.List("a.b"), text)
	}
	var tree payload.Tree
	require.NoError(t, json.Unmarshal([]byte(`{"big":1e400}`), &tree))
	require.Zero(t, tree.Float("big"))
	require.Zero(t, tree.Int("big"))
	require.Error(t, json.Unmarshal([]byte(`[]`), &tree))
}
