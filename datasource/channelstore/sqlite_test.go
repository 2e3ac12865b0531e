package channelstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/datasource/channelstore"
	"github.com/hiliosai/switchboard/integration"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ integration.ChannelStore = (*channelstore.SQLite)(nil)

func newPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "channels.db")
}

func open(t *testing.T, path string) *channelstore.SQLite {
	t.Helper()
	store, err := channelstore.OpenSQLite(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func newChannel(id string) *integration.Channel {
	return &integration.Channel{
		ID: id, TenantID: "t1", Platform: "parrot", Name: "Polly", Status: integration.StatusActive,
		Credentials: map[string]string{"token": "CANARY"}, Settings: map[string]string{"apiBase": "http://localhost"},
	}
}

func apply(t *testing.T, store *channelstore.SQLite, channels ...*integration.Channel) {
	t.Helper()
	require.NoError(t, store.Apply(t.Context(), channels))
}

func ids(t *testing.T, store *channelstore.SQLite) []string {
	t.Helper()
	list, err := store.List(t.Context())
	require.NoError(t, err)
	found := []string{}
	for _, ch := range list {
		found = append(found, ch.ID)
	}
	return found
}

func TestAChannelIsFoundAsItWasApplied(t *testing.T) {
	store := open(t, newPath(t))
	want := newChannel("c1")
	apply(t, store, want)
	got, err := store.Channel(t.Context(), "c1")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestAnAppliedChannelReplacesTheOneBefore(t *testing.T) {
	store := open(t, newPath(t))
	apply(t, store, newChannel("c1"))
	want := &integration.Channel{
		ID: "c1", TenantID: "t2", Platform: "crow", Status: integration.StatusInactive,
		Credentials: map[string]string{}, Settings: map[string]string{},
	}
	apply(t, store, want)
	got, err := store.Channel(t.Context(), "c1")
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, []string{"c1"}, ids(t, store))
}

func TestOfManyChannelsAllAreAppliedOrNone(t *testing.T) {
	path := newPath(t)
	store := open(t, path)
	tamper(t, path, `CREATE TRIGGER refuse BEFORE INSERT ON channels WHEN new.id = 'bad' BEGIN SELECT raise(ABORT, 'no'); END`)
	require.ErrorContains(t, store.Apply(t.Context(), []*integration.Channel{newChannel("c1"), newChannel("bad"), newChannel("c2")}), "apply channel bad")
	require.Empty(t, ids(t, store))
	apply(t, store)
	require.Empty(t, ids(t, store))
}

func TestChannelsAreListedInTheOrderOfTheirIDs(t *testing.T) {
	store := open(t, newPath(t))
	apply(t, store, newChannel("b"), newChannel("c"), newChannel("a"))
	require.Equal(t, []string{"a", "b", "c"}, ids(t, store))
}

func TestARemovedChannelIsGone(t *testing.T) {
	store := open(t, newPath(t))
	apply(t, store, newChannel("c1"), newChannel("c2"))
	require.NoError(t, store.Remove(t.Context(), "c1"))
	require.Equal(t, []string{"c2"}, ids(t, store))
	_, err := store.Channel(t.Context(), "c1")
	require.ErrorIs(t, err, integration.ErrChannelNotFound)
	require.ErrorIs(t, store.Remove(t.Context(), "c1"), integration.ErrChannelNotFound)
}

func TestAnIDIsTakenAsItIs(t *testing.T) {
	store := open(t, newPath(t))
	apply(t, store, newChannel("c1"))
	for _, id := range []string{"", "C1", "c1 ", "c%", "' OR 1=1 --"} {
		_, err := store.Channel(t.Context(), id)
		require.ErrorIs(t, err, integration.ErrChannelNotFound, id)
	}
}

func TestADamagedRecordIsNamedButNotQuoted(t *testing.T) {
	for column, content := range map[string]string{"credentials": `{"token":"CANARY`, "settings": `["CANARY"]`} {
		t.Run(column, func(t *testing.T) {
			path := newPath(t)
			store := open(t, path)
			apply(t, store, newChannel("c1"), newChannel("c2"))
			tamper(t, path, `UPDATE channels SET `+column+` = ? WHERE id = 'c1'`, content)
			_, one := store.Channel(t.Context(), "c1")
			_, all := store.List(t.Context())
			for _, err := range []error{one, all} {
				require.ErrorContains(t, err, "the record of channel c1 is damaged")
				require.NotContains(t, err.Error(), "CANARY")
			}
			_, err := store.Channel(t.Context(), "c2")
			require.NoError(t, err, "the others can still be used")
		})
	}
}

func TestOnlyItsOwnerMayReadTheFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "channels.db")
	apply(t, open(t, path), newChannel("c1"))
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	require.Contains(t, files, path+"-wal")
	for _, file := range files {
		require.Equal(t, os.FileMode(0o600), mode(t, file), file)
	}
	require.Equal(t, os.FileMode(0o700), mode(t, filepath.Dir(path)))
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}

func TestTwoProcessesSeeEachOthersChangesAtOnce(t *testing.T) {
	path := newPath(t)
	node, command := open(t, path), open(t, path)
	changed := newChannel("c1")
	for i := range 20 {
		changed.Name = fmt.Sprint("name ", i)
		apply(t, command, changed)
		got, err := node.Channel(t.Context(), "c1")
		require.NoError(t, err)
		require.Equal(t, changed.Name, got.Name)
	}
	require.NoError(t, node.Remove(t.Context(), "c1"))
	_, err := command.Channel(t.Context(), "c1")
	require.ErrorIs(t, err, integration.ErrChannelNotFound)
}

func TestWhatWasAppliedOutlivesTheProcess(t *testing.T) {
	path := newPath(t)
	store, err := channelstore.OpenSQLite(t.Context(), path)
	require.NoError(t, err)
	apply(t, store, newChannel("c1"))
	require.NoError(t, store.Close())
	require.Equal(t, []string{"c1"}, ids(t, open(t, path)))
}

func TestReadersAndWritersDoNotDisturbEachOther(t *testing.T) {
	path := newPath(t)
	node, command := open(t, path), open(t, path)
	// Two channels are always changed together; a reader never sees one without the other.
	write := func(name string) error {
		a, b := newChannel("a"), newChannel("b")
		a.Name, b.Name = name, name
		return command.Apply(t.Context(), []*integration.Channel{a, b})
	}
	require.NoError(t, write("start"))
	done := make(chan struct{})
	var all sync.WaitGroup
	check := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		all.Go(func() {
			for i := range 20 {
				check(write(fmt.Sprint("name ", i)))
			}
		})
	}
	var readers sync.WaitGroup
	for range 12 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				_, err := node.Channel(t.Context(), "a")
				check(err)
				list, err := node.List(t.Context())
				check(err)
				if len(list) != 2 || list[0].Name != list[1].Name {
					t.Error("half of a change was seen")
				}
			}
		})
	}
	all.Wait()
	close(done)
	readers.Wait()
}

func TestACancelledContextEndsEverything(t *testing.T) {
	path := newPath(t)
	store := open(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, channelErr := store.Channel(ctx, "c1")
	_, listErr := store.List(ctx)
	_, openErr := channelstore.OpenSQLite(ctx, path)
	for name, err := range map[string]error{
		"Channel": channelErr, "List": listErr, "OpenSQLite": openErr,
		"Apply": store.Apply(ctx, []*integration.Channel{newChannel("c1")}), "Remove": store.Remove(ctx, "c1"),
	} {
		require.ErrorIs(t, err, context.Canceled, name)
	}
	require.Empty(t, ids(t, store))
}

func TestAPathThatCannotBeUsedIsOneClearError(t *testing.T) {
	directory := t.TempDir()
	text := filepath.Join(directory, "text")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("no database at all ", 100)), 0o600))
	for name, test := range map[string]struct{ path, reason string }{
		"a directory":          {directory, "is a directory"},
		"below a file":         {filepath.Join(text, "channels.db"), "not a directory"},
		"a file of other kind": {text, "not a database"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := channelstore.OpenSQLite(t.Context(), test.path)
			require.ErrorContains(t, err, "open the channel store "+test.path+": ")
			require.ErrorContains(t, err, test.reason)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestOddPathsNameTheFileThatTheySay(t *testing.T) {
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
			apply(t, open(t, path), newChannel(name))
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Positive(t, info.Size())
			require.Equal(t, []string{name}, ids(t, open(t, path)))
		})
	}
}

// tamper changes the file behind the store's back.
func tamper(t *testing.T, path, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}
