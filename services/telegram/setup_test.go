package telegram_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

const webhookURL = "https://gw.example.org/telegram/ch-1"

func TestSetupSetsTheWebhookOnce(t *testing.T) {
	server, ch := newServer(t)
	def := definition(t, httpapi.Options{})
	integrationtest.SetUp(t, "new", def, ch, integration.Setup{URL: "https://gw.example.org/"})
	require.Equal(t, secretToken, server.WebhookSecret())
	calls := 0
	for _, r := range server.Requests() {
		if r.Route != "getWebhookInfo" {
			calls++
			require.NotContains(t, r.Body, "drop_pending_updates")
		}
	}
	require.Equal(t, 1, calls)

	result, err := integrationtest.TrySetUp(t, def, ch, integration.Setup{URL: webhookURL, Force: true}, false)
	require.NoError(t, err)
	require.Equal(t, []integration.SetupChange{
		{Name: "secret_token", Old: "unknown", New: "the channel's secretToken"},
	}, result.Changes)
}

func TestSetupReplacesAWebhookOfSomebodyElse(t *testing.T) {
	server, ch := newServer(t)
	server.SetWebhookInfo(telegramtest.WebhookInfo{
		URL: "https://other.example.org/" + canary, MaxConnections: 100, AllowedUpdates: []string{"message"},
		CustomCertificate: true,
	})
	ch.Settings["allowedUpdates"] = "callback_query, message"
	result := integrationtest.SetUp(
		t, "somebody else's", definition(t, httpapi.Options{}), ch, integration.Setup{URL: webhookURL},
	)
	require.Equal(t, "https://other.example.org/…", result.Changes[0].Old)
	requests := server.Requests()
	requireBody(t, `{"url":"`+webhookURL+`","secret_token":"`+secretToken+`","max_connections":100,`+
		`"allowed_updates":["callback_query","message"]}`, requests[2])
}

func TestSetupOfAPollingChannelDeletesTheWebhook(t *testing.T) {
	server, ch := newServer(t)
	server.SetWebhookInfo(telegramtest.WebhookInfo{URL: webhookURL})
	ch.Settings["receive"] = "polling"
	integrationtest.SetUp(t, "polling", definition(t, httpapi.Options{}), ch, integration.Setup{})
	require.Equal(t, "deleteWebhook", server.Requests()[2].Route)
}

func TestSetupTellsWhatTelegramRefuses(t *testing.T) {
	server, ch := newServer(t)
	def := definition(t, httpapi.Options{})
	setUp := func(wanted integration.Setup) error {
		_, err := integrationtest.TrySetUp(t, def, ch, wanted, false)
		return err
	}
	requireError(
		t, setUp(integration.Setup{URL: "https://gw.example.org:8080/x"}), integration.FaultPermanent, "MESSAGE_REJECTED",
	)
	server.Always(new(telegramtest.Failure(401, "Unauthorized: "+token, nil)))
	requireError(t, setUp(integration.Setup{URL: webhookURL}), integration.FaultAuth, "CREDENTIALS_REFUSED")
	require.ErrorContains(t, setUp(integration.Setup{URL: webhookURL, Commands: []byte(`[]`)}), "commands: ")
	ch.Settings["receive"] = "polling"
	require.ErrorContains(t, setUp(integration.Setup{URL: webhookURL}), "url: the channel polls")
}
