package channelstore_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/channelstore"
)

func TestKeysAreParsedInTheirOrder(t *testing.T) {
	texts := newTexts(t, "new", "k-1_OLD", strings.Repeat("x", 32))
	texts[0] = "  " + texts[0] + "\n" // as a secret's file has it
	require.Equal(t, []string{"new", "k-1_OLD", strings.Repeat("x", 32)}, parse(t, texts...).IDs())
	twice := append(newTexts(t, "a"), newTexts(t, "a")...)
	require.NotEqual(t, twice[0], twice[1])
	for _, id := range []string{"", "a:b", "a b", "ä", strings.Repeat("x", 33)} {
		_, err := channelstore.GenerateKey(id)
		require.Error(t, err, id)
	}
}

func TestKeyFaultsAreAllReportedWithoutTheKeys(t *testing.T) {
	secret := base64.StdEncoding.EncodeToString([]byte("CANARY" + strings.Repeat("x", 26)))
	short := base64.StdEncoding.EncodeToString([]byte("CANARY"))
	_, err := channelstore.ParseKeys([]string{
		"k1:" + secret, "k2:" + short, secret, "k1:" + secret, "k 4:" + secret, "k5:" + secret[1:], "k6:" + secret + "!",
		"k7:", "",
		"k8:" + base64.RawStdEncoding.EncodeToString([]byte("CANARY")),
	})
	require.EqualError(t, err, strings.Join([]string{
		"key 2: k2 has 6 bytes, not 32",
		"key 3: must begin with an id of 1 to 32 letters, digits, _ and - and a colon",
		"key 4: there is another key k1 before it",
		"key 5: must begin with an id of 1 to 32 letters, digits, _ and - and a colon",
		"key 6: what follows k5: is not base64",
		"key 7: what follows k6: is not base64",
		"key 8: k7 has 0 bytes, not 32",
		"key 9: must begin with an id of 1 to 32 letters, digits, _ and - and a colon",
		"key 10: k8 has 6 bytes, not 32",
	}, "\n"))
	for _, secret := range []string{secret[:8], short} {
		require.NotContains(t, err.Error(), secret)
	}
	_, err = channelstore.ParseKeys(nil)
	require.EqualError(t, err, "there is no key")
}

func TestKeyringPrintsNoKey(t *testing.T) {
	keys := newKeys(t, "k1", "k2")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		require.Equal(t, "keys k1, k2", fmt.Sprintf(verb, keys), verb)
		require.Equal(t, "keys k1, k2", fmt.Sprintf(verb, *keys), verb)
	}
	data, err := json.Marshal(map[string]any{"keys": keys})
	require.NoError(t, err)
	require.Equal(t, `{"keys":"keys k1, k2"}`, string(data))
}

func TestKeyFileIsCreatedOnceByManyProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "k")
	sealed := make([][]byte, 16)
	var all sync.WaitGroup
	for i := range sealed {
		all.Go(func() {
			keys, err := channelstore.KeyFile(path)
			if err == nil {
				sealed[i], err = keys.Seal(newChannel("c1"))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	keys, err := channelstore.KeyFile(path)
	require.NoError(t, err)
	for _, s := range sealed {
		_, err := keys.Open(newChannel("c1"), keys.IDs()[0], s)
		require.NoError(t, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing else is left in the folder")
	require.Equal(t, os.FileMode(0o600), mode(t, path))
}

func TestKeyFileMayHaveOlderKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(newTexts(t, "new", "old"), "\n")+"\n"), 0o600))
	keys, err := channelstore.KeyFile(path)
	require.NoError(t, err)
	require.Equal(t, []string{"new", "old"}, keys.IDs())
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = channelstore.KeyFile(path)
	require.EqualError(t, err, path+": there is no key", "an emptied file is not filled again")
}
