package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// fileOf is a file's text.
func fileOf(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(text)
}

// written says that init has put its files there and nothing else, for their owner alone.
func written(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for i, name := range []string{"channels.yaml", "config.yaml"} {
		require.Equal(t, name, entries[i].Name())
		info, err := entries[i].Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}
}

const initialized = "config.yaml and channels.yaml are written.\n"

const nextSteps = "Next:\n  switchboard channels apply -f channels.yaml\n  switchboard run\n"

func TestInitWritesWhatANodeStartsWith(t *testing.T) {
	t.Parallel()
	bot, server, dir := telegramtest.NewServer(canaryToken), testserver.NATS(t), t.TempDir()
	t.Cleanup(bot.Close)
	secrets := t.TempDir()
	write(t, secrets, "token", canaryToken+"\n")
	r := node(
		t, dir, "init", "--yes", "--namespace", "shop", "--nats", server.ClientURL(), "--platform", "telegram",
		"--listen", "127.0.0.1:0", "--set", "telegram.token=file:"+filepath.Join(secrets, "token"),
		"--set", "telegram.apiBase="+bot.URL(),
	)
	require.Equal(t, result{initialized + nextSteps, "", 0}, r)
	written(t, dir)

	applied := node(t, dir, "channels", "apply", "-f", "channels.yaml")
	require.Equal(t, "1 channel(s) applied\n", applied.stdout, applied.stderr)
	start(t, dir)
	require.Contains(t, node(t, dir, "services").stdout, "telegram.i_sendMessage")
	require.Eventually(t, func() bool { return len(bot.Polls(canaryToken)) > 0 }, patience, 10*time.Millisecond)
}

func TestInitTakesAnswersFromStandardInput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := nodeTyping(t, dir, strings.Join([]string{
		"", "nats://nats:4222", "bob", "file", "canary-${HOME}", "ledger", "postgres", "postgres://u:canary@db/channels",
		"slack, line", "acme", "canary-line-token", "canary-secret", "socket", "canary", "xoxb-canary", "xapp-canary", `""`,
	}, "\n")+"\n", "init")
	require.Equal(t, 0, r.exit, r.stderr)
	require.NotContains(t, r.stdout+r.stderr, "canary")
	require.Contains(t, r.stderr, "expects sqlite or postgres\n")
	require.Contains(t, r.stderr, "slack.botToken does not look right: ")
	written(t, dir)
	config, channels := fileOf(t, dir, "config.yaml"), fileOf(t, dir, "channels.yaml")
	require.Regexp(t, `^# .*
node:
  namespace: "hios"  # .*
nats:
  servers: \["nats://nats:4222"\]
  user: "bob"
  password: "canary-\$\$\{HOME\}"
channels:
  store: postgres
  dsn: "postgres://u:canary@db/channels"
  keys: \["k1:\S+"\]  # .*
services: \[line, slack\]
$`, config)
	require.Contains(t, channels, `
  - id: "slack"
    tenantId: "acme"
    platform: slack
    credentials:
      botToken: "xoxb-canary"
      appToken: "xapp-canary"
    settings:
      receive: "socket"
`)
}

func TestInitLeavesSecretsInTheEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := node(
		t, dir, "init", "--yes", "--secrets", "env", "--nats", "nats://nats:4222", "--nats-user", "bob", "--store",
		"postgres",
		"--platform", "telegram", "--platform", "slack", "--set", "telegram.token=env:SHOP_TOKEN",
	)
	require.Equal(t, result{
		initialized + "Set these environment variables: NATS_PASSWORD, DATABASE_URL, CHANNELS_KEY, SLACK_BOT_TOKEN, " +
			"SLACK_APP_TOKEN, SHOP_TOKEN\n" + nextSteps, "", 0,
	}, r)
	written(t, dir)
	require.Contains(t, fileOf(t, dir, "config.yaml"), `password: "${NATS_PASSWORD}"`)
	require.Contains(t, fileOf(t, dir, "channels.yaml"), `token: "${SHOP_TOKEN}"`)
}

func TestInitOverwritesOnlyWhenTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "channels.yaml", "mine")
	args := []string{"init", "--yes", "--platform", "telegram", "--set", "telegram.token=" + canaryToken}
	r := node(t, dir, args...)
	require.Equal(t, result{"", "channels.yaml is there already: give --force to overwrite it\n", 1}, r)
	require.Equal(t, "mine", fileOf(t, dir, "channels.yaml"))
	require.Equal(t, 0, node(t, dir, append(args, "--force")...).exit)
	written(t, dir)
}

func TestInitWritesNothingThatWouldBeRefused(t *testing.T) {
	t.Parallel()
	telegram := []string{"--platform", "telegram", "--set", "telegram.token=" + canaryToken}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no token":            {nil, "telegram.token has no default: give it with --set telegram.token=…\n"},
		"a malformed token":   {[]string{"--set", "telegram.token=canary"}, "telegram.token does not look right: "},
		"an unknown platform": {[]string{"--platform", "pigeon"}, `no such platform "pigeon"; there are: `},
		"an unknown field":    {append(telegram, "--set", "telegram.tokn=canary"), `there is no field "tokn"; there are: `},
		"a value of nothing": {append(
			telegram, "--set", "token=canary",
		), "--set token: expects nats.password, channels.dsn or"},
		"an unset variable": {[]string{
			"--set", "telegram.token=env:NO_SUCH_TOKEN",
		}, "NO_SUCH_TOKEN for telegram.token is not set"},
		"an unknown store":  {append(telegram, "--store", "oracle"), "expects sqlite or postgres\n"},
		"a wrong namespace": {append(telegram, "--namespace", "a b"), "config.yaml:3: node.namespace: expects "},
		"a wrong server":    {append(telegram, "--nats", "http://nats"), "config.yaml:5: nats.servers[0]: expects "},
		"a wrong address":   {append(telegram, "--listen", "here"), "http.listen: expects host:port"},
		"a way that is none": {append(
			telegram, "--set", "telegram.receive=pigeon",
		), "telegram.receive does not look right: "},
		"a database of no URL": {
			append(telegram, "--store", "postgres", "--set", "channels.dsn=mysql://host/name"), "channels.dsn: expects ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := node(t, dir, append([]string{"init", "--yes"}, test.args...)...)
			require.Equal(t, 1, r.exit)
			require.Contains(t, r.stderr, test.want)
			require.NotContains(t, r.stdout+r.stderr, "canary")
			require.NotContains(t, r.stderr, ".init-")
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}
