// Package postgres opens PostgreSQL databases as datasources of a service.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/datasource/internal/migrate"
)

// connectTimeout bounds one attempt to connect to a server.
const connectTimeout = 5 * time.Second

// Options say which database to use.
type Options struct {
	URL string // postgres://user:password@host:port/database?sslmode=…
	// connections at once; zero leaves it to the URL's pool_max_conns or pgx: 4, or one for each CPU if these are more
	MaxConns int32
	// Migrations are goose's .sql files, at the root of the file system; nil means none.
	Migrations fs.FS
}

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	_, err := o.config()
	if o.MaxConns < 0 {
		err = errors.Join(err, errors.New("maxConns is negative"))
	}
	return err
}

func (o Options) config() (*pgxpool.Config, error) {
	if o.URL == "" {
		return nil, errors.New("url is missing") // pgx would take it from the environment
	}
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("url is not one of a PostgreSQL database") // what pgx says may quote the password
	}
	if o.MaxConns > 0 {
		config.MaxConns = o.MaxConns
	}
	config.ConnConfig.ConnectTimeout = connectTimeout
	config.HealthCheckPeriod = 15 * time.Second
	return config, nil
}

// New defines a datasource of type *pgxpool.Pool. A statement may take as long as its context
// lets it, an attempt to connect 5 s. After an outage the pool connects again by itself.
func New(name string, opts Options) datasource.Definition {
	d := datasource.New(name, func(ctx context.Context) (*pgxpool.Pool, error) {
		config, err := opts.config()
		if err != nil {
			return nil, err
		}
		pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
		if err != nil {
			return nil, err
		}
		err = pool.Ping(ctx)
		if err == nil && opts.Migrations != nil {
			err = makeMigrations(ctx, config, opts.Migrations)
		}
		if err != nil {
			pool.Close()
			return nil, err
		}
		return pool, nil
	})
	d.Invalid = opts.Validate()
	return d
}

// makeMigrations holds a lock that other nodes wait for. It has connections of its own: the lock
// ends with them, whatever happens.
func makeMigrations(ctx context.Context, config *pgxpool.Config, files fs.FS) (err error) {
	db := stdlib.OpenDB(*config.ConnConfig)
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// The same lock as goose's own, so that its command waits too.
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, lock.DefaultLockID); err != nil {
		return fmt.Errorf("wait for another node's migrations: %w", err)
	}
	return migrate.Up(ctx, db, goose.DialectPostgres, files)
}
