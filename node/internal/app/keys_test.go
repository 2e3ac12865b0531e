package app_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
	"github.com/hiliosai/switchboard/node/internal/strictyaml"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

const botToken = "123456:token-of-a-bot"

// vault is a store of channels, and those who open it with these or those keys.
type vault struct {
	store, dsn string
	bot        *telegramtest.Server
}

// vaults are a store of each kind that seals.
func vaults(t *testing.T) map[string]*vault {
	t.Helper()
	list := map[string]*vault{
		"sqlite":   {store: "sqlite", dsn: t.TempDir() + "/switchboard.db"},
		"postgres": {store: "postgres", dsn: testserver.Postgres(t)},
	}
	for _, v := range list {
		v.bot = telegramtest.NewServer(botToken)
		t.Cleanup(v.bot.Close)
	}
	return list
}

func (v *vault) config(t *testing.T, keys ...strictyaml.Secret) *config.Config {
	t.Helper()
	c := settings(t)
	c.Channels.Store, c.Channels.DSN, c.Channels.Keys = v.store, config.URL(v.dsn), keys
	c.Services = []string{"telegram", "channels"}
	return c
}

// administer uses the store as the command line does.
func (v *vault) administer(t *testing.T, do func(*app.Channels) error, keys ...strictyaml.Secret) {
	t.Helper()
	list, err := app.OpenChannels(t.Context(), v.config(t, keys...), app.Extensions{}, quiet(), &redact.Secrets{})
	require.NoError(t, err)
	require.NoError(t, do(list))
	require.NoError(t, list.Close())
}

// quiet is a logger for what a test expects to fail.
func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetLevel(logrus.PanicLevel)
	return log
}

func (v *vault) add(t *testing.T, id string, keys ...strictyaml.Secret) {
	t.Helper()
	v.administer(t, func(list *app.Channels) error {
		_, err := list.Create(t.Context(), &integration.Channel{
			ID: id, TenantID: "acme", Platform: "telegram",
			Credentials: map[string]string{"token": botToken, "secretToken": "secret-of-a-webhook"},
			Settings:    map[string]string{"apiBase": v.bot.URL()},
		})
		return err
	}, keys...)
}

// run runs a node with these keys until the test ends.
func (v *vault) run(t *testing.T, keys ...strictyaml.Secret) *app.Node {
	t.Helper()
	log, secrets := logrus.New(), &redact.Secrets{}
	c := v.config(t, keys...)
	// not t.Output: the process's one logger, moleculer-go's, is that of the last node
	app.ConfigureLog(log, io.Discard, c.Log, secrets)
	n, err := app.Start(t.Context(), c, app.Extensions{}, log, secrets)
	require.NoError(t, err)
	t.Cleanup(n.Stop)
	return n
}

// exec changes the database behind everybody's back.
func (v *vault) exec(t *testing.T, statement string) {
	t.Helper()
	driver := map[string]string{"sqlite": "sqlite", "postgres": "pgx"}[v.store]
	db, err := sql.Open(driver, v.dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

func send(ctx context.Context, n *app.Node, id string) error {
	_, err := n.Call(
		ctx, "telegram.i_sendMessage",
		json.RawMessage(`{"channelId":"`+id+`","message":{"to":{"id":"5"},"content":{"type":"TEXT","text":"hi"}}}`),
		action.CallOptions{},
	)
	return err
}

// requireSealed requires that a channel's record cannot be opened, and that this is what the caller is told.
func requireSealed(t *testing.T, err error, parts ...string) {
	t.Helper()
	e, ok := errors.AsType[*action.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "CHANNEL_SEALED", e.Type, e.Message)
	require.Equal(t, http.StatusInternalServerError, e.Code)
	require.False(t, e.Retryable, "it does not pass by itself")
	for _, part := range parts {
		require.Contains(t, e.Message, part)
	}
}

func newKey(t *testing.T, id string) strictyaml.Secret {
	t.Helper()
	key, err := channelstore.GenerateKey(id)
	require.NoError(t, err)
	return strictyaml.Secret(key)
}

func TestRecordThatCannotBeOpenedConcernsItsChannelAlone(t *testing.T) {
	t.Parallel()
	for name, v := range vaults(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := newKey(t, "k1")
			v.add(t, "good", key)
			v.add(t, "corrupt", key)
			v.add(t, "moved", key)
			v.add(t, "foreign", newKey(t, "k9"))
			v.add(t, "mistaken", newKey(t, "k1"))
			v.exec(t, `UPDATE switchboard_channels SET sealed = substr(sealed, 1, 20) WHERE id = 'corrupt'`)
			v.exec(t, `UPDATE switchboard_channels SET tenant_id = 'thief' WHERE id = 'moved'`)
			n := v.run(t, key)
			for id, parts := range map[string][]string{
				"corrupt":  {"channel corrupt", `key "k1"`, "does not open it"},
				"moved":    {"channel moved", "does not open it"},
				"foreign":  {"channel foreign", `key "k9"`, "not configured"},
				"mistaken": {"channel mistaken", `key "k1"`, "does not open it"},
			} {
				t.Run(id, func(t *testing.T) { requireSealed(t, send(t.Context(), n, id), parts...) })
			}
			require.NoError(t, send(t.Context(), n, "good"))
			v.administer(t, func(list *app.Channels) error {
				views, err := list.List(t.Context(), channelstore.Query{})
				require.Len(t, views, 5)
				for _, view := range views {
					require.Equal(t, view.ID == "good", view.Error == "", "%s: %s", view.ID, view.Error)
				}
				return err
			}, key)
			t.Run("and can be removed", func(t *testing.T) {
				v.administer(t, func(list *app.Channels) error {
					return list.Remove(t.Context(), "corrupt", func(*integration.Channel) error { return nil })
				}, key)
			})
		})
	}
}

func TestKeysAreRotatedUnderARunningNode(t *testing.T) {
	t.Parallel()
	for name, v := range vaults(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old, next := newKey(t, "k1"), newKey(t, "k2")
			v.add(t, "first", old)
			v.add(t, "second", old)
			n := v.run(t, next, old)
			require.NoError(t, send(t.Context(), n, "first"))
			v.administer(t, func(list *app.Channels) error {
				r, err := list.Store.Rotate(t.Context())
				require.Equal(t, channelstore.Rotation{Resealed: 2}, r)
				return err
			}, next, old)
			for _, id := range []string{"first", "second"} {
				require.NoError(t, send(t.Context(), n, id), "by the node that ran all the time")
			}
			late := v.run(t, next)
			for _, id := range []string{"first", "second"} {
				require.NoError(t, send(t.Context(), late, id), "without the old key")
			}
			requireSealed(t, send(t.Context(), v.run(t, old), "first"), `key "k2"`, "not configured")
		})
	}
}

func TestKeysThatAreNoneEndTheStart(t *testing.T) {
	for name, test := range map[string]struct {
		keys []strictyaml.Secret
		want string
	}{
		"none":          {nil, "switchboard channels keys generate"},
		"no base64":     {[]strictyaml.Secret{"k1:CANARY~~~"}, "base64"},
		"a short one":   {[]strictyaml.Secret{"k1:Q0FOQVJZ"}, "k1"},
		"one id, twice": {[]strictyaml.Secret{newKey(t, "k1"), newKey(t, "k1")}, "k1"},
	} {
		t.Run(name, func(t *testing.T) {
			v := &vault{store: "postgres", dsn: "postgres://nobody@127.0.0.1:1/nowhere"}
			c := v.config(t, test.keys...)
			// nobody is there: the keys are looked at before
			c.NATS.Embedded, c.NATS.Servers = false, []config.URL{"nats://127.0.0.1:1"}
			_, err := app.Start(t.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
			require.ErrorContains(t, err, "channels.keys")
			require.ErrorContains(t, err, test.want)
			for _, key := range test.keys {
				_, material, _ := strings.Cut(key.Reveal(), ":")
				require.NotContains(t, err.Error(), material)
			}
		})
	}
}
