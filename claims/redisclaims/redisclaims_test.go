package redisclaims_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cache/rediscache"
	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/claims/claimstest"
	"github.com/hiliosai/switchboard/claims/redisclaims"
	"github.com/hiliosai/switchboard/internal/testserver"
)

func TestRedisHoldsHashesThatExpire(t *testing.T) {
	t.Parallel()
	url, ctx := testserver.Redis(t), t.Context()
	opts, err := redis.ParseURL(url)
	require.NoError(t, err)
	plain := redis.NewClient(opts)
	defer func() { require.NoError(t, plain.Close()) }()

	store := newRedis(t, url)
	list := claimstest.Claim(t, store, claimstest.Terms, "whatsapp:+15550001")
	keys, err := plain.Keys(ctx, "*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Regexp(t, `^claims:hios:[A-Za-z0-9_-]{43}$`, keys[0])
	require.Regexp(t, `^h[A-Za-z0-9_-]{22} 60000 691200000\n$`, plain.Get(ctx, keys[0]).Val())
	require.InDelta(t, claimstest.Terms.TTL, plain.PTTL(ctx, keys[0]).Val(), float64(time.Minute))

	require.NoError(t, store.Done(ctx, []byte("result"), list...))
	require.Regexp(t, `^d[A-Za-z0-9_-]{22} 0 691200000\nresult$`, plain.Get(ctx, keys[0]).Val())
	require.InDelta(t, claimstest.Terms.TTL, plain.PTTL(ctx, keys[0]).Val(), float64(time.Minute))

	require.NoError(t, plain.Set(ctx, keys[0], "something else", time.Hour).Err())
	_, err = store.Claim(ctx, claimstest.Terms, "whatsapp:+15550001")
	claimstest.RequireFault(t, err, true, "no claim")
}

func TestRedisCacheLeavesClaimsAlone(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store := newRedis(t, url)
	claimstest.Claim(t, store, claimstest.Terms, "k")
	for _, namespace := range []string{"", "hios"} {
		c, err := rediscache.New(rediscache.Options{URL: url, Prefix: rediscache.Prefix(namespace)})
		require.NoError(t, err)
		require.NoError(t, c.Clean(t.Context(), "**"))
		require.NoError(t, c.Close())
	}
	claimstest.RequireState(t, claims.Held, store, "k")
}

func TestRedisThatHangsIsAnErrorInTime(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t)
	store := newRedis(t, server.URL())
	list := claimstest.Claim(t, store, claimstest.Terms, "k")
	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	cut, err := store.Claim(ctx, claimstest.Terms, "other")
	claimstest.RequireFault(t, err, false, "deadline exceeded")
	claimstest.RequireFault(t, store.Done(ctx, nil, list...), false, "deadline exceeded")
	server.Resume()
	require.NoError(t, store.Done(t.Context(), nil, list...))
	require.NoError(t, store.Release(t.Context(), cut...), "whether or not the server has taken it")
	claimstest.RequireState(t, claims.Mine, store, "other")
}

func TestRedisURLThatIsWrongIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://:canary@host", "redis://:can ary@ho st"} {
		_, err := redisclaims.New(redisclaims.Options{URL: url})
		require.ErrorContains(t, err, "not of the form")
		require.NotContains(t, err.Error(), "can")
	}
}
