package telegram_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
)

func TestUpdateBecomesItsGoldenMessages(t *testing.T) {
	platform := newPlatform(t)
	files, err := filepath.Glob("testdata/inbound/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		if strings.HasSuffix(name, ".golden.json") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".json"), func(t *testing.T) {
			payload, err := os.ReadFile(name)
			require.NoError(t, err)
			messages, err := platform.Normalize(t.Context(), webhook(payload))
			require.NoError(t, err)
			integrationtest.Golden(t, strings.TrimSuffix(name, ".json")+".golden.json", indented(t, messages))
		})
	}
}

func indented(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(v))
	return b.Bytes()
}

func TestWebhookThatIsNotAnUpdateIsInvalid(t *testing.T) {
	platform := newPlatform(t)
	for name, payload := range map[string]string{
		"nothing at all":              ``,
		"null":                        `null`,
		"a list":                      `[{"update_id":1}]`,
		"a string":                    `"update"`,
		"no update_id":                `{"message":{"message_id":1}}`,
		"an update_id of null":        `{"update_id":null}`,
		"an update_id in quotes":      `{"update_id":"1"}`,
		"an update_id with decimals":  `{"update_id":1.5}`,
		"an update_id beyond 64 bits": `{"update_id":9223372036854775808}`,
		"an update_id of a message":   `{"message":{"update_id":1}}`,
	} {
		t.Run(name, func(t *testing.T) {
			err := platform.(integration.WebhookValidator).ValidateWebhook(t.Context(), webhook([]byte(payload)))
			requireError(t, err, integration.FaultInvalid, "WEBHOOK_INVALID")
			_, err = platform.Normalize(t.Context(), webhook([]byte(payload)))
			requireError(t, err, integration.FaultInvalid, "WEBHOOK_INVALID")
		})
	}
}

func TestWebhookThatIsNotJSONIsInvalid(t *testing.T) {
	platform := newPlatform(t)
	for _, payload := range []string{
		`{"update_id":1`, `{"update_id":1,"message":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
	} {
		_, err := platform.Normalize(t.Context(), webhook([]byte(payload)))
		requireError(t, err, integration.FaultInvalid, "WEBHOOK_INVALID")
	}
}

func TestHostileUpdateIsHarmless(t *testing.T) {
	platform := newPlatform(t)
	message := func(members string) string {
		return `{"update_id":1,"message":{"message_id":5,"chat":{"id":5},` + members + `}}`
	}
	command := func(text string, length int) string {
		return message(fmt.Sprintf(`"text":%q,"entities":[{"type":"bot_command","offset":0,"length":%d}]`, text, length))
	}
	for name, payload := range map[string]string{
		"an empty message":               `{"update_id":1,"message":{}}`,
		"an empty callback query":        `{"update_id":1,"callback_query":{}}`,
		"a callback query of null":       `{"update_id":1,"callback_query":{"id":null,"from":null,"message":null}}`,
		"lists where objects belong":     `{"update_id":1,"message":{"message_id":5,"chat":[],"photo":{},"text":[]}}`,
		"an object as id":                `{"update_id":1,"inline_query":{"id":{"a":1},"from":{"id":5}}}`,
		"no photo sizes":                 message(`"photo":[]`),
		"a photo without a file_id":      message(`"photo":[{}]`),
		"a command without a name":       command("/@b", 3),
		"a command of negative length":   command("/a", -9),
		"a command longer than its text": command("/a", 999),
		"a command that splits an emoji": command("/👍 x", 2),
		"half of a surrogate pair":       message(`"text":"\ud83d"`),
		"a date at the end of time":      message(`"date":9223372036854775807,"text":"x"`),
		"a number no float can hold":     message(`"location":{"latitude":1e999,"longitude":0}`),
		"a keyboard with empty rows": `{"update_id":1,"callback_query":{"id":"1","from":{"id":5},"data":"d",` +
			`"message":{"message_id":5,"chat":{"id":5},"reply_markup":{"inline_keyboard":[null,[],[{}]]}}}}`,
		"two kinds at once":    message(`"text":"a"},"callback_query":{"id":"1"`),
		"a member twice":       `{"update_id":1,"message":{"text":"a"},"message":5}`,
		"an empty reaction":    `{"update_id":1,"message_reaction":{}}`,
		"reactions of no type": `{"update_id":1,"message_reaction":{"old_reaction":[{}],"new_reaction":[null,{"type":"x"}]}}`,
		"a thousand reactions": `{"update_id":1,"message_reaction":{"chat":{"id":5},"message_id":7,` +
			`"new_reaction":[{"type":"x"}` + strings.Repeat(`,{"type":"y"}`, 999) + `]}}`,
		"counts of no reactions":   `{"update_id":1,"message_reaction_count":{"reactions":[{},null]}}`,
		"deletions of nothing":     `{"update_id":1,"deleted_business_messages":{"message_ids":[]}}`,
		"deletions without a chat": `{"update_id":1,"deleted_business_messages":{"message_ids":[0,-1]}}`,
		"an empty poll":            `{"update_id":1,"poll":{}}`,
		"a poll answer of nobody":  `{"update_id":1,"poll_answer":{"poll_id":"1","option_ids":[-1]}}`,
		"an empty member update":   `{"update_id":1,"my_chat_member":{}}`,
		"an empty join request":    `{"update_id":1,"chat_join_request":{}}`,
		"an empty connection":      `{"update_id":1,"business_connection":{}}`,
		"an empty sticker":         `{"update_id":1,"message":{"sticker":{}}}`,
		"an empty contact":         `{"update_id":1,"message":{"contact":{}}}`,
		"an empty dice":            `{"update_id":1,"message":{"dice":{}}}`,
		"a payment of nothing":     `{"update_id":1,"message":{"successful_payment":{}}}`,
		"a form of bad JSON":       `{"update_id":1,"message":{"web_app_data":{"data":"{\"a\":"}}}`,
		"a form with two values":   `{"update_id":1,"message":{"web_app_data":{"data":"{} {}"}}}`,
		"a form of null":           `{"update_id":1,"message":{"web_app_data":{"data":"null"}}}`,
		"a pin of another type":    `{"update_id":1,"message":{"chat":{"id":5},"message_id":7,"pinned_message":5}}`,
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, platform.(integration.WebhookValidator).ValidateWebhook(t.Context(), webhook([]byte(payload))))
			messages, err := platform.Normalize(t.Context(), webhook([]byte(payload)))
			require.NoError(t, err)
			requireSound(t, messages)
		})
	}
}

// requireSound checks what holds for the message of any update.
func requireSound(t *testing.T, messages []integration.Message) {
	t.Helper()
	require.NotEmpty(t, messages)
	keys := map[string]bool{}
	for i, m := range messages {
		require.NotEmpty(t, m.ID)
		require.False(t, keys[m.DedupKey], "two messages with the key %s", m.DedupKey)
		keys[m.DedupKey] = true
		key := strconv.FormatInt(m.Metadata["updateId"].(int64), 10)
		if i > 0 {
			key += ":" + strconv.Itoa(i+1)
		}
		require.Equal(t, key, m.DedupKey)
		require.Equal(t, integration.ID("123456"), m.To.ID)
		require.NotEmpty(t, m.Content.Type)
		if m.Content.Type == integration.TypeUnsupported {
			require.NotNil(t, m.Content.Unsupported)
			require.Contains(t, m.Metadata, "raw")
		}
		encoded, err := json.Marshal(m)
		require.NoError(t, err)
		require.NotContains(t, string(encoded), canary)
	}
}

func TestTokenWithoutBotIDIsNotShown(t *testing.T) {
	w := webhook([]byte(`{"update_id":1}`))
	w.Channel.Credentials["token"] = canary
	messages, err := newPlatform(t).Normalize(t.Context(), w)
	require.NoError(t, err)
	require.Empty(t, messages[0].To.ID)
}

func FuzzNormalize(f *testing.F) {
	files, err := filepath.Glob("testdata/inbound/*.json")
	require.NoError(f, err)
	for _, name := range files {
		payload, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(payload)
	}
	platform := newPlatform(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		valid := platform.(integration.WebhookValidator).ValidateWebhook(t.Context(), webhook(payload))
		messages, err := platform.Normalize(context.Background(), webhook(payload))
		if err != nil {
			requireError(t, err, integration.FaultInvalid, "WEBHOOK_INVALID")
			require.Error(t, valid)
			return
		}
		requireSound(t, messages)
	})
}

func BenchmarkNormalize(b *testing.B) {
	platform := newPlatform(b)
	for _, name := range []string{"text_with_entities", "button_pressed", "sticker"} {
		payload, err := os.ReadFile("testdata/inbound/" + name + ".json")
		require.NoError(b, err)
		w := webhook(payload)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				if _, err := platform.Normalize(b.Context(), w); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
