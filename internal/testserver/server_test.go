//go:build unix

package testserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testserver.Main(m)) }

const generous = time.Minute

func TestPostgresDatabaseIsTheTestsOwn(t *testing.T) {
	t.Parallel()
	for range 2 {
		conn, err := pgx.Connect(t.Context(), testserver.Postgres(t))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
		_, err = conn.Exec(t.Context(), `CREATE TABLE mine (id int)`)
		require.NoError(t, err, "the table is there already")
	}
}

func TestRedisDatabaseIsTheTestsOwn(t *testing.T) {
	t.Parallel()
	for range 3 {
		client := connect(t, testserver.Redis(t))
		size, err := client.DBSize(t.Context()).Result()
		require.NoError(t, err)
		require.Zero(t, size)
		require.NoError(t, client.Set(t.Context(), "k", "v", 0).Err())
	}
}

func TestDatabaseIsDroppedAfterItsTest(t *testing.T) {
	t.Parallel()
	var database, numbered string
	t.Run("a test", func(t *testing.T) {
		database, numbered = testserver.Postgres(t), testserver.Redis(t)
		require.NoError(t, connect(t, numbered).Set(t.Context(), "k", "v", 0).Err())
	})
	_, err := pgx.Connect(t.Context(), database)
	require.ErrorContains(t, err, "does not exist")
}

func TestServerOfTheEnvironmentIsUsed(t *testing.T) {
	own, ownRedis := testserver.StartPostgres(t), testserver.StartRedis(t)
	t.Setenv("TEST_POSTGRES_URL", own.URL())
	t.Setenv("TEST_REDIS_URL", ownRedis.URL())
	require.Equal(t, host(t, own.URL()), host(t, testserver.Postgres(t)))
	require.Equal(t, host(t, ownRedis.URL()), host(t, testserver.Redis(t)))
}

func TestServerCanBeBrokenAndMended(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		start      func(testing.TB) *testserver.Server
		write      func(t *testing.T, url string) error
		read       func(ctx context.Context, url string) error
		background int // processes that the server runs beside its main one, at least
	}{
		"postgres": {
			start: testserver.StartPostgres,
			write: func(t *testing.T, url string) error {
				t.Helper()
				return query(t.Context(), url, `CREATE TABLE kept (id int)`)
			},
			read: func(ctx context.Context, url string) error { return query(ctx, url, `SELECT id FROM kept`) },
		},
		"redis": {
			start: testserver.StartRedis,
			write: func(t *testing.T, url string) error {
				t.Helper()
				return connect(t, url).Set(t.Context(), "kept", "v", 0).Err()
			},
			read: func(ctx context.Context, url string) error {
				opts, err := redis.ParseURL(url)
				if err != nil {
					return err
				}
				opts.MaxRetries, opts.ContextTimeoutEnabled = -1, true
				client := redis.NewClient(opts)
				defer func() { _ = client.Close() }()
				return client.Get(ctx, "kept").Err()
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := tc.start(t)
			require.NoError(t, tc.write(t, server.URL()))
			require.NoError(t, tc.read(t.Context(), server.URL()))

			server.Stop()
			_, err := net.DialTimeout("tcp", host(t, server.URL()), generous)
			require.Error(t, err, "a stopped server refuses connections")
			server.Start()
			require.NoError(t, tc.read(t.Context(), server.URL()), "the data survives")

			server.Pause()
			conn, err := net.DialTimeout("tcp", host(t, server.URL()), generous)
			require.NoError(t, err, "the system accepts connections for a hung server")
			require.NoError(t, conn.Close())
			short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			requireTimeout(t, tc.read(short, server.URL()))
			server.Resume()
			require.NoError(t, tc.read(t.Context(), server.URL()))

			server.Pause()
			server.Stop() // works while it hangs
			server.Start()
			require.NoError(t, tc.read(t.Context(), server.URL()))
		})
	}
}

func TestPostgresThatIsPausedHangsOnOpenConnections(t *testing.T) {
	t.Parallel()
	server := testserver.StartPostgres(t)
	conn, err := pgx.Connect(t.Context(), server.URL())
	require.NoError(t, err)
	server.Pause()
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = conn.Exec(short, `SELECT 1`)
	requireTimeout(t, err)
	server.Resume()
	require.NoError(t, conn.Close(t.Context()))
}

// Not parallel: it looks at all folders that are in use.
func TestServersEndWithTheirTest(t *testing.T) {
	temporary := reachableTempDir(t)
	t.Setenv("TMPDIR", temporary)
	var hosts []string
	t.Run("a test", func(t *testing.T) {
		postgres, redis := testserver.StartPostgres(t), testserver.StartRedis(t)
		postgres.Pause() // and the test fails here
		hosts = append(hosts, host(t, postgres.URL()), host(t, redis.URL()))
	})
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	require.Empty(t, left)
	for _, address := range hosts {
		_, err := net.DialTimeout("tcp", address, generous)
		require.Error(t, err)
	}
}

// A test process can end without running any cleanup.
func TestServersOfAKilledTestEnd(t *testing.T) {
	temporary := reachableTempDir(t)
	child := exec.Command(os.Args[0], "-test.run=^TestChildThatIsKilled$", "-test.timeout=60s") // #nosec G204
	child.Env = append(os.Environ(), "TESTSERVER_CHILD=1", "TMPDIR="+temporary)
	stdout, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	var hosts []string
	lines := bufio.NewScanner(stdout)
	for len(hosts) < 3 && lines.Scan() {
		hosts = append(hosts, lines.Text())
	}
	require.Len(t, hosts, 3)
	for _, address := range hosts {
		conn, err := net.DialTimeout("tcp", address, generous)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	require.Eventually(t, func() bool {
		left, err := os.ReadDir(temporary)
		return err == nil && len(left) == 0
	}, generous, 20*time.Millisecond)
	for _, address := range hosts {
		require.Eventually(t, func() bool {
			conn, err := net.DialTimeout("tcp", address, time.Second)
			if err == nil {
				_ = conn.Close()
			}
			return err != nil
		}, generous, 20*time.Millisecond)
	}
}

// TestChildThatIsKilled is what the test above runs in a process of its own.
func TestChildThatIsKilled(t *testing.T) {
	if os.Getenv("TESTSERVER_CHILD") == "" {
		return
	}
	hung := testserver.StartPostgres(t)
	hung.Pause()
	for _, server := range []string{hung.URL(), testserver.Postgres(t), testserver.Redis(t)} {
		fmt.Println(host(t, server))
	}
	<-t.Context().Done() // never
}

func reachableTempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // for the user that PostgreSQL runs as
		require.NoError(t, os.Chmod(d, 0o755))
	}
	return dir
}

// requireTimeout: pgx says it with the context's error, go-redis with the connection's.
func requireTimeout(t *testing.T, err error) {
	t.Helper()
	require.True(t, errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded), "%v", err)
}

func connect(t *testing.T, url string) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(url)
	require.NoError(t, err)
	client := redis.NewClient(opts)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

func query(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

func host(t *testing.T, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	require.NoError(t, err)
	return u.Host
}
