package channelstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	_ "github.com/hiliosai/switchboard/datasource/postgres" // it tells which of PostgreSQL's errors may pass
)

// connectTimeout bounds an attempt to connect if the URL has no connect_timeout.
const connectTimeout = 5 * time.Second

// migrationLock is the id of the advisory lock under which one node at a time migrates.
const migrationLock = 0x73776368616e // "swchan"

var errNoKeys = errors.New(`channels in PostgreSQL are sealed, and there is no key: put one into channels.keys, ` +
	`such as the output of: echo "k1:$(openssl rand -base64 32)"`)

// OpenPostgres opens a database by its URL, postgres://user:password@host/database or another form that pgx
// understands, and creates missing tables. Several nodes may share it if they have the same keys. After an outage the
// next call connects again.
func OpenPostgres(ctx context.Context, url string, keys *Keyring) (*Database, error) {
	d, err := openPostgres(ctx, url, keys)
	if err != nil {
		return nil, fmt.Errorf("open the channel store: %w", err)
	}
	return d, nil
}

func openPostgres(ctx context.Context, url string, keys *Keyring) (*Database, error) {
	if keys == nil {
		return nil, errNoKeys
	}
	config, err := pgxpool.ParseConfig(url) // its error has the password removed
	if err != nil {
		return nil, err
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	d := &Database{
		db: stdlib.OpenDBFromPool(pool), release: pool.Close, tidy: func(context.Context) error { return nil },
	}
	d.keys.Store(keys)
	if err := d.db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	locker, err := lock.NewPostgresSessionLocker(
		lock.WithLockID(migrationLock), lock.WithLockTimeout(1, 60), lock.WithUnlockTimeout(1, 5),
	)
	if err == nil {
		err = migrate(ctx, d.db, goose.DialectPostgres, "postgres", goose.WithSessionLocker(locker))
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}
