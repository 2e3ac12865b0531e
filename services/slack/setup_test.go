package slack_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/slack"
	"github.com/hiliosai/switchboard/services/slack/slacktest"
)

const configurationToken = "xoxe.xoxp-1-" + canary

func definition(t *testing.T) integration.Definition {
	t.Helper()
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	t.Cleanup(client.Close)
	return slack.Definition(client)
}

func TestSetupPrintsAManifestThatSlackTakes(t *testing.T) {
	_, ch := newServer(t)
	def := definition(t)
	result := integrationtest.SetUp(t, "manifest", def, ch, integration.Setup{URL: "https://gw.example.org/"})
	require.Empty(t, slacktest.ManifestFault(result.Manifest))
	ch.Settings["receive"], ch.Credentials["appToken"] = "socket", "xapp-1-"+canary
	result = integrationtest.SetUp(t, "manifest for a socket", def, ch, integration.Setup{})
	require.Empty(t, slacktest.ManifestFault(result.Manifest))
}

func TestSetupUpdatesTheManifest(t *testing.T) {
	server, ch := newServer(t)
	def := definition(t)
	server.SetManifest(configurationToken, `{"display_information":{"name":"Desk"},"features":{"slash_commands":[
		{"command":"/ticket","url":"https://other.example.org/a","description":"Opens one"}]},"settings":{
		"event_subscriptions":{"request_url":"https://other.example.org/b","bot_events":["app_mention"]},
		"interactivity":{"is_enabled":true,"request_url":"https://other.example.org/c",
		"message_menu_options_url":"https://other.example.org/d"}}}`)
	wanted := integration.Setup{URL: "https://gw.example.org/", AppID: slacktest.AppID, AppToken: configurationToken}
	integrationtest.SetUp(t, "update", def, ch, wanted)
	require.Equal(t, map[string]any{"name": "Desk"}, server.Manifest()["display_information"], "the rest stays")

	ch.Settings["receive"], ch.Credentials["appToken"] = "socket", "xapp-1-"+canary
	wanted.URL = ""
	integrationtest.SetUp(t, "update to a socket", def, ch, wanted)
}

func TestSetupTellsWhatSlackRefuses(t *testing.T) {
	server, ch := newServer(t)
	def := definition(t)
	const link = "https://gw.example.org/"
	server.SetManifest(configurationToken, `{"display_information":{"name":"Desk"}}`)
	refused := func(wanted integration.Setup) error {
		t.Helper()
		_, err := integrationtest.TrySetUp(t, def, ch, wanted, false)
		return err
	}
	for says, wanted := range map[string]integration.Setup{
		"appId: goes with appToken":   {URL: link, AppID: slacktest.AppID},
		"appId: is not the id":        {URL: link, AppID: "B1", AppToken: configurationToken},
		"appToken: is not a config":   {URL: link, AppID: slacktest.AppID, AppToken: "no\r\ntoken"},
		"commands: Slack's commands":  {URL: link, Commands: []byte("[]")},
		"slack apps.manifest.export:": {URL: link, AppID: "A9", AppToken: configurationToken},
	} {
		require.ErrorContains(t, refused(wanted), says)
	}
	wrong := integration.Setup{URL: link, AppID: slacktest.AppID, AppToken: "xoxe.xoxp-2-" + canary}
	requireError(t, refused(wrong), integration.FaultAuth, "CREDENTIALS_REFUSED")
	server.Script("apps.manifest.update", slacktest.Failure("invalid_manifest", map[string]any{"errors": []any{
		map[string]any{"message": "Interactivity requires a Request URL", "pointer": "/settings/interactivity"},
	}}))
	require.ErrorContains(
		t, refused(integration.Setup{URL: link, AppID: slacktest.AppID, AppToken: configurationToken}),
		"/settings/interactivity: Interactivity requires a Request URL",
	)
	server.Script("apps.manifest.export", slacktest.Response{Body: `{"ok":true}`})
	requireError(
		t, refused(integration.Setup{URL: link, AppID: slacktest.AppID, AppToken: configurationToken}),
		integration.FaultTransient, "ANSWER_UNREADABLE",
	)
	ch.Settings["receive"], ch.Credentials["appToken"] = "socket", "xapp-1-"+canary
	require.ErrorContains(t, refused(integration.Setup{URL: link}), "over a socket; leave the URL out")
}
