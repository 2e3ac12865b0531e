package telegram_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// newServer starts a stand-in for the Bot API and a channel that uses it.
func newServer(t *testing.T) (*telegramtest.Server, *integration.Channel) {
	t.Helper()
	server := telegramtest.NewServer(token)
	t.Cleanup(server.Close)
	ch := channel()
	ch.Settings["apiBase"] = server.URL()
	return server, ch
}

func text(to integration.ID, text string) *integration.Message {
	return &integration.Message{
		To:      integration.Party{ID: to},
		Content: integration.Content{Type: integration.TypeText, Text: text},
	}
}

func withButtons(buttons ...integration.Button) *integration.Message {
	m := text("700100200", "choose")
	m.Content.Type = integration.TypeInteractive
	m.Content.Interactive = &integration.Interactive{Kind: "buttons", Buttons: buttons}
	return m
}

func make100(title string) []integration.Button {
	return slices.Repeat([]integration.Button{{Title: title}}, 100)
}

func TestMessagesBecomeCallsOfSendMessage(t *testing.T) {
	for name, test := range map[string]struct {
		message *integration.Message
		body    string
		chatID  string
	}{
		"a text to a user": {
			text("700100200", "<b>hi</b> *you*"),
			`{"chat_id":700100200,"text":"<b>hi</b> *you*"}`, "700100200",
		},
		"a text to a supergroup": {
			text("-1001700100200", "hi"),
			`{"chat_id":-1001700100200,"text":"hi"}`, "-1001700100200",
		},
		"an id beyond 2^53": {
			text("9007199254740993", "hi"),
			`{"chat_id":9007199254740993,"text":"hi"}`, "9007199254740993",
		},
		"a text to a channel by its name": {
			text("@engine_news", "hi"),
			`{"chat_id":"@engine_news","text":"hi"}`, "-1001000000001",
		},
		"a text without a type": {
			&integration.Message{ConversationID: "5", Content: integration.Content{Text: "hi"}},
			`{"chat_id":5,"text":"hi"}`, "5",
		},
		"a text to the topic of a conversation": {
			&integration.Message{ConversationID: "-1001700100200:7", Content: integration.Content{Type: "TEXT", Text: "hi"}},
			`{"chat_id":-1001700100200,"message_thread_id":7,"text":"hi"}`, "-1001700100200",
		},
		"a text to the topic of a thread": {
			&integration.Message{
				To: integration.Party{ID: "-1001700100200"}, ThreadID: "7", Content: integration.Content{Type: "TEXT", Text: "hi"},
			},
			`{"chat_id":-1001700100200,"message_thread_id":7,"text":"hi"}`, "-1001700100200",
		},
		"a reply by the id of an inbound message": {
			&integration.Message{
				To: integration.Party{ID: "5"}, ReplyTo: &integration.ReplyTo{MessageID: "5:41"},
				Content: integration.Content{Type: "TEXT", Text: "hi"},
			},
			`{"chat_id":5,"text":"hi","reply_parameters":{"message_id":41,"allow_sending_without_reply":true}}`, "5",
		},
		"a reply by Telegram's message_id": {
			&integration.Message{
				To: integration.Party{ID: "5"}, ReplyTo: &integration.ReplyTo{MessageID: "41"},
				Content: integration.Content{Type: "TEXT", Text: "hi"},
			},
			`{"chat_id":5,"text":"hi","reply_parameters":{"message_id":41,"allow_sending_without_reply":true}}`, "5",
		},
		"a reply to a message of another chat": {
			&integration.Message{
				To: integration.Party{ID: "5"}, ReplyTo: &integration.ReplyTo{MessageID: "-77:41"},
				Content: integration.Content{Type: "TEXT", Text: "hi"},
			},
			`{"chat_id":5,"text":"hi","reply_parameters":{"message_id":41,"chat_id":-77,"allow_sending_without_reply":true}}`,
			"5",
		},
		"buttons under the body of an interactive message": {
			&integration.Message{To: integration.Party{ID: "5"}, Content: integration.Content{
				Type: integration.TypeInteractive,
				Interactive: &integration.Interactive{Body: "choose", Buttons: []integration.Button{
					{ID: "start:1", Title: "Yes"},
					{Title: "No", Type: "reply"},
					{Title: "Docs", Type: "url", URL: "https://example.org/a?b=c&d"},
					{Title: "Chat", Type: "url", URL: "tg://user?id=5"},
				}},
			}},
			`{"chat_id":5,"text":"choose","reply_markup":{"inline_keyboard":[
				[{"text":"Yes","callback_data":"start:1"}],[{"text":"No","callback_data":"No"}],
				[{"text":"Docs","url":"https://example.org/a?b=c&d"}],[{"text":"Chat","url":"tg://user?id=5"}]]}}`, "5",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			result, err := newPlatform(t).Send(t.Context(), test.message, ch)
			require.NoError(t, err)
			require.Equal(t, &integration.SendResult{
				Success: true, MessageID: integration.ID(test.chatID + ":1"), Metadata: map[string]any{"chatId": test.chatID},
			}, result)
			request, err := server.Next(t.Context())
			require.NoError(t, err)
			body, err := json.Marshal(request.Body)
			require.NoError(t, err)
			require.JSONEq(t, test.body, string(body))
		})
	}
}

// requireJudged checks that a message is refused before it is sent, or sent where code is empty.
func requireJudged(t *testing.T, m *integration.Message, kind integration.ErrorKind, code string) {
	t.Helper()
	server, ch := newServer(t)
	_, err := newPlatform(t).Send(t.Context(), m, ch)
	if code == "" {
		require.NoError(t, err)
		return
	}
	requireError(t, err, kind, code)
	require.Empty(t, server.Requests())
}

func TestLimitsAreCheckedBeforeTheCall(t *testing.T) {
	const emoji = "👍" // 2 UTF-16 units, 4 bytes
	for name, test := range map[string]struct {
		message *integration.Message
		kind    integration.ErrorKind
		code    string
	}{
		"4096 letters": {text("5", strings.Repeat("a", 4096)), "", ""},
		"4097 letters": {text(
			"5", strings.Repeat("a", 4097),
		), integration.FaultInvalid, "MESSAGE_TOO_LONG"},
		"4096 letters of two bytes": {text("5", strings.Repeat("ж", 4096)), "", ""},
		"2048 emoji":                {text("5", strings.Repeat(emoji, 2048)), "", ""},
		"2048 emoji and a letter": {text(
			"5", strings.Repeat(emoji, 2048)+"a",
		), integration.FaultInvalid, "MESSAGE_TOO_LONG"},
		"no text":                     {text("5", ""), integration.FaultInvalid, "MESSAGE_INVALID"},
		"nothing but white space":     {text("5", " \n\t"), integration.FaultInvalid, "MESSAGE_INVALID"},
		"no recipient":                {text("", "hi"), integration.FaultInvalid, "MESSAGE_INVALID"},
		"a phone number as recipient": {text("0044 123", "hi"), integration.FaultInvalid, "MESSAGE_INVALID"},
		"an empty channel name":       {text("@", "hi"), integration.FaultInvalid, "MESSAGE_INVALID"},
		"a topic that is no number":   {text("5:general", "hi"), integration.FaultInvalid, "MESSAGE_INVALID"},
		"callback data of 64 bytes": {withButtons(
			integration.Button{ID: strings.Repeat(emoji, 16), Title: "x"},
		), "", ""},
		"callback data of 65 bytes": {withButtons(
			integration.Button{ID: strings.Repeat(emoji, 16) + "a", Title: "x"},
		), integration.FaultInvalid, "MESSAGE_INVALID"},
		"a title that is too long an id": {
			withButtons(integration.Button{Title: strings.Repeat("a", 65)}), integration.FaultInvalid, "MESSAGE_INVALID",
		},
		"a button without a title": {withButtons(
			integration.Button{ID: "a", Title: " "},
		), integration.FaultInvalid, "MESSAGE_INVALID"},
		"a url button without a URL": {withButtons(
			integration.Button{Title: "x", Type: "url"},
		), integration.FaultInvalid, "MESSAGE_INVALID"},
		"a url button with a script": {withButtons(
			integration.Button{Title: "x", Type: "url", URL: "javascript:alert(1)"},
		), integration.FaultInvalid, "MESSAGE_INVALID"},
		"a button of another type": {withButtons(
			integration.Button{Title: "x", Type: "call"},
		), integration.FaultPermanent, "UNSUPPORTED_CONTENT"},
		"an interactive message without": {withButtons(), integration.FaultInvalid, "MESSAGE_INVALID"},
		"a quote of 1025 units": {&integration.Message{
			To: integration.Party{ID: "5"}, ReplyTo: &integration.ReplyTo{MessageID: "5:41", Quote: strings.Repeat("a", 1025)},
			Content: integration.Content{Text: "x"},
		}, integration.FaultInvalid, "MESSAGE_INVALID"},
		"100 buttons": {withButtons(make100("Yes")...), "", ""},
		"101 buttons": {withButtons(
			append(make100("Yes"), integration.Button{Title: "No"})...,
		), integration.FaultInvalid, "MESSAGE_INVALID"},
		"a form": {&integration.Message{
			To: integration.Party{ID: "5"},
			Content: integration.Content{
				Type: "INTERACTIVE", Interactive: &integration.Interactive{Kind: "form", Body: "Name?"},
			},
		}, integration.FaultPermanent, "UNSUPPORTED_CONTENT"},
		"a template": {&integration.Message{
			To: integration.Party{ID: "5"}, Content: integration.Content{Type: "TEMPLATE"},
		}, integration.FaultPermanent, "UNSUPPORTED_CONTENT"},
		"a type of a later version": {&integration.Message{
			To: integration.Party{ID: "5"}, Content: integration.Content{Type: "HOLOGRAM"},
		}, integration.FaultPermanent, "UNSUPPORTED_CONTENT"},
		"a reply to another platform's": {&integration.Message{
			To: integration.Party{ID: "5"}, ReplyTo: &integration.ReplyTo{MessageID: "wamid.x"},
			Content: integration.Content{Text: "x"},
		}, integration.FaultInvalid, "MESSAGE_INVALID"},
		"a reply to a chat that is none": {
			&integration.Message{
				To: integration.Party{ID: "5"}, ReplyTo: &integration.ReplyTo{MessageID: "x:41"},
				Content: integration.Content{Text: "x"},
			},
			integration.FaultInvalid, "MESSAGE_INVALID",
		},
	} {
		t.Run(name, func(t *testing.T) { requireJudged(t, test.message, test.kind, test.code) })
	}
}

func TestAnswersAreClassified(t *testing.T) {
	html := func(status int) telegramtest.Response {
		return telegramtest.Response{Status: status, Body: "<html>nginx</html>"}
	}
	for name, test := range map[string]struct {
		response     telegramtest.Response
		kind         integration.ErrorKind
		code         string
		platformCode string
		status       int
		retryAfter   time.Duration
		says         string
	}{
		"too many requests": {
			telegramtest.Failure(429, "Too Many Requests: retry after 5", map[string]any{"retry_after": 5}),
			integration.FaultThrottled, "RATE_LIMITED", "429", 429, 5 * time.Second, "retry after 5",
		},
		"too many requests, told in the header only": {
			telegramtest.Response{
				Status: 429, Header: http.Header{"Retry-After": {"7"}},
				Body: `{"ok":false,"error_code":429,"description":"Too Many Requests"}`,
			},
			integration.FaultThrottled, "RATE_LIMITED", "429", 429, 7 * time.Second, "",
		},
		"too many requests, told by a proxy": {
			telegramtest.Response{Status: 429, Header: http.Header{"Retry-After": {"9"}}},
			integration.FaultThrottled, "RATE_LIMITED", "", 429, 9 * time.Second, "",
		},
		"too many requests for a nonsensical time": {
			telegramtest.Failure(429, "Too Many Requests", map[string]any{"retry_after": int64(9e18)}),
			integration.FaultThrottled, "RATE_LIMITED", "429", 429, 1e6 * time.Second, "",
		},
		"a revoked token": {
			telegramtest.Failure(401, "Unauthorized", nil),
			integration.FaultAuth, "CREDENTIALS_REFUSED", "401", 401, 0, "Unauthorized",
		},
		"a malformed token": {
			telegramtest.Failure(404, "Not Found", nil),
			integration.FaultAuth, "CREDENTIALS_REFUSED", "404", 404, 0, "Not Found",
		},
		"a method that a server of one's own does not have": {
			telegramtest.Failure(404, "Not Found: method not found", nil),
			integration.FaultPermanent, "METHOD_UNKNOWN", "404", 404, 0, "too old",
		},
		"a user who blocked the bot": {
			telegramtest.Failure(403, "Forbidden: bot was blocked by the user", nil),
			integration.FaultPermanent, "RECIPIENT_UNAVAILABLE", "403", 403, 0, "blocked by the user",
		},
		"a group that became a supergroup": {
			telegramtest.Failure(
				400, "Bad Request: group chat was upgraded to a supergroup chat",
				map[string]any{"migrate_to_chat_id": -1001234567890},
			),
			integration.FaultPermanent, "CHAT_MIGRATED", "400", 400, 0, "-1001234567890",
		},
		"an unknown chat": {
			telegramtest.Failure(400, "Bad Request: chat not found", nil),
			integration.FaultPermanent, "RECIPIENT_UNKNOWN", "400", 400, 0, "chat not found",
		},
		"a body that is too large": {
			telegramtest.Failure(413, "Request Entity Too Large", nil),
			integration.FaultPermanent, "MEDIA_TOO_LARGE", "413", 413, 0, "Too Large",
		},
		"a conflict": {
			telegramtest.Failure(409, "Conflict: terminated by other getUpdates request", nil),
			integration.FaultPermanent, "TELEGRAM_CONFLICT", "409", 409, 0, "getUpdates",
		},
		"a Bot API that restarts": {
			telegramtest.Failure(500, "Internal Server Error: restart", nil),
			integration.FaultUnknown, "PLATFORM_UNAVAILABLE", "500", 500, 0, "restart; it may have been carried out",
		},
		"a Bot API that is down": {
			telegramtest.Failure(502, "Bad Gateway", nil),
			integration.FaultUnknown, "PLATFORM_UNAVAILABLE", "502", 502, 0, "Bad Gateway",
		},
		"a Bot API that did not answer its gateway": {
			telegramtest.Failure(504, "Gateway Timeout", nil),
			integration.FaultUnknown, "PLATFORM_NO_ANSWER", "504", 504, 0, "",
		},
		"a proxy that handed nothing on":       {html(503), integration.FaultTransient, "PLATFORM_UNAVAILABLE", "", 503, 0, ""},
		"a proxy that got no good answer":      {html(502), integration.FaultUnknown, "PLATFORM_NO_ANSWER", "", 502, 0, "may have been carried out"},
		"a proxy that got no answer in time":   {html(504), integration.FaultUnknown, "PLATFORM_NO_ANSWER", "", 504, 0, ""},
		"an error page of who knows whom":      {html(500), integration.FaultUnknown, "PLATFORM_NO_ANSWER", "", 500, 0, ""},
		"a redirect, which is not followed":    {html(301), integration.FaultPermanent, "API_BASE_INVALID", "", 301, 0, "apiBase"},
		"a file that is too large for a proxy": {html(413), integration.FaultPermanent, "MEDIA_TOO_LARGE", "", 413, 0, "larger than the server"},
		"a firewall":                           {html(403), integration.FaultPermanent, "PLATFORM_BLOCKED", "", 403, 0, "firewall"},
		"400 without a body":                   {telegramtest.Response{Status: 400}, integration.FaultPermanent, "MESSAGE_REJECTED", "", 400, 0, "malformed"},
		"a server that is no Bot API":          {html(404), integration.FaultPermanent, "API_BASE_INVALID", "", 404, 0, "apiBase"},
		"a proxy that wants a password":        {html(401), integration.FaultAuth, "CREDENTIALS_REFUSED", "", 401, 0, ""},
		"200 without a body":                   {telegramtest.Response{}, integration.FaultUnknown, "ANSWER_UNREADABLE", "", 200, 0, "probably carried out"},
		"200 with half of the JSON": {telegramtest.Response{
			Body: `{"ok":true,"result":{"mess`,
		}, integration.FaultUnknown, "ANSWER_UNREADABLE", "", 200, 0, ""},
		"200 with a page":      {html(200), integration.FaultUnknown, "ANSWER_UNREADABLE", "", 200, 0, ""},
		"200 without a result": {telegramtest.Response{Body: `{"ok":true}`}, integration.FaultUnknown, "ANSWER_UNREADABLE", "", 200, 0, ""},
		"200 with a result of null": {telegramtest.Response{
			Body: `{"ok":true,"result":null}`,
		}, integration.FaultUnknown, "ANSWER_UNREADABLE", "", 200, 0, ""},
		"200 with a result of another type": {telegramtest.Response{
			Body: `{"ok":true,"result":true}`,
		}, integration.FaultUnknown, "ANSWER_UNREADABLE", "", 200, 0, ""},
		"200 with a message_id of another type": {telegramtest.Response{
			Body: `{"ok":true,"result":{"message_id":"7"}}`,
		}, integration.FaultUnknown, "ANSWER_UNREADABLE", "", 200, 0, ""},
		"200 that says it is not ok": {telegramtest.Response{
			Body: `{"ok":false,"error_code":400,"description":"Bad Request"}`,
		}, integration.FaultPermanent, "MESSAGE_REJECTED", "400", 200, 0, ""},
		"a refusal that says nothing more": {telegramtest.Response{
			Status: 403, Body: `{"ok":false}`,
		}, integration.FaultPermanent, "RECIPIENT_UNAVAILABLE", "403", 403, 0, ""},
		"a connection reset after the request": {telegramtest.Response{Reset: true}, integration.FaultUnknown, "PLATFORM_NO_ANSWER", "", 0, 0, ""},
		"a refusal with parameters out of shape": {
			telegramtest.Response{Status: 400, Body: `{"ok":false,"error_code":400,"description":"no","parameters":[]}`},
			integration.FaultPermanent, "MESSAGE_REJECTED", "400", 400, 0, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.Script("sendMessage", test.response)
			_, err := newPlatform(t).Send(t.Context(), text("5", "hi"), ch)
			requireError(t, err, test.kind, test.code)
			e, _ := errors.AsType[*integration.Error](err)
			require.Equal(t, test.platformCode, e.PlatformCode)
			require.Equal(t, test.status, e.HTTPStatus)
			require.Equal(t, test.retryAfter, e.RetryAfter)
			require.Contains(t, e.Message, test.says)
			require.Len(t, server.Requests(), 1, "one attempt")
		})
	}
}

func TestAResultWithoutAChatMeansTheOneThatWasTold(t *testing.T) {
	server, ch := newServer(t)
	server.Script("sendMessage", telegramtest.Response{Body: `{"ok":true,"result":{"message_id":7}}`})
	result, err := newPlatform(t).Send(t.Context(), text("5", "hi"), ch)
	require.NoError(t, err)
	require.Equal(t, integration.ID("5:7"), result.MessageID)
}

func TestASendThatIsNotAnsweredInTimeIsUnknown(t *testing.T) {
	server, ch := newServer(t)
	server.Script("sendMessage", telegramtest.Response{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		_, _ = server.Next(ctx) // the request is there; its answer will never be
	}()
	_, err := newPlatform(t).Send(ctx, text("5", "hi"), ch)
	requireError(t, err, integration.FaultUnknown, "PLATFORM_NO_ANSWER")
}

func TestASendThatCannotReachTheServerIsTransient(t *testing.T) {
	ch := channel()
	ch.Settings["apiBase"] = integrationtest.UnusedURL(t)
	_, err := newPlatform(t).Send(t.Context(), text("5", "hi"), ch)
	requireError(t, err, integration.FaultTransient, "PLATFORM_UNREACHABLE")
}

func TestAnAPIBaseThatIsNoURLIsPermanent(t *testing.T) {
	ch := channel()
	ch.Settings["apiBase"] = "http://[::1"
	_, err := newPlatform(t).Send(t.Context(), text("5", "hi"), ch)
	requireError(t, err, integration.FaultPermanent, "API_BASE_INVALID")
}

func TestRefusalsWithoutACodeOfTheirOwnAreToldByTheirWords(t *testing.T) {
	for description, code := range map[string]string{
		"Bad Request: message is too long":                                          "MESSAGE_TOO_LONG",
		"Bad Request: message caption is too long":                                  "MESSAGE_TOO_LONG",
		"Bad Request: MEDIA_CAPTION_TOO_LONG":                                       "MESSAGE_TOO_LONG",
		"Bad Request: message text is empty":                                        "MESSAGE_INVALID",
		"Bad Request: can't parse entities: Unsupported start tag \"photo_\"":       "MESSAGE_INVALID",
		"Bad Request: BUTTON_DATA_INVALID":                                          "MESSAGE_INVALID",
		"Bad Request: chat not found":                                               "RECIPIENT_UNKNOWN",
		"Bad Request: PEER_ID_INVALID":                                              "RECIPIENT_UNKNOWN",
		"Bad Request: message to be replied not found":                              "MESSAGE_NOT_FOUND",
		"Bad Request: message to edit not found":                                    "MESSAGE_NOT_FOUND",
		"Bad Request: message thread not found":                                     "THREAD_CLOSED",
		"Bad Request: TOPIC_CLOSED":                                                 "THREAD_CLOSED",
		"Bad Request: not enough rights to send text messages to the chat":          "PERMISSION_MISSING",
		"Bad Request: have no rights to send a message":                             "PERMISSION_MISSING",
		"Bad Request: CHAT_WRITE_FORBIDDEN":                                         "PERMISSION_MISSING",
		"Bad Request: message can't be edited":                                      "PERMISSION_MISSING",
		"Bad Request: VOICE_MESSAGES_FORBIDDEN":                                     "RECIPIENT_UNAVAILABLE",
		"Forbidden: user is deactivated":                                            "RECIPIENT_UNAVAILABLE",
		"Forbidden: bot was kicked from the supergroup chat":                        "RECIPIENT_UNAVAILABLE",
		"Forbidden: not enough rights":                                              "PERMISSION_MISSING",
		"Bad Request: wrong file identifier/HTTP URL specified":                     "MEDIA_REJECTED",
		"Bad Request: failed to get HTTP URL content":                               "MEDIA_REJECTED",
		"Bad Request: PHOTO_INVALID_DIMENSIONS":                                     "MEDIA_REJECTED",
		"Bad Request: file is too big":                                              "MEDIA_TOO_LARGE",
		"Bad Request: query is too old and response timeout expired or query ID is": "INTERACTION_EXPIRED",
		"Bad Request: something of a later version":                                 "MESSAGE_REJECTED",
	} {
		t.Run(description, func(t *testing.T) {
			server, ch := newServer(t)
			status := 400
			if strings.HasPrefix(description, "Forbidden") {
				status = 403
			}
			server.Script("sendMessage", telegramtest.Failure(status, description, nil))
			_, err := newPlatform(t).Send(t.Context(), text("5", "hi"), ch)
			requireError(t, err, integration.FaultPermanent, code)
		})
	}
}
