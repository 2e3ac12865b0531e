package channelstore_test

import (
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
)

func newPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "channels.db")
}

func openFile(t *testing.T, path string, keys *channelstore.Keyring) *channelstore.Database {
	t.Helper()
	store, err := channelstore.OpenSQLite(t.Context(), path, keys)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func sqliteHarness(t *testing.T) *harness {
	t.Helper()
	path := newPath(t)
	return &harness{
		T: t,
		tryOpen: func(keys *channelstore.Keyring) (*channelstore.Database, error) {
			return channelstore.OpenSQLite(t.Context(), path, keys)
		},
		dump: func() string { return contents(t, path) },
		exec: func(statement string, args ...any) int64 { return execFile(t, path, statement, args...) },
	}
}

// contents returns all bytes of the database's files.
func contents(t *testing.T, path string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	require.NoError(t, err)
	require.Contains(t, files, path)
	var all strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(data)
	}
	return all.String()
}

// execFile changes the file behind the store's back.
func execFile(t *testing.T, path, statement string, args ...any) int64 {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	result, err := db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
	n, err := result.RowsAffected()
	require.NoError(t, err)
	return n
}

func TestSQLiteFilesArePrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "channels.db")
	apply(t, openFile(t, path, nil), newChannel("c1"))
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	require.Subset(t, files, []string{path, path + "-wal", path + ".key"})
	for _, file := range files {
		require.Equal(t, fs.FileMode(0o600), mode(t, file), file)
	}
	require.Equal(t, fs.FileMode(0o700), mode(t, filepath.Dir(path)))
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}

func TestSQLiteWithoutKeysCreatesAKeyFile(t *testing.T) {
	path := newPath(t)
	store, err := channelstore.OpenSQLite(t.Context(), path, nil)
	require.NoError(t, err)
	apply(t, store, newChannel("c1"))
	require.NotContains(t, contents(t, path), canary)
	require.NoError(t, store.Close())
	require.Equal(t, newChannel("c1"), get(t, openFile(t, path, nil), "c1"))

	// Its text can be moved into the configuration.
	text, err := os.ReadFile(path + ".key")
	require.NoError(t, err)
	require.Equal(t, newChannel("c1"), get(t, openFile(t, path, parse(t, string(text))), "c1"))

	// Without it the records are lost, and that is what is said.
	require.NoError(t, os.Remove(path+".key"))
	_, err = channelstore.OpenSQLite(t.Context(), path, nil)
	require.ErrorIs(t, err, channelstore.ErrFileLost)
	require.ErrorContains(t, err, `.key is missing, and 1 channel(s) are sealed, with key "`+store.Keys().IDs()[0]+`"`)
	require.NoFileExists(t, path+".key", "no new key is made")
}

func TestSQLiteFileThatVanishedIsNotCreatedAgain(t *testing.T) {
	for name, trace := range map[string]string{"a key": ".key", "a write-ahead log": "-wal"} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			keys := newTexts(t, "k1")
			require.NoError(t, os.WriteFile(path+trace, []byte(keys[0]), 0o600))
			_, err := channelstore.OpenSQLite(t.Context(), path, nil)
			require.ErrorIs(t, err, channelstore.ErrFileLost)
			require.ErrorContains(t, err, trace+" is there: restore the database")
			require.NoFileExists(t, path)
			require.NoError(t, os.Remove(path+trace))
			openFile(t, path, nil)
		})
	}
}

func TestSQLiteFileLostDuringUseIsReported(t *testing.T) {
	for name, test := range map[string]struct {
		lose func(t *testing.T, path string)
		want string
	}{
		"the database has vanished": {func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.Remove(path))
		}, "channels.db has vanished while it was in use"},
		"the database was replaced": {func(t *testing.T, path string) {
			t.Helper()
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path+".copy", data, 0o600))
			require.NoError(t, os.Rename(path+".copy", path))
		}, "channels.db was replaced while it was in use: restart the node"},
		"the key has vanished": {func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.Remove(path+".key"))
		}, "channels.db.key has vanished while it was in use"},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			store := openFile(t, path, nil)
			apply(t, store, newChannel("c1"))
			require.NoError(t, store.Check(t.Context()))
			test.lose(t, path)
			_, updated := store.Update(t.Context(), "c1", func(*integration.Channel) error { return nil })
			_, rotated := store.Rotate(t.Context())
			for _, err := range []error{
				store.Check(t.Context()), store.Create(t.Context(), newChannel("c2")), store.Apply(t.Context(), nil),
				store.Remove(t.Context(), "c1"), updated, rotated,
			} {
				require.ErrorIs(t, err, channelstore.ErrFileLost)
				require.ErrorContains(t, err, test.want)
				e := action.AsError(err, "x", "")
				require.Equal(t, []any{"CHANNELS_FILE_LOST", false}, []any{e.Type, e.Retryable})
				require.NotContains(t, e.Message, path, "the cluster is told no path")
			}
			require.Equal(t, newChannel("c1"), get(t, store, "c1"), "what is there can be read")
		})
	}
}

// oldSchema is the schema of the first version, which kept everything as plain text.
const oldSchema = `CREATE TABLE IF NOT EXISTS channels (
	id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, platform TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
	credentials TEXT NOT NULL, settings TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT`

// oldFile makes a file of the first version, with traces of what was removed from it.
func oldFile(t *testing.T) string {
	t.Helper()
	path := newPath(t)
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=secure_delete(OFF)")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	exec := func(statement string, args ...any) {
		_, err := db.ExecContext(t.Context(), statement, args...)
		require.NoError(t, err)
	}
	exec(oldSchema)
	for _, id := range []string{"c1", "c2", "gone"} {
		exec(`INSERT INTO channels VALUES (?, 't1', 'parrot', 'Polly', 'ACTIVE', ?, ?, 1000, 2000)`, id,
			`{"token":"`+canary+`-token-`+id+`"}`, `{"apiBase":"`+canary+`-setting-`+id+`"}`)
	}
	exec(`INSERT INTO channels VALUES ('damaged', 't1', 'parrot', '', 'ACTIVE', '{"token":"` + canary + `', '{}', 1, 2)`)
	exec(`INSERT INTO channels VALUES ('large', 't1', 'parrot', '', 'ACTIVE', ` +
		`'{"token":"` + strings.Repeat(canary, 10_000) + `"}', '{}', 1, 2)`)
	exec(`DELETE FROM channels WHERE id IN ('gone', 'large')`)
	require.Contains(t, contents(t, path), canary+"-token-gone")
	return path
}

func TestSQLiteFileOfTheFirstVersionIsSealed(t *testing.T) {
	for name, keys := range map[string]*channelstore.Keyring{"with keys": newKeys(t, "k1"), "without": nil} {
		t.Run(name, func(t *testing.T) {
			path := oldFile(t)
			store := openFile(t, path, keys)
			require.NotContains(t, contents(t, path), canary, "while it is in use")
			entries := list(t, store, channelstore.Query{})
			require.Len(t, entries, 3)
			require.Equal(
				t, []*integration.Channel{newChannel("c1"), newChannel("c2")},
				[]*integration.Channel{entries[0].Channel, entries[1].Channel},
			)
			requireSealed(
				t, entries[2].Err,
				channelstore.SealedError{
					ChannelID: "damaged", KeyID: store.Keys().IDs()[0], Reason: "but what it holds is damaged",
				},
			)
			require.Equal(
				t, int64(2),
				execFile(t, path, `UPDATE switchboard_channels SET name = name WHERE created_at = 1000 AND updated_at = 2000`),
			)
		})
	}
}

func TestSQLiteFileIsOpenedByManyProcessesAtOnce(t *testing.T) {
	for name, path := range map[string]string{"a new one": newPath(t), "one of the first version": oldFile(t)} {
		t.Run(name, func(t *testing.T) {
			stores, errs := make([]*channelstore.Database, 6), make([]error, 6)
			var all sync.WaitGroup
			for i := range stores {
				all.Go(func() { stores[i], errs[i] = channelstore.OpenSQLite(t.Context(), path, nil) })
			}
			all.Wait()
			for i, store := range stores {
				require.NoError(t, errs[i])
				apply(t, store, newChannel("c1"))
				require.Equal(t, newChannel("c1"), get(t, stores[0], "c1"))
				require.Equal(t, stores[0].Keys().IDs(), store.Keys().IDs())
			}
			for _, store := range stores {
				require.NoError(t, store.Close())
			}
			require.NotContains(t, contents(t, path), canary)
		})
	}
}

func TestRemovedChannelLeavesNoBytes(t *testing.T) {
	path := newPath(t)
	store := openFile(t, path, newKeys(t, "k1"))
	apply(t, store, newChannel("c1"))
	sealed := readSealed(t, path, "c1")
	require.Contains(t, contents(t, path), sealed)
	require.NoError(t, store.Remove(t.Context(), "c1"))
	_, err := store.Rotate(t.Context()) // empties the log
	require.NoError(t, err)
	require.NotContains(t, contents(t, path), sealed)
}

func readSealed(t *testing.T, path, id string) string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var sealed []byte
	require.NoError(
		t, db.QueryRowContext(t.Context(), `SELECT sealed FROM switchboard_channels WHERE id = $1`, id).Scan(&sealed),
	)
	return string(sealed)
}

func TestSQLitePathThatCannotBeUsedIsOneClearError(t *testing.T) {
	directory := t.TempDir()
	text, badKey := filepath.Join(directory, "text"), filepath.Join(directory, "bad.db")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("no database at all ", 100)), 0o600))
	require.NoError(t, os.WriteFile(badKey+".key", []byte("k1:"+canary), 0o600))
	for name, test := range map[string]struct{ path, reason string }{
		"a directory":          {directory, "is a directory"},
		"below a file":         {filepath.Join(text, "channels.db"), "not a directory"},
		"a file of other kind": {text, "not a database"},
		"a bad key file":       {badKey, badKey + ".key: key 1: what follows k1: is not base64"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := channelstore.OpenSQLite(t.Context(), test.path, nil)
			require.ErrorContains(t, err, "open the channel store "+test.path+": ")
			require.ErrorContains(t, err, test.reason)
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), canary)
		})
	}
	require.NoFileExists(t, text+".key")
}

func TestSQLitePathMayHaveUnusualCharacters(t *testing.T) {
	directory := t.TempDir()
	t.Chdir(directory)
	for name, path := range map[string]string{
		"spaces":             filepath.Join(directory, "my channels.db"),
		"a percent sign":     filepath.Join(directory, "100%41.db"),
		"a question mark":    filepath.Join(directory, "what?mode=memory"),
		"a hash":             filepath.Join(directory, "channel #1.db"),
		"umlauts":            filepath.Join(directory, "kanäle.db"),
		"a doubled slash":    "/" + filepath.Join(directory, "doubled.db"),
		"relative":           "relative.db",
		"SQLite's own names": ":memory:",
	} {
		t.Run(name, func(t *testing.T) {
			apply(t, openFile(t, path, nil), newChannel(name))
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Positive(t, info.Size())
			require.Equal(t, []string{name}, ids(t, openFile(t, path, nil), channelstore.Query{}))
		})
	}
}

func BenchmarkSQLiteLookup(b *testing.B) {
	text, err := channelstore.GenerateKey("k1")
	require.NoError(b, err)
	keys, err := channelstore.ParseKeys([]string{text})
	require.NoError(b, err)
	store, err := channelstore.OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "channels.db"), keys)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	require.NoError(b, store.Apply(b.Context(), []*integration.Channel{newChannel("c1")}))
	for b.Loop() {
		if _, err := store.Channel(b.Context(), "c1"); err != nil {
			b.Fatal(err)
		}
	}
}
