package app_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/claims/natsclaims"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
)

func ready(t *testing.T, n *app.Node) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.Address()+"/-/ready", nil)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

// health is what $node.health tells.
func health(t *testing.T, n *app.Node) string {
	t.Helper()
	answer, err := n.Call(t.Context(), "$node.health", nil, action.CallOptions{})
	require.NoError(t, err)
	return string(answer)
}

func TestNodeStartsWithoutItsCache(t *testing.T) {
	t.Parallel()
	redis := testserver.StartRedis(t)
	redis.Stop()
	c := settings(t)
	c.Cache.Driver, c.Cache.URL = "redis", config.URL(redis.URL())
	n, err := app.Start(t.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
	require.NoError(t, err)
	defer n.Stop()
	status, body := ready(t, n)
	require.Equal(t, http.StatusOK, status, body)
	require.JSONEq(t, `{"ready":true,"state":"degraded"}`, body)
	require.Contains(t, health(t, n), `"name":"cache","status":"unhealthy"`)
	redis.Start()
	require.Eventually(t, func() bool {
		_, body = ready(t, n)
		return body == `{"ready":true,"state":"ready"}`
	}, generous, moment)
}

// startedLate starts a node while the server of one of its datasources is down, starts that when the node
// waits for it, and returns how ready the node is then.
func startedLate(
	t *testing.T, c *config.Config, datasource string, server *testserver.Server,
) (status int, details string) {
	t.Helper()
	var out buffer
	log, secrets := logrus.New(), &redact.Secrets{}
	app.ConfigureLog(log, &out, c.Log, secrets)
	type outcome struct {
		node *app.Node
		err  error
	}
	started := make(chan outcome, 1)
	go func() {
		n, err := app.Start(t.Context(), c, app.Extensions{}, log, secrets)
		started <- outcome{n, err}
	}()
	require.Eventually(t, func() bool {
		return strings.Contains(out.String(), `msg="waiting for a datasource" datasource=`+datasource)
	}, generous, moment)
	require.Empty(t, started)
	server.Start()
	o := <-started
	require.NoError(t, o.err)
	defer o.node.Stop()
	status, _ = ready(t, o.node)
	return status, health(t, o.node)
}

func TestStartWaitsForTheDatabaseOfItsChannels(t *testing.T) {
	t.Parallel()
	database := testserver.StartPostgres(t)
	database.Stop()
	c := settings(t)
	c.Channels.Store, c.Channels.DSN = "postgres", config.URL(database.URL())
	c.Channels.Keys = append(c.Channels.Keys, newKey(t, "k1"))
	status, body := startedLate(t, c, "channels", database)
	require.Equal(t, http.StatusOK, status, body)
}

func TestNodeDoesNotAskItselfForChannels(t *testing.T) {
	c := settings(t)
	c.Channels.Store, c.Channels.Action, c.Services = "action", "channels.get", []string{"telegram", "channels"}
	_, err := app.Start(t.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
	require.ErrorContains(t, err, "channels.action: channels.get would be asked of this node's own service channels")
}

func TestStartWaitsForTheRedisOfItsClaims(t *testing.T) {
	t.Parallel()
	redis := testserver.StartRedis(t)
	redis.Stop()
	c := settings(t)
	c.Claims.Driver, c.Cache.URL = "redis", config.URL(redis.URL())
	status, body := startedLate(t, c, "claims", redis)
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"name":"claims","status":"healthy"`)
}

func TestNodeKeepsItsClaimsWhereTheConfigurationSays(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"nats", "memory"} {
		c := settings(t)
		c.Claims.Driver, c.Node.Namespace = driver, "a.b"
		n, err := app.Start(t.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
		require.NoError(t, err)
		defer n.Stop()
		nc, err := nats.Connect(n.NATSURL())
		require.NoError(t, err)
		defer nc.Close()
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		_, err = js.KeyValue(t.Context(), natsclaims.Bucket("a.b"))
		require.Equal(t, driver == "nats", err == nil)
		require.Contains(t, health(t, n), `"name":"claims","status":"healthy"`)
	}
}

func TestReplicasOfAServerAloneAreAFault(t *testing.T) {
	c := settings(t)
	c.Events.Replicas = 3
	_, err := app.Start(t.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
	require.ErrorContains(
		t, err, "events.replicas: 3 copies of each event ask for a NATS cluster, and the server is in none",
	)
}
