package cache_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/internal/testserver"
)

// newCache makes a cache that is closed with the test, and its log.
func newCache(tb testing.TB, store cache.Store, opts cache.Options) (*cache.Cache, *logtest.Hook) {
	tb.Helper()
	logger, log := logtest.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	opts.Log = logrus.NewEntry(logger)
	c := cache.New(store, opts)
	tb.Cleanup(func() { _ = c.Close() }) // a test may have closed it
	return c, log
}

func inMemory(tb testing.TB, opts cache.Options) (*cache.Cache, *logtest.Hook) {
	tb.Helper()
	return newCache(tb, cache.NewMemory(cache.MemoryOptions{}), opts)
}

func lines(log *logtest.Hook) []string {
	var lines []string
	for _, e := range log.AllEntries() {
		lines = append(lines, e.Level.String()+": "+e.Message)
	}
	return lines
}

type post struct {
	ID    int      `json:"id"`
	Tags  []string `json:"tags,omitempty"`
	Title string   `json:"title"`
}

func TestCacheKeepsAndForgets(t *testing.T) {
	t.Parallel()
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			c, log := newCache(t, store, cache.Options{})
			ctx := t.Context()
			var got post
			found, err := c.Get(ctx, "p", &got)
			require.NoError(t, err)
			require.False(t, found)

			want := post{ID: 1, Tags: []string{"a"}, Title: "<b>&"}
			require.NoError(t, c.Set(ctx, "p", want, 0))
			require.NoError(t, c.Set(ctx, "q", want, time.Minute))
			found, err = c.Get(ctx, "p", &got)
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, want, got)

			require.NoError(t, c.Delete(ctx, "p", "missing"))
			found, err = c.Get(ctx, "p", &got)
			require.NoError(t, err)
			require.False(t, found)
			require.NoError(t, c.Clean(ctx, "**"))
			found, err = c.Get(ctx, "q", &got)
			require.NoError(t, err)
			require.False(t, found)
			require.NoError(t, c.Check(ctx))
			require.Empty(t, lines(log))
		})
	}
}

func TestGetIntoAnotherTypeIsAnError(t *testing.T) {
	t.Parallel()
	c, _ := inMemory(t, cache.Options{})
	require.ErrorContains(t, c.Set(t.Context(), "posts.get:secret", make(chan int), 0), "encode posts.get")
	require.NoError(t, c.Set(t.Context(), "posts.get:secret", "text", 0))
	var number int
	_, err := c.Get(t.Context(), "posts.get:secret", &number)
	require.ErrorContains(t, err, "decode the cached posts.get")
	require.NotContains(t, err.Error(), "secret")
}

func TestNamespacesAreApart(t *testing.T) {
	t.Parallel()
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			c, _ := newCache(t, store, cache.Options{})
			a, b, deep := c.Namespace("a"), c.Namespace("b"), c.Namespace("a").Namespace("deep")
			ctx := t.Context()
			in := func(c *cache.Cache, key string) (value string) {
				_, err := c.Get(ctx, key, &value)
				require.NoError(t, err)
				return value
			}
			require.NoError(t, a.Set(ctx, "k", "of a", 0))
			require.NoError(t, b.Set(ctx, "k", "of b", 0))
			require.NoError(t, deep.Set(ctx, "k", "deep", 0))
			require.Equal(t, []string{"of a", "of b", "deep", ""}, []string{in(a, "k"), in(b, "k"), in(deep, "k"), in(c, "k")})
			require.Equal(t, []string{"of a", "deep"}, []string{in(c, "a:k"), in(c, "a:deep:k")})
			require.NoError(t, a.Clean(ctx, "**"))
			require.Equal(t, []string{"", "of b", ""}, []string{in(a, "k"), in(b, "k"), in(deep, "k")})
			require.NoError(t, b.Delete(ctx, "k"))
			require.Empty(t, in(b, "k"))
		})
	}
}

func TestNilCacheKeepsNothing(t *testing.T) {
	t.Parallel()
	for name, ctx := range map[string]context.Context{"none": t.Context(), "nil": cache.With(t.Context(), nil)} {
		c := cache.From(ctx).Namespace("x")
		require.NoError(t, c.Set(ctx, "k", 1, 0), name)
		found, err := c.Get(ctx, "k", new(int))
		require.NoError(t, err)
		require.False(t, found)
		require.NoError(t, c.Delete(ctx, "k"))
		require.NoError(t, c.Clean(ctx, "**"))
		require.NoError(t, c.Check(ctx))
		calls := 0
		for range 2 {
			_, err := cache.Memoize(ctx, "n", nil, 0, func(context.Context) (int, error) { calls++; return calls, nil })
			require.NoError(t, err)
		}
		require.Equal(t, 2, calls)
		require.NoError(t, c.Close())
	}
}

func TestContextCarriesItsCache(t *testing.T) {
	t.Parallel()
	c, _ := inMemory(t, cache.Options{})
	require.Same(t, c, cache.From(cache.With(t.Context(), c)))
	require.Nil(t, cache.From(t.Context()))
}

func TestNullIsAResultOnlyIn015(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		dialect cache.Dialect
		calls   int
	}{"0.14": {cache.Node014, 2}, "0.15": {cache.Node015, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, open := range stores() {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					store := open(t)
					c, _ := newCache(t, store, cache.Options{Dialect: tc.dialect})
					ctx, calls := cache.With(t.Context(), c), 0
					for range 2 {
						p, err := cache.Memoize(ctx, "none", nil, 0, func(context.Context) (*post, error) { calls++; return nil, nil })
						require.NoError(t, err)
						require.Nil(t, p)
					}
					require.Equal(t, tc.calls, calls)
					value, found, err := store.Get(ctx, "none")
					require.NoError(t, err)
					require.True(t, found, "it is written in both")
					require.Equal(t, "null", string(value))
				})
			}
		})
	}
}

// memoized calls for the same result and says whether it was computed.
func memoized(t *testing.T, c *cache.Cache, opts ...cache.Option) (computed bool) {
	t.Helper()
	return memoizedWithin(t, c, time.Minute, opts...)
}

func memoizedWithin(t *testing.T, c *cache.Cache, limit time.Duration, opts ...cache.Option) (computed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(cache.With(t.Context(), c), limit)
	defer cancel()
	p, err := cache.Memoize(ctx, "posts", 1, time.Hour, func(context.Context) (post, error) {
		computed = true
		return post{ID: 1}, nil
	}, opts...)
	require.NoError(t, err)
	require.Equal(t, post{ID: 1}, p)
	return computed
}

func TestStoreThatIsDownDoesNotFailCalls(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t)
	c, log := newCache(t, newRedis(t, server.URL()), cache.Options{})
	require.True(t, memoized(t, c))
	require.False(t, memoized(t, c))

	server.Stop()
	for range 100 {
		require.True(t, memoized(t, c, cache.Locked(), cache.Stale(time.Hour)))
	}
	require.Equal(t, []string{"warning: the cache does not answer; results are computed anew until it does"}, lines(log))

	server.Start()
	require.Eventually(t, func() bool { return !memoized(t, c) }, patience, 50*time.Millisecond)
	require.Equal(t, "info: the cache answers again", lines(log)[1])
	require.Len(t, lines(log), 2)
}

func TestStoreThatHangsDelaysFewCalls(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t)
	c, log := newCache(t, newRedis(t, server.URL()), cache.Options{})
	require.True(t, memoized(t, c))

	server.Pause()
	for range 3 {
		require.True(t, memoizedWithin(t, c, patience, cache.Locked()), "the store leaves time to compute")
	}
	require.Len(t, lines(log), 1)
	server.Resume()
	require.Eventually(t, func() bool { return !memoized(t, c) }, patience, 50*time.Millisecond)
	require.Len(t, lines(log), 2)
}

// stuck is a store that answers nothing, and counts those who wait for it.
type stuck struct {
	cache.Store

	asked int
}

func (s *stuck) Get(ctx context.Context, _ string) ([]byte, bool, error) {
	s.asked++
	ctx, cancel := context.WithTimeout(ctx, time.Second) // as package cache does with Redis
	defer cancel()
	<-ctx.Done()
	return nil, false, ctx.Err()
}

func TestStoreThatHangsIsCalledEveryTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &stuck{Store: cache.NewMemory(cache.MemoryOptions{})}
		c, _ := newCache(t, store, cache.Options{})
		for range 20 {
			require.True(t, memoized(t, c))
		}
		require.Equal(t, 1, store.asked, "not each call waits for it")
		<-time.After(2 * time.Second)
		for range 20 {
			require.True(t, memoized(t, c))
		}
		require.Equal(t, 2, store.asked)
	})
}

func TestStoreThatFailedIsUsedAgain(t *testing.T) {
	t.Parallel()
	c, log := newCache(t, newRedis(t, "redis://:canary@127.0.0.1:1"), cache.Options{})
	ctx := t.Context()
	_, err := c.Get(ctx, "k", new(int))
	for name, err := range map[string]error{
		"get": err, "set": c.Set(ctx, "k", 1, 0), "delete": c.Delete(ctx, "k"), "clean": c.Clean(ctx, "**"),
		"check": c.Check(ctx),
	} {
		e := action.AsError(err, "", "")
		require.Equal(t, "CACHE_UNAVAILABLE", e.Type, name)
		require.Equal(t, 503, e.Code)
		require.True(t, e.Retryable)
	}
	require.Len(t, lines(log), 1)
	formatted, err := log.LastEntry().Bytes()
	require.NoError(t, err)
	require.False(t, bytes.Contains(formatted, []byte("canary")))
}

func TestCallerThatStopsWaitingIsNotAFailureOfTheStore(t *testing.T) {
	t.Parallel()
	c, log := newCache(t, newRedis(t, testserver.Redis(t)), cache.Options{})
	ctx, cancel := context.WithCancel(cache.With(t.Context(), c))
	cancel()
	_, err := c.Get(ctx, "k", new(int))
	require.ErrorIs(t, err, context.Canceled)
	_, err = cache.Memoize(ctx, "n", nil, 0, func(context.Context) (int, error) { return 1, nil })
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, lines(log))
	require.True(t, memoized(t, c))
	require.False(t, memoized(t, c))
}

func TestWithTTLChangesTheDefaultTTL(t *testing.T) {
	t.Parallel()
	store := cache.NewMemory(cache.MemoryOptions{})
	c, _ := newCache(t, store, cache.Options{TTL: time.Hour})
	for name, other := range map[string]*cache.Cache{
		"itself": c, "another": c.WithTTL(time.Minute), "part": c.WithTTL(time.Minute).Namespace("n"),
	} {
		require.NoError(t, other.Set(t.Context(), name, 1, 0))
	}
	for key, want := range map[string]time.Duration{"itself": time.Hour, "another": time.Minute, "n:part": time.Minute} {
		_, ttl, found, err := store.GetWithTTL(t.Context(), key)
		require.NoError(t, err)
		require.True(t, found, key)
		require.InDelta(t, want, ttl, float64(10*time.Second), key)
	}
	require.Nil(t, (*cache.Cache)(nil).WithTTL(time.Minute))
}
