package datasource_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/datasource/postgres"
	redisdb "github.com/hiliosai/switchboard/datasource/redis"
	"github.com/hiliosai/switchboard/internal/testserver"
)

// remote is a kind of datasource with a server that can be broken.
type remote struct {
	start func(testing.TB) *testserver.Server
	open  func(url string) datasource.Definition
	use   func(ctx context.Context) error
}

var remotes = map[string]remote{
	"postgres": {
		start: testserver.StartPostgres,
		open: func(url string) datasource.Definition {
			return postgres.New("db", postgres.Options{URL: url})
		},
		use: func(ctx context.Context) error {
			pool, err := datasource.Get[*pgxpool.Pool](ctx, "db")
			if err != nil {
				return err
			}
			_, err = pool.Exec(ctx, `SELECT 1`)
			return err
		},
	},
	"redis": {
		start: testserver.StartRedis,
		open: func(url string) datasource.Definition {
			return redisdb.New("db", redisdb.Options{URL: url})
		},
		use: func(ctx context.Context) error {
			client, err := datasource.Get[*redis.Client](ctx, "db")
			if err != nil {
				return err
			}
			return client.Set(ctx, "k", "v", 0).Err()
		},
	},
}

func TestOutageIsReportedAndOvercome(t *testing.T) {
	t.Parallel()
	for name, kind := range remotes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kind.start(t)
			ctx, set, _ := open(t, kind.open(server.URL()))
			require.NoError(t, kind.use(ctx))
			requireStatus(ctx, t, set, datasource.Healthy)

			for _, outage := range []struct{ begin, end func() }{{server.Stop, server.Start}, {server.Pause, server.Resume}} {
				outage.begin()
				short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
				requireUnavailable(t, kind.use(short)) // while a server hangs, only the context ends the wait
				cancel()
				requireStatus(ctx, t, set, datasource.Unhealthy)

				outage.end()
				requireStatus(ctx, t, set, datasource.Healthy)
				require.Eventually(t, func() bool { return kind.use(ctx) == nil }, generous, moment)
			}

			server.Pause()
			require.NoError(t, set.Close(t.Context()), "a server that hangs does not keep a set from closing in time")
		})
	}
}

// requireStatus waits until the one datasource of a set has a status.
func requireStatus(ctx context.Context, t *testing.T, set *datasource.Set, want string) {
	t.Helper()
	require.Eventually(t, func() bool {
		return set.Health(ctx)[0].Status == want
	}, generous, moment)
}

func TestOpenWaitsForAServer(t *testing.T) {
	t.Parallel()
	for name, kind := range remotes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kind.start(t)
			server.Stop()
			set, logs := newSet(t, kind.open(server.URL()))
			opened := make(chan error, 1)
			go func() { opened <- set.Open(t.Context()) }()
			require.Eventually(t, func() bool { return len(logs.AllEntries()) > 0 }, generous, moment)
			server.Start()
			require.NoError(t, <-opened)
			require.NoError(t, kind.use(set.Context(t.Context())))
			require.Equal(t, []string{"waiting for a datasource db"}, messages(logs))
			require.NoError(t, set.Close(t.Context()))
		})
	}
}

func TestPasswordsAreNotInErrorsOrLogs(t *testing.T) {
	t.Parallel()
	for name, kind := range remotes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kind.start(t)
			set, logs := newSet(t, kind.open(withPassword(t, server.URL(), "nobody")))
			err := set.Open(t.Context())
			require.Error(t, err, "there is no such user")
			require.Empty(t, messages(logs), "waiting does not help, so nothing is waited for")
			requireNoSecret(t, logs, err)

			server.Stop()
			d := kind.open(withPassword(t, server.URL(), "nobody"))
			d.Timeout = 3 * time.Second
			set, logs = newSet(t, d)
			err = set.Open(t.Context())
			requireUnavailable(t, err)
			require.NotEmpty(t, logs.AllEntries())
			requireNoSecret(t, logs, err, datasource.AsError(err))
		})
	}
}

func withPassword(t *testing.T, server, user string) string {
	t.Helper()
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.User = url.UserPassword(user, canary)
	return u.String()
}
