package channelstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
)

// ErrFileLost says that a file of the store has vanished, or was replaced by another. The error is a *LostError.
var ErrFileLost = errors.New("a file of the channel store is lost")

// LostError says which file is lost and what to do about it.
type LostError struct {
	Path   string
	Reason string
}

// Error implements error.
func (e *LostError) Error() string { return e.Path + " " + e.Reason }

// Is makes errors.Is(err, ErrFileLost) true.
func (e *LostError) Is(target error) bool { return target == ErrFileLost }

// MoleculerError implements [action.Moleculer]. The cluster does not get the path.
func (e *LostError) MoleculerError() *action.Error {
	return action.Server(
		http.StatusServiceUnavailable, codes.ChannelsFileLost, "a file of the channel store %s", e.Reason,
	).Because(e)
}

// keyPath returns the path of the key file of a database, for nodes without keys in their configuration.
func keyPath(path string) string { return path + ".key" }

// refuseLostDatabase returns an error if files of an earlier database are there and the database is not. It looks for
// these files first: if several processes create a database at once, it exists before its key.
func refuseLostDatabase(path string, ownKey bool) error {
	var trace string
	if isThere(path + "-wal") {
		trace = path + "-wal"
	}
	if ownKey && isThere(keyPath(path)) {
		trace = keyPath(path)
		if _, err := KeyFile(trace); err != nil {
			return err
		}
	}
	if trace == "" || isThere(path) {
		return nil
	}
	return &LostError{
		path, "is missing, but " + trace + " is there: restore the database, or remove that file too to begin anew",
	}
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// ownKeys returns the keys of the key file, which it creates if nothing is sealed yet.
func ownKeys(ctx context.Context, db *sql.DB, path string) (*Keyring, error) {
	// This comes before the look for the file: of several processes, one creates it and then seals.
	sealed, id, err := countSealed(ctx, db)
	if err != nil {
		return nil, err
	}
	if sealed > 0 && !isThere(keyPath(path)) {
		return nil, &LostError{
			keyPath(path),
			fmt.Sprintf(
				"is missing, and %d channel(s) are sealed, with key %q: restore the file, or put the key into channels.keys",
				sealed, id,
			),
		}
	}
	return KeyFile(keyPath(path))
}

// countSealed counts the records of a database, which may have no tables yet, and returns the id of one of their keys.
func countSealed(ctx context.Context, db *sql.DB) (count int, keyID string, err error) {
	var there bool
	err = db.QueryRowContext(
		ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'switchboard_channels'`,
	).Scan(&there)
	if err != nil || !there {
		return 0, "", err
	}
	err = db.QueryRowContext(ctx, `SELECT count(*), coalesce(max(key_id), '') FROM switchboard_channels`).
		Scan(&count, &keyID)
	return count, keyID, err
}

// files are the files of a store, as they were when it was opened.
type files map[string]fs.FileInfo

func watchFiles(paths ...string) (files, error) {
	list := files{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		list[path] = info
	}
	return list, nil
}

// check returns an error if a file is not the same any more. SQLite itself goes on with a file that was removed, and
// what it writes there is lost when the process ends.
func (f files) check() error {
	for path, before := range f {
		now, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return &LostError{path, "has vanished while it was in use: restore it, then restart the node"}
		case err != nil:
			return err
		case !os.SameFile(before, now):
			return &LostError{path, "was replaced while it was in use: restart the node"}
		}
	}
	return nil
}
