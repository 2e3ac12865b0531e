package telegramtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMethodsAreStrict(t *testing.T) {
	server := newServer(t)
	const photo, media = `{"type":"photo","media":"ph-1"}`, `{"type":"audio","media":"a-1"}`
	list := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	const heart = `{"type":"emoji","emoji":"❤"}`
	a := func(n int) string { return strings.Repeat("a", n) }
	for name, test := range map[string]struct {
		method string
		body   string // a whole object, or members of one with a chat_id
		says   string // of a refusal
	}{
		"a photo":                    {"sendPhoto", `"photo":"ph-1","caption":"` + a(1024) + `"`, ""},
		"no photo":                   {"sendPhoto", `{"chat_id":5}`, "no photo"},
		"a photo for nobody":         {"sendPhoto", `{"photo":"ph-1"}`, "chat_id is empty"},
		"a photo of another field":   {"sendPhoto", `"photo":"ph-1","video":"v-1"`, "no such parameter"},
		"a photo with a duration":    {"sendPhoto", `"photo":"ph-1","duration":1`, "no such parameter"},
		"a photo from a file system": {"sendPhoto", `"photo":"file:///etc/passwd"`, "wrong file identifier"},
		"a caption of 1025 units":    {"sendPhoto", `"photo":"ph-1","caption":"` + a(1025) + `"`, "caption is too long"},
		"a caption of unknown markup": {
			"sendPhoto", `"photo":"ph-1","caption":"a","parse_mode":"BBCode"`, "parse_mode",
		},
		"a document by a URL":           {"sendDocument", `"document":"https://x.example/a.pdf"`, ""},
		"a document of another type":    {"sendDocument", `"document":"https://x.example/a.txt"`, "wrong type"},
		"a video note by a URL":         {"sendVideoNote", `"video_note":"https://x.example/a.mp4"`, "wrong file identifier"},
		"a video note with a caption":   {"sendVideoNote", `"video_note":"v-1","caption":"a"`, "no such parameter"},
		"a sticker that moves by a URL": {"sendSticker", `"sticker":"https://x.example/a.tgs"`, "wrong type"},
		"an album":                      {"sendMediaGroup", `"media":[` + list(photo, 10) + `]`, ""},
		"an album of one":               {"sendMediaGroup", `"media":[` + photo + `]`, "2-10"},
		"an album of eleven":            {"sendMediaGroup", `"media":[` + list(photo, 11) + `]`, "2-10"},
		"an album of all sorts":         {"sendMediaGroup", `"media":[` + photo + `,` + media + `]`, "can't be mixed"},
		"an album with animations": {
			"sendMediaGroup", `"media":[` + photo + `,{"type":"animation","media":"a"}]`, "Unsupported type",
		},
		"an album with what is not there": {
			"sendMediaGroup", `"media":[` + photo + `,{"type":"photo","media":"attach://x"}]`, "no photo",
		},
		"an album with buttons": {
			"sendMediaGroup", `"media":[` + list(photo, 2) + `],"reply_markup":{"inline_keyboard":[]}`, "no such parameter",
		},
		"a point at the equator":     {"sendLocation", `"latitude":0,"longitude":0`, ""},
		"half a point":               {"sendLocation", `"latitude":0`, "longitude is empty"},
		"a point beyond the pole":    {"sendLocation", `"latitude":91,"longitude":0`, "wrong latitude"},
		"a venue without an address": {"sendVenue", `"latitude":0,"longitude":0,"title":"a"`, "address must be"},
		"a contact without a name":   {"sendContact", `"phone_number":"1"`, "first name"},
		"a contact with a large vcard": {
			"sendContact", `"phone_number":"1","first_name":"a","vcard":"` + a(2049) + `"`, "vcard",
		},
		"a poll":             {"sendPoll", `"question":"Q","options":[` + list(`{"text":"A"}`, 12) + `]`, ""},
		"a poll of thirteen": {"sendPoll", `"question":"Q","options":[` + list(`{"text":"A"}`, 13) + `]`, "1 to 12"},
		"a poll of texts":    {"sendPoll", `"question":"Q","options":["A"]`, "can't parse"},
		"a poll with names in a channel": {
			"sendPoll", `{"chat_id":"@news","question":"Q","options":[{"text":"A"}],"is_anonymous":false}`, "non-anonymous",
		},
		"Markdown that is not escaped": {"sendMessage", `"text":"1.","parse_mode":"MarkdownV2"`, "reserved"},
		"Markdown that is":             {"sendMessage", `"text":"1\\.","parse_mode":"MarkdownV2"`, ""},
		"HTML that does not end":       {"sendMessage", `"text":"1 < 2","parse_mode":"HTML"`, "Unsupported start tag"},
		"markup in two ways": {
			"sendMessage", `"text":"a","parse_mode":"HTML","entities":[{"type":"bold","offset":0,"length":1}]`, "exclude",
		},
		"an entity of another platform": {
			"sendMessage", `"text":"a","entities":[{"type":"channel","offset":0,"length":1}]`, "Unsupported type",
		},
		"an entity beside the text": {
			"sendMessage", `"text":"a","entities":[{"type":"bold","offset":1,"length":1}]`, "outside",
		},
		"half a character as an entity": {
			"sendMessage", `"text":"👍","entities":[{"type":"bold","offset":0,"length":1}]`, "within a character",
		},
		"a link without its URL": {
			"sendMessage", `"text":"a","entities":[{"type":"text_link","offset":0,"length":1}]`, "missing",
		},
		"101 buttons": {
			"sendMessage",
			`"text":"a","reply_markup":{"inline_keyboard":[[` + list(`{"text":"a","callback_data":"b"}`, 101) + `]]}`,
			"too long",
		},
		"a button of a colour": {
			"sendMessage", `"text":"a","reply_markup":{"inline_keyboard":[[{"text":"a","callback_data":"b","style":"pink"}]]}`,
			"style",
		},
		"an edit":                {"editMessageText", `"message_id":41,"text":"a"`, ""},
		"an edit of nothing":     {"editMessageText", `"text":"a"`, "message identifier"},
		"an edit into nothing":   {"editMessageText", `"message_id":41`, "text is empty"},
		"an edit without a file": {"editMessageMedia", `"message_id":41,"media":{"type":"photo"}`, "no photo"},
		"an edit into a voice": {
			"editMessageMedia", `"message_id":41,"media":{"type":"voice","media":"v-1"}`, "Unsupported type",
		},
		"a long caption in place of it": {
			"editMessageCaption", `"message_id":41,"caption":"` + a(1025) + `"`, "too long",
		},
		"no buttons in place of some": {"editMessageReplyMarkup", `"message_id":41`, ""},
		"a deletion of no message":    {"deleteMessage", `{"chat_id":5}`, "message identifier"},
		"a reaction":                  {"setMessageReaction", `"message_id":41,"reaction":[` + heart + `]`, ""},
		"a reaction in colour": {
			"setMessageReaction", `"message_id":41,"reaction":[{"type":"emoji","emoji":"❤️"}]`, "REACTION_INVALID",
		},
		"a reaction for money": {
			"setMessageReaction", `"message_id":41,"reaction":[{"type":"paid"}]`, "REACTION_INVALID",
		},
		"two reactions": {
			"setMessageReaction", `"message_id":41,"reaction":[{"type":"emoji","emoji":"👍"},{"type":"emoji","emoji":"👎"}]`,
			"TOO_MANY",
		},
		"an unknown doing":      {"sendChatAction", `"action":"sleeping"`, "action"},
		"an answer to no press": {"answerCallbackQuery", `{}`, "query ID is invalid"},
		"an answer that is too long": {
			"answerCallbackQuery", `{"callback_query_id":"1","text":"` + a(201) + `"}`, "TOO_LONG",
		},
		"a guest who says nothing": {
			"answerGuestQuery",
			`{"guest_query_id":"1","result":{"type":"article","id":"1","title":"a","input_message_content":{}}}`,
			"text is empty",
		},
		"a guest with a photo": {
			"answerGuestQuery", `{"guest_query_id":"1","result":{"type":"photo","id":"1"}}`, "only articles",
		},
		"a guest whom nobody called": {
			"answerGuestQuery",
			`{"result":{"type":"article","id":"1","title":"a","input_message_content":{"message_text":"a"}}}`,
			"QUERY_ID_INVALID",
		},
		"a quote of 1025 units": {
			"sendMessage", `"text":"a","reply_parameters":{"message_id":1,"quote":"` + a(1025) + `"}`, "QUOTE",
		},
		"a reply to a chat that is none": {
			"sendMessage", `"text":"a","reply_parameters":{"message_id":1,"chat_id":"ada"}`, "chat not found",
		},
		"a user's id that is left out": {
			"sendMessage", `"text":"a","entities":[{"type":"text_mention","offset":0,"length":1,"user":{}}]`, "missing",
		},
		"a file that the bot does not have": {"getFile", `{"file_id":"x"}`, "invalid file_id"},
	} {
		t.Run(name, func(t *testing.T) {
			body := test.body
			if !strings.HasPrefix(body, "{") {
				body = `{"chat_id":5,` + body + `}`
			}
			status, answer, err := post(t.Context(), server.URL()+"/bot"+token+"/"+test.method, body)
			require.NoError(t, err)
			requireAnswer(t, test.says, status, answer)
		})
	}
}

// requireAnswer checks that a call was refused with these words, or went well where there are none.
func requireAnswer(t *testing.T, says string, status int, answer string) {
	t.Helper()
	want := http.StatusBadRequest
	if says == "" {
		want = http.StatusOK
	}
	require.Equal(t, want, status, answer)
	require.Contains(t, answer, says)
}

// form posts fields, and files whose names start with @.
func form(ctx context.Context, url string, fields ...[2]string) (int, string, error) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, f := range fields {
		name, isFile := strings.CutPrefix(f[0], "@")
		var part io.Writer
		var err error
		if isFile {
			part, err = w.CreateFormFile(name, name+".bin")
		} else {
			part, err = w.CreateFormField(name)
		}
		if err != nil {
			return 0, "", err
		}
		_, _ = io.WriteString(part, f[1])
	}
	_ = w.Close()
	return postAs(ctx, url, w.FormDataContentType(), &body)
}

func TestFormUploadsFiles(t *testing.T) {
	server := newServer(t)
	chat := [2]string{"chat_id", "5"}
	for name, test := range map[string]struct {
		method string
		fields [][2]string
		says   string
	}{
		"a photo":                    {"sendPhoto", [][2]string{chat, {"caption", "5"}, {"@photo", "png"}}, ""},
		"a photo to a channel":       {"sendPhoto", [][2]string{{"chat_id", "@news"}, {"@photo", "png"}}, ""},
		"a photo without content":    {"sendPhoto", [][2]string{chat, {"@photo", ""}}, "non-empty"},
		"a photo under another name": {"sendPhoto", [][2]string{chat, {"@picture", "png"}}, "no file parameter"},
		"a photo twice":              {"sendPhoto", [][2]string{chat, {"photo", "ph-1"}, {"@photo", "png"}}, "two files"},
		"a photo of more than 10 MB": {"sendPhoto", [][2]string{
			chat, {"@photo", strings.Repeat("a", 10<<20+1)},
		}, "too big"},
		"a parameter that is no JSON": {"sendPhoto", [][2]string{
			chat, {"@photo", "png"}, {"reply_markup", "{"},
		}, "can't parse the parameter"},
		"an album": {"sendMediaGroup", [][2]string{
			chat,
			{"media", `[{"type":"photo","media":"attach://a"},{"type":"photo","media":"attach://b"}]`},
			{"@a", "1"},
			{"@b", "2"},
		}, ""},
		"an album with a file too many": {
			"sendMediaGroup",
			[][2]string{
				chat, {"media", `[{"type":"photo","media":"attach://a"},{"type":"photo","media":"x"}]`}, {"@a", "1"}, {"@b", "2"},
			},
			"not used",
		},
		"a text with a file": {"sendMessage", [][2]string{
			chat, {"text", "a"}, {"@photo", "png"},
		}, "no file parameter"},
		"a text in a form": {"sendMessage", [][2]string{chat, {"text", "5"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer, err := form(t.Context(), server.URL()+"/bot"+token+"/"+test.method, test.fields...)
			require.NoError(t, err)
			requireAnswer(t, test.says, status, answer)
		})
	}
	t.Run("they are kept with the request", func(t *testing.T) {
		server := newServer(t)
		_, _, err := form(
			t.Context(), server.URL()+"/bot"+token+"/sendPhoto", chat, [2]string{"caption", "5"}, [2]string{"@photo", "png"},
		)
		require.NoError(t, err)
		request, err := server.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[string]any{"chat_id": json.Number("5"), "caption": "5"}, request.Body)
		require.Equal(t, "png", string(request.Files["photo"].Content))
		require.Equal(t, "photo.bin", request.Files["photo"].Name)
	})
}

func TestQueryIsAnsweredOnce(t *testing.T) {
	server := newServer(t)
	for _, want := range []int{200, 400} {
		status, answer, err := post(
			t.Context(), server.URL()+"/bot"+token+"/answerCallbackQuery", `{"callback_query_id":"1"}`,
		)
		require.NoError(t, err)
		require.Equal(t, want, status, answer)
	}
}

func TestBodyOfAnotherFormatIsRefused(t *testing.T) {
	server := newServer(t)
	status, answer, err := postAs(
		t.Context(), server.URL()+"/bot"+token+"/sendMessage", "text/plain", strings.NewReader(`{"chat_id":5,"text":"hi"}`),
	)
	require.NoError(t, err)
	requireAnswer(t, "content type", status, answer)
}
