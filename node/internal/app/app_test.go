package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testserver.Main(m)) }

// buffer is a bytes.Buffer that may be written to and read at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// settings is a node with everything embedded, in a folder of the test.
func settings(t *testing.T) *config.Config {
	t.Helper()
	dir := t.TempDir()
	c := config.Default()
	c.Node.ID = "app-test"
	c.NATS.Servers = []config.URL{"nats://127.0.0.1:0"}
	c.NATS.Embedded = true
	c.NATS.StoreDir = filepath.Join(dir, "nats")
	c.Channels.DSN = config.URL(filepath.Join(dir, "switchboard.db"))
	c.Events.Spool.Path = filepath.Join(dir, "spool.db")
	c.HTTP.Listen = "127.0.0.1:0"
	c.Log.Level = "trace"
	return c
}

func TestNodeLeavesNothingBehind(t *testing.T) {
	log, secrets := logrus.New(), &redact.Secrets{}
	for range 3 {
		c := settings(t)
		c.Log.Level = "error"
		app.ConfigureLog(log, t.Output(), c.Log, secrets)
		n, err := app.Start(t.Context(), c, app.Extensions{}, log, secrets)
		require.NoError(t, err)
		require.NotEmpty(t, n.Address())
		n.Stop()
	}
	// goleak looks for goroutines when all tests are done.
}

func TestFailedStartLeavesNothingBehind(t *testing.T) {
	c := settings(t)
	c.HTTP.Listen = "256.0.0.1:80"
	log, secrets := logrus.New(), &redact.Secrets{}
	app.ConfigureLog(log, t.Output(), config.Log{Level: "error"}, secrets)
	_, err := app.Start(t.Context(), c, app.Extensions{}, log, secrets)
	require.ErrorContains(t, err, "http.listen 256.0.0.1:80: ")
}

func TestSecretIsNotLoggedSentOrPublished(t *testing.T) {
	const token, secretToken, password = "123456:CANARY-token", "CANARY-webhook-secret", "CANARY-nats-password"
	telegram := telegramtest.NewServer(token)
	defer telegram.Close()
	c := settings(t)
	c.NATS.User, c.NATS.Password = "switchboard", password
	file := filepath.Join(t.TempDir(), "channels.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil,
		"channels: [{id: shop, tenantId: acme, platform: telegram, credentials: {token: %q, secretToken: %q}, settings: "+
			"{apiBase: %q}}]",
		token, secretToken, telegram.URL()), 0o600))
	channels, err := app.OpenChannels(t.Context(), c, app.Extensions{}, logrus.New(), &redact.Secrets{})
	require.NoError(t, err)
	_, err = channels.ApplyFile(t.Context(), file)
	require.NoError(t, err)
	require.NoError(t, channels.Close())

	var out buffer
	log, secrets := logrus.New(), &redact.Secrets{}
	app.ConfigureLog(log, &out, c.Log, secrets)
	n, err := app.Start(t.Context(), c, app.Extensions{}, log, secrets)
	require.NoError(t, err)
	defer n.Stop()

	// Everything that the node puts on NATS passes here.
	spy, err := nats.Connect(n.NATSURL(), nats.UserInfo("switchboard", password))
	require.NoError(t, err)
	defer spy.Close()
	var wire buffer
	_, err = spy.Subscribe(">", func(m *nats.Msg) {
		fmt.Fprintln(&wire, m.Subject, m.Header, string(m.Data))
	})
	require.NoError(t, err)
	require.NoError(t, spy.Flush())

	post := func(secret, body string) int { return postBody(t, n, "shop", secret, body) }
	require.Equal(
		t, http.StatusOK,
		post(secretToken, `{"update_id":1,"message":{"message_id":1,"date":1,"chat":{"id":5,"type":"private"},"text":"hi"}}`),
	)
	require.Equal(t, http.StatusUnauthorized, post("wrong", `{"update_id":2}`))

	// The cruellest platform: it quotes the token in its errors, or breaks off.
	telegram.Script("sendMessage",
		telegramtest.Failure(400, "Bad Request: no bot "+token, nil),
		telegramtest.Failure(500, "Internal: /bot"+token+"/sendMessage", nil),
		telegramtest.Failure(500, "Internal: /bot"+token+"/sendMessage", nil),
		telegramtest.Failure(500, "Internal: /bot"+token+"/sendMessage", nil),
		telegramtest.Response{Reset: true},
	)
	message := json.RawMessage(`{"channelId":"shop","message":{"to":{"id":"5"},"content":{"type":"TEXT","text":"hi"}}}`)
	var answers []string
	for range 4 {
		result, err := n.Call(t.Context(), "telegram.i_sendMessage", message, action.CallOptions{})
		answers = append(answers, string(result), fmt.Sprintf("%+v", err))
	}
	telegram.SetWebhookInfo(
		telegramtest.WebhookInfo{
			URL: "https://example.com/x", LastErrorMessage: "wrong " + secretToken, LastErrorDate: time.Now().Unix(),
		},
	)
	health, err := n.Call(
		t.Context(), "telegram.i_healthCheck", json.RawMessage(`{"channelId":"shop"}`), action.CallOptions{},
	)
	answers = append(answers, string(health), fmt.Sprintf("%+v", err))

	require.NoError(t, spy.Flush())
	require.Contains(t, wire.String(), "hios.hios.processing.message.received")
	require.Contains(t, wire.String(), "hios.hios.processing.message.failed")
	require.Contains(t, out.String(), "message not sent")
	for name, text := range map[string]string{
		"the log": out.String(), "NATS": wire.String(), "an answer": strings.Join(answers, "\n"),
	} {
		require.NotContains(t, text, "CANARY", name)
	}
}
