package telegram_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/hiliosai/switchboard/integration"
)

// BenchmarkWebhook measures the platform's part for an update: its checks and the message.
func BenchmarkWebhook(b *testing.B) {
	for _, name := range []string{"text_with_entities", "photo_with_caption"} {
		b.Run(name, func(b *testing.B) {
			payload, err := os.ReadFile("testdata/inbound/" + name + ".json")
			if err != nil {
				b.Fatal(err)
			}
			p := newPlatform(b)
			var compact bytes.Buffer // as Telegram sends it
			if err := json.Compact(&compact, payload); err != nil {
				b.Fatal(err)
			}
			w := webhook(compact.Bytes())
			b.SetBytes(int64(compact.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if err := p.(integration.WebhookValidator).ValidateWebhook(b.Context(), w); err != nil {
					b.Fatal(err)
				}
				if messages, err := p.Normalize(b.Context(), w); err != nil || len(messages) != 1 {
					b.Fatal(err)
				}
			}
		})
	}
}
