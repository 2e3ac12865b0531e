package channelstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite", pure Go
)

// connections bounds those to the file: more readers than this wait for their turn, which is short.
const connections = 8

// OpenSQLite opens the file at path, which only its owner may read, and creates it where missing.
// Several processes may use it at once: a node and the commands that manage its channels. Without
// keys, those of the file path+".key" are used, which is made where missing; see [KeyFile]. What an
// earlier version wrote as plain text is sealed and removed from the file.
func OpenSQLite(ctx context.Context, path string, keys *Keyring) (*Database, error) {
	d, err := openSQLite(ctx, path, keys)
	if err != nil {
		return nil, fmt.Errorf("open the channel store %s: %w", path, err)
	}
	return d, nil
}

func openSQLite(ctx context.Context, path string, keys *Keyring) (*Database, error) {
	// As a URI a relative path has pitfalls: ":memory:" is no file, "//x" is a host.
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := createFile(path); err != nil {
		return nil, err
	}
	options := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)",
		"secure_delete(ON)", // what is replaced is overwritten, not only left to be
	}}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections) // opening one costs more than a lookup
	err = db.PingContext(ctx)
	if err == nil && keys == nil {
		keys, err = KeyFile(path + ".key")
	}
	if err == nil {
		err = migrateSQLite(ctx, db, keys)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Database{db: db, keys: keys, release: func() {}, tidy: func(ctx context.Context) error { return truncateWAL(ctx, db) }}, nil
}

// createFile makes the file, because SQLite would make it readable by all. One that exists is left
// alone: closing it would undo the locks that this process holds on it.
func createFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // #nosec G304 -- the operator names the file
	if err == nil {
		return file.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		err = errors.New("is a directory")
	}
	return err
}

// truncateWAL empties the write-ahead log, which holds what was written before. Readers that are at
// work may keep it from doing so; then the next one does.
func truncateWAL(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}
