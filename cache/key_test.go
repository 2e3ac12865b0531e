package cache_test

import (
	"encoding/json"
	"os"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
)

// keyCase is a call and the keys that Node's cachers give its result. That Node still does is checked
// by the interoperability tests.
type keyCase struct {
	Name            string
	Keys            []string
	Params          string // JSON, as the other parts of the call
	Meta            string
	Headers         string
	MaxParamsLength int
	Node014         string
	Node015         string
}

func keyCases(tb testing.TB) []keyCase {
	tb.Helper()
	data, err := os.ReadFile("testdata/keys.json")
	require.NoError(tb, err)
	var cases []keyCase
	require.NoError(tb, json.Unmarshal(data, &cases))
	return cases
}

func (c keyCase) key(d cache.Dialect) string {
	req := &action.Request{
		Params: json.RawMessage(c.Params), Meta: action.NewMeta(json.RawMessage(c.Meta)),
		Headers: json.RawMessage(c.Headers),
	}
	return cache.Keygen{Dialect: d, MaxParamsLength: c.MaxParamsLength}.Key(
		"posts.find", &action.CacheRule{Keys: c.Keys}, req,
	)
}

func TestKeyIsThatOfNode(t *testing.T) {
	t.Parallel()
	for _, c := range keyCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.Node014, c.key(cache.Node014), "0.14")
			require.Equal(t, c.Node015, c.key(cache.Node015), "0.15")
		})
	}
}

func TestKeyWithoutARuleHasAllParams(t *testing.T) {
	t.Parallel()
	req := &action.Request{Params: json.RawMessage(`{"id":1}`)}
	require.Equal(t, "posts.get:id|1", cache.Keygen{}.Key("posts.get", nil, req))
}

func TestKeyHasMetaSetByAMiddleware(t *testing.T) {
	t.Parallel()
	req := &action.Request{Meta: action.NewMeta(json.RawMessage(`{"user":{"id":1}}`))}
	req.Meta.Set("user", map[string]any{"id": 2})
	require.Equal(t, "posts.get:2", cache.Keygen{}.Key("posts.get", &action.CacheRule{Keys: []string{"#user.id"}}, req))
}

func TestKeyOfParamsThatAreNotJSONIsUnique(t *testing.T) {
	t.Parallel()
	key := func(params string) string {
		return cache.Keygen{}.Key("posts.get", nil, &action.Request{Params: json.RawMessage(params)})
	}
	require.Equal(t, `posts.get:{"a":`, key(`{"a":`))
	require.Equal(t, `posts.get:{} {}`, key(`{} {}`))
}

func FuzzKey(f *testing.F) {
	for _, c := range keyCases(f) {
		path := "id"
		if len(c.Keys) > 0 {
			path = c.Keys[0]
		}
		f.Add(path, c.Params, c.Meta, c.Headers, c.MaxParamsLength)
	}
	f.Fuzz(func(t *testing.T, path, params, meta, headers string, length int) {
		for _, keys := range [][]string{nil, {path}, {path, "#" + path, "@" + path}} {
			for _, dialect := range []cache.Dialect{cache.Node014, cache.Node015} {
				c := keyCase{Keys: keys, Params: params, Meta: meta, Headers: headers, MaxParamsLength: length}
				key := c.key(dialect)
				require.Equal(t, key, c.key(dialect))
				require.True(t, utf8.ValidString(key))
			}
		}
	})
}

func BenchmarkKey(b *testing.B) {
	req := &action.Request{
		Params: json.RawMessage(`{"id":12345,"filter":{"status":"open","tags":["a","b"]},"page":2}`),
		Meta:   action.NewMeta(json.RawMessage(`{"user":{"id":"u-1"}}`)),
	}
	for name, rule := range map[string]*action.CacheRule{
		"all params": nil,
		"keys":       {Keys: []string{"id", "filter.status"}},
		"meta":       {Keys: []string{"id", "#user.id"}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				cache.Keygen{}.Key("posts.find", rule, req)
			}
		})
	}
}
