package cache_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/cache/rediscache"
	"github.com/hiliosai/switchboard/internal/testserver"
)

func newRedis(tb testing.TB, url string) *rediscache.Store {
	tb.Helper()
	store, err := rediscache.New(rediscache.Options{URL: url, Prefix: rediscache.Prefix("hios")})
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = store.Close() }) // the test may have closed it
	return store
}

func newMemory(tb testing.TB, opts cache.MemoryOptions) *cache.Memory {
	tb.Helper()
	store := cache.NewMemory(opts)
	tb.Cleanup(func() { require.NoError(tb, store.Close()) })
	return store
}

// stores open an empty store of each kind.
func stores() map[string]func(testing.TB) cache.Store {
	return map[string]func(testing.TB) cache.Store{
		"memory": func(tb testing.TB) cache.Store { tb.Helper(); return newMemory(tb, cache.MemoryOptions{}) },
		"redis":  func(tb testing.TB) cache.Store { tb.Helper(); return newRedis(tb, testserver.Redis(tb)) },
	}
}

func set(t *testing.T, store cache.Store, ttl time.Duration, keys ...string) {
	t.Helper()
	for _, key := range keys {
		require.NoError(t, store.Set(t.Context(), key, []byte(`"`+key+`"`), ttl))
	}
}

func has(t *testing.T, store cache.Store, key string) bool {
	t.Helper()
	_, found, err := store.Get(t.Context(), key)
	require.NoError(t, err)
	return found
}

func TestStoreKeepsAndForgets(t *testing.T) {
	t.Parallel()
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			ctx := t.Context()
			require.NoError(t, store.Check(ctx))
			require.False(t, has(t, store, "a"))
			set(t, store, 0, "a", "b", "c")
			value, found, err := store.Get(ctx, "a")
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, `"a"`, string(value))

			require.NoError(t, store.Set(ctx, "a", []byte(`2`), 0))
			value, _, err = store.Get(ctx, "a")
			require.NoError(t, err)
			require.Equal(t, `2`, string(value), "the latest value counts")

			require.NoError(t, store.Delete(ctx))
			require.NoError(t, store.Delete(ctx, "a", "missing", "b"))
			require.False(t, has(t, store, "a"))
			require.False(t, has(t, store, "b"))
			require.True(t, has(t, store, "c"))
		})
	}
}

func TestStoreReturnsTheTTLOfAnEntry(t *testing.T) {
	t.Parallel()
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			ctx := t.Context()
			set(t, store, 0, "good")
			set(t, store, time.Hour, "hour")
			value, ttl, found, err := store.GetWithTTL(ctx, "good")
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, `"good"`, string(value))
			require.Zero(t, ttl)

			value, ttl, found, err = store.GetWithTTL(ctx, "hour")
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, `"hour"`, string(value))
			require.InDelta(t, time.Hour, ttl, float64(time.Minute))

			_, _, found, err = store.GetWithTTL(ctx, "missing")
			require.NoError(t, err)
			require.False(t, found)
		})
	}
}

func TestStoreEntriesExpire(t *testing.T) {
	t.Parallel()
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			set(t, store, 50*time.Millisecond, "short")
			set(t, store, time.Hour, "long")
			require.Eventually(t, func() bool { return !has(t, store, "short") }, patience, 5*time.Millisecond)
			require.True(t, has(t, store, "long"))
		})
	}
}

func TestCleanPatterns(t *testing.T) {
	t.Parallel()
	keys := []string{
		"posts", "posts.list", "posts.list:a|1", "posts.list:a|1.5", "posts.list.deep:x", "posts.get:1", "users.list:1",
		"v2.posts.list:1",
	}
	for _, tc := range []struct {
		pattern string
		removed []string
	}{
		{"**", keys},
		{"posts.list:**", []string{"posts.list:a|1", "posts.list:a|1.5"}},
		{"posts.**", []string{"posts.list", "posts.list:a|1", "posts.list:a|1.5", "posts.list.deep:x", "posts.get:1"}},
		{"posts.get:*", []string{"posts.get:1"}},
		{"posts.list", []string{"posts.list"}},
		{"p?sts.get:1", []string{"posts.get:1"}},
		{"**.list:1", []string{"users.list:1", "v2.posts.list:1"}},
		{"nobody.**", nil},
	} {
		t.Run(tc.pattern, func(t *testing.T) {
			t.Parallel()
			for name, open := range stores() {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					store := open(t)
					set(t, store, 0, keys...)
					require.NoError(t, store.Clean(t.Context(), tc.pattern))
					var removed []string
					for _, key := range keys {
						if !has(t, store, key) {
							removed = append(removed, key)
						}
					}
					require.Equal(t, tc.removed, removed)
				})
			}
		})
	}
}

func TestCleanStarMatchesDotsOnlyInRedis(t *testing.T) {
	t.Parallel()
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			set(t, store, 0, "posts.get:1", "posts.get:1.5", "$posts.get", "$x.get")
			require.NoError(t, store.Clean(t.Context(), "posts.*"))
			require.False(t, has(t, store, "posts.get:1"))
			_, memory := store.(*cache.Memory)
			require.Equal(t, memory, has(t, store, "posts.get:1.5"))
			require.NoError(t, store.Clean(t.Context(), "$p*.get"))
			require.False(t, has(t, store, "$posts.get"))
			require.True(t, has(t, store, "$x.get"))
		})
	}
}

func TestCleanOfManyEntries(t *testing.T) {
	t.Parallel()
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			for i := range 1000 {
				set(t, store, 0, fmt.Sprintf("many.of:%d", i))
			}
			set(t, store, 0, "other")
			require.NoError(t, store.Clean(t.Context(), "many.**"))
			for i := range 1000 {
				require.False(t, has(t, store, fmt.Sprintf("many.of:%d", i)))
			}
			require.True(t, has(t, store, "other"))
		})
	}
}

func TestLockHasOneOwner(t *testing.T) {
	t.Parallel()
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			ctx := t.Context()
			unlock, acquired, err := store.TryLock(ctx, "a", time.Hour)
			require.NoError(t, err)
			require.True(t, acquired)
			_, acquired, err = store.TryLock(ctx, "a", time.Hour)
			require.NoError(t, err)
			require.False(t, acquired)
			_, acquired, err = store.TryLock(ctx, "b", time.Hour)
			require.NoError(t, err)
			require.True(t, acquired, "another lock")

			require.NoError(t, unlock(ctx))
			again, acquired, err := store.TryLock(ctx, "a", time.Hour)
			require.NoError(t, err)
			require.True(t, acquired)
			require.NoError(t, unlock(ctx), "it is not the first owner's any more")
			_, acquired, err = store.TryLock(ctx, "a", time.Hour)
			require.NoError(t, err)
			require.False(t, acquired)
			require.NoError(t, again(ctx))
		})
	}
}

func TestLockExpires(t *testing.T) {
	t.Parallel()
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			_, acquired, err := store.TryLock(t.Context(), "a", 50*time.Millisecond)
			require.NoError(t, err)
			require.True(t, acquired)
			require.Eventually(t, func() bool {
				_, acquired, err := store.TryLock(t.Context(), "a", time.Hour)
				return err == nil && acquired
			}, patience, 5*time.Millisecond)
		})
	}
}

func TestMemoryIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	const entrySize, bound = 1000, 20_000
	store := newMemory(t, cache.MemoryOptions{MaxBytes: bound})
	value := make([]byte, entrySize-len("key-000"))
	names := make([]string, 200)
	for i := range names {
		names[i] = fmt.Sprintf("key-%03d", i)
		require.NoError(t, store.Set(t.Context(), names[i], value, 0))
	}
	kept := func() (n int) {
		for _, name := range names {
			if has(t, store, name) {
				n++
			}
		}
		return n
	}
	require.Eventually(t, func() bool { return kept() <= bound/entrySize }, patience, 5*time.Millisecond)
	require.Positive(t, kept())

	require.NoError(t, store.Set(t.Context(), "huge", make([]byte, bound+1), 0))
	require.Eventually(t, func() bool { return !has(t, store, "huge") }, patience, 5*time.Millisecond, "larger than all")
}

// client is a plain connection to look at what a store has written.
func client(t *testing.T, url string) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(url)
	require.NoError(t, err)
	c := redis.NewClient(opts)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestRedisHoldsWhatNodeWouldWrite(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, plain, ctx := newRedis(t, url), client(t, url), t.Context()
	require.NoError(t, store.Set(ctx, "posts.get:1", []byte(`{"id":1}`), time.Minute))
	require.NoError(t, store.Set(ctx, "posts.get:2", []byte(`"text"`), 0))

	keys, err := plain.Keys(ctx, "*").Result()
	require.NoError(t, err)
	slices.Sort(keys)
	require.Equal(t, []string{"MOL-hios-posts.get:1", "MOL-hios-posts.get:2"}, keys)
	require.Equal(t, `{"id":1}`, plain.Get(ctx, keys[0]).Val())
	require.InDelta(t, 60, plain.TTL(ctx, keys[0]).Val().Seconds(), 2)
	require.Equal(t, time.Duration(-1), plain.TTL(ctx, keys[1]).Val(), "it does not expire")

	unlock, _, err := store.TryLock(ctx, "posts.get:1-lock", 15*time.Second)
	require.NoError(t, err)
	require.Regexp(t, `^[0-9a-f]{32}$`, plain.Get(ctx, "MOL-hios-posts.get:1-lock").Val())
	require.InDelta(t, 15, plain.TTL(ctx, "MOL-hios-posts.get:1-lock").Val().Seconds(), 2)
	require.NoError(t, unlock(ctx))
	require.Zero(t, plain.Exists(ctx, "MOL-hios-posts.get:1-lock").Val())
}

func TestRedisValueThatIsNotJSONIsMissing(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, plain, ctx := newRedis(t, url), client(t, url), t.Context()
	require.NoError(t, plain.Set(ctx, "MOL-hios-broken", `{"id":`, 0).Err())
	require.NoError(t, plain.LPush(ctx, "MOL-hios-list", `1`).Err())
	for _, key := range []string{"broken", "list"} {
		require.False(t, has(t, store, key), key)
		_, _, found, err := store.GetWithTTL(ctx, key)
		require.NoError(t, err)
		require.False(t, found, key)
	}
}

func TestRedisNamespacesAreApart(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	open := func(prefix string) *rediscache.Store {
		store, err := rediscache.New(rediscache.Options{URL: url, Prefix: prefix})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		return store
	}
	none, hios, star := open(""), open(rediscache.Prefix("hios")), open(rediscache.Prefix("*"))
	set(t, none, 0, "k")
	require.False(t, has(t, hios, "k"))
	set(t, hios, 0, "k")
	require.NoError(t, star.Clean(t.Context(), "**"), "a prefix is not a pattern")
	require.True(t, has(t, hios, "k"))
	require.NoError(t, hios.Clean(t.Context(), "**"))
	require.False(t, has(t, hios, "k"))
	require.True(t, has(t, none, "k"))
}

func TestRedisURLThatIsWrongIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "http://:canary@host", "redis://:can ary@ho st", "redis://:cana/ry@host:x", "redis://:canary@host/db",
	} {
		_, err := rediscache.New(rediscache.Options{URL: url})
		require.ErrorContains(t, err, "not of the form")
		require.NotContains(t, err.Error(), "can")
	}
}

func TestRedisNeedNotBeThereAtTheStart(t *testing.T) {
	t.Parallel()
	store := newRedis(t, "redis://127.0.0.1:1")
	require.Error(t, store.Check(t.Context()))
}

// patience bounds every wait.
const patience = time.Minute
