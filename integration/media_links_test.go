package integration_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func TestLoginInALinkIsNotInEvents(t *testing.T) {
	b := newHarness(t)
	const link, masked = "https://user:CANARY@example.com/a@b.png", "https://[redacted]@example.com/a@b.png"
	media := integration.Media{URL: link}
	b.platform.messages = []integration.Message{
		{ID: "m1", Content: integration.Content{Type: integration.TypeImage, Text: "to a@b", Media: &media}},
		{ID: "m2", Content: integration.Content{
			Type: integration.TypeImage, Media: &media, Attachments: []integration.Media{media, {URL: "id@1"}},
		}},
	}
	_, err := b.call(integration.ActionReceiveWebhook, webhookParams())
	require.NoError(t, err)
	b.platform.sending = func(context.Context, int, *integration.Message) (*integration.SendResult, error) {
		return nil, &integration.Error{Kind: integration.FaultPermanent, Code: "NO", Message: "cannot read " + link}
	}
	_, err = b.call(integration.ActionSendMessage, object{"channelId": "c1", "message": object{
		"to": object{"id": "1"}, "content": object{"type": "IMAGE", "text": "to a@b", "media": object{"url": link}},
	}})
	require.NoError(t, err, "a refusal is an answer")
	require.Len(t, b.events.events, 3)
	var events []json.RawMessage
	for _, e := range b.events.events {
		events = append(events, e.Payload)
	}
	for _, e := range events {
		require.NotContains(t, string(e), "CANARY")
		require.Contains(t, string(e), masked)
		require.True(t, json.Valid(e))
	}
	require.Contains(t, string(events[1]), `"url":"id@1"`)
	require.Contains(t, string(events[2]), "to a@b")
	require.Equal(t, link, media.URL, "the platform's own is left alone")
}
