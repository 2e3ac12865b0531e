package interop_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/cache/rediscache"
	"github.com/hiliosai/switchboard/internal/testserver"
)

// cacherLine is a line of Moleculer with what differs in its cachers.
type cacherLine struct {
	name    string
	dir     string
	dialect cache.Dialect
}

var cacherLines = []cacherLine{{"0.14", peerDir, cache.Node014}, {"0.15", peer15Dir, cache.Node015}}

// cachers are a Node broker with Moleculer's Redis cacher and a cache of ours on the same Redis.
type cachers struct {
	node   *peer
	ours   *cache.Cache
	keygen cache.Keygen
}

func startCachers(t *testing.T, line cacherLine) *cachers {
	t.Helper()
	url := testserver.Redis(t)
	p := &peer{NodeID: "cacher", pending: map[int]chan reply{}, lines: newInbox[event]()}
	p.process = startProcess(
		t, "cacher", line.dir, []string{"REDIS_URL=" + url, "NAMESPACE=" + namespace}, p.receive, "../peer/cache.js",
	)
	p.require(t, "start", nil)
	store, err := rediscache.New(rediscache.Options{URL: url, Prefix: rediscache.Prefix(namespace)})
	require.NoError(t, err)
	c := &cachers{
		node: p, ours: cache.New(store, cache.Options{Dialect: line.dialect}), keygen: cache.Keygen{Dialect: line.dialect},
	}
	t.Cleanup(func() { require.NoError(t, c.ours.Close()) })
	return c
}

// cacheKey is a case of the table of keys that package cache is tested with.
type cacheKey struct {
	Name            string   `json:"name"`
	Keys            []string `json:"keys"`
	Params          string   `json:"params"`
	Meta            string   `json:"meta"`
	Headers         string   `json:"headers"`
	MaxParamsLength int      `json:"maxParamsLength"`
	Node014         string   `json:"node014"`
	Node015         string   `json:"node015"`
}

func TestCacheKeysAreThoseOfNode(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("../../cache/testdata/keys.json")
	require.NoError(t, err)
	var cases []cacheKey
	require.NoError(t, json.Unmarshal(table, &cases))
	require.Greater(t, len(cases), 40)

	for _, line := range cacherLines {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			c := startCachers(t, line)
			for _, k := range cases {
				args := map[string]any{"action": "posts.find", "params": k.Params, "meta": k.Meta, "headers": k.Headers}
				if k.Keys != nil {
					args["keys"] = k.Keys
				}
				if k.MaxParamsLength > 0 {
					args["maxParamsLength"] = k.MaxParamsLength
				}
				var node string
				require.NoError(t, json.Unmarshal(c.node.require(t, "key", args), &node))

				keygen := cache.Keygen{Dialect: line.dialect, MaxParamsLength: k.MaxParamsLength}
				req := &action.Request{
					Params: json.RawMessage(k.Params), Meta: action.NewMeta(json.RawMessage(k.Meta)),
					Headers: json.RawMessage(k.Headers),
				}
				require.Equal(t, node, keygen.Key("posts.find", &action.CacheRule{Keys: k.Keys}, req), k.Name)
				require.Equal(t, node, map[cache.Dialect]string{cache.Node014: k.Node014, cache.Node015: k.Node015}[line.dialect],
					"%s: the table is wrong", k.Name)
			}
		})
	}
}

// answered is what a call of a Node action gave, and how often that node's handlers had run by then.
type answered struct {
	Data json.RawMessage `json:"data"`
	Ran  int             `json:"ran"`
}

func (c *cachers) call(t *testing.T, name string, params, meta map[string]any) answered {
	t.Helper()
	var a answered
	require.NoError(
		t, json.Unmarshal(c.node.require(t, "call", map[string]any{"action": name, "params": params, "meta": meta}), &a),
	)
	return a
}

// once asks our cache for an action's result, which is computed if it is not there.
func (c *cachers) once(t *testing.T, name string, keys []string, params, meta, computed string) string {
	t.Helper()
	req := &action.Request{Params: json.RawMessage(params), Meta: action.NewMeta(json.RawMessage(meta))}
	key := c.keygen.Key(name, &action.CacheRule{Keys: keys}, req)
	got, err := c.ours.GetOrCompute(t.Context(), key, cache.Policy{TTL: time.Minute},
		func(context.Context) (json.RawMessage, error) {
			return json.RawMessage(computed), nil
		})
	require.NoError(t, err)
	return string(got)
}

func TestCacheEntriesAreSharedWithNode(t *testing.T) {
	t.Parallel()
	keys := []string{"id", "#tenant"}
	for _, line := range cacherLines {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			c := startCachers(t, line)
			tenant := map[string]any{"tenant": "acme"}

			// What a Node action answered is found here.
			require.Equal(t, 1, c.call(t, "posts.find", map[string]any{"id": "ä"}, tenant).Ran)
			req := &action.Request{
				Params: json.RawMessage(`{"id":"ä"}`), Meta: action.NewMeta(json.RawMessage(`{"tenant":"acme"}`)),
			}
			key := c.keygen.Key("posts.find", &action.CacheRule{Keys: keys}, req)
			require.Eventually(t, func() bool { // Node writes it after its answer
				found, err := c.ours.Get(t.Context(), key, new(any))
				return err == nil && found
			}, patience, 10*time.Millisecond)
			require.JSONEq(
				t, `{"ran":1,"params":{"id":"ä"}}`, c.once(t, "posts.find", keys, `{"id":"ä"}`, `{"tenant":"acme"}`, `"computed"`),
			)

			// What was computed here is what a Node action answers, without running.
			require.Equal(
				t, `{"by":"go"}`, c.once(t, "posts.find", keys, `{"id":{"b":2,"a":"1"}}`, `{"tenant":"acme"}`, `{"by":"go"}`),
			)
			answer := c.call(t, "posts.find", map[string]any{"id": json.RawMessage(`{"b":2,"a":"1"}`)}, tenant)
			require.JSONEq(t, `{"by":"go"}`, string(answer.Data))
			require.Equal(t, 1, answer.Ran)

			// Another tenant's call is another entry.
			require.Equal(t, 2, c.call(t, "posts.find", map[string]any{"id": "ä"}, map[string]any{"tenant": "other"}).Ran)

			// Each side cleans the other's.
			require.NoError(t, c.ours.Clean(t.Context(), "posts.find:**"))
			require.Equal(t, 3, c.call(t, "posts.find", map[string]any{"id": map[string]any{"b": 2, "a": "1"}}, tenant).Ran)
			require.NoError(t, c.ours.Set(t.Context(), "posts.find:x", 1, 0))
			c.node.require(t, "clean", map[string]any{"pattern": "posts.**"})
			found, err := c.ours.Get(t.Context(), "posts.find:x", new(int))
			require.NoError(t, err)
			require.False(t, found)
		})
	}
}

func TestCacheValuesAreThoseOfNode(t *testing.T) {
	t.Parallel()
	for _, line := range cacherLines {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			c := startCachers(t, line)
			for _, value := range []string{`"text"`, `0`, `false`, `1.5`, `[]`, `{"a":[1,{"b":null}],"c":"<&> ä 😀"}`} {
				c.node.require(t, "set", map[string]any{"key": "k", "value": json.RawMessage(value), "ttl": 60})
				var got any
				found, err := c.ours.Get(t.Context(), "k", &got)
				require.NoError(t, err)
				require.True(t, found, value)
				encoded, err := json.Marshal(got)
				require.NoError(t, err)
				require.JSONEq(t, value, string(encoded))

				require.NoError(t, c.ours.Set(t.Context(), "l", got, time.Minute))
				require.JSONEq(t, value, string(c.node.require(t, "get", map[string]any{"key": "l"})))
			}
		})
	}
}

func TestCachedNullIsAResultAsInNode(t *testing.T) {
	t.Parallel()
	for _, line := range cacherLines {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			c := startCachers(t, line)
			require.Equal(t, `null`, c.once(t, "posts.none", []string{"id"}, `{"id":1}`, `{}`, `null`))
			ran := c.call(t, "posts.none", map[string]any{"id": 1}, nil).Ran
			again := c.once(t, "posts.none", []string{"id"}, `{"id":1}`, `{}`, `"computed"`)
			if line.dialect == cache.Node014 {
				require.Equal(t, 1, ran)
				require.Equal(t, `"computed"`, again)
			} else {
				require.Zero(t, ran)
				require.Equal(t, `null`, again)
			}
		})
	}
}
