package telegram_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/services/telegram"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// canary must never be seen in what leaves the package.
const (
	canary      = "canary-0123456789"
	token       = "123456:" + canary
	secretToken = "secret-canary_9876543210"
)

var receivedAt = time.UnixMilli(1_790_000_999_123)

func channel() *integration.Channel {
	return &integration.Channel{
		ID: "ch-1", TenantID: "tenant-1", Platform: "telegram", Status: integration.ChannelActive,
		Credentials: map[string]string{"token": token, "secretToken": secretToken},
		Settings:    map[string]string{},
	}
}

func webhook(payload []byte) *integration.Webhook {
	return &integration.Webhook{
		TenantID: "tenant-1", ChannelID: "ch-1", Platform: "telegram", Payload: payload, Timestamp: receivedAt,
		Channel: channel(),
		Headers: integration.NewHeaders(map[string]string{"x-telegram-bot-api-secret-token": secretToken}),
	}
}

func definition(tb testing.TB, o httpapi.Options) integration.Definition {
	tb.Helper()
	client := httpapi.New(o)
	tb.Cleanup(client.Close)
	return telegram.Definition(client)
}

func newPlatform(tb testing.TB) integration.Platform {
	tb.Helper()
	return definition(tb, httpapi.Options{}).Platform
}

// newServer starts a fake Bot API and returns a channel that uses it.
func newServer(t *testing.T) (*telegramtest.Server, *integration.Channel) {
	t.Helper()
	server := telegramtest.NewServer(token)
	t.Cleanup(server.Close)
	ch := channel()
	ch.Settings["apiBase"] = server.URL()
	return server, ch
}

// send sends a message to a server whose answers are scripted, and returns the calls that were made.
func send(t *testing.T, m *integration.Message, script ...telegramtest.Response) (
	*integration.SendResult, []telegramtest.Request, error,
) {
	t.Helper()
	server, ch := newServer(t)
	if len(script) > 0 {
		server.Always(&script[0])
	}
	result, err := newPlatform(t).Send(t.Context(), m, ch)
	return result, server.Requests(), err
}

func text(to integration.ID, text string) *integration.Message {
	return &integration.Message{
		To:      integration.Party{ID: to},
		Content: integration.Content{Type: integration.TypeText, Text: text},
	}
}

func content(c integration.Content) *integration.Message {
	return &integration.Message{To: integration.Party{ID: "5"}, Content: c}
}

func media(t integration.ContentType, f integration.Media) *integration.Message {
	return content(integration.Content{Type: t, Media: &f})
}

func withButtons(buttons ...integration.Button) *integration.Message {
	return content(integration.Content{
		Type: integration.TypeInteractive, Text: "choose",
		Interactive: &integration.Interactive{Kind: integration.InteractiveButtons, Buttons: buttons},
	})
}

// with sets metadata of a message.
func with(m *integration.Message, name string, value any) *integration.Message {
	m.Metadata = map[string]any{name: value}
	return m
}

// requireError checks an error's kind and code, and that no text in its chain has a secret.
func requireError(t *testing.T, err error, kind integration.ErrorKind, code string) {
	t.Helper()
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, kind, e.Kind, e.Error())
	require.Equal(t, code, e.Code, e.Error())
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		require.NotContains(t, cause.Error(), "canary")
	}
}

func requireBody(t *testing.T, want string, r telegramtest.Request) {
	t.Helper()
	body, err := json.Marshal(r.Body)
	require.NoError(t, err)
	require.JSONEq(t, want, string(body))
}
