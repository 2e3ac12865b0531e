package action_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

func meta(raw string) action.Meta { return action.NewMeta(json.RawMessage(raw)) }

func TestMetaWithoutAdditionsGoesBackByteForByte(t *testing.T) {
	const raw = `{"b" : 1,  "a":1e3, "html":"<&>"}`
	m := meta(raw)
	m.String("b") // looking does not change it
	data, err := m.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, []byte(raw), data)
}

func TestMetaThatIsNotAnObjectIsEmpty(t *testing.T) {
	for _, raw := range []string{``, `null`, `5`, `"x"`, `[1]`, ` `} {
		t.Run(raw, func(t *testing.T) {
			data, err := meta(raw).MarshalJSON()
			require.NoError(t, err)
			require.Equal(t, `{}`, string(data))
		})
	}
}

func TestAdditionsAreMergedIntoTheCallersMeta(t *testing.T) {
	for name, tc := range map[string]struct{ raw, want string }{
		"into nothing":       {``, `{"$statusCode":201}`},
		"next to other keys": {`{"user":{"id":9007199254740993}}`, `{"user":{"id":9007199254740993},"$statusCode":201}`},
		"over the same key":  {`{"$statusCode":200}`, `{"$statusCode":201}`},
		"into broken JSON":   {`{"user":`, `{"$statusCode":201}`},
	} {
		t.Run(name, func(t *testing.T) {
			m := meta(tc.raw)
			m.Set("$statusCode", 201)
			data, err := m.MarshalJSON()
			require.NoError(t, err)
			require.JSONEq(t, tc.want, string(data))
		})
	}
}

func TestMetaGet(t *testing.T) {
	m := meta(`{"name":"ada","count":5}`)
	m.Set("added", "new")
	m.Set("count", 6)
	for name, tc := range map[string]struct {
		key  string
		want any
	}{
		"a key of the caller": {"name", "ada"},
		"a key added here":    {"added", "new"},
		"a key overwritten":   {"count", 6.0},
		"an unknown key":      {"nothing", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got any
			require.Equal(t, tc.want != nil, m.Get(tc.key, &got))
			require.Equal(t, tc.want, got)
		})
	}
}

func TestMetaGetSaysWhetherTheValueFits(t *testing.T) {
	m := meta(`{"name":"ada"}`)
	var n int
	require.False(t, m.Get("name", &n))
}

func TestMetaString(t *testing.T) {
	m := meta(`{"name":"ada","count":5}`)
	require.Equal(t, []string{"ada", "", ""}, []string{m.String("name"), m.String("count"), m.String("nothing")})
}

func TestZeroMetaIsEmpty(t *testing.T) {
	var m action.Meta
	require.Empty(t, m.String("any"))
	data, err := m.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, `{}`, string(data))
}
