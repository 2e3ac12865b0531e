package discord_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

func TestHealthSaysWhatToFix(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*discordtest.App)
		status string
		says   string
	}{
		"an app that works": {func(*discordtest.App) {}, integration.HealthHealthy, "@test_bot"},
		"a public key in capitals": {
			func(a *discordtest.App) { a.PublicKey = strings.ToUpper(a.PublicKey) }, integration.HealthHealthy, "@test_bot",
		},
		"an app without events": {
			func(a *discordtest.App) { a.EventWebhooksURL, a.EventWebhooksStatus = "", 1 }, integration.HealthHealthy,
			"@test_bot",
		},
		"another app's public key": {
			func(a *discordtest.App) { a.PublicKey = strings.Repeat("0", 64) }, integration.HealthUnhealthy, "publicKey",
		},
		"another app's id": {
			func(a *discordtest.App) { a.ApplicationID = "7" }, integration.HealthUnhealthy, "applicationId",
		},
		"no interactions endpoint": {
			func(a *discordtest.App) { a.InteractionsEndpointURL = "" }, integration.HealthDegraded, "Interactions Endpoint URL",
		},
		"events that were switched off": {
			func(a *discordtest.App) { a.EventWebhooksStatus = 3 }, integration.HealthDegraded,
			"switched the app's webhook events off",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := app()
			test.change(&a)
			server := discordtest.NewServer(a)
			t.Cleanup(server.Close)
			ch := channel()
			ch.Settings["apiBase"] = server.URL()
			health, err := newPlatform(t).(integration.HealthChecker).CheckHealth(t.Context(), ch)
			require.NoError(t, err)
			require.Equal(t, test.status, health.Status)
			require.Contains(t, health.Message, test.says)
			encoded, err := json.Marshal(health)
			require.NoError(t, err)
			require.NotContains(t, string(encoded), "canary")
			require.NotContains(t, string(encoded), "/discord/ch-1", "the path of a webhook is nobody's business")
		})
	}
}

func TestHealthFailsWithDiscord(t *testing.T) {
	for name, test := range map[string]struct {
		call     string
		response discordtest.Response
		kind     integration.ErrorKind
		code     string
	}{
		"a wrong token": {
			discordtest.GetApplication, discordtest.Failure(http.StatusUnauthorized, 0, "401: Unauthorized", nil),
			integration.FaultAuth, "CREDENTIALS_REFUSED",
		},
		"a slow-down": {
			discordtest.GetUser, discordtest.Failure(http.StatusTooManyRequests, 0, "no", nil), integration.FaultThrottled,
			"RATE_LIMITED",
		},
		"a question without an answer": {
			discordtest.GetApplication, discordtest.Response{Reset: true}, integration.FaultTransient, "PLATFORM_NO_ANSWER",
		},
		"an answer that is no JSON": {
			discordtest.GetApplication, discordtest.Response{Body: "<html>"}, integration.FaultTransient, "ANSWER_UNREADABLE",
		},
		"an answer about no app": {
			discordtest.GetApplication, discordtest.Response{Body: "{}"}, integration.FaultTransient, "ANSWER_UNREADABLE",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.Script(test.call, test.response, test.response) // net/http repeats a GET on a kept connection
			_, err := newPlatform(t).(integration.HealthChecker).CheckHealth(t.Context(), ch)
			requireError(t, err, test.kind, test.code)
		})
	}
}

func TestCredentialsOfOneAppAreValid(t *testing.T) {
	server, ch := newServer(t)
	validator := newPlatform(t).(integration.CredentialsValidator)
	for name, test := range map[string]struct {
		change func(map[string]string)
		valid  bool
	}{
		"the app's own":                 {func(map[string]string) {}, true},
		"another token":                 {func(c map[string]string) { c["botToken"] = "another" }, false},
		"a token with a line break":     {func(c map[string]string) { c["botToken"] = botToken + "\r\nX: y" }, false},
		"no token":                      {func(c map[string]string) { delete(c, "botToken") }, false},
		"another app's id":              {func(c map[string]string) { c["applicationId"] = "7" }, false},
		"another app's public key":      {func(c map[string]string) { c["publicKey"] = strings.Repeat("0", 64) }, false},
		"a public key that is left out": {func(c map[string]string) { delete(c, "publicKey") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			credentials := channel().Credentials
			test.change(credentials)
			valid, err := validator.ValidateCredentials(t.Context(), credentials, ch.Settings)
			if err != nil { // of kind auth it is a no
				requireError(t, err, integration.FaultAuth, "CREDENTIALS_REFUSED")
			}
			require.Equal(t, test.valid, valid)
		})
	}
	t.Run("the Gateway needs no public key", func(t *testing.T) {
		credentials := channel().Credentials
		delete(credentials, "publicKey")
		valid, err := validator.ValidateCredentials(t.Context(), credentials, map[string]string{"apiBase": server.URL()})
		require.NoError(t, err)
		require.True(t, valid)
	})
	t.Run("an API that is down leaves the question open", func(t *testing.T) {
		server.Script(discordtest.GetApplication, discordtest.Failure(http.StatusBadGateway, 0, "no", nil))
		_, err := validator.ValidateCredentials(t.Context(), ch.Credentials, ch.Settings)
		requireError(t, err, integration.FaultTransient, "PLATFORM_UNAVAILABLE")
	})
}
