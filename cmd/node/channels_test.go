package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

const canaryToken, canarySecret = "123456:canary-token", "canary-secret"

// office is a folder with a configuration, in which channels are managed. Whatever is said there holds no secret.
type office struct {
	*testing.T
	dir string
	bot *telegramtest.Server
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t, t.TempDir(), telegramtest.NewServer(canaryToken)}
	t.Cleanup(o.bot.Close)
	o.configure()
	return o
}

func (o *office) configure(keys ...string) {
	o.Helper()
	write(
		o.T, o.dir, "config.yaml",
		embedded(freeAddress(o.T))+"log: {level: trace}\nchannels: {keys: ["+strings.Join(keys, ", ")+"]}\n",
	)
}

// does runs a command on channels, typing input in, and gives what it has said.
func (o *office) does(input string, args ...string) result {
	o.Helper()
	r := nodeTyping(o.T, o.dir, input, append([]string{"channels"}, args...)...)
	require.NotContains(o, r.stdout+r.stderr, "canary", args)
	return r
}

// succeeds is does for what must go well; its result is on standard output.
func (o *office) succeeds(input string, args ...string) string {
	o.Helper()
	r := o.does(input, args...)
	require.Equal(o, 0, r.exit, r.stderr)
	return r.stdout
}

// create creates the channel shop, its secrets typed in.
func (o *office) create() result {
	o.Helper()
	return o.does(
		canaryToken+"\n"+canarySecret+"\n", "create", "shop", "--platform", "telegram", "--tenant", "acme", "--set",
		"apiBase="+o.bot.URL(),
	)
}

func TestChannelIsCreatedShownAndChangedByCommand(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	created := o.create()
	require.Equal(t, 0, created.exit, created.stderr)
	require.Equal(t, "channel shop (telegram) created\n", created.stdout)
	require.Regexp(
		t, `^token \(.+\): \nsecretToken \(.+\): \n$`, created.stderr, "it asks for the platform's required fields",
	)

	r := o.create()
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stderr, `"shop"`)
	r = o.does("", "create", "other", "--platform", "telegram", "--tenant", "acme")
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stderr, "token is required: give it with --set token=… or type it in")
	r = o.does("", "create", "other", "--platform", "pigeon", "--tenant", "acme")
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stderr, `no such platform "pigeon"; there are: `)

	require.JSONEq(t, `{"id":"shop","tenantId":"acme","platform":"telegram","status":"ACTIVE",
		"credentials":{"token":"****en","secretToken":"****et"},"settings":{"apiBase":"`+o.bot.URL()+`"}}`, o.succeeds("", "get", "shop"))

	write(t, o.dir, "token", "123456:canary-token-of-a-file\n")
	require.Equal(t, "channel shop updated\n", o.succeeds("", "update", "shop", "--status", "inactive", "--name", "Shop",
		"--set", "token=file:token", "--unset", "apiBase"))
	require.JSONEq(t, `{"id":"shop","tenantId":"acme","platform":"telegram","name":"Shop","status":"INACTIVE",
		"credentials":{"token":"****le","secretToken":"****et"}}`, o.succeeds("", "get", "shop"))
	r = o.does("", "update", "shop", "--unset", "secretToken")
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stderr, "credentials.secretToken: is required")
	r = o.does("", "get", "nobody")
	require.Equal(t, 1, r.exit)
	require.Equal(t, "there is no channel \"nobody\"\n", r.stderr)
}

func TestChannelIsTestedByCommand(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	require.Equal(t, 0, o.create().exit)
	o.bot.SetWebhookInfo(telegramtest.WebhookInfo{URL: "https://gw.example.org/telegram/shop"})
	good := o.succeeds("", "test", "shop")
	require.NotContains(t, good, "FAULT")
	for _, check := range []string{"fields", "status", "credentials", "health"} {
		require.Regexp(t, `(?m)^ok +`+check+` `, good)
	}

	refused := telegramtest.Failure(401, "Unauthorized: "+canaryToken, nil)
	o.bot.Script("getMe", refused, refused, refused, refused)
	bad := o.does("", "test", "shop")
	require.Equal(t, 1, bad.exit)
	require.Equal(t, "channel shop cannot work as it is\n", bad.stderr)
	require.Regexp(t, `(?m)^FAULT +credentials +Telegram refuses the credentials\n +→ replace them: token \(`, bad.stdout)
	require.Regexp(t, `(?m)^FAULT +health .*\n +→ replace the credentials$`, bad.stdout)

	require.Contains(t, o.succeeds("", "update", "shop", "--status", "INACTIVE"), "updated")
	off := o.does("", "test", "shop", "--output", "json")
	require.Equal(t, 1, off.exit)
	require.Contains(t, off.stdout, `"fix": "set its status to ACTIVE"`)
}

func TestKeysAreRotatedByCommand(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first, second := strings.TrimSpace(
		o.succeeds("", "keys", "generate", "k1"),
	), strings.TrimSpace(o.succeeds("", "keys", "generate", "k2"))
	o.configure(first)
	require.Equal(t, 0, o.create().exit)
	o.configure(second, first)
	require.Equal(t, "1 channel(s) sealed anew, 0 were already, 0 cannot be opened\n", o.succeeds("", "keys", "rotate"))
	o.configure(second)
	require.Contains(t, o.succeeds("", "get", "shop"), `"token": "****en"`)

	o.configure(first)
	require.Regexp(
		t, `(?m)^shop +acme +telegram +ACTIVE +! .*sealed with key "k2", which is not configured`, o.succeeds("", "list"),
	)
	r := o.does("", "keys", "rotate")
	require.Equal(t, 1, r.exit)
	require.Equal(t, "0 channel(s) sealed anew, 0 were already, 1 cannot be opened\n", r.stdout)
	require.Contains(t, r.stderr, "channels list says why")
	for _, key := range []string{first, second} {
		_, material, _ := strings.Cut(key, ":")
		require.NotContains(t, r.stdout+r.stderr, material)
	}

	files, err := filepath.Glob(filepath.Join(o.dir, "data", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(data), "canary", file)
	}
}

func TestCommonSettingsAreSetByCommand(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	require.Equal(t, 0, o.create().exit)
	o.succeeds(
		"", "update", "shop", "--set", "rate=5/s", "--set", "longText=refuse", "--set", "ownMessages=mark", "--set",
		"recipientRate=20/m",
		"--set", "dedup=horizon", "--set", "spool=on")
	require.Contains(t, o.succeeds("", "get", "shop"), `"rate": "5/s"`)
	o.succeeds("", "update", "shop", "--unset", "rate", "--unset", "longText")
	require.NotContains(t, o.succeeds("", "get", "shop"), "longText")
	o.succeeds(
		canaryToken+"\n"+canarySecret+"\n", "create", "other", "--platform", "telegram", "--tenant", "acme", "--set",
		"recipientRate=1/s",
	)

	r := o.does("", "update", "shop")
	require.Equal(t, 1, r.exit)
	require.Equal(t, "nothing to change: give --set, --unset, --tenant, --name or --status\n", r.stderr)
}

func TestChannelCannotHaveTheIDOfAnotherPath(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, id := range []string{"send", "health", "status", "webhook", ".", ".."} {
		r := o.does(canaryToken+"\n"+canarySecret+"\n", "create", id, "--platform", "telegram", "--tenant", "acme")
		require.Equal(t, 1, r.exit, id)
		require.Contains(t, r.stderr, "id: must not be one of send health status webhook . ..")
	}
}

// channelFile is a channels.yaml with one channel.
func channelFile(platform, status, credentials string) string {
	return "channels:\n  - {id: shop, tenantId: acme, platform: " + platform + ", status: " + status +
		", credentials: {" + credentials + "}}\n"
}

func TestApplyShowsWhatChanges(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	telegram := channelFile("telegram", "ACTIVE", "token: '123456:canary-token-1', secretToken: canary-secret")
	require.Equal(t, "shop: new\n", o.succeeds(telegram, "apply", "-f", "-", "--dry-run"))
	require.Equal(t, 1, o.does("", "get", "shop").exit, "a dry run changes nothing")
	changed := channelFile("telegram", "INACTIVE", "token: '123456:canary-token-2', secretToken: canary-secret")
	for _, step := range []struct{ file, difference string }{
		{telegram, "shop: new\n"},
		{telegram, "shop: unchanged\n"},
		{changed, "shop: status ACTIVE -> INACTIVE, credentials.token changed\n"},
	} {
		r := o.does(step.file, "apply", "-f", "-")
		require.Equal(t, step.difference, r.stderr)
		require.Equal(t, "1 channel(s) applied\n", r.stdout)
	}

	slack := channelFile("slack", "ACTIVE", "botToken: xoxb-canary, signingSecret: 8f742231b10e8888abcd99yyyzzz85a5")
	r := o.does(slack, "apply", "-f", "-")
	require.Equal(t, 1, r.exit)
	require.Contains(
		t, r.stderr,
		"channel shop belongs to telegram and would become one of slack: give --change-platform if that is meant\n",
	)
	require.Contains(t, o.succeeds("", "get", "shop"), `"platform": "telegram"`)
	require.Contains(t, o.does(slack, "apply", "-f", "-", "--change-platform").stderr, "shop: platform telegram -> slack")
	require.Contains(t, o.succeeds("", "get", "shop"), `"platform": "slack"`)
}

func TestChannelsAreLostOnlyAfterConfirmation(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	write(
		t, o.dir, "channels.yaml",
		channelFile("telegram", "ACTIVE", "token: '123456:canary-token-1', secretToken: canary-secret"),
	)
	o.succeeds("", "apply", "-f", "channels.yaml")
	write(
		t, o.dir, "channels.yaml",
		channelFile("telegram", "INACTIVE", "token: '123456:canary-token-1', secretToken: canary-secret"),
	)

	for _, args := range [][]string{{"apply", "-f", "channels.yaml"}, {"remove", "shop"}} {
		for _, typed := range []string{"\n", "n\n", "\x04"} {
			require.Equal(t, 1, typing(t, o.dir, typed, append([]string{"channels"}, args...)...), args)
			require.Contains(t, o.succeeds("", "get", "shop"), `"status": "ACTIVE"`)
		}
	}
	require.Equal(t, 0, typing(t, o.dir, "y\n", "channels", "apply", "-f", "channels.yaml"))
	require.Contains(t, o.succeeds("", "get", "shop"), `"status": "INACTIVE"`)
	require.Equal(t, 0, typing(t, o.dir, "", "channels", "remove", "shop", "--yes"))
	require.Equal(t, 1, o.does("", "get", "shop").exit)
}
