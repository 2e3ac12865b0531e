//go:build unix

package testserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// Redis returns the URL of an empty Redis database of the test's own, with its number. It is on the server of
// TEST_REDIS_URL, whose database 0 has the numbers in use, else on a server that the tests of the package share. Tests
// must not use SELECT and FLUSHALL, which reach other databases. The database is flushed after the test.
func Redis(tb testing.TB) string {
	tb.Helper()
	server := os.Getenv("TEST_REDIS_URL")
	if server == "" {
		server = shared.url(tb, redisServer)
	}
	opts, err := redis.ParseURL(server)
	require.NoError(tb, err, "TEST_REDIS_URL")
	opts.DB = 0
	notes := redis.NewClient(opts)
	note, err := claim(notes)
	require.NoError(tb, err)

	own := *opts
	own.DB = note.number
	client := redis.NewClient(&own)
	flush := func() {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		require.NoError(tb, client.FlushDB(ctx).Err())
	}
	flush()
	tb.Cleanup(func() {
		flush()
		require.NoError(tb, notes.Del(context.Background(), note.key).Err())
		require.NoError(tb, client.Close())
		require.NoError(tb, notes.Close())
	})
	return withDatabase(tb, server, note.number)
}

// StartRedis starts a Redis for one test. What it has answered survives Stop.
func StartRedis(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, redisServer)
}

// note is the key on database 0 that says that another database is in use.
type note struct {
	key    string
	number int
}

// claim finds a database that is not in use. The note of a test that was killed expires.
func claim(client *redis.Client) (note, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	config, err := client.ConfigGet(ctx, "databases").Result()
	if err != nil {
		return note{}, err
	}
	count, err := strconv.Atoi(config["databases"])
	if err != nil {
		return note{}, err
	}
	for i := 1; i < count; i++ {
		n := note{"switchboard:testserver:" + strconv.Itoa(i), i}
		err := client.SetArgs(ctx, n.key, uuid.NewString(), redis.SetArgs{Mode: "NX", TTL: 15 * time.Minute}).Err()
		if err == nil {
			return n, nil
		}
		if err != redis.Nil { //nolint:errorlint // go-redis returns it as it is
			return note{}, err
		}
	}
	return note{}, fmt.Errorf("all %d databases of the Redis for tests are in use", count-1)
}

var redisServer = kind{
	name: "redis",
	quit: syscall.SIGKILL,
	init: func(*Server) error {
		if _, err := exec.LookPath("redis-server"); err != nil {
			return missing("redis-server")
		}
		return nil
	},
	command: func(s *Server) (string, []string) {
		return "redis-server", []string{
			"--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--databases", "1000",
			"--appendonly", "yes", "--appendfsync", "no", "--save", "",
		}
	},
	url: func(port int) string { return fmt.Sprintf("redis://127.0.0.1:%d/0", port) },
	ping: func(ctx context.Context, url string) error {
		opts, err := redis.ParseURL(url)
		if err != nil {
			return err
		}
		opts.MaxRetries = -1
		client := redis.NewClient(opts)
		defer func() { _ = client.Close() }()
		return client.Ping(ctx).Err()
	},
}
