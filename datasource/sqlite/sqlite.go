// Package sqlite opens SQLite files, as datasources of a service or alone.
package sqlite

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite" // registers the driver "sqlite", which is pure Go
	lib "modernc.org/sqlite/lib"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/datasource/internal/migrate"
)

//nolint:gochecknoinits // a driver registers itself
func init() { datasource.RegisterErrors(readError) }

// readError reads the errors of SQLite and database/sql. Only a lock and a closed connection may pass.
func readError(err error) (*action.Error, bool) {
	sqliteErr, ok := errors.AsType[*driver.Error](err)
	switch {
	case errors.Is(err, sqldriver.ErrBadConn):
		return datasource.Unavailable("the connection was closed"), true
	case !ok:
		return nil, false
	}
	switch sqliteErr.Code() & 0xff { // the upper bits are details
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return datasource.Unavailable("it is locked by another use"), true
	}
	return nil, true
}

// Options say which file to open.
type Options struct {
	Path string // created if it is missing, with its folder; only its owner may read it
	// Migrations are goose's .sql files, at the root of the file system; nil means none. A file beside
	// Path, with "-migrations" at its end, keeps several processes from making them at once.
	Migrations fs.FS
}

// Validate returns what is wrong with the options.
func (o Options) Validate() error {
	if o.Path == "" {
		return errors.New("path is missing")
	}
	return nil
}

// New defines a datasource of type *sql.DB: see [Open].
func New(name string, opts Options) datasource.Definition {
	d := datasource.New(name, func(ctx context.Context) (*sql.DB, error) {
		db, err := Open(ctx, opts.Path)
		if err == nil && opts.Migrations != nil {
			err = makeMigrations(ctx, db, opts)
		}
		if err != nil {
			if db != nil {
				err = errors.Join(err, db.Close())
			}
			return nil, err
		}
		return db, nil
	})
	d.Invalid = opts.Validate()
	return d
}

// lockWait is how long to wait for a lock.
const lockWait = 5 * time.Second

// lockPause is the time between two attempts to get a lock.
const lockPause = 100 * time.Millisecond

// sqliteConnections bounds the connections to a file. More readers wait, which is short.
const sqliteConnections = 8

// Open opens the file at path, and creates it where missing, its folder too; only their owner may read them. Several
// processes may use it at once: a transaction takes the write lock at its begin, and waits for it for 5 s. What was
// committed survives a loss of power. Further pragmas, such as "secure_delete(ON)", hold for each connection. One that
// begins with "journal_mode" takes the place of the write-ahead log.
func Open(ctx context.Context, path string, pragmas ...string) (*sql.DB, error) {
	usual := []string{fmt.Sprintf("busy_timeout(%d)", lockWait.Milliseconds()), "synchronous(FULL)"}
	if !slices.ContainsFunc(pragmas, func(p string) bool { return strings.HasPrefix(p, "journal_mode") }) {
		usual = append(usual, "journal_mode(WAL)")
	}
	return open(ctx, path, append(usual, pragmas...)...)
}

func open(ctx context.Context, path string, pragmas ...string) (*sql.DB, error) {
	// As a URI a relative path has pitfalls: ":memory:" is no file, "//x" is a host.
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := createFile(path); err != nil {
		return nil, err
	}
	options := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(sqliteConnections)
	db.SetMaxIdleConns(sqliteConnections) // opening a connection costs more than a lookup
	// If several processes open a new file at once, SQLite refuses the change to a write-ahead log at once.
	waiting, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if err := untilFree(waiting, func() error { return db.PingContext(ctx) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// untilFree retries until ctx ends what SQLite refuses at once because the file is locked.
func untilFree(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil || !datasource.MayPass(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(lockPause):
		}
	}
}

// createFile creates the file, because SQLite would make it readable by all. It does not open an existing file: closing
// it would release the locks of this process on it.
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

func makeMigrations(ctx context.Context, db *sql.DB, opts Options) (err error) {
	unlock, err := lockFile(ctx, opts.Path+"-migrations")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return migrate.Up(ctx, db, goose.DialectSQLite3, opts.Migrations)
}

// lockFile waits for a lock. A migration is several transactions, so the database itself cannot be the lock. A lock on
// an empty file beside it also ends with the process.
func lockFile(ctx context.Context, path string) (unlock func() error, err error) {
	db, err := open(ctx, path)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // the one that holds the lock
	err = untilFree(ctx, func() error {
		_, err := db.ExecContext(ctx, `BEGIN EXCLUSIVE`)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db.Close, nil
}
