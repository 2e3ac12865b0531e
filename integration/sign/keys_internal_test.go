package sign

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/httpapi"
)

func TestKeysRollOverAndOutliveTrouble(t *testing.T) {
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	t.Cleanup(client.Close)
	var failing atomic.Bool
	var published atomic.Pointer[JWT]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if failing.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		keys, _ := published.Load().PublicKeys()
		_, _ = w.Write(keys)
	}))
	t.Cleanup(server.Close)
	old, err := new(JWT).ForTests(client, server.URL)
	require.NoError(t, err)
	next, err := new(JWT).ForTests(client, server.URL)
	require.NoError(t, err)

	clock := time.Unix(1_800_000_000, 0)
	set := keySet{now: func() time.Time { return clock }}
	find := func() (bool, error) {
		key, err := set.find(t.Context(), old, testKeyID)
		return err == nil && key.Equal(&old.private.PublicKey), err
	}
	published.Store(old)
	isOld, err := find()
	require.NoError(t, err)
	require.True(t, isOld)

	_, err = set.find(t.Context(), old, "unknown")
	require.ErrorIs(t, err, errNoKey, "the keys were just fetched")

	published.Store(next)
	clock = clock.Add(keysFresh + time.Second)
	isOld, err = find()
	require.NoError(t, err)
	require.False(t, isOld, "the key has rolled over")

	failing.Store(true)
	clock = clock.Add(keysMax - time.Second)
	_, err = find()
	require.NoError(t, err, "keys are used for a while though they cannot be fetched")
	clock = clock.Add(time.Minute)
	_, err = find()
	require.Error(t, err, "and not for ever")
	require.NotErrorIs(t, err, errNoKey)

	failing.Store(false)
	_, err = find()
	require.Error(t, err, "the next try waits")
	clock = clock.Add(refreshPause)
	_, err = find()
	require.NoError(t, err)
}
