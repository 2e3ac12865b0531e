package app_test

import (
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/node/internal/app"
)

// requireState waits until /-/ready tells a state, and no more than that.
func requireState(t *testing.T, n *app.Node, state string) {
	t.Helper()
	want := map[string]int{
		"ready": http.StatusOK, "degraded": http.StatusOK, "unavailable": http.StatusServiceUnavailable,
	}[state]
	var status int
	var body string
	require.Eventually(t, func() bool {
		status, body = ready(t, n)
		return status == want && body == map[bool]string{
			true: `{"ready":true,`, false: `{"ready":false,`,
		}[want == http.StatusOK]+`"state":"`+state+`"}`
	}, generous, moment, "%s", state)
}

const webhookSecret = "secret-of-a-webhook"

func TestNodeIsNotReadyWhileItsStreamIsFull(t *testing.T) {
	t.Parallel()
	nats := natsd(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	js := jetStream(t, nats.ClientURL())
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "hios_hios_processing_message_received", Subjects: []string{"hios.hios.processing.message.received"},
		MaxMsgs: 1, Discard: jetstream.DiscardNew,
	})
	require.NoError(t, err)
	c := external(t, nats.ClientURL())
	v := &vault{store: "sqlite", dsn: string(c.Channels.DSN)}
	v.addShop(t)
	log, secrets, out := logged(c)
	n, err := app.Start(t.Context(), c, app.Extensions{}, log, secrets)
	require.NoError(t, err)
	defer n.Stop()
	requireState(t, n, "ready")
	require.Equal(t, http.StatusOK, post(t, n, "shop", webhookSecret, 1))
	requireState(t, n, "unavailable")
	require.Contains(
		t, out.String(), "webhooks cannot be received: the stream hios_hios_processing_message_received is full",
	)
	require.Contains(t, health(t, n), "is full")
	require.Equal(t, http.StatusServiceUnavailable, post(t, n, "shop", webhookSecret, 2))
	require.NoError(t, stream.Purge(t.Context()))
	require.Equal(t, http.StatusOK, post(t, n, "shop", webhookSecret, 2))
	require.NoError(t, stream.Purge(t.Context()))
	requireState(t, n, "ready")
}

func TestNodeIsNotReadyWhileJetStreamHasNoRoom(t *testing.T) {
	t.Parallel()
	nats := natsd(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 20})
	c := external(t, nats.ClientURL())
	log, secrets, out := logged(c)
	n, err := app.Start(t.Context(), c, app.Extensions{}, log, secrets)
	require.NoError(t, err)
	defer n.Stop()
	requireState(t, n, "ready")
	js := jetStream(t, nats.ClientURL())
	makeStream(t, nats.ClientURL(), "hoard", "hoard")
	for {
		if _, err := js.Publish(t.Context(), "hoard", make([]byte, 64<<10)); err != nil {
			break
		}
	}
	for {
		if _, err := js.Publish(t.Context(), "hoard", nil); err != nil {
			break
		}
	}
	requireState(t, n, "unavailable")
	require.Contains(t, out.String(), "JetStream's storage is full")
	require.NoError(t, js.DeleteStream(t.Context(), "hoard"))
	requireState(t, n, "ready")
}

func TestNodeIsNotReadyWhileItMayNotPublish(t *testing.T) {
	t.Parallel()
	opts := &server.Options{JetStream: true, StoreDir: t.TempDir(), Users: members("right")}
	nats := natsd(t, opts)
	c := external(t, nats.ClientURL())
	c.NATS.User, c.NATS.Password = "node", "right"
	log, secrets, _ := logged(c)
	n, err := app.Start(t.Context(), c, app.Extensions{}, log, secrets)
	require.NoError(t, err)
	defer n.Stop()
	requireState(t, n, "ready")
	for range 2 {
		changed := opts.Clone()
		changed.Users = members("right")
		changed.Users[0].Permissions = &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"hios.>"}}}
		require.NoError(t, nats.ReloadOptions(changed))
		requireState(t, n, "unavailable")
		changed = opts.Clone()
		changed.Users = members("right")
		require.NoError(t, nats.ReloadOptions(changed))
		requireState(t, n, "ready")
	}
}

func TestUnavailableDatabaseDegradesNodeThatKnowsItsChannels(t *testing.T) {
	t.Parallel()
	database := testserver.StartPostgres(t)
	key := newKey(t, "k1")
	v := vaults(t)["sqlite"]
	v.store, v.dsn = "postgres", database.URL()
	v.add(t, "shop", key)
	for _, outage := range []struct{ begin, end func() }{
		{database.Stop, database.Start}, {database.Pause, database.Resume},
	} {
		n := v.run(t, key)
		requireState(t, n, "ready")
		outage.begin()
		requireState(t, n, "unavailable") // it has not read a channel yet
		outage.end()
		requireState(t, n, "ready")
		require.Equal(t, http.StatusOK, post(t, n, "shop", webhookSecret, 1))
		outage.begin()
		requireState(t, n, "degraded")
		require.Equal(t, http.StatusOK, post(t, n, "shop", webhookSecret, 2))
		outage.end()
		requireState(t, n, "ready")
		n.Stop()
	}
}

func TestNodeIsNotReadyWhenNoChannelCanBeOpened(t *testing.T) {
	t.Parallel()
	v := vaults(t)["sqlite"]
	v.add(t, "shop", newKey(t, "k1"))
	c := v.config(t, newKey(t, "k2"))
	log, secrets, out := logged(c)
	n, err := app.Start(t.Context(), c, app.Extensions{}, log, secrets)
	require.NoError(t, err)
	defer n.Stop()
	require.Contains(t, out.String(), "no channel can be read: webhooks and sends fail until channels.keys has the key")
	requireState(t, n, "unavailable")
	require.Contains(t, health(t, n), "no channel can be opened")
}

func TestNodeWhoseDatabaseVanishedSaysSo(t *testing.T) {
	t.Parallel()
	v := vaults(t)["sqlite"]
	v.add(t, "shop")
	n := v.run(t)
	requireState(t, n, "ready")
	require.NoError(t, os.Remove(v.dsn))
	requireState(t, n, "degraded")
	require.Contains(t, health(t, n), "has vanished while it was in use")
	require.NotContains(t, health(t, n), v.dsn)
}

func TestManyProbesCostNoMoreThanOne(t *testing.T) {
	t.Parallel()
	nats := natsd(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	n, err := app.Start(t.Context(), external(t, nats.ClientURL()), app.Extensions{}, quiet(), &redact.Secrets{})
	require.NoError(t, err)
	defer n.Stop()
	finds := n.CountFinds()
	var probes sync.WaitGroup
	for range 50 {
		probes.Go(func() { ready(t, n) })
	}
	probes.Wait()
	require.Less(t, finds(), int64(50))
}

// addShop adds the channel shop to a store without keys of its configuration.
func (v *vault) addShop(t *testing.T) {
	t.Helper()
	v.bot = vaults(t)["sqlite"].bot
	v.add(t, "shop")
}
