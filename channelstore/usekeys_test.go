package channelstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/channelstore"
)

func TestKeysOfAnOpenStoreAreReplaced(t *testing.T) {
	texts := newTexts(t, "k1", "k2", "lost")
	eachDatabase(t, func(b *harness) {
		t := b.T
		store := b.open(parse(t, texts[0])).(*channelstore.Database)
		require.NoError(t, store.UseKeys(t.Context(), parse(t, texts[2])), "there is nothing that it could not open")
		require.NoError(t, store.UseKeys(t.Context(), parse(t, texts[0])))
		apply(t, store, newChannel("a"))

		require.ErrorIs(t, store.UseKeys(t.Context(), parse(t, texts[2])), channelstore.ErrAllSealed)
		require.Equal(t, newChannel("a"), get(t, store, "a"), "the keys stay as they are")

		require.NoError(t, store.UseKeys(t.Context(), parse(t, texts[1], texts[0])))
		rotation, err := store.Rotate(t.Context())
		require.NoError(t, err)
		require.Equal(t, channelstore.Rotation{Resealed: 1}, rotation)
		require.NoError(t, store.UseKeys(t.Context(), parse(t, texts[1])))
		require.Equal(t, newChannel("a"), get(t, store, "a"))
	})
}
