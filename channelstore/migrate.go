package channelstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// versions is the table in which goose records the migrations.
const versions = "switchboard_channels_versions"

// migrate brings the tables up to date.
func migrate(
	ctx context.Context, db *sql.DB, dialect goose.Dialect, folder string, options ...goose.ProviderOption,
) error {
	files, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return err
	}
	options = append(
		options, goose.WithTableName(versions), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()),
	)
	provider, err := goose.NewProvider(dialect, db, files, options...)
	if err != nil {
		return err
	}
	is, known, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the tables: %w", err)
	}
	if is > known {
		return fmt.Errorf(
			"the tables have version %d, and this program knows versions up to %d: it is too old for them", is, known,
		)
	}
	_, err = provider.Up(ctx)
	return err
}

// migrateSQLite may run in several processes at once: each step is a transaction, and does nothing when it is repeated.
func migrateSQLite(ctx context.Context, db *sql.DB, keys *Keyring) error {
	sealed := goose.NewGoMigration(2, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		return sealPlain(ctx, tx, keys)
	}}, nil)
	// VACUUM rewrites the file without the old data in its free pages. As a step of its own it is repeated if interrupted.
	vacuumed := goose.NewGoMigration(3, &goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error {
		if _, err := db.ExecContext(ctx, `VACUUM`); err != nil {
			return err
		}
		return truncateWAL(ctx, db)
	}}, nil)
	return migrate(ctx, db, goose.DialectSQLite3, "sqlite", goose.WithGoMigrations(sealed, vacuumed))
}

// sealPlain moves the records of the first version, whose credentials were plain text, to the current table. A damaged
// one stays damaged, but is sealed.
func sealPlain(ctx context.Context, tx *sql.Tx, keys *Keyring) error {
	var there bool
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'channels'`).
		Scan(&there)
	if err != nil || !there {
		return err
	}
	records, err := plainRecords(ctx, tx)
	if err != nil {
		return err
	}
	for _, r := range records {
		plain := r.sealed
		keys.sealBytes(&r.record, plain)
		_, err := tx.ExecContext(ctx, `INSERT INTO switchboard_channels
			(id, tenant_id, platform, name, status, key_id, sealed, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			r.id, r.tenantID, r.platform, r.name, r.status, r.keyID, r.sealed, r.created, r.updated)
		if err != nil {
			return fmt.Errorf("channel %s: %w", r.id, err)
		}
	}
	_, err = tx.ExecContext(ctx, `DROP TABLE channels`)
	return err
}

// plainRecord is a record whose sealed bytes are not sealed yet.
type plainRecord struct {
	record
	created, updated int64
}

func plainRecords(ctx context.Context, tx *sql.Tx) (records []*plainRecord, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, tenant_id, platform, name, status, created_at, updated_at,
		'{"credentials":' || credentials || ',"settings":' || settings || '}' FROM channels`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r plainRecord
		if err := rows.Scan(
			&r.id, &r.tenantID, &r.platform, &r.name, &r.status, &r.created, &r.updated, &r.sealed,
		); err != nil {
			return nil, err
		}
		records = append(records, &r)
	}
	return records, rows.Err()
}
