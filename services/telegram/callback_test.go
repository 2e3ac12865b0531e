package telegram_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func TestButtonPressIsAnsweredAfterTheMessage(t *testing.T) {
	for name, test := range map[string]struct {
		response []telegramtest.Response
		answered bool
	}{
		"well": {nil, true},
		"too late": {[]telegramtest.Response{
			telegramtest.Failure(400, "Bad Request: query is too old and response timeout expired or query ID is invalid", nil),
		}, false},
		"by a server that is down":  {[]telegramtest.Response{{Status: 502}}, false},
		"by a connection that ends": {[]telegramtest.Response{{Reset: true}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.Script("answerCallbackQuery", test.response...)
			result, err := newPlatform(t).Send(t.Context(), with(text("5", "hi"), "callbackQueryId", "3007"), ch)
			require.NoError(t, err, "the message was sent")
			require.Equal(t, test.answered, result.Metadata["callbackAnswered"])
			requests := server.Requests()
			require.Len(t, requests, 2)
			require.Equal(t, "sendMessage", requests[0].Route)
			require.Equal(t, "answerCallbackQuery", requests[1].Route)
			requireBody(t, `{"callback_query_id":"3007"}`, requests[1])
		})
	}
	t.Run("not after a refusal", func(t *testing.T) {
		server, ch := newServer(t)
		server.Script("sendMessage", telegramtest.Failure(403, "Forbidden", nil))
		_, err := newPlatform(t).Send(t.Context(), with(text("5", "hi"), "callbackQueryId", "3007"), ch)
		require.Error(t, err)
		require.Len(t, server.Requests(), 1)
	})
	t.Run("after an edit", func(t *testing.T) {
		server, ch := newServer(t)
		result, err := newPlatform(t).(integration.Editor).EditMessage(
			t.Context(), integration.Target{MessageID: "5:41"}, with(text("", "new"), "callbackQueryId", "3007"), ch,
		)
		require.NoError(t, err)
		require.Equal(t, true, result.Metadata["callbackAnswered"])
		require.Equal(t, "answerCallbackQuery", server.Requests()[1].Route)
	})
	t.Run("not by a number", func(t *testing.T) {
		server, ch := newServer(t)
		result, err := newPlatform(t).Send(t.Context(), with(text("5", "hi"), "callbackQueryId", 3007), ch)
		require.NoError(t, err)
		require.NotContains(t, result.Metadata, "callbackAnswered")
		require.Len(t, server.Requests(), 1)
	})
}

func TestReplyContextComesBeforeTheMetadata(t *testing.T) {
	server, ch := newServer(t)
	m := text("5", "hi")
	m.Metadata = map[string]any{"businessConnectionId": "old", "directMessagesTopicId": "700100200"}
	m.ReplyContext = "businessConnectionId=bc%2F1"
	_, err := newPlatform(t).Send(t.Context(), m, ch)
	require.NoError(t, err)
	requireBody(
		t, `{"business_connection_id":"bc/1","chat_id":5,"direct_messages_topic_id":700100200,"text":"hi"}`,
		server.Requests()[0],
	)
}

func TestGuestQueryIsAnswered(t *testing.T) {
	server, ch := newServer(t)
	m := with(withButtons(integration.Button{ID: "y", Title: "Yes"}), "guestQueryId", "7001")
	m.Content.Text = strings.Repeat("steam ", 20)
	result, err := newPlatform(t).Send(t.Context(), m, ch)
	require.NoError(t, err)
	require.Equal(
		t, &integration.SendResult{Success: true, Metadata: map[string]any{"inlineMessageId": "inline-7001"}}, result,
	)
	requests := server.Requests()
	require.Len(t, requests, 1)
	require.Equal(t, "answerGuestQuery", requests[0].Route)
	title := strings.TrimSpace(strings.Repeat("steam ", 10))
	requireBody(t, `{"guest_query_id":"7001","result":{"type":"article","id":"1","title":"`+title+`",
		"input_message_content":{"message_text":"`+m.Content.Text+`"},
		"reply_markup":{"inline_keyboard":[[{"text":"Yes","callback_data":"y"}]]}}}`, requests[0])

	t.Run("a second answer", func(t *testing.T) {
		_, err := newPlatform(t).Send(t.Context(), with(text("", "again"), "guestQueryId", "7001"), ch)
		requireError(t, err, integration.FaultPermanent, "INTERACTION_EXPIRED")
	})
	t.Run("a long text", func(t *testing.T) {
		long := with(text("", strings.Repeat("a", 4097)), "guestQueryId", "7002")
		_, err := newPlatform(t).Send(t.Context(), long, ch)
		requireError(t, err, integration.FaultInvalid, "MESSAGE_TOO_LONG")
	})
	t.Run("a list", func(t *testing.T) {
		list := content(integration.Content{Type: "INTERACTIVE", Interactive: &integration.Interactive{
			Body: "Which?", Sections: []integration.Section{{Rows: []integration.Row{{Title: "A"}}}},
		}})
		result, err := newPlatform(t).Send(t.Context(), with(list, "guestQueryId", "7002"), ch)
		require.NoError(t, err)
		require.Equal(t, []integration.Degradation{{Feature: "list", Became: "buttons"}}, result.Degraded)
	})
	t.Run("an answer without the message", func(t *testing.T) {
		server.Script("answerGuestQuery", answer(`{"ok":true,"result":{}}`))
		_, err := newPlatform(t).Send(t.Context(), with(text("", "hi"), "guestQueryId", "7003"), ch)
		requireError(t, err, integration.FaultUnknown, "ANSWER_UNREADABLE")
	})
}
