package integration_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func TestFailedEventHoldsTheMessageAsItCameLessTheData(t *testing.T) {
	const message = `{"to":{"id":42},"own":{"n":1.50,"text":"<&>"},"content":{"type":"FILE","mine":[null],` +
		`"media":{"url":"","data":"aGk=","DATA":"aGk=","filename":"a.txt","extra":9007199254740993},` +
		`"attachments":[{"data":"aGk=","url":"x","k":"v"},{"url":"y","datasource":"files"}]},"created":"today"}`
	lean := strings.NewReplacer(`"data":"aGk=",`, "", `"DATA":"aGk=",`, "").Replace(message)
	for name, sent := range map[string]string{
		"with base64":   message,
		"with a Buffer": strings.Replace(message, `"data":"aGk="`, `"data":{"type":"Buffer","data":[104,105]}`, 1),
		"without any":   lean,
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.platform.sending = always(trouble(integration.FaultPermanent, 0))
			_, err := b.call(integration.ActionSendMessage, object{"channelId": "c1", "message": json.RawMessage(sent)})
			require.NoError(t, err)
			var payload struct{ Message json.RawMessage }
			require.NoError(t, json.Unmarshal(b.events.one(t).Payload, &payload))
			require.JSONEq(t, lean, string(payload.Message))
			require.Contains(t, string(payload.Message), "9007199254740993", "digits stay")
			require.Contains(t, string(payload.Message), "1.50")
		})
	}
}

func TestAttachmentsContentMayBeABufferOfNode(t *testing.T) {
	const buffer = `{"type":"Buffer","data":[104,105]}`
	for name, content := range map[string]string{
		"the only one": `{"type":"FILE","media":{"url":"","data":` + buffer + `}}`,
		"one of many":  `{"type":"FILE","attachments":[{"url":"","data":` + buffer + `},{"url":"https://x.example/a"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			var got *integration.Message
			b.platform.sending = func(_ context.Context, _ int, m *integration.Message) (*integration.SendResult, error) {
				got = m
				return nil, nil
			}
			_, err := b.call(
				integration.ActionSendMessage,
				object{"channelId": "c1", "message": json.RawMessage(`{"content":` + content + `}`)},
			)
			require.NoError(t, err)
			media := append([]integration.Media(nil), got.Content.Attachments...)
			if got.Content.Media != nil {
				media = append(media, *got.Content.Media)
			}
			require.Equal(t, "hi", string(media[0].Data))
		})
	}
	t.Run("but not of what are no bytes", func(t *testing.T) {
		b := newHarness(t)
		_, err := b.call(integration.ActionSendMessage, object{"channelId": "c1", "message": json.RawMessage(
			`{"content":{"media":{"data":{"type":"Buffer","data":[256]}}}}`)})
		requireError(t, err, 422, "VALIDATION_ERROR")
	})
}
