package channelstore_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/channelstore/channelstoretest"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testserver.Main(m)) }

// canary is part of every credential and setting of the tests: wherever it is seen, a secret is.
const canary = "CANARY"

func newChannel(id string) *integration.Channel {
	return &integration.Channel{
		ID: id, TenantID: "t1", Platform: "parrot", Name: "Polly", Status: integration.ChannelActive,
		Credentials: map[string]string{"token": canary + "-token-" + id},
		Settings:    map[string]string{"apiBase": canary + "-setting-" + id},
	}
}

func apply(t *testing.T, store channelstore.Store, channels ...*integration.Channel) {
	t.Helper()
	require.NoError(t, store.Apply(t.Context(), channels))
}

func get(t *testing.T, store integration.ChannelStore, id string) *integration.Channel {
	t.Helper()
	ch, err := store.Channel(t.Context(), id)
	require.NoError(t, err)
	return ch
}

func list(t *testing.T, store channelstore.Store, q channelstore.Query) []channelstore.Entry {
	t.Helper()
	entries, err := store.List(t.Context(), q)
	require.NoError(t, err)
	return entries
}

// ids lists the channels that can be opened.
func ids(t *testing.T, store channelstore.Store, q channelstore.Query) []string {
	t.Helper()
	found := []string{}
	for _, e := range list(t, store, q) {
		require.NoError(t, e.Err)
		found = append(found, e.Channel.ID)
	}
	return found
}

// newKeys makes a keyring of new keys.
func newKeys(t *testing.T, ids ...string) *channelstore.Keyring {
	t.Helper()
	return parse(t, newTexts(t, ids...)...)
}

func newTexts(t *testing.T, ids ...string) []string {
	t.Helper()
	texts := make([]string, len(ids))
	for i, id := range ids {
		text, err := channelstore.GenerateKey(id)
		require.NoError(t, err)
		texts[i] = text
	}
	return texts
}

func parse(t *testing.T, texts ...string) *channelstore.Keyring {
	t.Helper()
	keys, err := channelstore.ParseKeys(texts)
	require.NoError(t, err)
	return keys
}

// requireSealed says that an error is of a record that cannot be opened, and quotes nothing of it.
func requireSealed(t *testing.T, err error, want channelstore.SealedError) {
	t.Helper()
	require.ErrorIs(t, err, channelstore.ErrSealed)
	var sealed *channelstore.SealedError
	require.ErrorAs(t, err, &sealed)
	require.Equal(t, want, *sealed)
	require.NotContains(t, fmt.Sprintf("%+v %v", err, sealed.MoleculerError()), canary)
}

// requireUnavailable says that an error tells the cluster to come again, and no more.
func requireUnavailable(t *testing.T, err error) {
	t.Helper()
	var unavailable *channelstore.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	e := action.AsError(err, "x", "")
	require.Equal(t, "CHANNELS_UNAVAILABLE", e.Type)
	require.Equal(t, "the channel store cannot be used at the moment", e.Message)
	require.True(t, e.Retryable)
}

// harness is a database of one test, with functions for databases only.
type harness struct {
	*testing.T
	tryOpen func(keys *channelstore.Keyring) (*channelstore.Database, error)
	dump    func() string // all that is kept
	// changes the database behind the store's back; returns how many records
	exec func(statement string, args ...any) int64
}

// open opens a store of the database until the end of the test.
func (b *harness) open(keys *channelstore.Keyring) channelstore.Store {
	b.Helper()
	store, err := b.tryOpen(keys)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	return store
}

func sqliteBacking(t *testing.T) channelstoretest.Backing {
	t.Helper()
	return sqliteHarness(t).backing()
}

func postgresBacking(t *testing.T) channelstoretest.Backing {
	t.Helper()
	return postgresHarness(t).backing()
}

func (b *harness) backing() channelstoretest.Backing {
	keys := newKeys(b.T, "k1")
	return channelstoretest.Backing{Open: func() channelstore.Store { return b.open(keys) }}
}

// eachDatabase runs a test with every kind of database.
func eachDatabase(t *testing.T, test func(b *harness)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { test(sqliteHarness(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(postgresHarness(t)) })
}

func TestConformance(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { channelstoretest.Run(t, sqliteBacking) })
	t.Run("PostgreSQL", func(t *testing.T) { channelstoretest.Run(t, postgresBacking) })
	t.Run("Action", func(t *testing.T) {
		channelstoretest.Run(t, func(*testing.T) channelstoretest.Backing {
			cluster := &scripted{}
			return channelstoretest.Backing{
				Open: func() channelstore.Store { return channelstore.NewAction(cluster, "channels.get") },
				Put:  cluster.put,
			}
		})
	})
}
