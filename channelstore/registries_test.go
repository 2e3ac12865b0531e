package channelstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
)

// registries are nodes that serve channels.get, of which some hang.
type registries struct {
	mu      sync.Mutex
	list    []string
	hanging map[string]bool
	failing map[string]error
	asked   map[string]int

	under, most atomic.Int64 // calls under way, and the most at once
}

func newRegistries(list ...string) *registries {
	return &registries{list: list, hanging: map[string]bool{}, failing: map[string]error{}, asked: map[string]int{}}
}

func (r *registries) NodesOf(string) []string { return r.list }

func (r *registries) Emit(context.Context, *action.Request, string, any, action.EmitOptions) error {
	return nil
}

func (r *registries) Call(
	ctx context.Context, _ *action.Request, name string, params any, opts action.CallOptions,
) (*action.CallResult, error) {
	r.most.Store(max(r.most.Load(), r.under.Add(1)))
	defer r.under.Add(-1)
	r.mu.Lock()
	r.asked[opts.NodeID]++
	hangs, err := r.hanging[opts.NodeID], r.failing[opts.NodeID]
	r.mu.Unlock()
	if hangs {
		ctx, cancel := context.WithTimeout(ctx, opts.Timeout)
		defer cancel()
		<-ctx.Done()
		return nil, action.RequestTimeout(name, opts.NodeID)
	}
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	return &action.CallResult{Data: raw}, nil // {id} is a channel
}

// count is how often a node was asked since the last call.
func (r *registries) count(node string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.asked[node]
	r.asked[node] = 0
	return n
}

func TestRegistryThatHangsCostsOneShortAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := newRegistries("a", "b")
		nodes.hanging["a"] = true
		store := channelstore.NewAction(nodes, "channels.get")
		began := time.Now()
		for i := range 100 {
			_, err := store.Channel(t.Context(), fmt.Sprint(i))
			require.NoError(t, err)
		}
		require.Equal(t, time.Second, time.Since(began), "for all lookups together")
		require.Equal(t, 1, nodes.count("a"))
		require.Equal(t, 100, nodes.count("b"))

		time.Sleep(10 * time.Second) //nolint:forbidigo // of the bubble: no real time passes
		nodes.hanging["a"] = false
		for i := range 10 {
			_, err := store.Channel(t.Context(), fmt.Sprint(i))
			require.NoError(t, err)
		}
		require.Equal(t, 5, nodes.count("a"), "it is asked again")
	})
}

func TestRegistryThatRefusesIsReplacedByAnother(t *testing.T) {
	nodes := newRegistries("a", "b")
	nodes.failing["a"] = action.Retryable(503, "LEAVING", "leaving")
	store := channelstore.NewAction(nodes, "channels.get")
	for i := range 10 {
		_, err := store.Channel(t.Context(), fmt.Sprint(i))
		require.NoError(t, err)
	}
	nodes.failing["b"] = action.Client(400, "ODD", "odd")
	_, err := store.Channel(t.Context(), "x")
	requireUnavailable(t, err)
}

func TestCheckAsksEachRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := newRegistries("a", "b")
		nodes.hanging["a"] = true
		store := channelstore.NewAction(nodes, "channels.get")
		require.NoError(t, store.Check(t.Context()), "the other one answers")
		nodes.count("a")
		began := time.Now()
		for i := range 10 {
			_, err := store.Channel(t.Context(), fmt.Sprint(i))
			require.NoError(t, err)
		}
		require.Zero(t, time.Since(began), "lookups know already")
		require.Zero(t, nodes.count("a"))
		nodes.hanging["b"] = true
		requireUnavailable(t, store.Check(t.Context()))
	})
}

func TestRegistryLookupsAreBoundedDuringAnOutage(t *testing.T) {
	for _, list := range [][]string{{"a"}, {"a", "b"}, nil} { // nil: nobody knows which there are
		synctest.Test(t, func(t *testing.T) {
			nodes := newRegistries(list...)
			nodes.hanging = map[string]bool{"": true, "a": true, "b": true}
			store := channelstore.NewAction(nodes, "channels.get")
			var lookups sync.WaitGroup
			began := time.Now()
			for i := range 1000 {
				lookups.Go(func() {
					_, err := store.Channel(t.Context(), fmt.Sprint(i))
					requireUnavailable(t, err)
				})
			}
			lookups.Wait()
			require.LessOrEqual(t, nodes.most.Load(), int64(64))
			require.LessOrEqual(t, time.Since(began), 4*time.Second, "those that waited are not asked one after the other")

			for range 2 {
				time.Sleep(time.Second) //nolint:forbidigo // of the bubble: no real time passes
				nodes.count("a")
				nodes.count("")
				for i := range 100 {
					lookups.Go(func() {
						_, err := store.Channel(t.Context(), fmt.Sprint(i))
						requireUnavailable(t, err)
					})
				}
				lookups.Wait()
				require.LessOrEqual(t, nodes.count("a")+nodes.count(""), 1, "one finds out for all")
			}
			clear(nodes.hanging)
			time.Sleep(time.Second) //nolint:forbidigo // of the bubble: no real time passes
			_, err := store.Channel(t.Context(), "c")
			require.NoError(t, err)
			_, err = store.Channel(t.Context(), "d")
			require.NoError(t, err)
		})
	}
}
