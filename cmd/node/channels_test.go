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
	write(o.T, o.dir, "config.yaml", embedded(freeAddress(o.T))+"log: {level: trace}\nchannels: {keys: ["+strings.Join(keys, ", ")+"]}\n")
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
	return o.does(canaryToken+"\n"+canarySecret+"\n", "create", "shop", "--platform", "telegram", "--tenant", "acme", "--set", "apiBase="+o.bot.URL())
}

func TestAChannelIsCreatedShownAndChangedByCommand(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	created := o.create()
	require.Equal(t, 0, created.exit, created.stderr)
	require.Equal(t, "channel shop (telegram) created\n", created.stdout)
	require.Regexp(t, `^token \(.+\): \nsecretToken \(.+\): \n$`, created.stderr, "it asks for the platform's required fields")

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

func TestAChannelIsTestedByCommand(t *testing.T) {
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
	off := o.does("", "test", "shop", "--json")
	require.Equal(t, 1, off.exit)
	require.Contains(t, off.stdout, `"fix": "set its status to ACTIVE"`)
}

func TestKeysAreRotatedByCommand(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first, second := strings.TrimSpace(o.succeeds("", "keys", "generate", "k1")), strings.TrimSpace(o.succeeds("", "keys", "generate", "k2"))
	o.configure(first)
	require.Equal(t, 0, o.create().exit)
	o.configure(second, first)
	require.Equal(t, "1 channel(s) sealed anew, 0 were already, 0 cannot be opened\n", o.succeeds("", "keys", "rotate"))
	o.configure(second)
	require.Contains(t, o.succeeds("", "get", "shop"), `"token": "****en"`)

	o.configure(first)
	require.Regexp(t, `(?m)^shop +acme +telegram +ACTIVE +! .*sealed with key "k2", which is not configured`, o.succeeds("", "list"))
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
