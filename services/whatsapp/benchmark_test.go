package whatsapp_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// batchOf is a webhook with that many texts, in changes of ten as the Cloud API may batch them.
func batchOf(tb testing.TB, count int) []byte {
	tb.Helper()
	type object = map[string]any
	var changes []object
	for done := 0; done < count; {
		var messages, contacts []object
		for ; len(messages) < 10 && done < count; done++ {
			from := fmt.Sprintf("1650555%04d", 1000+len(messages))
			contacts = append(
				contacts, object{"profile": object{"name": "Ada Lovelace"}, "wa_id": from, "user_id": "US." + from + "1741918"},
			)
			messages = append(messages, object{
				"from": from, "from_user_id": "US." + from + "1741918",
				"id": fmt.Sprintf("wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTA%04d", done), "timestamp": "1790000000",
				"type": "text", "text": object{"body": strings.Repeat("0123456789", 6)},
			})
		}
		changes = append(changes, object{"field": "messages", "value": object{
			"messaging_product": "whatsapp",
			"metadata":          object{"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
			"contacts":          contacts, "messages": messages,
		}})
	}
	body, err := json.Marshal(
		object{"object": "whatsapp_business_account", "entry": []object{{"id": "102290129340398", "changes": changes}}},
	)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

func BenchmarkNormalize(b *testing.B) {
	platform := newPlatform(b)
	for _, count := range []int{1, 20} {
		b.Run(fmt.Sprintf("%d messages", count), func(b *testing.B) {
			w := webhook(batchOf(b, count))
			b.SetBytes(int64(len(w.Payload)))
			b.ReportAllocs()
			for b.Loop() {
				if messages, err := platform.Normalize(b.Context(), w); err != nil || len(messages) != count {
					b.Fatal(err)
				}
			}
		})
	}
}
