package telegram_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/telegram"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func answer(body string) telegramtest.Response { return telegramtest.Response{Body: body} }

func TestPollResultHasItsID(t *testing.T) {
	poll := &integration.Poll{Question: "Q", Options: []string{"A"}}
	result, _, err := send(t, content(integration.Content{Type: "POLL", Poll: poll}))
	require.NoError(t, err)
	require.Equal(t, "poll-1", result.Metadata["pollId"])
}

func TestResultWithoutChatHasTheRecipient(t *testing.T) {
	result, _, err := send(t, text("5", "hi"), answer(`{"ok":true,"result":{"message_id":7}}`))
	require.NoError(t, err)
	require.Equal(t, integration.ID("5:7"), result.MessageID)
}

// Telegram sends a video without an id if it must be encoded first.
func TestResultWithoutMessageIDSucceeds(t *testing.T) {
	sent := answer(`{"ok":true,"result":{"message_id":0,"chat":{"id":5}}}`)
	result, _, err := send(t, media("VIDEO", integration.Media{ID: "v-1"}), sent)
	require.NoError(t, err)
	require.Empty(t, result.MessageID)
}

func TestAlbumWithoutMessagesIsUnknown(t *testing.T) {
	album := integration.Content{Type: "IMAGE", Attachments: []integration.Media{{ID: "ph-1"}, {ID: "ph-2"}}}
	for _, result := range []string{`[]`, `[{"message_id":7},{}]`, `{"message_id":7}`, `null`} {
		_, _, err := send(t, content(album), answer(`{"ok":true,"result":`+result+`}`))
		requireError(t, err, integration.FaultUnknown, "ANSWER_UNREADABLE")
	}
}

// The suite has a case for each row of the error table, and testdata/errors.json has literal answers.
func TestErrorsOfOddAnswers(t *testing.T) {
	odd := func(status int, body string) telegramtest.Response {
		return telegramtest.Response{Status: status, Header: http.Header{"Retry-After": {"7"}}, Body: body}
	}
	const again = 7 * time.Second
	for name, test := range map[string]struct {
		response   telegramtest.Response
		kind       integration.ErrorKind
		code       string
		retryAfter time.Duration
		says       string
	}{
		"429 with the time in the header": {
			odd(429, `{"ok":false,"error_code":429,"description":"no"}`),
			integration.FaultThrottled, "RATE_LIMITED", again, "",
		},
		"429 of a proxy": {odd(429, ""), integration.FaultThrottled, "RATE_LIMITED", again, ""},
		"429 with a nonsensical time": {
			odd(429, `{"ok":false,"error_code":429,"parameters":{"retry_after":9000000000000000000}}`),
			integration.FaultThrottled, "RATE_LIMITED", 1e6 * time.Second, "",
		},
		"a group with another id": {
			odd(400, `{"ok":false,"error_code":400,"parameters":{"migrate_to_chat_id":-1001234567890}}`),
			integration.FaultPermanent, "CHAT_MIGRATED", 0, "-1001234567890",
		},
		"a server that is too old": {
			odd(404, `{"ok":false,"error_code":404,"description":"Not Found: method not found"}`),
			integration.FaultPermanent, "METHOD_UNKNOWN", 0, "too old",
		},
		"a server that restarts": {
			odd(500, `{"ok":false,"error_code":500,"description":"Internal Server Error: restart"}`),
			integration.FaultUnknown, "PLATFORM_UNAVAILABLE", 0, "restart; it may have been carried out",
		},
		"a page":            {odd(404, "<html>"), integration.FaultPermanent, "API_BASE_INVALID", 0, "apiBase"},
		"half of an answer": {answer(`{"ok":true,"resu`), integration.FaultUnknown, "ANSWER_UNREADABLE", 0, ""},
		"no result":         {answer(`{"ok":true}`), integration.FaultUnknown, "ANSWER_UNREADABLE", 0, ""},
		"a result of null":  {answer(`{"ok":true,"result":null}`), integration.FaultUnknown, "ANSWER_UNREADABLE", 0, ""},
		"a result of true":  {answer(`{"ok":true,"result":true}`), integration.FaultUnknown, "ANSWER_UNREADABLE", 0, ""},
		"a message_id that is a text": {
			answer(`{"ok":true,"result":{"message_id":"7"}}`), integration.FaultUnknown, "ANSWER_UNREADABLE", 0, "",
		},
		"200 that is not ok": {
			answer(`{"ok":false,"error_code":400}`), integration.FaultPermanent, "MESSAGE_REJECTED", 0, "",
		},
		"a refusal without words": {
			odd(403, `{"ok":false}`), integration.FaultPermanent, "RECIPIENT_UNAVAILABLE", 0, "",
		},
		"parameters of another type": {
			odd(400, `{"ok":false,"error_code":400,"description":"no","parameters":[]}`),
			integration.FaultPermanent, "MESSAGE_REJECTED", 0, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, requests, err := send(t, text("5", "hi"), test.response)
			requireError(t, err, test.kind, test.code)
			e, _ := errors.AsType[*integration.Error](err)
			require.Equal(t, test.retryAfter, e.RetryAfter)
			require.Contains(t, e.Message, test.says)
			require.Len(t, requests, 1, "one attempt")
		})
	}
}

func TestErrorTableReadsDescriptions(t *testing.T) {
	table := telegram.Definition(nil).Errors
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
		refusal := &integration.Refusal{Status: http.StatusBadRequest, Text: description}
		if strings.HasPrefix(description, "Forbidden") {
			refusal.Status = http.StatusForbidden
		}
		row := table.Row(refusal)
		require.Equal(t, integration.FaultPermanent, row.Kind, description)
		require.Equal(t, code, row.Code, description)
	}
}

func TestSendWithoutAnswerIsUnknown(t *testing.T) {
	_, _, err := send(t, text("5", "hi"), telegramtest.Response{Reset: true})
	requireError(t, err, integration.FaultUnknown, "PLATFORM_NO_ANSWER")

	server, ch := newServer(t)
	server.Script("sendMessage", telegramtest.Response{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		_, _ = server.Next(ctx) // the request has arrived
	}()
	_, err = newPlatform(t).Send(ctx, text("5", "hi"), ch)
	requireError(t, err, integration.FaultUnknown, "PLATFORM_NO_ANSWER")
}

func TestSendToUnreachableServerIsTransient(t *testing.T) {
	ch := channel()
	ch.Settings["apiBase"] = integrationtest.UnusedURL(t)
	_, err := newPlatform(t).Send(t.Context(), text("5", "hi"), ch)
	requireError(t, err, integration.FaultTransient, "PLATFORM_UNREACHABLE")
}

func TestSendToInvalidAPIBaseIsPermanent(t *testing.T) {
	ch := channel()
	ch.Settings["apiBase"] = "http://[::1"
	_, err := newPlatform(t).Send(t.Context(), text("5", "hi"), ch)
	requireError(t, err, integration.FaultPermanent, "API_BASE_INVALID")
}

func TestUploadsOfFiles(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "missing") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte("content of " + r.URL.Path))
	}))
	t.Cleanup(files.Close)
	platform := definition(t, httpapi.Options{AllowPrivate: true}).Platform
	link := func(t integration.ContentType, path string) *integration.Message {
		return media(t, integration.Media{URL: files.URL + path})
	}
	named, large, sticker := link("FILE", "/a.pdf"), link("IMAGE", "/a.png"), link("STICKER", "/a.tgs")
	named.Content.Media.Filename = "bill.pdf"
	large.Content.Media.Size, large.Content.Text = 6<<20, "5"
	sticker.Content.Sticker = &integration.Sticker{Emoji: "🔧"}
	full := media("VIDEO", integration.Media{
		Data: []byte("mp4"), MimeType: "video/mp4", DurationMs: 1000, Width: 2, Height: 1,
	})
	full.Content.Text, full.Content.Entities = "look", []integration.Entity{{Type: "bold", Length: 4}}
	full.ReplyTo = &integration.ReplyTo{MessageID: "5:41"}
	full.Content.Interactive = &integration.Interactive{Buttons: []integration.Button{{Title: "Yes"}}}
	for name, test := range map[string]struct {
		message  *integration.Message
		field    string
		filename string
		content  string
		body     string
	}{
		"data": {
			media("IMAGE", integration.Media{Data: []byte("png"), Filename: "a.png"}), "photo", "a.png", "png", `{"chat_id":5}`,
		},
		"a text file":         {link("FILE", "/a.txt"), "document", "a.txt", "content of /a.txt", `{"chat_id":5}`},
		"a PDF with a name":   {named, "document", "bill.pdf", "content of /a.pdf", `{"chat_id":5}`},
		"a large photo":       {large, "photo", "a.png", "content of /a.png", `{"chat_id":5,"caption":"5"}`},
		"a voice of any size": {link("VOICE", "/a.ogg"), "voice", "a.ogg", "content of /a.ogg", `{"chat_id":5}`},
		"a video note": {
			with(link("VIDEO", "/a.mp4"), "videoNote", true), "video_note", "a.mp4", "content of /a.mp4", `{"chat_id":5}`,
		},
		"a moving sticker": {sticker, "sticker", "a.tgs", "content of /a.tgs", `{"chat_id":5,"emoji":"🔧"}`},
		"data with all there is": {
			full, "video", "file", "mp4",
			`{"chat_id":5,"caption":"look","caption_entities":[{"type":"bold","offset":0,"length":4}],
				"duration":1,"width":2,"height":1,"reply_parameters":{"message_id":41,"allow_sending_without_reply":true},
				"reply_markup":{"inline_keyboard":[[{"text":"Yes","callback_data":"Yes"}]]}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			_, err := platform.Send(t.Context(), test.message, ch)
			require.NoError(t, err)
			request, err := server.Next(t.Context())
			require.NoError(t, err)
			requireBody(t, test.body, request)
			require.Len(t, request.Files, 1)
			require.Equal(t, test.content, string(request.Files[test.field].Content))
			require.Equal(t, test.filename, request.Files[test.field].Name)
		})
	}
	t.Run("a missing file", func(t *testing.T) {
		server, ch := newServer(t)
		_, err := platform.Send(t.Context(), link("FILE", "/missing.txt"), ch)
		requireError(t, err, integration.FaultPermanent, "MEDIA_NOT_FOUND")
		require.Empty(t, server.Requests())
	})
	t.Run("a file at a private address", func(t *testing.T) {
		_, requests, err := send(t, link("FILE", "/a.txt"))
		requireError(t, err, integration.FaultPermanent, "MEDIA_ADDRESS_REFUSED")
		require.Empty(t, requests)
	})
}
