package datasource_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/datasource/postgres"
	redisdb "github.com/hiliosai/switchboard/datasource/redis"
	"github.com/hiliosai/switchboard/datasource/sqlite"
	"github.com/hiliosai/switchboard/internal/testserver"
)

func TestSQLiteFileIsPrivate(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "a folder?#%")
	path := filepath.Join(folder, "test.db")
	ctx, _, _ := open(t, sqlite.New("db", sqlite.Options{Path: path}))
	db := get[*sql.DB](ctx, t, "db")
	_, err := db.ExecContext(ctx, `CREATE TABLE t (id int)`)
	require.NoError(t, err)
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, 3, "the database, its log and the log's index: no lock file without migrations")
	for _, file := range files {
		info, err := file.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file.Name())
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000"} {
		var is string
		require.NoError(t, db.QueryRowContext(ctx, `PRAGMA `+pragma).Scan(&is))
		require.Equal(t, want, is, pragma)
	}
}

func TestSQLiteLockIsRetryable(t *testing.T) {
	t.Parallel()
	ctx, _, _ := open(t, sqlite.New("db", sqlite.Options{Path: filepath.Join(t.TempDir(), "test.db")}))
	db := get[*sql.DB](ctx, t, "db")
	impatient, err := db.Conn(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, impatient.Close()) }()
	_, err = impatient.ExecContext(ctx, `PRAGMA busy_timeout = 0`)
	require.NoError(t, err)
	tx, err := db.BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = impatient.ExecContext(ctx, `CREATE TABLE t (id int)`)
	requireUnavailable(t, err)
	require.NoError(t, tx.Rollback())
	_, err = impatient.ExecContext(ctx, `CREATE TABLE t (id int)`)
	require.NoError(t, err)
}

func TestSQLiteQueryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, _, _ := open(t, sqlite.New("db", sqlite.Options{Path: filepath.Join(t.TempDir(), "test.db")}))
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	var n int
	err := get[*sql.DB](ctx, t, "db").QueryRowContext(short,
		`WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c`).Scan(&n)
	requireUnavailable(t, err)
}

func TestPostgresQueryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, _, _ := open(t, postgres.New("db", postgres.Options{URL: testserver.Postgres(t)}))
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err := get[*pgxpool.Pool](ctx, t, "db").Exec(short, `SELECT pg_sleep(30)`)
	requireUnavailable(t, err)
}

func TestPostgresRefusalIsUnchanged(t *testing.T) {
	t.Parallel()
	ctx, _, _ := open(t, postgres.New("db", postgres.Options{
		URL: testserver.Postgres(t), Migrations: migrations(createUsers, insertOnce),
	}))
	_, err := get[*pgxpool.Pool](ctx, t, "db").Exec(ctx, `INSERT INTO users VALUES (1, 'again')`)
	require.ErrorContains(t, err, "23505")
	require.Equal(t, err, datasource.AsError(err))
}

func TestPostgresSerializationFailureIsAConflict(t *testing.T) {
	t.Parallel()
	ctx, _, _ := open(t, postgres.New("db", postgres.Options{
		URL: testserver.Postgres(t), Migrations: migrations(createUsers, insertOnce),
	}))
	pool := get[*pgxpool.Pool](ctx, t, "db")
	first, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	require.NoError(t, err)
	defer func() { _ = first.Rollback(ctx) }()
	var n int
	require.NoError(t, first.QueryRow(ctx, `SELECT count(*) FROM users`).Scan(&n))
	_, err = pool.Exec(ctx, `UPDATE users SET name = 'changed'`)
	require.NoError(t, err)
	_, err = first.Exec(ctx, `UPDATE users SET name = 'changed too'`)
	require.Equal(t, datasource.TypeConflict, action.AsError(datasource.AsError(err), "a.b", "n").Type)
}

func TestDatabaseConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	ctx, _, _ := open(t,
		postgres.New("db", postgres.Options{URL: testserver.Postgres(t), MaxConns: 2}),
		redisdb.New("redis", redisdb.Options{URL: testserver.Redis(t), PoolSize: 2}),
	)
	pool, client := get[*pgxpool.Pool](ctx, t, "db"), get[*redis.Client](ctx, t, "redis")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := pool.Exec(ctx, `SELECT pg_sleep(0.01)`)
			require.NoError(t, err)
			require.NoError(t, client.Ping(ctx).Err())
		})
	}
	wg.Wait()
	require.LessOrEqual(t, pool.Stat().TotalConns(), int32(2))
	require.LessOrEqual(t, client.PoolStats().TotalConns, uint32(2))
}
