package discord_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/discord"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

const gateway = "https://gw.example.org/"

func TestSetupSetsTheEndpoint(t *testing.T) {
	server, ch := newServer(t)
	server.SetEndpoint("https://other.example.org/" + canary)
	integrationtest.SetUp(t, "endpoint", discord.Definition(newClient(t)), ch, integration.Setup{URL: gateway})
	require.Equal(t, "https://gw.example.org/discord/ch-1", server.Endpoint())
}

func TestSetupSetsCommandsThatDiffer(t *testing.T) {
	server, ch := newServer(t)
	def := discord.Definition(newClient(t))
	ch.Settings["receive"] = "gateway"
	ping := `{"name":"ping","description":"Says pong","type":1,"nsfw":false}`
	order := `{"name":"order","description":"Orders","description_localizations":{"de":"Bestellt"},"options":[` +
		`{"type":3,"name":"dish","description":"Which","required":true,"choices":[{"name":"Pie","value":"pie"}]}]}`
	user := `{"name":"Report","type":2}`
	setup := func(commands string) integration.Setup { return integration.Setup{Commands: []byte(commands)} }
	integrationtest.SetUp(t, "commands", def, ch, setup("["+ping+","+order+"]"))
	changed := `{"name":"ping","description":"Says PONG"}`
	integrationtest.SetUp(t, "other commands", def, ch, setup("["+user+","+changed+"]"))
	sets := 0
	for _, r := range server.Requests() {
		require.NotEqual(t, discordtest.EditApplication, r.Route)
		if r.Route == discordtest.SetCommands {
			sets++
		}
	}
	require.Equal(t, 2, sets, "only where they differ")
	require.Equal(t, app().InteractionsEndpointURL, server.Endpoint())

	for commands, says := range map[string]string{
		`{}`: "expects a JSON array", `null`: "expects a JSON array", `[{}]`: "position 1", `[{"name":"a","type":9}]`: "position 1",
		"[" + ping + "," + changed + "]": "there are two of command /ping",
	} {
		_, err := integrationtest.TrySetUp(t, def, ch, setup(commands), false)
		require.ErrorContains(t, err, says, commands)
	}
	_, err := integrationtest.TrySetUp(t, def, ch, setup(`[{"name":"ping"}]`), false)
	requireError(t, err, integration.FaultPermanent, "MESSAGE_INVALID")
}

func TestSetupTellsThatDiscordRefusesTheEndpoint(t *testing.T) {
	server, ch := newServer(t)
	def := discord.Definition(newClient(t))
	faults := map[string]any{"interactions_endpoint_url": map[string]any{"_errors": []any{map[string]any{
		"code": "APPLICATION_INTERACTIONS_ENDPOINT_INVALID", "message": "The endpoint could not be verified.",
	}}}}
	refusal := discordtest.Failure(http.StatusBadRequest, 50035, "Invalid Form Body", faults)
	server.Script(discordtest.EditApplication, refusal)
	_, err := integrationtest.TrySetUp(t, def, ch, integration.Setup{URL: gateway + "x"}, false)
	requireError(t, err, integration.FaultPermanent, "MESSAGE_INVALID")
	require.ErrorContains(t, err, "could not be verified")
	ch.Credentials["applicationId"] = "2222222222222222222"
	_, err = integrationtest.TrySetUp(t, def, ch, integration.Setup{URL: gateway}, false)
	require.ErrorContains(t, err, "another app")
}
