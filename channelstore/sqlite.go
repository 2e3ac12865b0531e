package channelstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hiliosai/switchboard/datasource/sqlite"
)

// OpenSQLite opens the file at path, which only its owner may read, and creates it where missing.
// Several processes may use it at once: a node and the commands that manage its channels. Without
// keys, those of the file path+".key" are used, which is made where missing; see [KeyFile]. What an
// earlier version wrote as plain text is sealed and removed from the file.
//
// It refuses what looks like a loss: a key file or a write-ahead log without the database, and sealed channels without
// their key file. Where a file is lost later, Check says so, and nothing is written any more.
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
	db, err := sqlite.Open(ctx, path, "secure_delete(ON)") // what is replaced is overwritten, not only left to be
	if err != nil {
		return nil, err
	}
	d := &Database{db: db, keys: keys, release: func() {}, tidy: func(ctx context.Context) error { return truncateWAL(ctx, db) }}
	watched := []string{path}
	if keys == nil {
		watched = append(watched, keyPath(path))
		d.keys, err = ownKeys(ctx, db, path)
	}
	if err == nil {
		err = migrateSQLite(ctx, db, d.keys)
	}
	if err == nil {
		d.files, err = watchFiles(watched...)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

// truncateWAL empties the write-ahead log, which holds what was written before. Readers that are at
// work may keep it from doing so; then the next one does.
func truncateWAL(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}
