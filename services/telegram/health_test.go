package telegram_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func TestHealthSaysWhetherUpdatesArrive(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		info   telegramtest.WebhookInfo
		status string
		says   string
	}{
		"a webhook without errors": {
			telegramtest.WebhookInfo{URL: "https://gw.example.org/telegram/canary", PendingUpdateCount: 2},
			integration.HealthHealthy, "@test_bot",
		},
		"no webhook": {telegramtest.WebhookInfo{}, integration.HealthDegraded, "call setWebhook"},
		"an error of a minute ago": {
			telegramtest.WebhookInfo{
				URL: "https://gw.example.org/telegram/canary", LastErrorDate: now.Add(-time.Minute).Unix(),
				LastErrorMessage: "Wrong response from the webhook: 401 Unauthorized",
			},
			integration.HealthDegraded, "gw.example.org: Wrong response from the webhook: 401 Unauthorized",
		},
		"a choice of updates without messages": {
			telegramtest.WebhookInfo{URL: "https://gw.example.org/telegram/canary", AllowedUpdates: []string{"callback_query"}},
			integration.HealthDegraded, `allowed_updates without "message"`,
		},
		"a choice of updates with messages": {
			telegramtest.WebhookInfo{
				URL: "https://gw.example.org/telegram/canary", AllowedUpdates: []string{"message", "chat_member"},
			},
			integration.HealthHealthy, "@test_bot",
		},
		"an error of yesterday": {
			telegramtest.WebhookInfo{
				URL: "https://gw.example.org/telegram/canary", LastErrorDate: now.Add(-24 * time.Hour).Unix(),
				LastErrorMessage: "Connection refused",
			},
			integration.HealthHealthy, "@test_bot",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.SetWebhookInfo(test.info)
			health, err := newPlatform(t).(integration.HealthChecker).CheckHealth(t.Context(), ch)
			require.NoError(t, err)
			require.Equal(t, test.status, health.Status)
			require.Contains(t, health.Message, test.says)
			require.Equal(t, test.info.PendingUpdateCount, health.Details["pendingUpdateCount"])
			require.Equal(t, "123456", health.Details["botId"])
			if test.info.AllowedUpdates != nil {
				require.Equal(t, test.info.AllowedUpdates, health.Details["allowedUpdates"])
			}
			encoded, err := json.Marshal(health)
			require.NoError(t, err)
			require.NotContains(t, string(encoded), "canary")
		})
	}
}

func TestHealthFailsWithTheBotAPI(t *testing.T) {
	for name, test := range map[string]struct {
		method   string
		response telegramtest.Response
		kind     integration.ErrorKind
		code     string
	}{
		"a revoked token": {"getMe", telegramtest.Failure(
			401, "Unauthorized", nil,
		), integration.FaultAuth, "CREDENTIALS_REFUSED"},
		"a slow-down": {"getWebhookInfo", telegramtest.Failure(
			429, "Too Many Requests", nil,
		), integration.FaultThrottled, "RATE_LIMITED"},
		"a question without an answer": {
			"getMe", telegramtest.Response{Reset: true}, integration.FaultTransient, "PLATFORM_NO_ANSWER",
		},
		"an answer that is no JSON": {"getMe", telegramtest.Response{Body: "{"}, integration.FaultTransient, "ANSWER_UNREADABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.Script(test.method, test.response)
			_, err := newPlatform(t).(integration.HealthChecker).CheckHealth(t.Context(), ch)
			requireError(t, err, test.kind, test.code)
		})
	}
}

func TestCredentialsAreValidWhenTheBotAPIKnowsThem(t *testing.T) {
	server, ch := newServer(t)
	validator := newPlatform(t).(integration.CredentialsValidator)
	for name, test := range map[string]struct {
		token string
		valid bool
	}{
		"the bot's token":        {token, true},
		"another token":          {"123456:another", false},
		"a token out of shape":   {"../bot", false},
		"a token that is absent": {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			valid, err := validator.ValidateCredentials(t.Context(), map[string]string{"token": test.token}, ch.Settings)
			require.NoError(t, err)
			require.Equal(t, test.valid, valid)
		})
	}
	t.Run("a Bot API that is down leaves the question open", func(t *testing.T) {
		server.Script("getMe", telegramtest.Failure(500, "Internal Server Error", nil))
		_, err := validator.ValidateCredentials(t.Context(), ch.Credentials, ch.Settings)
		requireError(t, err, integration.FaultTransient, "PLATFORM_UNAVAILABLE")
	})
}
