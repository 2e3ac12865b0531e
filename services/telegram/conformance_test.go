package telegram_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func conformance(tb testing.TB) integrationtest.Platform {
	tb.Helper()
	var files []string
	for _, name := range strings.Fields(webhookFiles) {
		files = append(files, "testdata/inbound/"+name+".json")
	}
	return integrationtest.Platform{
		Definition: definition(tb, httpapi.Options{AllowPrivate: true}),
		Channel: func(url string) *integration.Channel {
			ch := channel()
			ch.Settings["apiBase"] = url
			return ch
		},
		API: func(tb testing.TB) http.Handler {
			tb.Helper()
			server := telegramtest.NewServer(token)
			tb.Cleanup(server.Close)
			server.AddFile("file-1", "photos/file_1.jpg", []byte("jpeg"))
			return server
		},
		Webhooks:  integrationtest.Files(tb, files...),
		Handshake: integration.Verification{Mode: "subscribe", Token: secretToken},
		Sends:     sends(tb),
		Refusal:   refusal,
	}
}

func TestTelegramIsAPlatform(t *testing.T) { integrationtest.Run(t, conformance(t)) }

func FuzzWebhook(f *testing.F) { integrationtest.FuzzWebhook(f, conformance(f)) }

// webhookFiles has the name of a sample for each kind of update and of content, and for odd ones.
const webhookFiles = `
	text_with_entities photo_with_caption video video_note animation audio voice document item_of_an_album sticker
	sticker_animated location live_location venue contact_of_a_user poll dice command_to_one_bot
	reply_in_a_topic_with_quote reply_to_another_chat channel_post from_a_bot guest_message
	direct_message_to_a_channel edited_text edited_channel_post business_message business_message_of_the_account
	business_message_edited business_messages_deleted business_connected button_pressed button_on_an_inline_message
	form_of_a_web_app poll_answer poll_closed message_reaction reactions_changed reactions_counted bot_blocked
	member_joined join_request new_members member_left_message migrated_to_a_supergroup pinned_message
	chat_title_changed topic_created payment payment_refunded pre_checkout_query inline_query_with_numeric_id
	content_of_a_later_version message_is_null
`

// sends reads a message or an action for each feature, and adds a send that is refused.
func sends(tb testing.TB) []integrationtest.Send {
	tb.Helper()
	content, err := os.ReadFile("testdata/sends.json")
	require.NoError(tb, err)
	var sends []integrationtest.Send
	require.NoError(tb, json.Unmarshal(content, &sends))
	blocked := telegramtest.Failure(http.StatusForbidden, "Forbidden: bot was blocked by the user", nil)
	return append(sends, integrationtest.Send{
		Name: "text to who blocked the bot", Message: *text("5", "hello"),
		Answer: &integrationtest.Answer{Status: blocked.Status, Body: blocked.Body},
	})
}

// refusal is the Bot API's answer for a row of the error table.
func refusal(r integration.Refusal) integrationtest.Answer {
	var parameters map[string]any
	if r.Code == "migrated" {
		parameters = map[string]any{"migrate_to_chat_id": -1001234567890}
	}
	a := telegramtest.Failure(r.Status, r.Text, parameters)
	return integrationtest.Answer{Status: a.Status, Body: a.Body}
}
