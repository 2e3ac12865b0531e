package integration_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
)

func TestWebhookURLIsChecked(t *testing.T) {
	long := "https://gw.example.org/" + strings.Repeat("a", 2048)
	for given, want := range map[string]string{
		"https://gw.example.org":                 "https://gw.example.org/parrot/shop",
		"https://gw.example.org/":                "https://gw.example.org/parrot/shop",
		"https://gw.example.org/hooks/":          "https://gw.example.org/hooks/parrot/shop",
		"https://gw.example.org/a/b":             "https://gw.example.org/a/b",
		"https://gw.example.org/a?channelId=b":   "https://gw.example.org/a?channelId=b",
		"http://127.0.0.1:8080/":                 "http://127.0.0.1:8080/parrot/shop",
		"http://[::1]:8080/x":                    "http://[::1]:8080/x",
		"http://localhost/x":                     "http://localhost/x",
		"":                                       "url: give the URL",
		"gw.example.org":                         "url: is not a URL",
		"https:///x":                             "url: is not a URL",
		"https://gw.example.org/a b":             "url: is not a URL",
		"https://gw.example.org/\x00":            "url: is not a URL",
		"http://gw.example.org/":                 "url: must begin with https://",
		"http://127.0.0.1.example.org/":          "url: must begin with https://",
		"ftp://gw.example.org/":                  "url: must begin with https://",
		"https://user:CANARY@gw.example.org/":    "url: must not have a login",
		"https://gw.example.org/x#CANARY":        "url: must not have a fragment",
		"https://gw.example.org/x#":              "url: must not have a fragment",
		long:                                     "url: must not be longer than 2048 bytes",
		"https://" + strings.Repeat("a", 2100):   "url: must not be longer than 2048 bytes",
		"https://gw.example.org/\r\nHost: other": "url: is not a URL",
	} {
		link, err := integration.WebhookURL(&integration.Channel{ID: "shop", Platform: "parrot"}, given)
		if err != nil {
			require.True(t, strings.HasPrefix(want, "url: "), "%q: %v", given, err)
			require.ErrorContains(t, err, want, given)
			require.NotContains(t, err.Error(), "CANARY")
			continue
		}
		require.Equal(t, want, link, given)
	}
	settings := map[string]string{"publicUrl": "https://hooks.example.org/"}
	link, err := integration.WebhookURL(&integration.Channel{ID: "shop", Platform: "parrot", Settings: settings}, "")
	require.NoError(t, err)
	require.Equal(t, "https://hooks.example.org/parrot/shop", link)
}

// installer is a platform whose setup is what a test says.
type installer struct {
	integration.Platform
	plan *integration.SetupPlan
	err  error
}

func (i *installer) PlanSetup(
	context.Context, *integration.Channel, integration.Setup,
) (*integration.SetupPlan, error) {
	return i.plan, i.err
}

func TestSetupShowsNoSecret(t *testing.T) {
	b := newHarness(t)
	app := "app-" + token
	wanted := integration.Setup{URL: "https://gw.example.org/" + token, AppToken: app}
	platform := &installer{plan: &integration.SetupPlan{
		Changes: []integration.SetupChange{
			{Name: "url", Old: "https://gw.example.org/" + token + "?key=CANARY", New: wanted.URL},
			{Name: "other", Old: "https://user:CANARY@else.example.org/CANARY", New: ""},
		},
		Notes: []string{"see " + token}, Manifest: "m " + app,
		Install: func(context.Context) ([]string, error) { return []string{"and " + token}, nil },
	}}
	b.def.Platform = platform
	result, err := integration.SetUp(t.Context(), b.def, b.store.channel, wanted, false, &redact.Secrets{})
	require.NoError(t, err)
	require.True(t, result.Done)
	text := toJSON(t, result)
	require.NotContains(t, text, "CANARY")
	require.NotContains(t, text, token)
	require.Equal(t, "https://else.example.org/…", result.Changes[1].Old)
	require.Len(t, result.Notes, 2)

	for _, err := range []error{
		errors.New("dial " + token),
		&integration.Error{Kind: integration.FaultTransient, Code: "X", Message: "dial " + token},
		integration.SetupInvalid("commands", "not %s", token),
	} {
		platform.err = err
		_, err = integration.SetUp(t.Context(), b.def, b.store.channel, wanted, false, &redact.Secrets{})
		m, ok := errors.AsType[action.Moleculer](err)
		require.True(t, ok, "%v", err)
		require.NotContains(t, toJSON(t, m.MoleculerError()), token)
	}
}

func TestSetupOfAPlatformWithoutOneIsNotSupported(t *testing.T) {
	b := newHarness(t)
	b.plain()
	_, err := integration.SetUp(
		t.Context(), b.def, b.store.channel, integration.Setup{URL: "https://gw/"}, false, &redact.Secrets{},
	)
	require.ErrorContains(t, err, "cannot be set up from here")
}
