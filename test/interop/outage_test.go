//go:build slow

package interop_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/moleculer-go/moleculer"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/datasource/postgres"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/node"
	"github.com/hiliosai/switchboard/services/telegram"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// impatience is what the action notes.quick gives its database.
const impatience = 300 * time.Millisecond

// notes is a service with a database: count asks it, quick asks it and waits for a moment only, ping does
// without it, and cached needs a cache to be fast.
func notes(database string) integration.ServiceDefinition {
	count := func(ctx context.Context) (int, error) {
		db, err := datasource.Get[*pgxpool.Pool](ctx, "ledger")
		if err != nil {
			return 0, err
		}
		var n int
		return n, db.QueryRow(ctx, "SELECT 1").Scan(&n)
	}
	return integration.ServiceDefinition{
		Name:        "notes",
		Datasources: []datasource.Definition{postgres.New("ledger", postgres.Options{URL: database})},
		Actions: []moleculer.Action{
			integration.NewAction(
				"count", func(ctx *integration.Context, _ integration.None) (int, error) { return count(ctx) }, action.Spec{},
			),
			integration.NewAction("quick", func(ctx *integration.Context, _ integration.None) (int, error) {
				short, cancel := context.WithTimeout(ctx, impatience)
				defer cancel()
				return count(short)
			}, action.Spec{}),
			integration.NewAction(
				"ping", func(*integration.Context, integration.None) (string, error) { return "pong", nil }, action.Spec{},
			),
			integration.NewAction(
				"cached", func(*integration.Context, integration.None) (string, error) { return "computed", nil },
				action.Spec{Cache: &action.CacheRule{TTL: time.Minute}}),
		},
	}
}

// depot is Telegram under another name, with a database of its own.
func depot(database string) integration.Definition {
	def := telegram.Definition(httpapi.New(httpapi.Options{}))
	def.Name = "depot"
	def.Datasources = []datasource.Definition{postgres.New("stock", postgres.Options{URL: database})}
	return def
}

// besieged is a node whose servers go away, and a Node.js node that calls it.
type besieged struct {
	*host
	peer            *peer
	postgres, redis *testserver.Server
}

func startBesieged(t *testing.T) *besieged {
	t.Helper()
	natsURL := natsServer(t).URL()
	b := &besieged{
		postgres: testserver.StartPostgres(t), redis: testserver.StartRedis(t), peer: startKeeper(t, natsURL, peerOptions{}),
	}
	bot := telegramtest.NewServer(oldToken)
	t.Cleanup(bot.Close)
	database, key := b.postgres.URL(), newKey(t, "k1")
	b.host = startHost(t, natsURL, offered(depot(database)), node.Service(notes(database)), settings(`
channels: {store: postgres, dsn: %q, keys: [%q]}
cache: {driver: redis, url: %q}
services: [telegram, channels, depot, notes]
`, database, key, b.redis.URL()))
	b.apply(t, &integration.Channel{
		ID: "shop", TenantID: tenantID, Platform: "telegram", Status: integration.ChannelActive,
		Credentials: map[string]string{"token": oldToken, "secretToken": oldSecret},
		Settings:    map[string]string{"apiBase": bot.URL()},
	})
	reachable(t, b.peer, b.ID, "depot.i_status")
	b.well(t)
	return b
}

// call calls an action of the node. The error is a *callError.
func (b *besieged) call(t *testing.T, name string) (string, error) {
	t.Helper()
	result, err := b.peer.Call(t.Context(), name, nil, at(b.ID))
	return string(result.Data), err
}

func (b *besieged) answers(t *testing.T, name, want string) {
	t.Helper()
	data, err := b.call(t, name)
	require.NoError(t, err, name)
	require.Equal(t, want, data, name)
}

// manage calls the service channels.
func (b *besieged) manage(action string, params any) error {
	_, err := b.peer.Call(
		context.Background(), "channels."+action, params,
		fields{"nodeID": b.ID, "timeout": patience.Milliseconds(), "meta": manager["meta"]},
	)
	return err
}

// health is what $node.health tells of the datasources, such as "notes/ledger": "healthy".
func (b *besieged) health(t *testing.T) map[string]string {
	t.Helper()
	data, err := b.call(t, "$node.health")
	require.NoError(t, err)
	told := decode[struct {
		Datasources []struct{ Service, Name, Status, Message string }
	}](t, []byte(data))
	states := map[string]string{}
	for _, d := range told.Datasources {
		states[d.Service+"/"+d.Name] = d.Status
		require.Equal(t, d.Status == "healthy", d.Message == "", "%s: %s", d.Name, d.Message)
	}
	return states
}

// well waits until all is well.
func (b *besieged) well(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return get(t, b.URL+"/-/ready").status == http.StatusOK }, patience, tick, "ready")
	require.Eventually(t, func() bool {
		for _, state := range b.health(t) {
			if state != "healthy" {
				return false
			}
		}
		return true
	}, patience, tick, "healthy")
	b.answers(t, "notes.count", "1")
	require.Eventually(t, func() bool {
		data, err := b.call(t, "notes.quick") // connecting anew may take longer than it waits
		return err == nil && data == "1"
	}, patience, tick)
	b.answers(t, "notes.ping", `"pong"`)
	require.NoError(t, text(b.peer, b.ID, "shop"))
	failsWith(t, text(b.peer, b.ID, "nobody"), http.StatusNotFound, "CHANNEL_NOT_FOUND", false)
	require.NoError(t, b.manage("get", fields{"id": "shop"}))
	data, err := b.call(t, "depot.i_healthCheck")
	require.NoError(t, err)
	require.Contains(t, data, `"status":"healthy"`)
	require.Contains(t, data, `"stock"`)
}

// ill waits until node and service tell which datasources do not work.
func (b *besieged) ill(t *testing.T) {
	t.Helper()
	want := map[string]string{
		"/channels": "unhealthy", "/cache": "healthy", "/claims": "healthy", "/spool": "healthy",
		"notes/ledger": "unhealthy", "depot/stock": "unhealthy",
	}
	require.Eventually(t, func() bool { return maps.Equal(want, b.health(t)) }, patience, tick)
	var ready httpAnswer
	require.Eventually(t, func() bool {
		ready = get(t, b.URL+"/-/ready")
		return ready.body == `{"ready":true,"state":"degraded"}`
	}, patience, tick, "it remembers its channels, and tells no names")
	require.Equal(t, http.StatusOK, ready.status)
	data, err := b.call(t, "depot.i_healthCheck")
	require.NoError(t, err)
	require.Contains(t, data, `"status":"unhealthy"`)
	require.Contains(t, data, `datasource stock: `)
	for _, said := range []string{ready.body, data, fmt.Sprint(b.health(t))} {
		require.NotContains(t, said, "127.0.0.1", "where the servers are is nobody's business")
	}
}

// others requires that what needs no database works.
func (b *besieged) others(t *testing.T) {
	t.Helper()
	b.answers(t, "notes.ping", `"pong"`)
	b.answers(t, "notes.cached", `"computed"`)
	require.NoError(t, text(b.peer, b.ID, "shop"), "a channel that is known")
}

func TestNodeOutlivesItsDatabases(t *testing.T) {
	t.Parallel()
	b := startBesieged(t)

	t.Run("PostgreSQL is gone", func(t *testing.T) {
		b.postgres.Stop()
		for round := range 20 {
			for _, name := range []string{"notes.count", "notes.quick"} {
				_, err := b.call(t, name)
				failsWith(t, err, http.StatusServiceUnavailable, "DATASOURCE_UNAVAILABLE", true)
			}
			failsWith(
				t, text(b.peer, b.ID, fmt.Sprint("unknown-", round)), http.StatusServiceUnavailable, "CHANNELS_UNAVAILABLE", true,
			)
			failsWith(t, b.manage("list", nil), http.StatusServiceUnavailable, "CHANNELS_UNAVAILABLE", true)
			failsWith(t, b.manage("remove", fields{"id": "shop"}), http.StatusServiceUnavailable, "CHANNELS_UNAVAILABLE", true)
			b.others(t)
			if round == 0 {
				b.ill(t)
			}
		}
		b.postgres.Start()
		b.well(t)
	})

	t.Run("PostgreSQL hangs", func(t *testing.T) {
		b.postgres.Pause()
		_, err := b.call(t, "notes.quick")
		failsWith(t, err, http.StatusServiceUnavailable, "DATASOURCE_UNAVAILABLE", true)
		// Who gives up first, the caller or the node, is a matter of chance.
		_, err = b.peer.Call(t.Context(), "notes.count", nil, fields{"nodeID": b.ID, "timeout": 500})
		require.Contains(t, []string{"DATASOURCE_UNAVAILABLE", "REQUEST_TIMEOUT"}, asCallError(t, err).Type)
		require.True(t, asCallError(t, err).Retryable)
		err = text(b.peer, b.ID, "unknown")
		require.Contains(t, []string{"CHANNELS_UNAVAILABLE", "REQUEST_TIMEOUT"}, asCallError(t, err).Type)
		require.True(t, asCallError(t, err).Retryable)
		b.others(t)
		b.ill(t)
		b.postgres.Resume()
		b.well(t)
	})

	for name, outage := range map[string]struct{ begin, end func() }{
		"Redis is gone": {b.redis.Stop, b.redis.Start},
		"Redis hangs":   {b.redis.Pause, b.redis.Resume},
	} {
		t.Run(name, func(t *testing.T) {
			outage.begin()
			for range 20 {
				data, err := b.call(t, "notes.cached")
				require.NoError(t, err, "slower, but it goes on")
				require.Equal(t, `"computed"`, data)
			}
			require.Eventually(t, func() bool { return b.health(t)["/cache"] == "unhealthy" }, patience, tick)
			require.Eventually(
				t, func() bool { return get(t, b.URL+"/-/ready").body == `{"ready":true,"state":"degraded"}` }, patience, tick,
				"the node can do without",
			)
			b.answers(t, "notes.count", "1")
			outage.end()
			b.well(t)
			b.answers(t, "notes.cached", `"computed"`)
		})
	}
	require.NotContains(t, b.Log.String(), "panic")
}

func TestServiceWaitsForTheNodeServicesThatItDependsOn(t *testing.T) {
	t.Parallel()
	natsURL := natsServer(t).URL()
	peer := startPeer(t, natsURL, peerOptions{})
	book := &logbook{}
	sums := integration.ServiceDefinition{
		Name: "sums", Dependencies: []string{"math"},
		Actions: []moleculer.Action{integration.NewAction("two", func(
			ctx *integration.Context, _ integration.None,
		) (sum int, err error) {
			return sum, ctx.Call("math.add", fields{"a": 1, "b": 1}, &sum)
		}, action.Spec{})},
	}
	options := hostOptions(t, natsURL, node.Service(sums), settings("services: [sums]"), node.LogTo(book))
	type outcome struct {
		node *node.Node
		err  error
	}
	started := make(chan outcome, 1)
	go func() {
		n, err := node.Start(t.Context(), options...)
		started <- outcome{n, err}
	}()
	require.Eventually(t, func() bool {
		return strings.Contains(book.String(), "sums waits for the services it depends on") &&
			strings.Contains(book.String(), "dependencies=math")
	}, patience, tick)
	_, err := peer.Call(t.Context(), "sums.two", nil, nil)
	require.Equal(t, "SERVICE_NOT_FOUND", asCallError(t, err).Type)
	require.Empty(t, started)

	peer.CreateService(t, service{Name: "math"})
	o := <-started
	require.NoError(t, o.err)
	t.Cleanup(o.node.Close)
	peer.WaitForServices(t, "sums")
	result, err := peer.Call(t.Context(), "sums.two", nil, nil)
	require.NoError(t, err)
	require.Equal(t, "2", string(result.Data))
}

func TestStartEndsWhereADatasourceDoesNotOpen(t *testing.T) {
	t.Parallel()
	natsURL := natsServer(t).URL()
	postgres := testserver.StartPostgres(t)
	missing := strings.Replace(postgres.URL(), "/postgres?", "/nowhere?", 1)
	const brief, long = 5 * time.Second, time.Hour
	for name, test := range map[string]struct {
		def   integration.ServiceDefinition
		limit time.Duration
		want  []string
	}{
		"that no server answers for": {
			notes("postgres://notes:HIDDEN-password@127.0.0.1:1/notes"), brief,
			[]string{"service notes", `datasource "ledger"`, "limits.startTimeout is over (5s)"},
		},
		"that is not there": {
			notes(missing), long, []string{"service notes", `datasource "ledger"`, `"nowhere" does not exist`},
		},
		"that nobody can define": {
			notes("mysql://notes:HIDDEN-password@127.0.0.1/notes"), long,
			[]string{`service "notes"`, `datasource "ledger"`, "PostgreSQL"},
		},
		"that needs another service": {
			integration.ServiceDefinition{Name: "notes", Dependencies: []string{"absent"}, Actions: notes(missing).Actions},
			brief,
			[]string{"service notes", "absent"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := tryHost(
				t, natsURL, node.Service(test.def), settings("services: [notes]\nlimits: {startTimeout: %s}", test.limit),
			)
			for _, part := range test.want {
				require.ErrorContains(t, err, part)
			}
			require.NotContains(t, err.Error()+h.Log.String(), "HIDDEN")
		})
	}
}
