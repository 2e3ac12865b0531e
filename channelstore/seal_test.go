package channelstore_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
)

// goldenKey is the bytes 0 to 31.
const goldenKey = "golden:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// goldenBound is what a seal of the channel c1 of the tenant t1 at parrot is bound to.
const goldenBound = "switchboard channel v1\x02c1\x02t1\x06parrot"

// TestSealFormatIsUnchanged opens what was sealed with the standard library alone: records of today must
// still be opened by later versions.
func TestSealFormatIsUnchanged(t *testing.T) {
	want := newChannel("c1")
	const plain = `{"credentials":{"token":"CANARY-token-c1"},"settings":{"apiBase":"CANARY-setting-c1"}}`
	const golden = "" +
		"6465666768696a6b6c6d6e6f" + // nonce
		"3339bd141c8d33f04a0b3e84a947508660b66961ee02d1488592ed06baf1fc65e0862ba5223ff835df8e541d8e27bebb7235ff9402703a0a" +
		"9b81c5948ef2c0a832ae984f980a695ca61c883765e35f81491b2e16dab8546da0f84e7d6771bdbf4bd2879a7efd"
	sealed, err := hex.DecodeString(golden)
	require.NoError(t, err)
	got, err := parse(t, goldenKey).Open(newChannel("c1"), "golden", sealed)
	require.NoError(t, err)
	require.Equal(t, want, got)

	mine, err := parse(t, goldenKey).Seal(newChannel("c1"))
	require.NoError(t, err)
	require.Equal(t, plain, string(openByHand(t, mine)))
	again, err := parse(t, goldenKey).Seal(newChannel("c1"))
	require.NoError(t, err)
	require.NotEqual(t, mine[:12], again[:12], "every seal has a nonce of its own")
}

func byHand(t *testing.T) cipher.AEAD {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(goldenKey, "golden:"))
	require.NoError(t, err)
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	aead, err := cipher.NewGCM(block)
	require.NoError(t, err)
	return aead
}

func openByHand(t *testing.T, sealed []byte) []byte {
	t.Helper()
	plain, err := byHand(t).Open(nil, sealed[:12], sealed[12:], []byte(goldenBound))
	require.NoError(t, err)
	return plain
}

func TestChangedRecordIsRefused(t *testing.T) {
	keys := newKeys(t, "k1")
	ch := newChannel("c1")
	sealed, err := keys.Seal(ch)
	require.NoError(t, err)
	want := channelstore.SealedError{
		ChannelID: "c1", KeyID: "k1",
		Reason: "which does not open it: the key is another of that id, or the record was changed",
	}
	for i := range sealed {
		for _, bit := range []byte{0x01, 0x80} {
			tampered := append([]byte{}, sealed...)
			tampered[i] ^= bit
			_, err := keys.Open(ch, "k1", tampered)
			requireSealed(t, err, want)
		}
		_, err := keys.Open(ch, "k1", sealed[:i])
		requireSealed(t, err, want)
		_, err = keys.Open(ch, "k1", sealed[i+1:])
		requireSealed(t, err, want)
	}
	_, err = keys.Open(ch, "k1", append(sealed, 0))
	requireSealed(t, err, want)

	// Nor does it open in another record, even where the parts put together look the same.
	for _, parts := range [][3]string{
		{"c2", "t1", "parrot"},
		{"c1", "t2", "parrot"},
		{"c1", "t1", "crow"},
		{"c1", "t1p", "arrot"},
		{"c1t1", "", "parrot"},
		{"c1", "t1\x06parrot", ""},
	} {
		other := newChannel(parts[0])
		other.TenantID, other.Platform = parts[1], parts[2]
		_, err := keys.Open(other, "k1", sealed)
		require.ErrorIs(t, err, channelstore.ErrSealed, parts)
	}
	ch.Name, ch.Status = "other", "INACTIVE" // these are not part of the seal
	_, err = keys.Open(ch, "k1", sealed)
	require.NoError(t, err)
}

func TestSealedContentThatIsNotJSONIsDamaged(t *testing.T) {
	keys, ch := newKeys(t, "k1"), newChannel("c1")
	for _, plain := range []string{
		"", "CANARY", `{"credentials":"CANARY"}`, `{"credentials":{"a":1}}`, `["CANARY"]`, `{"credentials":{}} CANARY`,
	} {
		_, err := keys.Open(ch, "k1", keys.SealBytes(ch, []byte(plain)))
		requireSealed(t, err, channelstore.SealedError{ChannelID: "c1", KeyID: "k1", Reason: "but what it holds is damaged"})
	}
}

func FuzzOpen(f *testing.F) {
	keys, err := channelstore.ParseKeys([]string{goldenKey})
	require.NoError(f, err)
	sealed, err := keys.Seal(newChannel("c1"))
	require.NoError(f, err)
	f.Add("c1", "golden", sealed, []byte(`{"credentials":{"a":"b"}}`))
	f.Add("", "", []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, id, keyID string, sealed, plain []byte) {
		ch := newChannel(id)
		if got, err := keys.Open(ch, keyID, sealed); err != nil {
			require.ErrorIs(t, err, channelstore.ErrSealed)
			require.Nil(t, got.Credentials)
		}
		// What is inside a seal may be anything, too.
		got, err := keys.Open(ch, "golden", keys.SealBytes(ch, plain))
		if err != nil {
			require.ErrorIs(t, err, channelstore.ErrSealed)
			require.Nil(t, got.Credentials)
		} else {
			require.NotNil(t, got.Credentials)
			require.NotNil(t, got.Settings)
		}
	})
}

func TestStoreWithOtherKeysSaysSo(t *testing.T) {
	eachDatabase(t, func(b *harness) {
		old := newKeys(b.T, "k1")
		store := b.open(old)
		require.NoError(b, store.Check(b.Context()), "there is nothing to open")
		for i := range 12 {
			apply(b.T, store, newChannel(fmt.Sprintf("c%02d", i)))
		}
		require.NoError(b, store.Check(b.Context()))

		for _, other := range []*channelstore.Keyring{newKeys(b.T, "k2"), newKeys(b.T, "k1")} {
			err := b.open(other).Check(b.Context())
			require.ErrorIs(b, err, channelstore.ErrAllSealed)
			require.ErrorContains(b, err, `channel c00 is sealed with key "k1"`)
			e := action.AsError(err, "x", "")
			require.Equal(b, []any{"CHANNELS_SEALED", false}, []any{e.Type, e.Retryable})
		}
		mixed := b.open(newKeys(b.T, "k3"))
		apply(b.T, mixed, newChannel("z"))
		require.NoError(b, mixed.Check(b.Context()), "one can be opened, behind many that cannot")
	})
}
