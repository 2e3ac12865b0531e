package main_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func TestChannelIsSetUpByCommand(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	require.Equal(t, 0, o.create().exit)
	o.succeeds("", "update", "shop", "--set", "allowedUpdates=message")
	const change = "shop (telegram) at https://gw.example.org/telegram/shop\n" +
		"- url: none\n+ url: https://gw.example.org/telegram/shop\n" +
		"- allowed_updates: Telegram's default\n+ allowed_updates: message\n" +
		"- secret_token: unknown\n+ secret_token: the channel's secretToken\n"
	setup := []string{"setup", "shop", "--url", "https://gw.example.org/"}
	planned := o.succeeds("", append(setup, "--dry-run")...)
	require.Equal(t, change+"3 value(s) would change; nothing was changed\n", planned)
	require.Empty(t, o.bot.WebhookSecret())
	require.Equal(t, change+"3 value(s) changed\n", o.succeeds("", setup...))
	require.Equal(t, canarySecret, o.bot.WebhookSecret())
	require.Equal(
		t, "shop (telegram) at https://gw.example.org/telegram/shop\nnothing to change\n", o.succeeds("", setup...),
	)

	var result integration.SetupResult
	require.NoError(t, json.Unmarshal([]byte(o.succeeds("", append(setup, "--force", "--output", "json")...)), &result))
	require.True(t, result.Done)
	require.Len(t, result.Changes, 1)

	for says, args := range map[string][]string{
		"url: give the URL at which the platform calls, or set the channel's publicUrl\n": {"setup", "shop"},
		"url: must begin with https://\n":                                                 {"setup", "shop", "--url", "http://gw.example.org/"},
		"there is no channel \"nobody\"\n":                                                {"setup", "nobody", "--url", "https://gw.example.org/"},
		"telegram has no manifest\n":                                                      append(setup, "--manifest"),
		"no such file or directory":                                                       append(setup, "--commands", "nowhere.json"),
		"config.yaml is no JSON of at most ":                                              append(setup, "--commands", "config.yaml"),
	} {
		r := o.does("", args...)
		require.Equal(t, 1, r.exit, says)
		require.Contains(t, r.stderr, says)
	}
	o.succeeds("", "update", "shop", "--set", "publicUrl=https://gw.example.org/")
	require.Contains(t, o.succeeds("", "setup", "shop"), "nothing to change")
}
