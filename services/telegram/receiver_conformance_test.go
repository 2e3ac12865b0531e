package telegram_test

import (
	"testing"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/telegram"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func TestTelegramReceiverIsAPlatform(t *testing.T) {
	integrationtest.RunReceiver(t, integrationtest.Receiver{
		Define:  telegram.Definition,
		Channel: func() *integration.Channel { return pollingChannel(integrationtest.ClusterURL) },
		Fake: func() integrationtest.ReceiverFake {
			fake := telegramtest.New(token)
			refusal := telegramtest.Failure(401, "Unauthorized", nil)
			return integrationtest.ReceiverFake{
				API: fake, Close: fake.Close,
				Push: func(text string) { fake.PushText(token, 42, text) },
				PushLarge: func(text, padding string) {
					id := fake.NextID(token)
					fake.Push(token, "message", map[string]any{
						"message_id": id, "date": 1_700_000_000, "text": text, "padding": padding,
						"from": map[string]any{"id": 42, "is_bot": false, "first_name": "Ada"},
						"chat": map[string]any{"id": 42, "type": "private", "first_name": "Ada"},
					})
				},
				Refuse: func(refuse bool) {
					if refuse {
						fake.Always(&refusal)
					} else {
						fake.Always(nil)
					}
				},
				Garbage: func() {
					fake.Script("getUpdates", telegramtest.Response{Status: 200, Body: "\x00\xffgarbage"})
					fake.PushText(token, 42, "wake up")
				},
			}
		},
	})
}
