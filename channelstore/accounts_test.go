package channelstore_test

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
)

func accountChannel(id, platform, account string) *integration.Channel {
	return &integration.Channel{
		ID: id, TenantID: "t", Platform: platform, Status: integration.ChannelActive,
		Settings: map[string]string{"teamId": account},
	}
}

func TestByAccountFindsChannels(t *testing.T) {
	store := openFile(t, filepath.Join(t.TempDir(), "channels.db"), nil)
	log, _ := logtest.NewNullLogger()
	cache, err := channelstore.NewCache(store, logrus.NewEntry(log))
	require.NoError(t, err)
	defer cache.Close()
	team := integration.Field{In: integration.InSettings, Name: "teamId", Account: true}
	find := func(account string) []string {
		t.Helper()
		ids, err := cache.ByAccount(t.Context(), "slack", team, account)
		require.NoError(t, err)
		return ids
	}
	save := func(channels ...*integration.Channel) {
		t.Helper()
		require.NoError(t, store.Apply(t.Context(), channels))
		for _, ch := range channels {
			cache.Invalidate(ch.ID)
		}
	}

	require.Empty(t, find("T1"), "there is no channel yet")
	save(accountChannel("b", "slack", "T1"), accountChannel("a", "slack", "T1"), accountChannel("c", "slack", "T2"),
		accountChannel("d", "other", "T1"), accountChannel("e", "slack", ""))
	require.Equal(t, []string{"a", "b"}, find("T1"), "a new channel is found at once, also where there was none")
	require.Empty(t, find(""))

	save(accountChannel("a", "slack", "T2"))
	require.Equal(t, []string{"b"}, find("T1"))
	require.Equal(t, []string{"a", "c"}, find("T2"))

	require.NoError(t, store.Remove(t.Context(), "b"))
	require.Equal(t, []string{"b"}, find("T1"), "it is remembered until the change is made known")
	cache.InvalidateAll()
	require.Empty(t, find("T1"))

	var many []*integration.Channel
	for i := range 1001 {
		many = append(many, accountChannel("m"+strconv.Itoa(i), "slack", "M"))
	}
	save(many...)
	require.Len(t, find("M"), 1001, "more than one page is read")

	require.NoError(t, store.Close())
	cache.InvalidateAll()
	require.Equal(t, []string{"a", "c"}, find("T2"), "while the store cannot be read, what is known still serves")
	_, err = cache.ByAccount(t.Context(), "other", team, "T1")
	var unavailable *channelstore.UnavailableError
	require.ErrorAs(t, err, &unavailable)
}
