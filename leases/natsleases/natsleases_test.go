package natsleases_test

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

	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/leases"
	"github.com/hiliosai/switchboard/leases/leasestest"
	"github.com/hiliosai/switchboard/leases/natsleases"
)

func TestNamespaceHasItsOwnBucket(t *testing.T) {
	t.Parallel()
	for namespace, want := range map[string]string{
		"": "leases", "hios": "leases-hios", "a_b-C9": "leases-a_b-C9", "a.b": "leases-a_b-2e7336dc",
	} {
		require.Equal(t, want, natsleases.Bucket(namespace))
	}
	nc := connect(t, testserver.NATS(t).ClientURL())
	leasestest.Put(t, newNATS(t, nc, natsleases.Options{Namespace: "a.b"}), "k", "1", 0)
	leasestest.RequireValue(t, newNATS(t, nc, natsleases.Options{Namespace: "a_b"}), "k", "", 0)
}

func TestBucketIsAKeyValueBucket(t *testing.T) {
	t.Parallel()
	nc := connect(t, testserver.NATS(t).ClientURL())
	store := newNATS(t, nc, natsleases.Options{Namespace: "hios"})
	revision := leasestest.Put(t, store, "telegram/bot:42.x", "value", 0)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	bucket, err := js.KeyValue(t.Context(), "leases-hios")
	require.NoError(t, err)
	keys, err := bucket.Keys(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"telegram/bot=3A42=2Ex"}, keys)
	e, err := bucket.Get(t.Context(), keys[0])
	require.NoError(t, err)
	require.Equal(t, "value", string(e.Value()))
	require.Equal(t, revision, e.Revision())
	status, err := bucket.Status(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, status.History())
}

func TestWatchReportsKeysDeletedDuringAnOutage(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	nc := connect(t, s.ClientURL())
	store := newNATS(t, nc, natsleases.Options{})
	leasestest.Put(t, store, "gone", "1", 0)
	leasestest.Put(t, store, "kept", "1", 0)
	told := make(chan leases.Entry, 100)
	ended := make(chan error, 1)
	ctx := t.Context()
	go func() { ended <- store.Watch(ctx, func(e leases.Entry) { told <- e }) }()
	for range 3 {
		<-told
	}
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	stream, err := js.Stream(ctx, "KV_leases")
	require.NoError(t, err)
	// leaves no marker, as after its TTL
	require.NoError(t, stream.Purge(ctx, jetstream.WithPurgeSubject("$KV.leases.gone")))
	s.stop()
	s.start()
	select {
	case e := <-told:
		require.Equal(t, "gone", e.Key)
		require.Nil(t, e.Value)
	case <-time.After(patience):
		require.Fail(t, "the watch did not read all anew")
	}
}

func TestBucketThatWasDeletedIsCreatedAgain(t *testing.T) {
	t.Parallel()
	nc := connect(t, testserver.NATS(t).ClientURL())
	store := newNATS(t, nc, natsleases.Options{})
	first := leasestest.Put(t, store, "k", "1", 0)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.NoError(t, js.DeleteKeyValue(t.Context(), natsleases.Bucket("")))
	require.Eventually(t, func() bool {
		e, err := store.Get(t.Context(), "k")
		return err == nil && e.Value == nil
	}, patience, 5*time.Millisecond)
	require.Greater(t, leasestest.Put(t, store, "k", "2", 0), first)
}

func TestBucketOfAnotherKindIsRefused(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]jetstream.StreamConfig{
		"without TTLs":              {MaxMsgsPerSubject: 1},
		"with a history":            {MaxMsgsPerSubject: 5, AllowMsgTTL: true},
		"that does not acknowledge": {MaxMsgsPerSubject: 1, AllowMsgTTL: true, NoAck: true},
		"that any replica answers":  {MaxMsgsPerSubject: 1, AllowMsgTTL: true, AllowDirect: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nc := connect(t, testserver.NATS(t).ClientURL())
			js, err := jetstream.New(nc)
			require.NoError(t, err)
			config.Name, config.Subjects = "KV_leases", []string{"$KV.leases.>"}
			_, err = js.CreateStream(t.Context(), config)
			require.NoError(t, err)
			store := newNATS(t, nc, natsleases.Options{})
			_, err = store.Put(t.Context(), "k", nil, 0)
			leasestest.RequireFault(t, err, true, "the bucket leases does not keep one acknowledged value")
			leasestest.RequireFault(t, store.Check(t.Context()), true, "does not keep")
		})
	}
}

func TestValueThatTheServerRefusesIsAnError(t *testing.T) {
	t.Parallel()
	store := newNATS(t, connect(t, testserver.NATS(t).ClientURL()), natsleases.Options{})
	_, err := store.Put(t.Context(), "k", make([]byte, 2<<20), 0)
	leasestest.RequireFault(t, err, true, "maximum payload exceeded")
}

func TestServerWithoutJetStreamIsNamedInTheError(t *testing.T) {
	t.Parallel()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(s.WaitForShutdown)
	t.Cleanup(s.Shutdown)
	require.True(t, s.ReadyForConnections(patience))
	err = newNATS(t, connect(t, s.ClientURL()), natsleases.Options{}).Check(t.Context())
	require.ErrorIs(t, err, jetstream.ErrJetStreamNotEnabled)
}

func TestServerWithoutMessageTTLsIsRefused(t *testing.T) {
	t.Parallel()
	nc := connect(t, testserver.OldestNATS(t).URL())
	store := newNATS(t, nc, natsleases.Options{Namespace: "hios"})
	err := store.Check(t.Context())
	leasestest.RequireFault(t, err, true, "nats-server 2.11")
	require.ErrorIs(t, err, natsleases.ErrOldServer)
	_, err = store.Put(t.Context(), "k", nil, 0)
	require.ErrorIs(t, err, natsleases.ErrOldServer)
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

	err = newNATS(t, nc, natsleases.Options{}).Check(t.Context())
	leasestest.RequireFault(t, err, true, "wants max_bytes")
	require.ErrorIs(t, err, natsleases.ErrMaxBytesRequired)
	leasestest.Put(t, newNATS(t, nc, natsleases.Options{MaxBytes: 1 << 20}), "k", "1", 0)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), "KV_leases")
	require.NoError(t, err)
	require.EqualValues(t, 1<<20, stream.CachedInfo().Config.MaxBytes)
}

// The permissions that the documentation of New names are enough.
func TestStoreNeedsFewPermissions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "nats.conf")
	require.NoError(t, os.WriteFile(file, []byte(`
		listen: "127.0.0.1:-1"
		jetstream: {store_dir: "`+dir+`"}
		accounts: {APP: {
			users: [{user: node, password: secret, permissions: {
				publish: ["$KV.leases-hios.>", "$JS.API.INFO", "$JS.API.STREAM.INFO.KV_leases-hios",
					"$JS.API.STREAM.CREATE.KV_leases-hios", "$JS.API.STREAM.MSG.GET.KV_leases-hios",
					"$JS.API.CONSUMER.CREATE.KV_leases-hios.>", "$JS.API.CONSUMER.DELETE.KV_leases-hios.>",
					"$JS.FC.KV_leases-hios.>"]
				subscribe: ["_INBOX.>"]
			}}]
			jetstream: enabled
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
	refused := make(chan error, 100)
	nc := connect(t, "nats://node:secret@"+s.Addr().String())
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err })
	store := newNATS(t, nc, natsleases.Options{Namespace: "hios"})
	told := make(chan leases.Entry, 1000)
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- store.Watch(ctx, func(e leases.Entry) { told <- e }) }()
		for e := (leases.Entry{Key: "first"}); e.Key != ""; {
			e = <-told
		}
		revision := leasestest.Put(t, store, "k", "1", 0)
		revision = leasestest.Put(t, store, "k", "2", revision)
		leasestest.RequireValue(t, store, "k", "2", revision)
		require.Equal(t, "k", (<-told).Key)
		require.NoError(t, store.Delete(ctx, "k", revision))
		for e := (leases.Entry{Value: []byte("1")}); e.Value != nil; { // some changes come as one
			e = <-told
		}
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	}
	require.Empty(t, refused)
}
