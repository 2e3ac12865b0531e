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
	const link = "https://gw.example.org/telegram/canary"
	ago := func(d time.Duration) int64 { return time.Now().Add(-d).Unix() }
	for name, test := range map[string]struct {
		info   telegramtest.WebhookInfo
		status string
		says   string
	}{
		"a webhook without errors": {
			telegramtest.WebhookInfo{URL: link, PendingUpdateCount: 2}, integration.HealthHealthy, "@test_bot",
		},
		"no webhook": {telegramtest.WebhookInfo{}, integration.HealthDegraded, "call setWebhook"},
		"an error of a minute ago": {
			telegramtest.WebhookInfo{URL: link, LastErrorDate: ago(time.Minute), LastErrorMessage: "Wrong response: 401"},
			integration.HealthDegraded, "gw.example.org: Wrong response: 401",
		},
		"an error of yesterday": {
			telegramtest.WebhookInfo{URL: link, LastErrorDate: ago(24 * time.Hour), LastErrorMessage: "Connection refused"},
			integration.HealthHealthy, "@test_bot",
		},
		"allowed_updates without messages": {
			telegramtest.WebhookInfo{URL: link, AllowedUpdates: []string{"callback_query"}},
			integration.HealthDegraded, `allowed_updates without "message"`,
		},
		"allowed_updates with messages": {
			telegramtest.WebhookInfo{URL: link, AllowedUpdates: []string{"message", "chat_member"}},
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

func TestHealthTellsErrors(t *testing.T) {
	check := func(t *testing.T, method string, answer telegramtest.Response) error {
		t.Helper()
		server, ch := newServer(t)
		server.Script(method, answer)
		_, err := newPlatform(t).(integration.HealthChecker).CheckHealth(t.Context(), ch)
		return err
	}
	refused := telegramtest.Failure(401, "Unauthorized", nil)
	requireError(t, check(t, "getMe", refused), integration.FaultAuth, "CREDENTIALS_REFUSED")
	slow := telegramtest.Failure(429, "Too Many Requests", nil)
	requireError(t, check(t, "getWebhookInfo", slow), integration.FaultThrottled, "RATE_LIMITED")
	reset := telegramtest.Response{Reset: true}
	requireError(t, check(t, "getMe", reset), integration.FaultTransient, "PLATFORM_NO_ANSWER")
	requireError(t, check(t, "getMe", answer("{")), integration.FaultTransient, "ANSWER_UNREADABLE")
}

func TestCredentialsAreChecked(t *testing.T) {
	server, ch := newServer(t)
	validator := newPlatform(t).(integration.CredentialsValidator)
	for bot, known := range map[string]bool{token: true, "123456:another": false, "../bot": false, "": false} {
		valid, err := validator.ValidateCredentials(t.Context(), map[string]string{"token": bot}, ch.Settings)
		if err != nil { // of kind auth it is a no
			requireError(t, err, integration.FaultAuth, "CREDENTIALS_REFUSED")
		}
		require.Equal(t, known, valid, bot)
	}
	server.Script("getMe", telegramtest.Failure(500, "Internal Server Error", nil))
	_, err := validator.ValidateCredentials(t.Context(), ch.Credentials, ch.Settings)
	requireError(t, err, integration.FaultTransient, "PLATFORM_UNAVAILABLE")
}
