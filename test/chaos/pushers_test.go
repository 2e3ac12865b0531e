//go:build slow || chaos

package chaos_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hiliosai/switchboard/services/discord/discordtest"
	"github.com/hiliosai/switchboard/services/slack/slacktest"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// newPushers starts the fakes of all platforms that have connections.
func newPushers(t *testing.T) map[string]pusher {
	t.Helper()
	telegram := newTelegramPusher(t, pushConversations)
	discord := &discordPusher{server: discordtest.NewServer(discordApp)}
	discord.server.Gateway.Configure(func(c *discordtest.GatewayConfig) {
		c.Shards, c.IdentifyEvery = discordShards, time.Second
	})
	t.Cleanup(discord.server.Close)
	slack := &slackPusher{server: slacktest.NewServer(slackBotToken)}
	slack.server.Socket.SetAppToken(slackAppToken)
	t.Cleanup(slack.server.Close)
	return map[string]pusher{"telegram": telegram, "slack": slack, "discord": discord}
}

// telegramPusher has a bot for each conversation, and a channel for each bot.
type telegramPusher struct {
	server *telegramtest.Server
	bots   int
}

func newTelegramPusher(t *testing.T, bots int) *telegramPusher {
	t.Helper()
	p := &telegramPusher{telegramtest.NewServer(telegramPusherToken(0)), bots}
	for c := 1; c < bots; c++ {
		p.server.AddBot(telegramPusherToken(c))
	}
	t.Cleanup(p.server.Close)
	return p
}

func telegramPusherToken(conversation int) string {
	return fmt.Sprintf("%d:chaos-bot-token", 1000+conversation)
}

func (p *telegramPusher) url() string { return p.server.URL() }

func (p *telegramPusher) channels(url string) string {
	var list strings.Builder
	for c := range p.bots {
		fmt.Fprintf(&list, "  - {id: tg-%d, platform: telegram, tenantId: acme, credentials: {token: %q}, "+
			"settings: {apiBase: %q, receive: polling}}\n", c, telegramPusherToken(c), url)
	}
	return list.String()
}

func (p *telegramPusher) push(conversation int, text string) {
	p.server.PushText(telegramPusherToken(conversation), 42, text)
}

func (*telegramPusher) isReady() bool { return true }

func (p *telegramPusher) violations() []string { return nil }

var discordApp = discordtest.App{BotToken: "chaos.bot.token", ApplicationID: "123456789012345678"}

// discordShards is how many shards the bot has.
const discordShards = 4

// discordPusher has a server of Discord for each conversation.
type discordPusher struct {
	server *discordtest.Server
	last   atomic.Int64
}

func (p *discordPusher) url() string { return p.server.URL() }

func (p *discordPusher) channels(url string) string {
	return fmt.Sprintf("  - {id: dc, platform: discord, tenantId: acme, credentials: {botToken: %q, applicationId: %q}, "+
		"settings: {apiBase: %q}}\n", discordApp.BotToken, discordApp.ApplicationID, url)
}

func (p *discordPusher) push(conversation int, text string) {
	id := strconv.FormatInt(1_400_000_000_000_000_000+p.last.Add(1)<<22, 10)
	p.server.Gateway.Publish(strconv.FormatInt(int64(conversation+1)<<22, 10), "MESSAGE_CREATE", map[string]any{
		"id": id, "channel_id": fmt.Sprint(700 + conversation), "type": 0, "content": text,
		"timestamp": time.Now().UTC().Format(time.RFC3339Nano), "edited_timestamp": nil,
		"author": map[string]any{"id": "99", "username": "ann", "global_name": "Ann"}, "attachments": []any{},
		"embeds": []any{}, "mentions": []any{},
	})
}

func (p *discordPusher) isReady() bool { return p.server.Gateway.Sessions() == discordShards }

func (p *discordPusher) violations() []string { return p.server.Gateway.Counts().Violations }

const slackBotToken, slackAppToken = "xoxb-chaos", "xapp-chaos"

// slackPusher has a channel of Slack for each conversation.
type slackPusher struct {
	server *slacktest.Server
	last   atomic.Int64
}

func (p *slackPusher) url() string { return p.server.URL() }

func (p *slackPusher) channels(url string) string {
	return fmt.Sprintf("  - {id: sl, platform: slack, tenantId: acme, credentials: {botToken: %s, appToken: %s}, "+
		"settings: {apiBase: %q, receive: socket}}\n", slackBotToken, slackAppToken, url)
}

func (p *slackPusher) push(conversation int, text string) {
	n := p.last.Add(1)
	ts := fmt.Sprintf("%d.%06d", 1_700_000_000+n/1_000_000, n%1_000_000)
	p.server.Socket.PushEvent(map[string]any{
		"type": "event_callback", "event_id": fmt.Sprint("Ev", n), "team_id": "T1", "event_time": 1_700_000_000,
		"event": map[string]any{
			"type": "message", "channel": fmt.Sprintf("C%03d", conversation), "channel_type": "channel", "user": "U1",
			"text": text, "ts": ts, "event_ts": ts,
		},
	})
}

func (p *slackPusher) isReady() bool { return p.server.Socket.Sockets() > 0 }

func (p *slackPusher) violations() []string { return p.server.Socket.Counts().Violations }
