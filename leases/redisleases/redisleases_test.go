package redisleases_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/leases"
	"github.com/hiliosai/switchboard/leases/leasestest"
	"github.com/hiliosai/switchboard/leases/redisleases"
)

// patience bounds every wait.
const patience = time.Minute

func plain(t *testing.T, url string) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(url)
	require.NoError(t, err)
	client := redis.NewClient(opts)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

func TestRedisHasOneHash(t *testing.T) {
	t.Parallel()
	url, ctx := testserver.Redis(t), t.Context()
	client, store := plain(t, url), newRedis(t, url)
	revision := leasestest.Put(t, store, "telegram/bot", "value", 0)
	require.NoError(t, store.Delete(ctx, "telegram/bot", revision))
	leasestest.Put(t, store, "telegram/bot", "value", 0)
	keys, err := client.Keys(ctx, "*").Result()
	require.NoError(t, err)
	require.Equal(t, []string{"leases:hios"}, keys)
	require.Regexp(t, `^\d{16} value$`, client.HGet(ctx, "leases:hios", "telegram/bot").Val())
	require.NoError(t, client.HSet(ctx, "leases:hios", "telegram/bot", "something else").Err())
	_, err = store.Get(ctx, "telegram/bot")
	leasestest.RequireFault(t, err, true, "no entry")
}

// watch tells of changes on a channel.
func watch(t *testing.T, store leases.Store) <-chan leases.Entry {
	t.Helper()
	told, ended := make(chan leases.Entry, 100), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { ended <- store.Watch(ctx, func(e leases.Entry) { told <- e }) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	require.Empty(t, next(t, told).Key)
	return told
}

func next(t *testing.T, told <-chan leases.Entry) leases.Entry {
	t.Helper()
	select {
	case e := <-told:
		return e
	case <-time.After(patience):
		require.Fail(t, "nothing was told")
		return leases.Entry{}
	}
}

func TestWatchReadsAllWhereAMessageIsMissing(t *testing.T) {
	t.Parallel()
	url, ctx := testserver.Redis(t), t.Context()
	client, store := plain(t, url), newRedis(t, url)
	told := watch(t, store)
	leasestest.Put(t, store, "first", "1", 0)
	require.Equal(t, "first", next(t, told).Key)
	// A change whose message was lost.
	last := client.HIncrBy(ctx, "leases:hios", "", 1).Val()
	require.NoError(t, client.HSet(ctx, "leases:hios", "quiet", strconv.FormatInt(last, 10)+" 2").Err())
	leasestest.Put(t, store, "third", "3", 0)
	seen := map[string]string{}
	for range 2 {
		e := next(t, told)
		seen[e.Key] = string(e.Value)
	}
	require.Equal(t, map[string]string{"quiet": "2", "third": "3"}, seen)
}

func TestWatchReadsAllAfterRedisLostIt(t *testing.T) {
	t.Parallel()
	url, ctx := testserver.Redis(t), t.Context()
	client, store := plain(t, url), newRedis(t, url)
	told := watch(t, store)
	first := leasestest.Put(t, store, "k", "1", 0)
	require.Equal(t, "k", next(t, told).Key)
	require.NoError(t, client.Del(ctx, "leases:hios").Err())
	_, err := store.Put(ctx, "k", []byte("2"), first)
	require.ErrorIs(t, err, leases.ErrConflict)
	require.Greater(t, leasestest.Put(t, store, "new", "2", 0), first)
	seen := map[string]bool{}
	for range 2 {
		e := next(t, told)
		seen[e.Key] = e.Value != nil
	}
	require.Equal(t, map[string]bool{"k": false, "new": true}, seen)
}

func TestRedisThatHangsIsAnErrorInTime(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t)
	store := newRedis(t, server.URL())
	revision := leasestest.Put(t, store, "k", "1", 0)
	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := store.Put(ctx, "k", []byte("2"), revision)
	leasestest.RequireFault(t, err, false, "")
	server.Resume()
}

func TestRedisURLThatIsWrongIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://:canary@host", "redis://:can ary@ho st"} {
		_, err := redisleases.New(redisleases.Options{URL: url})
		require.ErrorContains(t, err, "not of the form")
		require.NotContains(t, err.Error(), "can")
	}
}
