package channelstore_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/datasource/channelstore"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testserver.Main(m)) }

// canary is part of every credential and setting of the tests: wherever it is seen, a secret is.
const canary = "CANARY"

func newChannel(id string) *integration.Channel {
	return &integration.Channel{
		ID: id, TenantID: "t1", Platform: "parrot", Name: "Polly", Status: integration.StatusActive,
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
