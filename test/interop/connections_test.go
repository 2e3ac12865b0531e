package interop_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

// received is what a consumer reads of a message.
type received struct {
	ChannelID string `json:"channelId"`
	Message   struct {
		ConversationID string          `json:"conversationId"`
		Kind           string          `json:"kind"`
		ReplyContext   string          `json:"replyContext"`
		From           json.RawMessage `json:"from"`
		Content        struct {
			Text    string `json:"text"`
			Command struct {
				Name string `json:"name"`
			} `json:"command"`
		} `json:"content"`
	} `json:"message"`
}

// A Node consumer hears what people write on Discord, in a server and in direct messages, and answers by
// i_sendMessage: no webhook, no gateway and no listener take part.
func TestNodeConsumerHearsDiscordsGatewayAndAnswers(t *testing.T) {
	t.Parallel()
	const server, room, direct = "290926798626357999", "290926798626999250", "500000000000000005"
	app := discordtest.App{BotToken: "interop.bot.token", ApplicationID: "1111111111111111111"}
	fake := discordtest.NewServer(app)
	t.Cleanup(fake.Close)
	nats := natsServer(t)
	host := startHost(t, nats.URL(), settings("services: [discord, channels]\nhttp: {listen: \"\"}\n"))
	require.NoError(t, host.running.ApplyChannels(t.Context(), &integration.Channel{
		ID: "community", TenantID: "acme", Platform: "discord", Status: integration.ChannelActive,
		Credentials: map[string]string{"botToken": app.BotToken, "applicationId": app.ApplicationID},
		Settings:    map[string]string{"apiBase": fake.URL()},
	}))
	consumer := startPeer(t, nats.URL(), peerOptions{Channels: true})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	consumer.WaitForServices(t, "discord")
	require.NoError(t, consumer.Consume(ctx, "hios.processing.message.received", "archive", nil))
	require.Eventually(t, func() bool { return fake.Gateway.Sessions() == 1 }, patience, tick)

	write := func(guild, channel, id, text string) received {
		t.Helper()
		author := map[string]any{"id": "700000000000000007", "username": "ada_b", "global_name": "Ada"}
		require.Equal(t, 1, fake.Gateway.Publish(guild, "MESSAGE_CREATE", map[string]any{
			"id": id, "type": 0, "channel_id": channel, "content": text, "author": author, "attachments": []any{},
			"embeds": []any{}, "mentions": []any{}, "timestamp": "2025-11-14T18:09:38.063000+00:00", "edited_timestamp": nil,
		}))
		var m received
		require.NoError(t, json.Unmarshal(consumer.NextMessage(t).Payload, &m))
		require.Equal(t, text, m.Message.Content.Text)
		return m
	}
	for _, place := range []struct{ guild, channel, id string }{
		{server, room, "1450000138412032033"}, {"", direct, "1450000138412032034"},
	} {
		m := write(place.guild, place.channel, place.id, "is anybody there?")
		require.Equal(t, place.channel, m.Message.ConversationID)

		// An interaction at the same place has the same conversation.
		interaction := map[string]any{
			"id": place.id + "1", "application_id": app.ApplicationID, "type": 2, "token": "token-" + place.id, "version": 1,
			"channel_id": place.channel, "data": map[string]any{"id": "2", "name": "help", "type": 1},
			"user": map[string]any{"id": "700000000000000007", "username": "ada_b"},
		}
		fake.PublishInteraction(place.guild, place.id+"1", "token-"+place.id, interaction)
		var command received
		require.NoError(t, json.Unmarshal(consumer.NextMessage(t).Payload, &command))
		require.Equal(t, "help", command.Message.Content.Command.Name)
		require.Equal(t, place.channel, command.Message.ConversationID)
		require.Eventually(t, func() bool { return fake.Answer("token-"+place.id) == 5 }, patience, tick, "thinking…")

		answer, err := consumer.Call(ctx, "discord.i_sendMessage", map[string]any{
			"channelId": m.ChannelID,
			"message": map[string]any{
				"to": map[string]any{"id": m.Message.ConversationID}, "content": map[string]any{"type": "TEXT", "text": "yes"},
			},
		}, nil)
		require.NoError(t, err)
		require.Contains(t, string(answer.Data), `"success":true`)
	}
	var sent []string
	for _, r := range fake.Requests() {
		if r.Method == "POST" && strings.HasSuffix(r.Path, "/messages") {
			sent = append(sent, r.Path)
		}
	}
	require.Len(t, sent, 2)
	require.Contains(t, sent[0], room)
	require.Contains(t, sent[1], direct)

	health, err := consumer.Call(ctx, "discord.i_healthCheck", map[string]any{"channelId": "community"}, nil)
	require.NoError(t, err)
	require.Contains(t, string(health.Data), `"node":"`+host.ID+`"`)
	require.Contains(t, string(health.Data), `"state":"ready"`)
}
