//go:build unix

package testserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Postgres returns the URL of an empty database of the test's own, on the server of TEST_POSTGRES_URL, whose user must
// be allowed to create databases, else on a server that the tests of the package share. The database is dropped after
// the test.
func Postgres(tb testing.TB) string {
	tb.Helper()
	server := os.Getenv("TEST_POSTGRES_URL")
	if server == "" {
		server = shared.url(tb, postgres)
	}
	name := "test_" + uuid.NewString()
	quoted := pgx.Identifier{name}.Sanitize()
	execute(tb, server, "CREATE DATABASE "+quoted)
	tb.Cleanup(func() { execute(tb, server, "DROP DATABASE "+quoted+" WITH (FORCE)") })
	u, err := url.Parse(server)
	require.NoError(tb, err, "TEST_POSTGRES_URL")
	u.Path = "/" + name
	return u.String()
}

// StartPostgres starts a PostgreSQL for one test. It accepts any password.
func StartPostgres(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, postgres)
}

// execute runs a statement on a new connection. It works also after the test's context has ended.
func execute(tb testing.TB, server, statement string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	require.NoError(tb, err)
	_, err = conn.Exec(ctx, statement)
	require.NoError(tb, err)
	require.NoError(tb, conn.Close(ctx))
}

var postgres = kind{
	name: "postgres",
	quit: syscall.SIGQUIT, // "immediate shutdown"; after SIGKILL it would leave shared memory behind
	user: func() (*syscall.Credential, error) {
		if os.Geteuid() != 0 {
			return nil, nil
		}
		// It refuses to run as root. Its package brings this user.
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, missing("postgresql")
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
	},
	init: func(s *Server) error {
		initdb, err := postgresProgram("initdb")
		if err != nil {
			return err
		}
		args := []string{"-D", "data", "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"}
		cmd := exec.CommandContext(context.Background(), initdb, args...) // #nosec G204 -- a program that we looked for
		cmd.Dir, cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: s.user}
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("initdb: %w: %s", err, said)
		}
		return nil
	},
	command: func(s *Server) (string, []string) {
		program, _ := postgresProgram("postgres") // beside initdb
		return program, []string{
			"-D", "data", "-p", strconv.Itoa(s.port),
			"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + s.dir,
			"-c", "fsync=off", "-c", "max_connections=300",
		}
	},
	url: func(port int) string {
		return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
	},
	ping: func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	},
}

// postgresProgram finds a program of PostgreSQL on the PATH, else in the folder of the Debian package.
func postgresProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", missing("postgresql")
	}
	return slices.Max(found), nil
}

func missing(packageName string) error {
	return fmt.Errorf("%s is missing: run `make test`, which installs it, or `apt-get install %[1]s`", packageName)
}
