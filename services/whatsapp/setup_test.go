package whatsapp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/whatsapp/whatsapptest"
)

func TestSetupGivesTheNumberAURLOfItsOwn(t *testing.T) {
	server, ch := newServer(t)
	ch.Settings["wabaId"] = wabaID
	server.SetApps()
	server.SetCallbacks("", "", "https://other.example.org/app")
	integrationtest.SetUp(t, "number", definition(t), ch, integration.Setup{URL: "https://gw.example.org/"})
	require.Equal(t, verifyToken, server.VerifyToken())
}

func TestSetupLeavesTheAppsURLIfItIsTheWantedOne(t *testing.T) {
	server, ch := newServer(t)
	def := definition(t)
	setup := integration.Setup{URL: "https://gw.example.org/hook"}
	server.SetCallbacks("", "", setup.URL)
	result, err := integrationtest.TrySetUp(t, def, ch, setup, false)
	require.NoError(t, err)
	require.Empty(t, result.Changes)
	require.Contains(t, result.Notes[0], "without the channel's wabaId")
	server.SetCallbacks("", "https://other.example.org/account", setup.URL)
	integrationtest.SetUp(t, "account", def, ch, setup)
}

func TestSetupTellsThatMetaCannotVerifyTheURL(t *testing.T) {
	_, ch := newServer(t)
	def := definition(t)
	for link, says := range map[string]string{
		whatsapptest.Unreachable:                             "Callback verification failed",
		"https://gw.example.org/" + strings.Repeat("a", 200): "must not be longer than 200 characters",
	} {
		_, err := integrationtest.TrySetUp(t, def, ch, integration.Setup{URL: link}, false)
		require.ErrorContains(t, err, says)
	}
}
