package slack_test

import (
	"fmt"
	"testing"

	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/slack"
	"github.com/hiliosai/switchboard/services/slack/slacktest"
)

func TestSlackReceiverIsAPlatform(t *testing.T) {
	integrationtest.RunReceiver(t, integrationtest.Receiver{
		Define: slack.Definition, Channel: socketChannel, Unordered: true,
		Fake: func() integrationtest.ReceiverFake {
			fake := slacktest.New(botToken)
			fake.Socket.SetAppToken(appToken)
			pushed := 0
			push := func(text, padding string) {
				pushed++
				e := event(0)
				ts := fmt.Sprintf("1700000000.%06d", pushed)
				e["event_id"], e["padding"] = fmt.Sprint("Ev", pushed), padding
				e["event"].(map[string]any)["text"], e["event"].(map[string]any)["ts"] = text, ts
				fake.Socket.PushEvent(e)
			}
			return integrationtest.ReceiverFake{
				API: fake, Close: fake.Close,
				Push: func(text string) { push(text, "") }, PushLarge: push,
				Refuse: func(refuse bool) {
					if refuse {
						fake.Socket.SetAppToken("")
					} else {
						fake.Socket.SetAppToken(appToken)
					}
				},
				Garbage: func() { fake.Socket.SendFrame(`{"type":`) },
			}
		},
	})
}
