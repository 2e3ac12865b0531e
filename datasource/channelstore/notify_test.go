package channelstore_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/datasource/channelstore"
	"github.com/hiliosai/switchboard/integration"
)

func TestEveryChangeIsMadeKnownAndNothingElse(t *testing.T) {
	var told [][]string
	took := func() [][]string { defer func() { told = nil }(); return told }
	store := channelstore.Notify(openFile(t, newPath(t), nil), func(ids ...string) { told = append(told, ids) })
	same := func(*integration.Channel) error { return nil }

	require.NoError(t, store.Create(t.Context(), newChannel("c1")))
	require.Equal(t, [][]string{{"c1"}}, took())
	apply(t, store, newChannel("c2"), newChannel("c3"))
	require.Equal(t, [][]string{{"c2", "c3"}}, took())
	_, err := store.Update(t.Context(), "c2", same)
	require.NoError(t, err)
	require.Equal(t, [][]string{{"c2"}}, took())
	require.NoError(t, store.Remove(t.Context(), "c3"))
	require.Equal(t, [][]string{{"c3"}}, took())

	apply(t, store)
	get(t, store, "c1")
	list(t, store, channelstore.Query{})
	require.Error(t, store.Create(t.Context(), newChannel("c1")))
	require.Error(t, store.Apply(t.Context(), []*integration.Channel{newChannel("")}))
	require.Error(t, store.Remove(t.Context(), "c3"))
	_, err = store.Update(t.Context(), "c1", func(*integration.Channel) error { return errors.New("no") })
	require.Error(t, err)
	require.Empty(t, took())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, store.Remove(ctx, "c1"))
	require.Equal(t, [][]string{{"c1"}}, took(), "nobody knows how far it came")
}
