package telegram_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func answering(m *integration.Message, key, id string) *integration.Message {
	m.Metadata = map[string]any{key: id}
	return m
}

func TestThePressOfAButtonIsAnsweredAfterTheMessage(t *testing.T) {
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
			result, err := newPlatform(t).Send(t.Context(), answering(text("5", "hi"), "callbackQueryId", "3007"), ch)
			require.NoError(t, err, "the message is there")
			require.Equal(t, test.answered, result.Metadata["callbackAnswered"])
			requests := server.Requests()
			require.Len(t, requests, 2)
			require.Equal(t, "sendMessage", requests[0].Route)
			require.Equal(t, "answerCallbackQuery", requests[1].Route)
			requireBody(t, `{"callback_query_id":"3007"}`, requests[1])
		})
	}
	t.Run("not when the message is not sent", func(t *testing.T) {
		server, ch := newServer(t)
		server.Script("sendMessage", telegramtest.Failure(403, "Forbidden", nil))
		_, err := newPlatform(t).Send(t.Context(), answering(text("5", "hi"), "callbackQueryId", "3007"), ch)
		require.Error(t, err)
		require.Len(t, server.Requests(), 1)
	})
	t.Run("after an edit", func(t *testing.T) {
		server, ch := newServer(t)
		result, err := newPlatform(t).(integration.Editor).EditMessage(
			t.Context(), integration.Target{MessageID: "5:41"}, answering(text("", "new"), "callbackQueryId", "3007"), ch,
		)
		require.NoError(t, err)
		require.Equal(t, true, result.Metadata["callbackAnswered"])
		require.Equal(t, "answerCallbackQuery", server.Requests()[1].Route)
	})
	t.Run("not for what is no id", func(t *testing.T) {
		server, ch := newServer(t)
		m := text("5", "hi")
		m.Metadata = map[string]any{"callbackQueryId": 3007}
		result, err := newPlatform(t).Send(t.Context(), m, ch)
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

	m.ReplyContext = "%"
	_, err = newPlatform(t).Send(t.Context(), m, ch)
	requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
}

func TestAGuestAnswersTheQuery(t *testing.T) {
	server, ch := newServer(t)
	m := answering(withButtons(integration.Button{ID: "y", Title: "Yes"}), "guestQueryId", "7001")
	m.Content.Text = strings.Repeat("steam ", 20)
	result, err := newPlatform(t).Send(t.Context(), m, ch)
	require.NoError(t, err)
	require.Equal(
		t, &integration.SendResult{Success: true, Metadata: map[string]any{"inlineMessageId": "inline-7001"}}, result,
	)
	requests := server.Requests()
	require.Len(t, requests, 1)
	require.Equal(t, "answerGuestQuery", requests[0].Route)
	requireBody(t, `{"guest_query_id":"7001","result":{"type":"article","id":"1","title":"`+strings.TrimSpace(strings.Repeat("steam ", 10))+`",
		"input_message_content":{"message_text":"`+m.Content.Text+`"},"reply_markup":{"inline_keyboard":[[{"text":"Yes","callback_data":"y"}]]}}}`, requests[0])

	for name, test := range map[string]struct {
		content integration.Content
		kind    integration.ErrorKind
		code    string
	}{
		"a picture": {integration.Content{
			Type: "IMAGE", Media: &integration.Media{ID: "ph-1"},
		}, integration.FaultPermanent, "UNSUPPORTED_CONTENT"},
		"a form": {integration.Content{
			Type: "INTERACTIVE", Interactive: &integration.Interactive{Kind: "form"},
		}, integration.FaultPermanent, "UNSUPPORTED_CONTENT"},
		"no text": {integration.Content{Text: " "}, integration.FaultInvalid, "MESSAGE_INVALID"},
		"too long a text": {integration.Content{
			Text: strings.Repeat("a", 4097),
		}, integration.FaultInvalid, "MESSAGE_TOO_LONG"},
		"the second answer": {integration.Content{Text: "again"}, integration.FaultPermanent, "INTERACTION_EXPIRED"},
		"a list says it all": {
			integration.Content{
				Type: "INTERACTIVE",
				Interactive: &integration.Interactive{
					Body: "Which?", Sections: []integration.Section{{Rows: []integration.Row{{Title: "A"}}}},
				},
			},
			"", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			id := "7001"
			if test.code == "" {
				id = "7002"
			}
			result, err := newPlatform(t).Send(t.Context(), answering(content(test.content), "guestQueryId", id), ch)
			if test.code == "" {
				require.NoError(t, err)
				require.Equal(t, []integration.Degradation{{Feature: "list", Became: "buttons"}}, result.Degraded)
				return
			}
			requireError(t, err, test.kind, test.code)
		})
	}
	t.Run("an answer without the message", func(t *testing.T) {
		server.Script("answerGuestQuery", telegramtest.Response{Body: `{"ok":true,"result":{}}`})
		_, err := newPlatform(t).Send(t.Context(), answering(text("", "hi"), "guestQueryId", "7003"), ch)
		requireError(t, err, integration.FaultUnknown, "ANSWER_UNREADABLE")
	})
}
