package channelstore_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
)

const notOpened = "which does not open it: the key is another of that id, or the record was changed"

func TestDamagedRecordLeavesOthersReadable(t *testing.T) {
	keys := newKeys(t, "k1")
	eachDatabase(t, func(b *harness) {
		t := b.T
		old := b.open(newKeys(t, "lost"))
		apply(t, old, newChannel("a"))
		apply(t, b.open(newKeys(t, "k1")), newChannel("b"))
		store := b.open(keys)
		apply(t, store, newChannel("c"), newChannel("d"), newChannel("e"), newChannel("f"))
		require.Equal(t, int64(2), b.exec(`UPDATE switchboard_channels SET sealed = other.sealed
			FROM (SELECT id, sealed FROM switchboard_channels WHERE id IN ('c', 'd')) AS other
			WHERE switchboard_channels.id IN ('c', 'd') AND other.id <> switchboard_channels.id`))
		want := map[string]channelstore.SealedError{
			"a": {ChannelID: "a", KeyID: "lost", Reason: "which is not configured"},
			"b": {ChannelID: "b", KeyID: "k1", Reason: notOpened}, // of the same id, but another
			"c": {ChannelID: "c", KeyID: "k1", Reason: notOpened}, // swapped with d
			"d": {ChannelID: "d", KeyID: "k1", Reason: notOpened},
		}
		for _, e := range list(t, store, channelstore.Query{}) {
			fault, ok := want[e.Channel.ID]
			if !ok {
				require.NoError(t, e.Err)
				require.Equal(t, newChannel(e.Channel.ID), e.Channel)
				continue
			}
			requireSealed(t, e.Err, fault)
			require.Equal(
				t, &integration.Channel{ID: e.Channel.ID, TenantID: "t1", Platform: "parrot", Name: "Polly", Status: "ACTIVE"},
				e.Channel,
			)
			ch, err := store.Channel(t.Context(), e.Channel.ID)
			requireSealed(t, err, fault)
			require.Nil(t, ch)
			_, err = store.Update(t.Context(), e.Channel.ID, func(*integration.Channel) error { return nil })
			requireSealed(t, err, fault)
		}
		require.Equal(t, newChannel("e"), get(t, store, "e"))

		rotation, err := b.open(parse(t, newTexts(t, "k2")...)).Rotate(t.Context())
		require.NoError(t, err)
		require.Equal(t, channelstore.Rotation{Failed: 6}, rotation, "what cannot be opened stays as it is")
		require.Equal(t, newChannel("e"), get(t, store, "e"))

		// They can be mended by being written anew, and removed.
		apply(t, store, newChannel("a"), newChannel("b"))
		require.Equal(t, newChannel("a"), get(t, store, "a"))
		require.NoError(t, store.Remove(t.Context(), "c"))
	})
}

func TestRotationSealsEverythingWithTheFirstKey(t *testing.T) {
	texts := newTexts(t, "old", "new")
	eachDatabase(t, func(b *harness) {
		t := b.T
		before, both, after := b.open(parse(t, texts[0])), b.open(parse(t, texts[1], texts[0])), b.open(parse(t, texts[1]))
		all := make([]*integration.Channel, 250)
		for i := range all {
			all[i] = newChannel(fmt.Sprintf("c%03d", i))
		}
		apply(t, before, all...)
		apply(t, both, all[:10]...)
		rotation, err := both.Rotate(t.Context())
		require.NoError(t, err)
		require.Equal(t, channelstore.Rotation{Resealed: 240, Already: 10}, rotation)
		for i, e := range list(t, after, channelstore.Query{}) {
			require.NoError(t, e.Err)
			require.Equal(t, all[i], e.Channel)
		}
		rotation, err = both.Rotate(t.Context())
		require.NoError(t, err)
		require.Equal(t, channelstore.Rotation{Already: 250}, rotation)
		require.NotContains(t, b.dump(), canary)
	})
}

func TestRotationDisturbsNeitherReadersNorWriters(t *testing.T) {
	texts := newTexts(t, "old", "new")
	const count = 120
	eachDatabase(t, func(b *harness) {
		t := b.T
		// Nodes that still seal with the old key, and one that rotates to the new.
		node, rotating := b.open(parse(t, texts[0], texts[1])), b.open(parse(t, texts[1], texts[0]))
		var all []*integration.Channel
		for i := range count {
			all = append(all, newChannel(fmt.Sprintf("c%03d", i)))
		}
		apply(t, node, all...)
		done := make(chan struct{})
		var others sync.WaitGroup
		updates := [2]int{}
		for i := range updates {
			others.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-done:
						return
					default:
					}
					id := fmt.Sprintf("c%03d", n*7%count)
					_, err := node.Update(t.Context(), id, func(ch *integration.Channel) error {
						total, _ := strconv.Atoi(ch.Settings["count"])
						ch.Settings["count"] = strconv.Itoa(total + 1)
						return nil
					})
					if err != nil {
						t.Error(err)
					}
					updates[i]++
				}
			})
		}
		others.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				ch, err := node.Channel(t.Context(), fmt.Sprintf("c%03d", n%count))
				if err != nil || !strings.HasPrefix(ch.Credentials["token"], canary) {
					t.Error("a channel could not be read", err)
				}
			}
		})
		for range 3 {
			_, err := rotating.Rotate(t.Context())
			require.NoError(t, err)
		}
		close(done)
		others.Wait()
		_, err := rotating.Rotate(t.Context())
		require.NoError(t, err)
		total := 0
		for _, e := range list(t, b.open(parse(t, texts[1])), channelstore.Query{}) {
			require.NoError(t, e.Err)
			n, _ := strconv.Atoi(e.Channel.Settings["count"])
			total += n
		}
		require.Equal(t, updates[0]+updates[1], total, "no update is lost")
	})
}

func TestRotationMayBeInterruptedAndRepeated(t *testing.T) {
	texts := newTexts(t, "old", "new")
	eachDatabase(t, func(b *harness) {
		t := b.T
		before, both := b.open(parse(t, texts[0])), b.open(parse(t, texts[1], texts[0]))
		all := make([]*integration.Channel, 350)
		for i := range all {
			all[i] = newChannel(fmt.Sprintf("c%03d", i))
		}
		apply(t, before, all...)
		// The second transaction meets a record that cannot be written.
		refuse, allow := `CREATE UNIQUE INDEX refuse ON switchboard_channels (key_id) WHERE key_id = 'new' AND id IN `+
			`('c001', 'c150')`, `DROP INDEX refuse`
		b.exec(refuse)
		rotation, err := both.Rotate(t.Context())
		requireUnavailable(t, err)
		require.Equal(t, channelstore.Rotation{Resealed: 100}, rotation)
		require.Len(t, ids(t, both, channelstore.Query{}), len(all), "all can be read")
		b.exec(allow)
		rotation, err = both.Rotate(t.Context())
		require.NoError(t, err)
		require.Equal(t, channelstore.Rotation{Resealed: 250, Already: 100}, rotation)
		require.Len(t, ids(t, b.open(parse(t, texts[1])), channelstore.Query{}), len(all))
	})
}

func TestDatabaseHasNoPlainSecrets(t *testing.T) {
	texts := newTexts(t, "old", "new")
	eachDatabase(t, func(b *harness) {
		t := b.T
		store := b.open(parse(t, texts[0]))
		clean := func(step string) {
			t.Helper()
			dump := b.dump()
			require.NotContains(t, dump, canary, step)
			require.NotContains(t, strings.ToLower(dump), "apibase", step)
		}
		require.NoError(t, store.Create(t.Context(), newChannel("c1")))
		apply(t, store, newChannel("c2"), newChannel("c3"))
		require.Contains(t, b.dump(), "parrot", "the dump shows what is not secret")
		clean("after create and apply")
		_, err := store.Update(t.Context(), "c1", func(ch *integration.Channel) error {
			ch.Credentials["token"] = canary + "-changed"
			return nil
		})
		require.NoError(t, err)
		clean("after update")
		_, err = b.open(parse(t, texts[1], texts[0])).Rotate(t.Context())
		require.NoError(t, err)
		clean("after rotation")
		require.NoError(t, store.Remove(t.Context(), "c1"))
		clean("after remove")
		require.NoError(t, store.Close())
		clean("after close")
	})
}

func TestApplyIsAllOrNothing(t *testing.T) {
	eachDatabase(t, func(b *harness) {
		t := b.T
		store := b.open(newKeys(t, "k1"))
		b.exec(`CREATE UNIQUE INDEX one_crow ON switchboard_channels (platform) WHERE platform = 'crow'`)
		crow1, crow2 := newChannel("crow1"), newChannel("crow2")
		crow1.Platform, crow2.Platform = "crow", "crow"
		err := store.Apply(t.Context(), []*integration.Channel{newChannel("c1"), crow1, crow2})
		require.ErrorContains(t, err, "apply channels: channel crow2: ")
		requireUnavailable(t, err)
		require.NotContains(t, err.Error(), canary)
		require.Empty(t, list(t, store, channelstore.Query{}))
	})
}

func TestTablesOfALaterVersionAreLeftAlone(t *testing.T) {
	eachDatabase(t, func(b *harness) {
		t := b.T
		b.open(newKeys(t, "k1"))
		b.exec(`INSERT INTO switchboard_channels_versions (version_id, is_applied) VALUES ($1, $2)`, 99, true)
		_, err := b.tryOpen(newKeys(t, "k1"))
		require.ErrorContains(t, err, "the tables have version 99")
	})
}

func TestRotationCountsEachFailureOnce(t *testing.T) {
	texts := newTexts(t, "old", "new")
	b := sqliteHarness(t)
	apply(t, b.open(newKeys(t, "lost")), newChannel("damaged"))
	apply(t, b.open(parse(t, texts[0])), newChannel("a"), newChannel("b"))
	store := b.open(parse(t, texts[1], texts[0]))
	// The first record is not as it was read, as if somebody had written it in the meantime, once.
	b.exec(`CREATE TABLE meanwhile (n INTEGER)`)
	b.exec(`INSERT INTO meanwhile VALUES (1)`)
	b.exec(`CREATE TRIGGER meanwhile_written BEFORE UPDATE ON switchboard_channels
		WHEN (SELECT count(*) FROM meanwhile) > 0
		BEGIN DELETE FROM meanwhile; SELECT RAISE(IGNORE); END`)
	rotation, err := store.Rotate(t.Context())
	require.NoError(t, err)
	require.Equal(t, channelstore.Rotation{Resealed: 2, Failed: 1}, rotation)
}
