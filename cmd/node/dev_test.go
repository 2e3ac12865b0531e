package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
	"github.com/hiliosai/switchboard/services/slack/slacktest"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// devRun is a run of the command dev. No line of it holds a canary.
type devRun struct {
	*testing.T
	cmd      *exec.Cmd
	temp     string // the folder for temporary files
	out, err chan string
}

// startDev runs dev with these arguments, with environment variables NAME=VALUE before them.
func startDev(t *testing.T, args ...string) *devRun {
	t.Helper()
	d := &devRun{T: t, temp: t.TempDir()}
	env := append(os.Environ(), "TZ=UTC", "TMPDIR="+d.temp)
	for strings.Contains(args[0], "=") {
		env, args = append(env, args[0]), args[1:]
	}
	d.cmd = exec.CommandContext(t.Context(), binary, append([]string{"dev"}, args...)...)
	d.cmd.Dir, d.cmd.Env = t.TempDir(), env
	stdout, err := d.cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := d.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, d.cmd.Start())
	read := func(lines *bufio.Scanner) chan string {
		c := make(chan string, 1000)
		go func() {
			defer close(c)
			for lines.Scan() {
				c <- lines.Text()
			}
		}()
		return c
	}
	d.out, d.err = read(bufio.NewScanner(stdout)), read(bufio.NewScanner(stderr))
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // does nothing where it has ended
		d.rest()
		_ = d.cmd.Wait()
	})
	return d
}

// next is the next line.
func (d *devRun) next(lines <-chan string) string {
	d.Helper()
	select {
	case line, ok := <-lines:
		require.True(d, ok, "it ended")
		require.NotContains(d, line, "canary")
		return line
	case <-time.After(patience):
		_ = d.cmd.Process.Kill()
		out, notes := d.rest()
		require.Fail(d, "it does not say that", "but %q and %q", out, notes)
		return ""
	}
}

// rest is what else it prints and notes, until its end.
func (d *devRun) rest() (out, notes []string) {
	for line := range d.out {
		out = append(out, line)
	}
	for line := range d.err {
		notes = append(notes, line)
	}
	return out, notes
}

// interrupt presses Ctrl-C: it ends with status 0 and leaves nothing behind.
func (d *devRun) interrupt() {
	d.Helper()
	require.NoError(d, d.cmd.Process.Signal(syscall.SIGINT))
	out, notes := d.rest()
	require.Empty(d, out)
	require.Empty(d, notes)
	require.NoError(d, d.cmd.Wait())
	left, err := filepath.Glob(filepath.Join(d.temp, "*"))
	require.NoError(d, err)
	require.Empty(d, left, "the temporary folder is removed")
}

// refused waits for the end: status 1, and what is wrong.
func (d *devRun) refused(want string) {
	d.Helper()
	out, notes := d.rest()
	require.Empty(d, out)
	require.NotContains(d, strings.Join(notes, "\n"), "canary")
	require.Equal(d, want, strings.Join(notes, "\n"))
	require.Error(d, d.cmd.Wait())
	require.Equal(d, 1, d.cmd.ProcessState.ExitCode())
}

func TestDevPrintsTelegramMessagesAndEchoes(t *testing.T) {
	t.Parallel()
	bot := telegramtest.NewServer(canaryToken)
	t.Cleanup(bot.Close)
	d := startDev(t, "telegram", canaryToken, "--api-base", bot.URL())
	require.Equal(t, "dev: receiving from telegram", d.next(d.err))
	bot.PushText(canaryToken, 5550001234, "Where is\nmy order? \x1b[2J")
	const times = `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  `
	require.Regexp(t, times+`5550001234  Ada  TEXT  Where is my order\?  \[2J$`, d.next(d.out))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sent, err := bot.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, "Where is\nmy order? \x1b[2J", sent.Body["text"])
	require.Regexp(t, times+`5550001234  \(echo\)  TEXT  Where is my order\?  \[2J$`, d.next(d.out))

	bot.Push(canaryToken, "message", map[string]any{
		"message_id": 7, "date": 1700000000, "chat": map[string]any{"id": 5, "type": "private"},
		"document": map[string]any{"file_id": "F", "file_unique_id": "U", "file_name": "list.pdf"}, "caption": "Here",
		"from": map[string]any{"id": 5, "is_bot": false, "first_name": "Bea"},
	})
	require.Equal(t, "2023-11-14 22:13:20  5  Bea  FILE  [list.pdf] Here", d.next(d.out))
	d.interrupt()
}

func TestDevPrintsEventsAsJSON(t *testing.T) {
	t.Parallel()
	bot := telegramtest.NewServer(canaryToken)
	t.Cleanup(bot.Close)
	d := startDev(
		t, "TELEGRAM_TOKEN="+canaryToken, "telegram", "--no-echo", "--output", "json", "--set", "apiBase="+bot.URL(),
	)
	d.next(d.err)
	for n := range 3 {
		bot.PushText(canaryToken, 42, fmt.Sprint("text\n", n))
		var event integration.MessageReceivedPayload
		require.NoError(t, json.Unmarshal([]byte(d.next(d.out)), &event))
		require.Equal(t, "telegram", event.Platform)
		require.Equal(t, "dev", event.ChannelID)
		require.Equal(t, fmt.Sprint("text\n", n), event.Message.Content.Text)
	}
	d.interrupt()
	for _, request := range bot.Requests() {
		require.NotEqual(t, "sendMessage", request.Route, "nothing is sent back")
	}
}

func TestDevPrintsDiscordMessagesAndEchoes(t *testing.T) {
	t.Parallel()
	fake := discordtest.NewServer(discordtest.App{BotToken: "canary.bot.token", ApplicationID: "4242"})
	t.Cleanup(fake.Close)
	d := startDev(t, "discord", "canary.bot.token", "4242", "--api-base", fake.URL())
	require.Equal(t, "dev: receiving from discord", d.next(d.err))
	fake.Gateway.Publish("0", "MESSAGE_CREATE", map[string]any{
		"id": "1450000138412032001", "channel_id": "500", "type": 0, "content": "hello",
		"author": map[string]any{"id": "9", "username": "ada"},
	})
	require.Regexp(t, `  500  ada  TEXT  hello$`, d.next(d.out))
	require.Regexp(t, `  500  \(echo\)  TEXT  hello$`, d.next(d.out))
	d.interrupt()
	require.Empty(t, fake.Gateway.Counts().Violations)
}

// slackMessage is an event of a message.
func slackMessage(text string) map[string]any {
	return map[string]any{
		"type": "event_callback", "event_id": "E1", "team_id": slacktest.TeamID, "event_time": 1_700_000_000,
		"event": map[string]any{
			"type": "message", "channel": "C024BE91L", "user": "U1", "text": text, "channel_type": "channel",
			"ts": "1700000001.000100", "event_ts": "1700000001.000100",
		},
	}
}

func TestDevPrintsSlackMessagesAndEchoes(t *testing.T) {
	t.Parallel()
	fake := slacktest.NewServer("xoxb-canary")
	t.Cleanup(fake.Close)
	fake.Socket.SetAppToken("xapp-canary")
	d := startDev(t, "SLACK_APP_TOKEN=xapp-canary", "slack", "xoxb-canary", "--api-base", fake.URL())
	require.Equal(t, "dev: receiving from slack", d.next(d.err))
	fake.Socket.PushEvent(slackMessage("hello"))
	require.Equal(t, "2023-11-14 22:13:21  C024BE91L  U1  TEXT  hello", d.next(d.out))
	require.Regexp(t, `  C024BE91L  \(echo\)  TEXT  hello$`, d.next(d.out))
	d.interrupt()
	require.Empty(t, fake.Socket.Counts().Violations)
}

func TestDevRunsTheChannelsOfAFile(t *testing.T) {
	t.Parallel()
	bot := telegramtest.NewServer(canaryToken)
	t.Cleanup(bot.Close)
	bot.AddBot("654321:canary-other")
	file := filepath.Join(t.TempDir(), "channels.yaml")
	channel := func(id, token string) string {
		return fmt.Sprintf("  - {id: %s, tenantId: acme, platform: telegram, credentials: {token: %q}, "+
			"settings: {receive: polling, apiBase: %q}}\n", id, token, bot.URL())
	}
	require.NoError(t, os.WriteFile(
		file, []byte("channels:\n"+channel("shop", canaryToken)+channel("help", "${OTHER_TOKEN}")), 0o600,
	))
	d := startDev(t, "OTHER_TOKEN=654321:canary-other", "-f", file, "--no-echo")
	require.ElementsMatch(
		t, []string{"shop: receiving from telegram", "help: receiving from telegram"},
		[]string{d.next(d.err), d.next(d.err)},
	)
	bot.PushText(canaryToken, 1, "one")
	require.Regexp(t, `  shop  1  Ada  TEXT  one$`, d.next(d.out))
	bot.PushText("654321:canary-other", 2, "two")
	require.Regexp(t, `  help  2  Ada  TEXT  two$`, d.next(d.out))
	d.interrupt()
}

func TestDevSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	bot := telegramtest.NewServer(canaryToken)
	t.Cleanup(bot.Close)
	slackApp := slacktest.NewServer("xoxb-canary")
	t.Cleanup(slackApp.Close)
	byWebhook := filepath.Join(t.TempDir(), "channels.yaml")
	require.NoError(t, os.WriteFile(byWebhook, []byte(channelFile(
		"telegram", "ACTIVE", "token: '123456:canary-token', secretToken: canary-secret",
	)), 0o600))
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"a wrong token": {
			[]string{"telegram", "99:canary-wrong", "--api-base", bot.URL()},
			"channel dev cannot work as it is: Telegram refuses the credentials\n" +
				"→ replace them: token (the bot's token, as @BotFather shows it: digits, a colon, letters)",
		},
		"no token": {
			[]string{"telegram"}, "token (the bot's token, as @BotFather shows it: digits, a colon, letters): \n" +
				"token is required: give it with --set token=… or type it in",
		},
		"a token without a platform": {
			[]string{"123456:canary-token"},
			"name a platform first, one of: discord, slack, telegram; or give a file with -f",
		},
		"a platform with webhooks only": {
			[]string{"whatsapp", "canary"},
			"whatsapp receives by webhook only; without webhooks there are: discord, slack, telegram",
		},
		"a channel with webhooks": {
			[]string{"-f", byWebhook}, "channel shop receives by webhook: set settings.receive to polling",
		},
		"an App-Level Token of no app": {
			[]string{"slack", "xoxb-canary", "xapp-canary-wrong", "--api-base", slackApp.URL()},
			"channel dev cannot receive: slack apps.connections.open: invalid_auth; store an App-Level Token that begins " +
				"with xapp- and has the scope connections:write, and switch Socket Mode on for the app",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			startDev(t, test.args...).refused(test.want)
		})
	}
}

func TestDevSaysWhoGetsTheUpdates(t *testing.T) {
	t.Parallel()
	bot := telegramtest.NewServer(canaryToken)
	t.Cleanup(bot.Close)
	bot.SetWebhookInfo(telegramtest.WebhookInfo{URL: "https://gw.example.org/telegram/canary"})
	d := startDev(t, "telegram", canaryToken, "--api-base", bot.URL())
	out, notes := d.rest()
	require.Empty(t, out)
	require.Len(t, notes, 1)
	require.Contains(t, notes[0], "channel dev cannot receive: telegram getUpdates: the bot's updates go to its "+
		"webhook at gw.example.org, so polling gets none; delete the webhook with ")
	require.NotContains(t, notes[0], "canary")
	require.Error(t, d.cmd.Wait())
	require.Equal(t, 1, d.cmd.ProcessState.ExitCode())
}
