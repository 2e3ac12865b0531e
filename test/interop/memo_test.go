package interop_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/mixins"
	"github.com/hiliosai/switchboard/node"
)

// article is a result of posts.find, of channels.js or of Go.
type article struct {
	By  string `json:"by"` // node or go
	Ran int32  `json:"ran"`
	ID  string `json:"id"`
}

// posts is the Go service of this name.
type posts struct {
	ran, asked atomic.Int32
	arrived    chan struct{} // closed when sharers calls are there
	full       sync.Once
}

const sharers = 100

// definition has the actions find, as in channels.js, crowded, which ends when many have asked for it, refresh, and
// ready.
func (p *posts) definition() integration.ServiceDefinition {
	type byID struct {
		ID string `json:"id"`
	}
	rule := &action.CacheRule{Keys: []string{"id", "#tenantId"}, TTL: time.Minute}
	return integration.ServiceDefinition{
		Name: "posts",
		Actions: []moleculer.Action{
			integration.NewAction("find", func(_ *integration.Context, in byID) (article, error) {
				return article{"go", p.ran.Add(1), in.ID}, nil
			}, action.Spec{Cache: rule}),
			integration.NewAction("crowded", func(ctx *integration.Context, in byID) (article, error) {
				select {
				case <-p.arrived:
					return article{"go", p.ran.Add(1), in.ID}, nil
				case <-ctx.Done():
					return article{}, ctx.Err()
				}
			}, action.Spec{Cache: rule}),
			integration.NewAction("refresh", func(ctx *integration.Context, _ integration.None) (any, error) {
				return nil, mixins.Clean(ctx)
			}, action.Spec{}),
			integration.NewAction(
				"ready", func(*integration.Context, integration.None) (any, error) { return nil, nil }, action.Spec{},
			),
		},
		Mixins: []moleculer.Mixin{
			{Name: "count", Hooks: map[string]any{"count": action.Middleware{Stage: action.StageAccess, Wrap: p.count}}},
		},
	}
}

// count counts the calls of crowded before the cache sees them.
func (p *posts) count(e action.Endpoint, next action.Handler) action.Handler {
	if e.Action != "posts.crowded" {
		return next
	}
	return func(ctx context.Context, req *action.Request) (any, error) {
		if p.asked.Add(1) == sharers {
			p.full.Do(func() { close(p.arrived) })
		}
		return next(ctx, req)
	}
}

// library is a Node.js node and two Go nodes with the same service posts.
type library struct {
	peer           *peer
	shared, alone  *host // by one Redis with the Node.js node, and with a memory of its own
	sharing, loner *posts
	redis          *redis.Client
}

func startLibrary(t *testing.T, line line, redisURL string) *library {
	t.Helper()
	l := &library{sharing: &posts{arrived: make(chan struct{})}, loner: &posts{arrived: make(chan struct{})}}
	natsURL := natsServer(t).URL()
	opts, err := redis.ParseURL(redisURL)
	require.NoError(t, err)
	l.redis = redis.NewClient(opts)
	t.Cleanup(func() { require.NoError(t, l.redis.Close()) })
	cacher := fields{"type": "Redis", "options": fields{"redis": redisURL}}
	l.peer = startKeeper(
		t, natsURL,
		peerOptions{Line: line.name, Services: []service{{Name: "posts"}}, Broker: map[string]any{"cacher": cacher}},
	)
	start := func(p *posts, cache string) *host {
		h := startHost(
			t, natsURL, node.Service(p.definition()), settings("node: {protocol: %q}\nservices: [posts]", line.protocol),
			node.Config(cache))
		reachable(t, l.peer, h.ID, "posts.ready") // not refresh: nodes that hear of it drop what is kept later
		return h
	}
	l.shared = start(l.sharing, fmt.Sprintf("cache: {driver: redis, url: %q}", redisURL))
	l.alone = start(l.loner, "")
	return l
}

// find calls posts.find on one of the nodes.
func (l *library) find(t *testing.T, nodeID, id string) article {
	t.Helper()
	result, err := l.peer.Call(
		t.Context(), "posts.find", fields{"id": id},
		fields{"nodeID": nodeID, "timeout": patience.Milliseconds(), "meta": fields{"tenantId": tenantID}},
	)
	require.NoError(t, err)
	return decode[article](t, result.Data)
}

// kept counts the results in Redis.
func (l *library) kept(t *testing.T) int {
	t.Helper()
	keys, err := l.redis.Keys(t.Context(), "MOL-"+namespace+"-posts.find:*").Result()
	require.NoError(t, err)
	return len(keys)
}

func TestMemoisedResultsAreSharedWithNode(t *testing.T) {
	t.Parallel()
	for _, line := range lines {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			l := startLibrary(t, line, testserver.Redis(t))
			goID, nodeID := l.shared.ID, l.peer.NodeID

			t.Run("Go finds what Node has kept", func(t *testing.T) {
				want := article{"node", 1, "1"}
				require.Equal(t, want, l.find(t, nodeID, "1"))
				require.Eventually(t, func() bool { return l.kept(t) == 1 }, patience, tick, "Node keeps it in the background")
				require.Equal(t, want, l.find(t, goID, "1"))
				require.Zero(t, l.sharing.ran.Load())
			})
			t.Run("Node finds what Go has kept", func(t *testing.T) {
				want := article{"go", 1, "2"}
				require.Equal(t, want, l.find(t, goID, "2"))
				require.Equal(t, want, l.find(t, nodeID, "2"))
				require.Equal(t, want, l.find(t, goID, "2"))
			})
			t.Run("a result lives as long as its rule says", func(t *testing.T) {
				keys, err := l.redis.Keys(t.Context(), "MOL-"+namespace+"-posts.find:*").Result()
				require.NoError(t, err)
				require.Len(t, keys, 2)
				for _, key := range keys {
					left, err := l.redis.TTL(t.Context(), key).Result()
					require.NoError(t, err)
					require.Greater(t, left, 30*time.Second, key)
					require.LessOrEqual(t, left, time.Minute, key)
				}
			})
			t.Run("another tenant has results of its own", func(t *testing.T) {
				result, err := l.peer.Call(
					t.Context(), "posts.find", fields{"id": "2"}, fields{"nodeID": goID, "meta": fields{"tenantId": "other"}},
				)
				require.NoError(t, err)
				require.Equal(t, article{"go", 2, "2"}, decode[article](t, result.Data))
			})
			t.Run("a call may go past it", func(t *testing.T) {
				result, err := l.peer.Call(t.Context(), "posts.find", fields{"id": "1"},
					fields{"nodeID": goID, "meta": fields{"tenantId": tenantID, "$cache": false}})
				require.NoError(t, err)
				require.Equal(t, "go", decode[article](t, result.Data).By)
				require.Equal(t, "node", l.find(t, goID, "1").By)
			})
			t.Run("Go's Clean drops it for all", func(t *testing.T) {
				before := l.find(t, l.alone.ID, "1")
				require.Equal(t, before, l.find(t, l.alone.ID, "1"), "kept in memory")
				_, err := l.peer.Call(t.Context(), "posts.refresh", nil, at(goID))
				require.NoError(t, err)
				require.Eventually(t, func() bool { return l.kept(t) == 0 }, patience, tick)
				require.Equal(t, article{"node", 2, "1"}, l.find(t, nodeID, "1"))
				require.Eventually(t, func() bool { return l.find(t, l.alone.ID, "1") != before }, patience, tick)
			})
			t.Run("Node's broadcast drops it in Redis and in a Go node's memory", func(t *testing.T) {
				before := l.find(t, l.alone.ID, "3")
				l.find(t, goID, "3")
				require.Equal(t, before, l.find(t, l.alone.ID, "3"), "kept in memory")
				l.peer.Broadcast(t, "cache.clean.posts", nil, nil)
				require.Eventually(t, func() bool { return l.kept(t) == 0 }, patience, tick)
				require.Eventually(t, func() bool { return l.find(t, l.alone.ID, "3") != before }, patience, tick)
				require.Positive(t, l.find(t, goID, "3").Ran)
			})
			t.Run("another service's broadcast drops nothing", func(t *testing.T) {
				before := l.find(t, l.alone.ID, "4")
				l.find(t, goID, "4")
				kept := l.kept(t)
				l.peer.Broadcast(t, "cache.clean.comments", nil, nil)
				l.peer.Broadcast(t, "cache.clean.postscripts", nil, nil)
				_, err := l.peer.Call(t.Context(), "$node.list", nil, at(l.alone.ID)) // it has had the broadcasts then
				require.NoError(t, err)
				require.Equal(t, before, l.find(t, l.alone.ID, "4"))
				require.Equal(t, kept, l.kept(t))
			})
			for name, node := range map[string]struct {
				id    string
				posts *posts
			}{"in Redis": {l.shared.ID, l.sharing}, "in memory": {l.alone.ID, l.loner}} {
				t.Run("a crowd that misses it at once makes one call, kept "+name, func(t *testing.T) {
					before := node.posts.ran.Load()
					raw := l.peer.require(t, "bench", fields{
						"action": "posts.crowded", "params": fields{"id": "5"}, "opts": at(node.id), "count": sharers, "atOnce": sharers,
					})
					result := decode[struct{ OK, Failed int }](t, raw)
					require.Equal(t, sharers, result.OK)
					require.EqualValues(t, sharers, node.posts.asked.Load())
					require.Equal(t, before+1, node.posts.ran.Load())
				})
			}
		})
	}
}
