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

// Validate returns all that is wrong with the options.
func (o Options) Validate() error {
	_, err := o.config()
	if o.MaxConns < 0 {
		err = errors.Join(err, errors.New("maxConns is negative"))
	}
	return err
}

func (o Options) config() (*pgxpool.Config, error) {
	if o.URL == "" {
		return nil, errors.New("url is missing") // pgx would read the environment
	}
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("url is not one of a PostgreSQL database") // the error of pgx may quote the password
	}
	if o.MaxConns > 0 {
		config.MaxConns = o.MaxConns
	}
	config.ConnConfig.ConnectTimeout = connectTimeout
	config.HealthCheckPeriod = 15 * time.Second
	return config, nil
}

// New defines a datasource of type *pgxpool.Pool. Only its context bounds a statement; an attempt to connect takes at
// most 5 s. After an outage the pool connects again.
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

// makeMigrations makes the migrations under a lock, for which other nodes wait. It has its own connections, so that the
// lock always ends with them.
func makeMigrations(ctx context.Context, config *pgxpool.Config, files fs.FS) (err error) {
	db := stdlib.OpenDB(*config.ConnConfig)
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// It is the lock of goose, so that goose's command waits, too.
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, lock.DefaultLockID); err != nil {
		return fmt.Errorf("wait for another node's migrations: %w", err)
	}
	return migrate.Up(ctx, db, goose.DialectPostgres, files)
}
