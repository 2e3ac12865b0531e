package discord_test

import (
	"fmt"
	"testing"

	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/discord"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

func TestDiscordReceiverIsAPlatform(t *testing.T) {
	integrationtest.RunReceiver(t, integrationtest.Receiver{
		Define:  discord.Definition,
		Channel: gatewayTestChannel,
		Fake: func() integrationtest.ReceiverFake {
			fake, pushed := discordtest.New(app()), 0
			refusal := discordtest.Failure(401, 0, "401: Unauthorized", nil)
			push := func(text, padding string) {
				pushed++
				fake.Gateway.Publish(guild, "MESSAGE_CREATE", map[string]any{
					"id": fmt.Sprint(1_450_000_138_412_032_000 + pushed), "channel_id": "500", "type": 0, "content": text,
					"author": map[string]any{"id": "9", "username": "ada"}, "padding": padding,
				})
			}
			return integrationtest.ReceiverFake{
				API: fake, Close: fake.Close,
				Push: func(text string) { push(text, "") }, PushLarge: push,
				Refuse: func(refuse bool) {
					if refuse {
						fake.Always(&refusal)
					} else {
						fake.Always(nil)
					}
				},
				Garbage: func() { fake.Gateway.SendFrame([]byte("garbage")) },
			}
		},
	})
}
