package natsclaims_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/claims/claimstest"
	"github.com/hiliosai/switchboard/claims/natsclaims"
	"github.com/hiliosai/switchboard/internal/testserver"
)

// stream is a bucket as the server sees it.
func stream(t *testing.T, nc *nats.Conn, namespace string) jetstream.Stream {
	t.Helper()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	s, err := js.Stream(t.Context(), "KV_"+natsclaims.Bucket(namespace))
	require.NoError(t, err)
	return s
}

func TestNamespaceHasItsOwnBucket(t *testing.T) {
	t.Parallel()
	for namespace, want := range map[string]string{
		"": "claims", "hios": "claims-hios", "a_b-C9": "claims-a_b-C9", "a.b": "claims-a_b-2e7336dc",
		"a/b": "claims-a_b-c14cddc0", "é": "claims-_-4a99557e",
	} {
		require.Equal(t, want, natsclaims.Bucket(namespace))
	}
	nc := connect(t, testserver.NATS(t).ClientURL())
	one := newNATS(t, nc, natsclaims.Options{Namespace: "a.b"})
	other := newNATS(t, nc, natsclaims.Options{Namespace: "a_b"})
	claimstest.Claim(t, one, claimstest.Terms, "k")
	claimstest.RequireState(t, claims.Mine, other, "k")
}

func TestBucketIsAKeyValueBucketOfHashes(t *testing.T) {
	t.Parallel()
	nc := connect(t, testserver.NATS(t).ClientURL())
	store := newNATS(t, nc, natsclaims.Options{Namespace: "hios"})
	list := claimstest.Claim(t, store, claimstest.Terms, "whatsapp:+15550001")
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	bucket, err := js.KeyValue(t.Context(), natsclaims.Bucket("hios"))
	require.NoError(t, err)
	keys, err := bucket.Keys(t.Context())
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Regexp(t, `^[A-Za-z0-9_-]{43}$`, keys[0])
	entry, err := bucket.Get(t.Context(), keys[0])
	require.NoError(t, err)
	require.Regexp(t, `^h[A-Za-z0-9_-]{22} 60000 691200000\n$`, string(entry.Value()))

	require.NoError(t, store.Release(t.Context(), list...))
	_, err = bucket.Get(t.Context(), keys[0])
	require.ErrorIs(t, err, jetstream.ErrKeyNotFound)
	_, err = bucket.PutString(t.Context(), keys[0], "something else")
	require.NoError(t, err)
	_, err = store.Claim(t.Context(), claimstest.Terms, "whatsapp:+15550001")
	claimstest.RequireFault(t, err, true, "no claim")
}

func TestServerDropsExpiredClaims(t *testing.T) {
	t.Parallel()
	nc := connect(t, testserver.NATS(t).ClientURL())
	store := newNATS(t, nc, natsclaims.Options{})
	short := claims.Terms{Lease: time.Millisecond, TTL: time.Millisecond}
	list := claimstest.Claim(t, store, short, "held", "done", "released")
	_ = store.Done(t.Context(), nil, list[1]) // in time or not
	_ = store.Release(t.Context(), list[2])
	bucket := stream(t, nc, "")
	require.NotZero(t, bucket.CachedInfo().State.Msgs)
	require.Eventually(t, func() bool {
		info, err := bucket.Info(t.Context())
		return err == nil && info.State.Msgs == 0
	}, patience, 20*time.Millisecond)
}

func TestLeasesFollowTheNodesClock(t *testing.T) {
	t.Parallel()
	nc := connect(t, testserver.NATS(t).ClientURL())
	at := func(shift time.Duration) claims.Store {
		return newNATS(t, nc, natsclaims.Options{Now: func() time.Time { return time.Now().Add(shift) }})
	}
	claimstest.Claim(t, at(0), claimstest.Terms, "k")
	claimstest.RequireState(t, claims.Held, at(claimstest.Terms.Lease/2), "k")
	claimstest.RequireState(t, claims.Abandoned, at(claimstest.Terms.Lease), "k")
	claimstest.RequireState(t, claims.Abandoned, at(claimstest.Terms.TTL-time.Minute), "k")
	claimstest.RequireState(t, claims.Mine, at(claimstest.Terms.TTL), "k")
}

func TestBucketThatWasDeletedIsCreatedAgain(t *testing.T) {
	t.Parallel()
	nc := connect(t, testserver.NATS(t).ClientURL())
	store := newNATS(t, nc, natsclaims.Options{})
	list := claimstest.Claim(t, store, claimstest.Terms, "k")
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.NoError(t, js.DeleteKeyValue(t.Context(), natsclaims.Bucket("")))
	claimstest.RequireState(t, claims.Mine, store, "k")
	require.ErrorIs(t, store.Done(t.Context(), nil, list...), claims.ErrLost)
}

func TestBucketOfAnotherKindIsRefused(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]jetstream.StreamConfig{
		"without TTLs":              {MaxMsgsPerSubject: 1},
		"with a history":            {MaxMsgsPerSubject: 5, AllowMsgTTL: true},
		"that does not acknowledge": {MaxMsgsPerSubject: 1, AllowMsgTTL: true, NoAck: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nc := connect(t, testserver.NATS(t).ClientURL())
			js, err := jetstream.New(nc)
			require.NoError(t, err)
			config.Name, config.Subjects = "KV_claims", []string{"$KV.claims.>"}
			_, err = js.CreateStream(t.Context(), config)
			require.NoError(t, err)
			store := newNATS(t, nc, natsclaims.Options{})
			_, err = store.Claim(t.Context(), claimstest.Terms, "k")
			claimstest.RequireFault(t, err, true, "KV_claims does not keep one acknowledged value")
			claimstest.RequireFault(t, store.Check(t.Context()), true, "KV_claims does not keep")
		})
	}
}

func TestBucketWithOtherReplicasIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	nc := connect(t, testserver.NATS(t).ClientURL())
	claimstest.Claim(t, newNATS(t, nc, natsclaims.Options{}), claimstest.Terms, "k")
	claimstest.RequireState(t, claims.Held, newNATS(t, nc, natsclaims.Options{Replicas: 3}), "k")
	_, err := newNATS(
		t, nc, natsclaims.Options{Namespace: "other", Replicas: 3, Timeout: time.Second},
	).Claim(t.Context(), claimstest.Terms, "k")
	require.ErrorContains(t, err, "replicas > 1 not supported", "by a single server")
}

func TestResultThatTheServerRefusesIsAnError(t *testing.T) {
	t.Parallel()
	store := newNATS(t, connect(t, testserver.NATS(t).ClientURL()), natsclaims.Options{})
	list := claimstest.Claim(t, store, claimstest.Terms, "k")
	claimstest.RequireFault(t, store.Done(t.Context(), make([]byte, 2<<20), list...), true, "maximum payload exceeded")
	require.NoError(t, store.Done(t.Context(), nil, list...))
}

func TestServerWithoutJetStreamIsNamedInTheError(t *testing.T) {
	t.Parallel()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(s.WaitForShutdown)
	t.Cleanup(s.Shutdown)
	require.True(t, s.ReadyForConnections(patience))
	require.ErrorIs(
		t, newNATS(t, connect(t, s.ClientURL()), natsclaims.Options{}).Check(t.Context()), jetstream.ErrJetStreamNotEnabled,
	)
}

func TestAckThatNeverComesIsAnErrorInTime(t *testing.T) {
	t.Parallel()
	nc := connect(t, testserver.NATS(t).ClientURL())
	store := newNATS(t, nc, natsclaims.Options{})
	require.NoError(t, store.Check(t.Context()))
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	config := stream(t, nc, "").CachedInfo().Config
	config.NoAck = true
	_, err = js.UpdateStream(t.Context(), config)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	list, err := store.Claim(ctx, claimstest.Terms, "k")
	claimstest.RequireFault(t, err, false, "deadline exceeded")
	require.Equal(t, claims.Unknown, list[0].State)
}

func TestServerWithoutMessageTTLsIsRefused(t *testing.T) {
	t.Parallel()
	nc := connect(t, testserver.OldestNATS(t).URL())
	store := newNATS(t, nc, natsclaims.Options{Namespace: "hios"})
	for range 2 {
		err := store.Check(t.Context())
		claimstest.RequireFault(t, err, true, "nats-server 2.11")
		require.ErrorIs(t, err, natsclaims.ErrOldServer)
	}
	_, err := store.Claim(t.Context(), claimstest.Terms, "k")
	require.ErrorIs(t, err, natsclaims.ErrOldServer)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	account, err := js.AccountInfo(t.Context())
	require.NoError(t, err)
	require.Zero(t, account.Streams)
}

func TestBucketHasMaxBytesIfTheAccountRequiresIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "nats.conf")
	require.NoError(t, os.WriteFile(file, []byte(`
		listen: "127.0.0.1:-1"
		jetstream: {store_dir: "`+dir+`"}
		accounts: {APP: {
			users: [{user: node, password: secret}]
			jetstream: {max_file: 100M, max_bytes_required: true}
		}}`), 0o600))
	opts, err := server.ProcessConfigFile(file)
	require.NoError(t, err)
	opts.NoSigs, opts.NoLog = true, true
	s, err := server.NewServer(opts)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(s.WaitForShutdown)
	t.Cleanup(s.Shutdown)
	require.True(t, s.ReadyForConnections(patience))
	nc := connect(t, "nats://node:secret@"+s.Addr().String())

	err = newNATS(t, nc, natsclaims.Options{}).Check(t.Context())
	claimstest.RequireFault(t, err, true, "wants max_bytes")
	require.ErrorIs(t, err, natsclaims.ErrMaxBytesRequired)
	claimstest.RequireState(t, claims.Mine, newNATS(t, nc, natsclaims.Options{MaxBytes: 1 << 20}), "k")
	require.EqualValues(t, 1<<20, stream(t, nc, "").CachedInfo().Config.MaxBytes)
}
