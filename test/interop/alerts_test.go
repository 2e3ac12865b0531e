package interop_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// Telegram takes a bot's token away and gives it back. A Node consumer hears both, once and in order, and whoever
// lists the channels sees it meanwhile.
func TestNodeConsumerHearsThatAChannelIsDegradedAndRecovers(t *testing.T) {
	t.Parallel()
	const token = "123456:CANARY-token"
	telegram := telegramtest.NewServer(token)
	t.Cleanup(telegram.Close)
	server := natsServer(t)
	host := startHost(t, server.URL(), settings(
		"services: [telegram, channels]\nhttp: {listen: \"\"}\nmedia: {allowPrivate: true}\n"))
	require.NoError(t, host.running.ApplyChannels(t.Context(), &integration.Channel{
		ID: "shop", TenantID: "acme", Platform: "telegram", Status: integration.ChannelActive,
		Credentials: map[string]string{"token": token, "secretToken": "CANARY-secret"},
		Settings:    map[string]string{"apiBase": telegram.URL()},
	}))
	consumer := startPeer(t, server.URL(), peerOptions{Channels: true})
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	consumer.WaitForServices(t, "telegram", "channels")
	for _, name := range []string{"degraded", "recovered"} {
		require.NoError(t, consumer.Consume(ctx, "hios.processing.channel."+name, "alerts", nil))
	}
	send := func(succeeds bool) {
		t.Helper()
		answer, err := consumer.Call(ctx, "telegram.i_sendMessage", map[string]any{
			"channelId": "shop", "message": map[string]any{
				"to": map[string]any{"id": "5"}, "content": map[string]any{"type": "TEXT", "text": "hi"},
			},
		}, nil)
		require.NoError(t, err)
		var result integration.SendResult
		require.NoError(t, json.Unmarshal(answer.Data, &result))
		require.Equal(t, succeeds, result.Success)
	}
	next := func(name string) integration.ConditionPayload {
		t.Helper()
		m := consumer.NextMessage(t)
		require.Equal(t, "hios.processing.channel."+name, m.Channel)
		require.NotContains(t, string(m.Payload), "CANARY")
		var payload integration.ConditionPayload
		require.NoError(t, json.Unmarshal(m.Payload, &payload))
		require.Equal(t, []string{"acme", "shop", "telegram", host.ID, "CREDENTIALS_REFUSED"}, []string{
			payload.TenantID, payload.ChannelID, payload.Platform, payload.NodeID, payload.Condition.Code,
		})
		return payload
	}

	telegram.Script("sendMessage", telegramtest.Failure(401, "Unauthorized: "+token, nil))
	send(false)
	degraded := next("degraded")
	require.NotEmpty(t, degraded.Condition.Message)
	views, err := consumer.Call(ctx, "channels.list", map[string]any{}, map[string]any{
		"meta": map[string]any{
			"user": map[string]any{"id": "u1", "tenantId": "acme", "permissions": []string{"channels.read"}},
		},
	})
	require.NoError(t, err)
	require.Contains(
		t, string(views.Data), `"conditions":[{"nodeID":"`+host.ID+`","channelId":"shop","code":"CREDENTIALS_REFUSED"`,
	)

	send(true)
	recovered := next("recovered")
	require.Equal(t, degraded.Condition, recovered.Condition)
	require.Greater(t, recovered.Timestamp, degraded.Timestamp)
	require.Equal(t, 1, strings.Count(host.Log.String(), "channel degraded: "))
	require.Equal(t, 1, strings.Count(host.Log.String(), "channel recovered"))

	nc, err := nats.Connect(server.URL())
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	for _, name := range []string{"degraded", "recovered"} {
		stream, err := js.Stream(ctx, "hios_hios_processing_channel_"+name)
		require.NoError(t, err)
		require.EqualValues(t, 1, stream.CachedInfo().State.Msgs, name)
	}
}
