package telegram_test

import (
	"net/http"
	"testing"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/telegram"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func TestTelegramIsAPlatform(t *testing.T) { integrationtest.Run(t, conformance(t)) }

func FuzzWebhook(f *testing.F) { integrationtest.FuzzWebhook(f, conformance(f)) }

func conformance(tb testing.TB) integrationtest.Platform {
	tb.Helper()
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	tb.Cleanup(client.Close)
	return integrationtest.Platform{
		Definition: telegram.Definition(client),
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
		Webhooks:  integrationtest.Files(tb, webhookFiles()...),
		Handshake: integration.Verification{Mode: "subscribe", Token: secretToken},
		Sends:     append(sends(), actions()...),
		Refusal:   refusal,
	}
}

// webhookFiles names one for each kind of update and of content, and what is awkward.
func webhookFiles() []string {
	var files []string
	for _, name := range []string{
		"text_with_entities", "photo_with_caption", "video", "video_note", "animation", "audio", "voice", "document",
		"item_of_an_album", "sticker",
		"sticker_animated", "location", "live_location", "venue", "contact_of_a_user", "poll", "dice", "command_to_one_bot",
		"reply_in_a_topic_with_quote", "reply_to_another_chat", "channel_post", "from_a_bot", "guest_message",
		"direct_message_to_a_channel",
		"edited_text", "edited_channel_post", "business_message", "business_message_of_the_account",
		"business_message_edited",
		"business_messages_deleted", "business_connected", "button_pressed", "button_on_an_inline_message",
		"form_of_a_web_app",
		"poll_answer", "poll_closed", "message_reaction", "reactions_changed", "reactions_counted", "bot_blocked",
		"member_joined", "join_request",
		"new_members", "member_left_message", "migrated_to_a_supergroup", "pinned_message", "chat_title_changed",
		"topic_created", "payment",
		"payment_refunded", "pre_checkout_query", "inline_query_with_numeric_id", "content_of_a_later_version",
		"message_is_null",
	} {
		files = append(files, "testdata/inbound/"+name+".json")
	}
	return files
}

// sends shows one message for each feature, and what else they can have.
func sends() []integrationtest.Send {
	to := func(c integration.Content) integration.Message { return *content(c) }
	yes := []integration.Button{{ID: "yes", Title: "Yes"}}
	reply := *text("-1001700100200", "hello")
	reply.ReplyTo = &integration.ReplyTo{MessageID: "-1001700100200:41", Quote: "steam"}
	topic := *text("-1001700100200", "hello")
	topic.ThreadID = "7"
	foreign := *text("5", "hello")
	foreign.ReplyTo = &integration.ReplyTo{MessageID: "-77:41"}
	pressed := *text("5", "hello")
	pressed.Metadata = map[string]any{
		"callbackQueryId": "3007", "businessConnectionId": "bc-1", "directMessagesTopicId": "7",
	}
	guest := *text("", "hello")
	guest.Metadata = map[string]any{"guestQueryId": "7001"}
	guest.Content.Interactive = &integration.Interactive{Buttons: yes}
	note := *flagged(media("VIDEO", integration.Media{Data: []byte("mp4"), DurationMs: 4000, Width: 240}), "videoNote")
	gif := *media("IMAGE", integration.Media{URL: "https://files.example/a.gif", MimeType: "image/gif"})
	forbidden := telegramtest.Failure(http.StatusForbidden, "Forbidden: bot was blocked by the user", nil)
	return []integrationtest.Send{
		{Name: "text", Message: *text("700100200", "hello 👍 <b>")},
		{Name: "text with markup", Message: to(integration.Content{Text: "*hello*", Format: "markdown"})},
		{Name: "text with entities", Message: to(integration.Content{Text: "Ada there", Entities: []integration.Entity{
			{Type: "text_mention", Length: 3, UserID: "700100200"},
			{Type: "text_link", Offset: 4, Length: 5, URL: "https://example.org"},
		}})},
		{Name: "reply with a quote", Message: reply},
		{Name: "reply to another chat", Message: foreign},
		{Name: "text to a topic", Message: topic},
		{Name: "text after a press", Message: pressed},
		{Name: "answer of a guest", Message: guest},
		{Name: "buttons", Message: *withButtons(
			integration.Button{ID: "start:1", Title: "Yes", Style: "primary"},
			integration.Button{Title: "Docs", Type: "url", URL: "https://example.org"},
		)},
		{Name: "list", Message: to(integration.Content{Type: "INTERACTIVE", Interactive: &integration.Interactive{
			Body: "Which?",
			Sections: []integration.Section{
				{Title: "Valves", Rows: []integration.Row{{ID: "v1", Title: "Brass", Description: "two bar"}}},
			},
		}})},
		{Name: "image", Message: *with(media(
			"IMAGE", integration.Media{URL: "https://files.example/a.png"},
		), func(m *integration.Message) {
			m.Content.Text, m.Content.Entities = "look", []integration.Entity{{Type: "bold", Length: 4}}
		})},
		{Name: "image that is uploaded", Message: *media(
			"IMAGE", integration.Media{Data: []byte("png"), MimeType: "image/png", Filename: "a.png"},
		)},
		{Name: "GIF", Message: gif},
		{Name: "video", Message: *media("VIDEO", integration.Media{ID: "v-1", DurationMs: 1000, Width: 640, Height: 480})},
		{Name: "video note", Message: note},
		{Name: "audio", Message: *media("AUDIO", integration.Media{URL: "https://files.example/a.mp3", DurationMs: 3000})},
		{Name: "voice", Message: *media(
			"VOICE", integration.Media{Data: []byte("ogg"), MimeType: "audio/ogg", Filename: "a.ogg", DurationMs: 2000},
		)},
		{Name: "file", Message: *media("FILE", integration.Media{URL: "https://files.example/a.pdf"})},
		{Name: "album", Message: *album(
			"IMAGE", integration.Media{Data: []byte("png"), Filename: "a.png"},
			integration.Media{ID: "v-1", MimeType: "video/mp4", DurationMs: 1000},
		)},
		{Name: "sticker", Message: to(integration.Content{Type: "STICKER", Sticker: &integration.Sticker{ID: "st-1"}})},
		{Name: "location", Message: to(
			integration.Content{Type: "LOCATION", Location: &integration.Location{Latitude: 51.5, Longitude: -0.15}},
		)},
		{Name: "place", Message: to(
			integration.Content{
				Type:     "LOCATION",
				Location: &integration.Location{Latitude: 51.5, Longitude: -0.15, Name: "Works", Address: "1 Mill Lane"},
			},
		)},
		{Name: "contact", Message: to(integration.Content{Type: "CONTACT", Contacts: []integration.Contact{{
			Name:   integration.ContactName{First: "Ada", Last: "Byron"},
			Phones: []integration.ContactPhone{{Phone: "+15550100"}}, Emails: []string{"ada@example.org"},
		}}})},
		{Name: "poll", Message: to(
			integration.Content{
				Type: "POLL", Poll: &integration.Poll{Question: "More steam?", Options: []string{"Yes", "No"}, Multiple: true},
			},
		)},
		{Name: "image without a file", Message: to(integration.Content{Type: "IMAGE"})},
		{Name: "text to who blocked the bot", Message: *text("5", "hello"), Answer: &integrationtest.Answer{
			Status: forbidden.Status, Body: forbidden.Body,
		}},
	}
}

func actions() []integrationtest.Send {
	on := func(name, action string, params map[string]any) integrationtest.Send {
		all := map[string]any{"messageId": "5:41", "conversationId": "5"}
		for k, v := range params {
			all[k] = v
		}
		return integrationtest.Send{Name: name, Action: action, Params: all}
	}
	edit := func(c integration.Content) map[string]any {
		return map[string]any{"message": integration.Message{Content: c}}
	}
	buttons := &integration.Interactive{Buttons: []integration.Button{{ID: "yes", Title: "Yes"}}}
	return []integrationtest.Send{
		on(
			"edit of a text", integration.ActionEditMessage,
			edit(integration.Content{Type: "INTERACTIVE", Text: "new", Interactive: buttons}),
		),
		on("edit of a caption", integration.ActionEditMessage, edit(integration.Content{Type: "IMAGE", Text: "new"})),
		on(
			"edit of a file", integration.ActionEditMessage,
			edit(integration.Content{Type: "IMAGE", Media: &integration.Media{Data: []byte("png"), Filename: "a.png"}}),
		),
		on(
			"edit of the buttons", integration.ActionEditMessage,
			edit(integration.Content{Type: "INTERACTIVE", Interactive: buttons}),
		),
		on("deletion", integration.ActionDeleteMessage, nil),
		on("reaction", integration.ActionReact, map[string]any{"emoji": "👍"}),
		on("reaction taken away", integration.ActionReact, map[string]any{"emoji": ""}),
		on("typing", integration.ActionTyping, map[string]any{"conversationId": "-1001700100200:7"}),
		{Name: "media download", Action: integration.ActionGetMedia, Params: map[string]any{"mediaId": "file-1"}},
	}
}

// refusal says no as the Bot API does.
func refusal(r integration.Refusal) integrationtest.Answer {
	var parameters map[string]any
	if r.Code == "migrated" {
		parameters = map[string]any{"migrate_to_chat_id": -1001234567890}
	}
	a := telegramtest.Failure(r.Status, r.Text, parameters)
	return integrationtest.Answer{Status: a.Status, Body: a.Body}
}
