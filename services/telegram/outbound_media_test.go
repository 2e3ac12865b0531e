package telegram_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/services/telegram"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// send sends a message and returns its requests beside the result.
func send(t *testing.T, m *integration.Message) (*integration.SendResult, []telegramtest.Request) {
	t.Helper()
	server, ch := newServer(t)
	result, err := newPlatform(t).Send(t.Context(), m, ch)
	require.NoError(t, err)
	return result, server.Requests()
}

func requireBody(t *testing.T, want string, r telegramtest.Request) {
	t.Helper()
	body, err := json.Marshal(r.Body)
	require.NoError(t, err)
	require.JSONEq(t, want, string(body))
}

func media(t integration.ContentType, f integration.Media) *integration.Message {
	return &integration.Message{To: integration.Party{ID: "5"}, Content: integration.Content{Type: t, Media: &f}}
}

func with(m *integration.Message, change func(*integration.Message)) *integration.Message {
	change(m)
	return m
}

func flagged(m *integration.Message, flag string) *integration.Message {
	m.Metadata = map[string]any{flag: true}
	return m
}

func TestOneFileIsSentByTheMethodForItsKind(t *testing.T) {
	link := func(path string) string { return "https://files.example/" + path }
	for name, test := range map[string]struct {
		message *integration.Message
		method  string
		body    string
	}{
		"a photo by its URL": {
			with(
				media("IMAGE", integration.Media{URL: link("a.png")}), func(m *integration.Message) { m.Content.Text = "look" },
			),
			"sendPhoto", `{"chat_id":5,"photo":"https://files.example/a.png","caption":"look"}`,
		},
		"a photo by its id": {
			media("IMAGE", integration.Media{ID: "ph-1", URL: link("a.png")}), "sendPhoto", `{"chat_id":5,"photo":"ph-1"}`,
		},
		"a photo by an id in the place of its URL, as it came in": {
			media("IMAGE", integration.Media{URL: "AgACAgIAAxkBAAIB-x_9"}), "sendPhoto",
			`{"chat_id":5,"photo":"AgACAgIAAxkBAAIB-x_9"}`,
		},
		"a photo with a caption of its own": {
			media("IMAGE", integration.Media{ID: "ph-1", Caption: "one"}), "sendPhoto",
			`{"chat_id":5,"photo":"ph-1","caption":"one"}`,
		},
		"a photo with two captions": {
			with(
				media("IMAGE", integration.Media{ID: "ph-1", Caption: "one"}),
				func(m *integration.Message) { m.Content.Text = "two" },
			),
			"sendPhoto", `{"chat_id":5,"photo":"ph-1","caption":"two\n\none"}`,
		},
		"a photo over buttons": {
			with(media("INTERACTIVE", integration.Media{ID: "ph-1", MimeType: "image/jpeg"}), func(m *integration.Message) {
				m.Content.Interactive = &integration.Interactive{
					Body: "Well?", Buttons: []integration.Button{{ID: "y", Title: "Yes"}},
				}
			}),
			"sendPhoto",
			`{"chat_id":5,"photo":"ph-1","caption":"Well?","reply_markup":{"inline_keyboard":[[{"text":"Yes","callback_data":"y"}]]}}`,
		},
		"a GIF": {
			media("IMAGE", integration.Media{URL: link("a.gif"), MimeType: "image/gif"}), "sendAnimation",
			`{"chat_id":5,"animation":"https://files.example/a.gif"}`,
		},
		"a video": {
			media("VIDEO", integration.Media{URL: link("a.mp4"), DurationMs: 1001, Width: 640, Height: 480}),
			"sendVideo", `{"chat_id":5,"video":"https://files.example/a.mp4","duration":2,"width":640,"height":480}`,
		},
		"an animation, as it came in": {
			flagged(media("VIDEO", integration.Media{ID: "an-1"}), "animation"), "sendAnimation",
			`{"chat_id":5,"animation":"an-1"}`,
		},
		"a video note, as it came in": {
			flagged(media("VIDEO", integration.Media{ID: "vn-1", DurationMs: 4000, Width: 240, Height: 240}), "videoNote"),
			"sendVideoNote", `{"chat_id":5,"video_note":"vn-1","duration":4,"length":240}`,
		},
		"an audio file": {
			media("AUDIO", integration.Media{URL: link("a.mp3"), DurationMs: 3000}), "sendAudio",
			`{"chat_id":5,"audio":"https://files.example/a.mp3","duration":3}`,
		},
		"a voice message that is small": {
			media("VOICE", integration.Media{URL: link("a.ogg"), MimeType: "audio/ogg", Size: 5000}),
			"sendVoice", `{"chat_id":5,"voice":"https://files.example/a.ogg"}`,
		},
		"a PDF": {media(
			"FILE", integration.Media{URL: link("a.PDF")},
		), "sendDocument", `{"chat_id":5,"document":"https://files.example/a.PDF"}`},
		"a ZIP by its type": {media(
			"FILE", integration.Media{URL: link("get.zip?x=1"), MimeType: "application/zip", Filename: "get.zip"},
		), "sendDocument", `{"chat_id":5,"document":"https://files.example/get.zip?x=1"}`},
		"a sticker by its id": {&integration.Message{
			To:      integration.Party{ID: "5"},
			Content: integration.Content{Type: "STICKER", Sticker: &integration.Sticker{ID: "st-1", Emoji: "🔧"}},
		}, "sendSticker", `{"chat_id":5,"sticker":"st-1"}`},
		"a sticker by its URL": {
			media("STICKER", integration.Media{URL: link("a.webp")}), "sendSticker",
			`{"chat_id":5,"sticker":"https://files.example/a.webp"}`,
		},
		"the only attachment": {&integration.Message{
			To:      integration.Party{ID: "5"},
			Content: integration.Content{Type: "IMAGE", Attachments: []integration.Media{{ID: "ph-1"}}},
		}, "sendPhoto", `{"chat_id":5,"photo":"ph-1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			result, requests := send(t, test.message)
			require.Equal(t, integration.ID("5:1"), result.MessageID)
			require.Len(t, requests, 1)
			require.Equal(t, test.method, requests[0].Route)
			requireBody(t, test.body, requests[0])
		})
	}
}

func TestFilesThatTelegramDoesNotFetchAreUploaded(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "missing") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte("content of " + r.URL.Path))
	}))
	t.Cleanup(files.Close)
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	t.Cleanup(client.Close)
	platform := telegram.Definition(client).Platform
	for name, test := range map[string]struct {
		message  *integration.Message
		field    string
		filename string
		content  string
		body     string
	}{
		"data": {media(
			"IMAGE", integration.Media{Data: []byte("png"), Filename: "a.png"},
		), "photo", "a.png", "png", `{"chat_id":5}`},
		"a text file": {media(
			"FILE", integration.Media{URL: files.URL + "/a.txt"},
		), "document", "a.txt", "content of /a.txt", `{"chat_id":5}`},
		"a PDF of another name": {
			media("FILE", integration.Media{URL: files.URL + "/a.pdf", Filename: "bill.pdf"}), "document", "bill.pdf",
			"content of /a.pdf", `{"chat_id":5}`,
		},
		"a photo that is too large for its URL": {
			with(
				media("IMAGE", integration.Media{URL: files.URL + "/a.png", Size: 6 << 20}),
				func(m *integration.Message) { m.Content.Text = "5" },
			),
			"photo", "a.png", "content of /a.png", `{"chat_id":5,"caption":"5"}`,
		},
		"a voice message of unknown size": {
			media("VOICE", integration.Media{URL: files.URL + "/a.ogg"}), "voice", "a.ogg", "content of /a.ogg",
			`{"chat_id":5}`,
		},
		"a video note": {flagged(
			media("VIDEO", integration.Media{URL: files.URL + "/a.mp4"}), "videoNote",
		), "video_note", "a.mp4", "content of /a.mp4", `{"chat_id":5}`},
		"a sticker that moves": {
			with(
				media("STICKER", integration.Media{URL: files.URL + "/a.tgs"}),
				func(m *integration.Message) { m.Content.Sticker = &integration.Sticker{Emoji: "🔧"} },
			),
			"sticker", "a.tgs", "content of /a.tgs", `{"chat_id":5,"emoji":"🔧"}`,
		},
		"data with all there is": {
			with(media(
				"VIDEO", integration.Media{Data: []byte("mp4"), MimeType: "video/mp4", DurationMs: 1000, Width: 2, Height: 1},
			), func(m *integration.Message) {
				m.Content.Text, m.Content.Entities = "look", []integration.Entity{{Type: "bold", Length: 4}}
				m.ReplyTo = &integration.ReplyTo{MessageID: "5:41"}
				m.Content.Interactive = &integration.Interactive{Buttons: []integration.Button{{Title: "Yes"}}}
			}),
			"video", "file", "mp4", `{"chat_id":5,"caption":"look","caption_entities":[{"type":"bold","offset":0,"length":4}],"duration":1,"width":2,"height":1,
				"reply_parameters":{"message_id":41,"allow_sending_without_reply":true},"reply_markup":{"inline_keyboard":[[{"text":"Yes","callback_data":"Yes"}]]}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			result, err := platform.Send(t.Context(), test.message, ch)
			require.NoError(t, err)
			require.Equal(t, integration.ID("5:1"), result.MessageID)
			request, err := server.Next(t.Context())
			require.NoError(t, err)
			requireBody(t, test.body, request)
			require.Len(t, request.Files, 1)
			require.Equal(t, test.content, string(request.Files[test.field].Content))
			require.Equal(t, test.filename, request.Files[test.field].Name)
		})
	}
	t.Run("a file that is not there", func(t *testing.T) {
		server, ch := newServer(t)
		_, err := platform.Send(t.Context(), media("FILE", integration.Media{URL: files.URL + "/missing.txt"}), ch)
		requireError(t, err, integration.FaultPermanent, "MEDIA_NOT_FOUND")
		require.Empty(t, server.Requests())
	})
	t.Run("a file at an address that is not public", func(t *testing.T) {
		server, ch := newServer(t)
		_, err := newPlatform(t).Send(t.Context(), media("FILE", integration.Media{URL: files.URL + "/a.txt"}), ch)
		requireError(t, err, integration.FaultPermanent, "MEDIA_ADDRESS_REFUSED")
		require.Empty(t, server.Requests())
	})
}

func album(t integration.ContentType, files ...integration.Media) *integration.Message {
	return &integration.Message{
		To:      integration.Party{ID: "-1001700100200:7"},
		Content: integration.Content{Type: t, Text: "all of it", Attachments: files},
	}
}

func TestSeveralFilesAreOneAlbum(t *testing.T) {
	for name, test := range map[string]struct {
		message *integration.Message
		media   string
		files   []string
	}{
		"photos and a video": {
			album(
				"IMAGE", integration.Media{ID: "ph-1"},
				integration.Media{URL: "https://files.example/a.mp4", MimeType: "video/mp4", DurationMs: 1000},
				integration.Media{ID: "ph-2", Caption: "two"},
			),
			`[{"type":"photo","media":"ph-1","caption":"all of it"},{"type":"video","media":"https://files.example/a.mp4","duration":1},{"type":"photo","media":"ph-2","caption":"two"}]`,
			nil,
		},
		"files of any type": {
			album("FILE", integration.Media{ID: "d-1", MimeType: "image/png"}, integration.Media{ID: "d-2"}),
			`[{"type":"document","media":"d-1","caption":"all of it"},{"type":"document","media":"d-2"}]`, nil,
		},
		"audio files": {
			album("AUDIO", integration.Media{ID: "a-1"}, integration.Media{ID: "a-2"}),
			`[{"type":"audio","media":"a-1","caption":"all of it"},{"type":"audio","media":"a-2"}]`, nil,
		},
		"data beside what Telegram has": {
			album(
				"IMAGE", integration.Media{Data: []byte("one"), Filename: "1.png"}, integration.Media{ID: "ph-2"},
				integration.Media{Data: []byte("three"), Filename: "3.png"},
			),
			`[{"type":"photo","media":"attach://file1","caption":"all of it"},{"type":"photo","media":"ph-2"},{"type":"photo","media":"attach://file3"}]`,
			[]string{"file1", "file3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			result, requests := send(t, test.message)
			require.Equal(t, integration.ID("-1001700100200:1"), result.MessageID)
			require.Len(t, result.MessageIDs, len(test.message.Content.Attachments))
			require.Equal(t, "sendMediaGroup", requests[0].Route)
			requireBody(t, `{"chat_id":-1001700100200,"message_thread_id":7,"media":`+test.media+`}`, requests[0])
			require.Len(t, requests[0].Files, len(test.files))
			for _, name := range test.files {
				require.Contains(t, requests[0].Files, name)
			}
		})
	}
}

func TestAttachmentsThatCannotBeSentAreRefused(t *testing.T) {
	eleven := make([]integration.Media, 11)
	for i := range eleven {
		eleven[i].ID = "ph-1"
	}
	large := make([]byte, 9<<20)
	for name, test := range map[string]struct {
		message *integration.Message
		kind    integration.ErrorKind
		code    string
	}{
		"no attachment": {media(
			"IMAGE", integration.Media{},
		), integration.FaultInvalid, "MEDIA_URL_INVALID"},
		"nothing at all": {&integration.Message{
			To: integration.Party{ID: "5"}, Content: integration.Content{Type: "IMAGE"},
		}, integration.FaultInvalid, "MESSAGE_INVALID"},
		"a video in place of buttons": {media(
			"INTERACTIVE", integration.Media{ID: "v-1", MimeType: "video/mp4"},
		), integration.FaultInvalid, "MESSAGE_INVALID"},
		"a URL of another kind": {media(
			"IMAGE", integration.Media{URL: "ftp://files.example/a.png"},
		), integration.FaultInvalid, "MEDIA_URL_INVALID"},
		"an unknown datasource": {media(
			"IMAGE", integration.Media{Datasource: "attic", URL: "a"},
		), integration.FaultInvalid, "MEDIA_SOURCE_UNKNOWN"},
		"a photo of more than 10 MB": {media(
			"IMAGE", integration.Media{Data: make([]byte, 10<<20+1)},
		), integration.FaultInvalid, "MESSAGE_INVALID"},
		"a photo told to be so": {media(
			"IMAGE", integration.Media{URL: "https://files.example/a.png", Size: 10<<20 + 1},
		), integration.FaultInvalid, "MESSAGE_INVALID"},
		"a video told to be above 50 MB": {
			media("VIDEO", integration.Media{URL: "https://files.example/a.mp4", Size: 50<<20 + 1}), integration.FaultInvalid,
			"MESSAGE_INVALID",
		},
		"a caption of 1025 units": {
			with(
				media("IMAGE", integration.Media{ID: "ph-1"}),
				func(m *integration.Message) { m.Content.Text = strings.Repeat("a", 1025) },
			),
			integration.FaultInvalid, "MESSAGE_TOO_LONG",
		},
		"a caption of 1024 units": {
			with(
				media("IMAGE", integration.Media{ID: "ph-1"}),
				func(m *integration.Message) { m.Content.Text = strings.Repeat("👍", 512) },
			),
			"", "",
		},
		"a sticker with a text": {with(
			media("STICKER", integration.Media{ID: "st-1"}), func(m *integration.Message) { m.Content.Text = "hi" },
		), integration.FaultInvalid, "MESSAGE_INVALID"},
		"a video note with a text": {
			with(
				flagged(media("VIDEO", integration.Media{ID: "vn-1"}), "videoNote"),
				func(m *integration.Message) { m.Content.Text = "hi" },
			),
			integration.FaultInvalid, "MESSAGE_INVALID",
		},
		"ten photos": {album("IMAGE", eleven[:10]...), "", ""},
		"a photo and an audio file": {
			album("IMAGE", integration.Media{ID: "ph-1"}, integration.Media{ID: "a-1", MimeType: "audio/mpeg"}),
			integration.FaultInvalid, "MESSAGE_INVALID",
		},
		"two voice messages": {
			album("VOICE", integration.Media{ID: "v-1"}, integration.Media{ID: "v-2"}), integration.FaultInvalid,
			"MESSAGE_INVALID",
		},
		"two stickers": {album(
			"STICKER", integration.Media{ID: "v-1"}, integration.Media{ID: "v-2"},
		), integration.FaultInvalid, "MESSAGE_INVALID"},
		"an album over buttons": {
			with(album("IMAGE", integration.Media{ID: "ph-1"}, integration.Media{ID: "ph-2"}), func(m *integration.Message) {
				m.Content.Interactive = &integration.Interactive{Buttons: []integration.Button{{Title: "Yes"}}}
			}), integration.FaultPermanent, "UNSUPPORTED_CONTENT",
		},
		"an album of more than 50 MB": {
			album(
				"IMAGE", integration.Media{Data: large}, integration.Media{Data: large}, integration.Media{Data: large},
				integration.Media{Data: large}, integration.Media{Data: large}, integration.Media{Data: large},
			),
			integration.FaultInvalid, "MESSAGE_INVALID",
		},
		"a caption of 1025 units in an album": {
			album("IMAGE", integration.Media{ID: "ph-1"}, integration.Media{ID: "ph-2", Caption: strings.Repeat("a", 1025)}),
			integration.FaultInvalid, "MESSAGE_TOO_LONG",
		},
	} {
		t.Run(name, func(t *testing.T) { requireJudged(t, test.message, test.kind, test.code) })
	}
}

func TestAVideoThatIsSentOnceItIsEncodedHasNoID(t *testing.T) {
	server, ch := newServer(t)
	server.Script("sendVideo", telegramtest.Response{Body: `{"ok":true,"result":{"message_id":0,"chat":{"id":5}}}`})
	result, err := newPlatform(t).Send(t.Context(), media("VIDEO", integration.Media{ID: "v-1"}), ch)
	require.NoError(t, err)
	require.Empty(t, result.MessageID)
}

func TestAnAlbumWithoutItsMessagesIsUnknown(t *testing.T) {
	for _, answer := range []string{`[]`, `[{"message_id":7},{}]`, `{"message_id":7}`, `null`} {
		server, ch := newServer(t)
		server.Script("sendMediaGroup", telegramtest.Response{Body: `{"ok":true,"result":` + answer + `}`})
		_, err := newPlatform(t).Send(
			t.Context(), album("IMAGE", integration.Media{ID: "ph-1"}, integration.Media{ID: "ph-2"}), ch,
		)
		requireError(t, err, integration.FaultUnknown, "ANSWER_UNREADABLE")
	}
}
