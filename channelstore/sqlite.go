package channelstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hiliosai/switchboard/datasource/sqlite"
)

// OpenSQLite opens the file at path and creates it if it is missing. Only its owner may read it. Several processes may
// use it at once, such as a node and the commands that manage its channels. Without keys, it uses those of the file
// path+".key", which is created if it is missing; see [KeyFile]. Plain text of an earlier version is sealed and removed
// from the file.
//
// It returns a [LostError] for a key file or a write-ahead log without a database, and for sealed channels without
// their key file. If a file is lost later, Check says so, and nothing is written any more.
func OpenSQLite(ctx context.Context, path string, keys *Keyring) (*Database, error) {
	d, err := openSQLite(ctx, path, keys)
	if err != nil {
		return nil, fmt.Errorf("open the channel store %s: %w", path, err)
	}
	return d, nil
}

func openSQLite(ctx context.Context, path string, keys *Keyring) (*Database, error) {
	if err := refuseLostDatabase(path, keys == nil); err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, path, "secure_delete(ON)") // old data is overwritten with zeros
	if err != nil {
		return nil, err
	}
	d := &Database{
		db: db, release: func() {}, tidy: func(ctx context.Context) error { return truncateWAL(ctx, db) },
	}
	watched := []string{path}
	if keys == nil {
		watched = append(watched, keyPath(path))
		keys, err = ownKeys(ctx, db, path)
	}
	if err == nil {
		err = migrateSQLite(ctx, db, keys)
	}
	if err == nil {
		d.files, err = watchFiles(watched...)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	d.keys.Store(keys)
	return d, nil
}

// truncateWAL empties the write-ahead log, which holds old data. If a reader prevents that, the next call does it.
func truncateWAL(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}
