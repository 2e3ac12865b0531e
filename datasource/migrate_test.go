package datasource_test

import (
	"context"
	"database/sql"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/datasource/postgres"
	"github.com/hiliosai/switchboard/datasource/sqlite"
	"github.com/hiliosai/switchboard/internal/testserver"
)

const (
	createUsers = "-- +goose Up\nCREATE TABLE users (id int PRIMARY KEY, name text);\n"
	// insertOnce would leave two rows if it were made twice.
	insertOnce = "-- +goose Up\nINSERT INTO users SELECT count(*) + 1, 'one more' FROM users;\n"
	// insertSlowly takes long enough for others to come meanwhile.
	insertSlowly = "-- +goose Up\nINSERT INTO users SELECT count(*) + 1, 'one more' FROM users WHERE " +
		"(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 50000) SELECT count(*) FROM c) > 0;\n"
	broken = "-- +goose Up\nINSERT INTO users VALUES (2, 'second');\nINSERT INTO nowhere VALUES (1);\n"
)

func migrations(texts ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for i, text := range texts {
		files["0000"+string(rune('1'+i))+"_step.sql"] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

// migrated is a kind of datasource with migrations.
var migrated = map[string]func(t *testing.T) (open func(fs.FS) datasource.Definition, look *sql.DB){
	"sqlite": func(t *testing.T) (func(fs.FS) datasource.Definition, *sql.DB) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "test.db")
		look, err := sqlite.Open(t.Context(), path)
		require.NoError(t, err)
		return func(files fs.FS) datasource.Definition {
			return sqlite.New("db", sqlite.Options{Path: path, Migrations: files})
		}, look
	},
	"postgres": func(t *testing.T) (func(fs.FS) datasource.Definition, *sql.DB) {
		t.Helper()
		url := testserver.Postgres(t)
		look, err := sql.Open("pgx", url)
		require.NoError(t, err)
		return func(files fs.FS) datasource.Definition {
			return postgres.New("db", postgres.Options{URL: url, Migrations: files})
		}, look
	},
}

// migrator opens a database of one kind with migrations.
type migrator struct {
	open  func(fs.FS) error // and closes it again
	users func() int        // how many rows the migrations have left
}

func forEachDatabase(t *testing.T, run func(t *testing.T, m migrator)) {
	t.Helper()
	for name, kind := range migrated {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			define, look := kind(t)
			t.Cleanup(func() { require.NoError(t, look.Close()) })
			open := func(files fs.FS) error {
				set, _ := newSet(t, define(files))
				if err := set.Open(t.Context()); err != nil {
					return err
				}
				return set.Close(context.WithoutCancel(t.Context()))
			}
			users := func() int {
				var n int
				require.NoError(t, look.QueryRowContext(t.Context(), `SELECT count(*) FROM users`).Scan(&n))
				return n
			}
			run(t, migrator{open, users})
		})
	}
}

func TestMigrationsAreMadeOnce(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, m migrator) {
		t.Helper()
		require.NoError(t, m.open(migrations(createUsers)))
		require.Equal(t, 0, m.users())
		for range 2 {
			require.NoError(t, m.open(migrations(createUsers, insertOnce)))
			require.Equal(t, 1, m.users())
		}
	})
}

func TestMigrationsAreMadeByOneNode(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, m migrator) {
		t.Helper()
		require.NoError(t, m.open(migrations(createUsers)))
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() { errs[i] = m.open(migrations(createUsers, insertSlowly, insertSlowly, insertSlowly)) })
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		require.Equal(t, 3, m.users())
	})
}

func TestMigrationThatFailsIsNamedAndRolledBack(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, m migrator) {
		t.Helper()
		err := m.open(migrations(createUsers, insertOnce, broken))
		require.ErrorContains(t, err, "migration 00003_step.sql")
		require.ErrorContains(t, err, "nowhere")
		require.Equal(t, 1, m.users())
		require.NoError(t, m.open(migrations(createUsers, insertOnce, insertOnce)), "mended")
		require.Equal(t, 2, m.users())
	})
}

func TestMigrationsOfANewerSchemaAreRefused(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, m migrator) {
		t.Helper()
		require.NoError(t, m.open(migrations(createUsers, insertOnce)))
		require.ErrorContains(
			t, m.open(migrations(createUsers)), "the schema has version 2, and this program knows versions up to 1",
		)
	})
}

func TestMigrationsThatAreMissingAreAnError(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, m migrator) {
		t.Helper()
		require.ErrorContains(t, m.open(fstest.MapFS{}), "no migrations found")
	})
}
