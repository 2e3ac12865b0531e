package discordtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token    = "TEST.token"
	messages = "/channels/5/messages"
)

func newServer(t *testing.T) *discordtest.Server {
	t.Helper()
	server := discordtest.NewServer(discordtest.App{BotToken: token, ApplicationID: "2", PublicKey: "00"})
	t.Cleanup(server.Close)
	server.AddInteraction("waiting", true)
	server.AddInteraction("answered", false)
	return server
}

// do makes a call as bots do. change alters the request.
func do(
	ctx context.Context, method, url, contentType, body string, change ...func(*http.Request),
) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("User-Agent", "DiscordBot (https://example.org, 1)")
	if !strings.Contains(url, "/webhooks/") {
		req.Header.Set("Authorization", "Bot "+token)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for _, f := range change {
		f(req)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, string(answer), err
}

// quiet is what the fake wants of every message: that it notifies nobody.
const quiet = `"allowed_mentions":{"parse":[]}`

// quietly is a JSON object with these members that notifies nobody.
func quietly(members string) string { return "{" + members + "," + quiet + "}" }

func TestCallsFollowTheDocumentation(t *testing.T) {
	server := newServer(t)
	long := func(n int) string { return strings.Repeat("👍", n) }
	row := func(items ...string) string {
		return `{"content":"x",` + quiet + `,"components":[{"type":1,"components":[` + strings.Join(items, ",") + `]}]}`
	}
	button := `{"type":2,"style":1,"label":"a","custom_id":"b"}`
	menu := `{"type":3,"custom_id":"c","options":[{"label":"a","value":"b"}]}`
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"a text":          {"POST", messages, quietly(`"content":"hi"`), 200, `"channel_id":"5"`},
		"2000 characters": {"POST", messages, `{"content":"` + long(2000) + `",` + quiet + `}`, 200, ""},
		"2001 characters": {
			"POST", messages, `{"content":"` + long(2001) + `",` + quiet + `}`, 400, "2000 or fewer",
		},
		"nothing":                    {"POST", messages, `{` + quiet + `}`, 400, "50006"},
		"white space":                {"POST", messages, quietly(`"content":" "`), 400, "50006"},
		"whom it notifies left open": {"POST", messages, `{"content":"hi"}`, 400, "allowed_mentions"},
		"one that notifies": {
			"POST", messages, `{"content":"hi","allowed_mentions":{"parse":["everyone"]}}`, 400, "nobody",
		},
		"an unknown parameter":        {"POST", messages, quietly(`"contents":"hi"`), 400, "contents"},
		"a parameter of another type": {"POST", messages, quietly(`"content":5`), 400, "50035"},
		"no JSON":                     {"POST", messages, `content=hi`, 400, "50109"},
		"a nonce": {
			"POST", messages, quietly(`"content":"hi","nonce":"n","enforce_nonce":true`), 200, "",
		},
		"a nonce that is not enforced": {"POST", messages, quietly(`"content":"hi","nonce":"n"`), 400, "nonce"},
		"a nonce of 26 characters": {
			"POST", messages, quietly(`"content":"hi","nonce":"` + strings.Repeat("n", 26) + `","enforce_nonce":true`), 400,
			"25",
		},
		"a reply": {
			"POST", messages, quietly(`"content":"hi","message_reference":{"message_id":"7","fail_if_not_exists":false}`), 200,
			"",
		},
		"a reply to nothing": {
			"POST", messages, quietly(`"content":"hi","message_reference":{"fail_if_not_exists":false}`), 400,
			"message_reference",
		},
		"a sticker":                {"POST", messages, quietly(`"sticker_ids":["7"]`), 200, ""},
		"four stickers":            {"POST", messages, quietly(`"sticker_ids":["1","2","3","4"]`), 400, "sticker_ids"},
		"a sticker that is a word": {"POST", messages, quietly(`"sticker_ids":["x"]`), 400, "snowflake"},
		"an embed of nothing":      {"POST", messages, quietly(`"embeds":[{}]`), 400, "embeds.0.image.url"[:6]},
		"an embed": {
			"POST", messages, quietly(`"embeds":[{"image":{"url":"https://example.org/a.png"}}]`), 200, "",
		},
		"a poll": {
			"POST", messages, quietly(`"poll":{"question":{"text":"a"},"answers":[{"poll_media":{"text":"b"}}]}`), 200, "",
		},
		"a poll without answers": {
			"POST", messages, quietly(`"poll":{"question":{"text":"a"},"answers":[]}`), 400, "answers",
		},
		"a poll with an empty answer": {
			"POST", messages, quietly(`"poll":{"question":{"text":"a"},"answers":[{}]}`), 400, "poll_media",
		},
		"a poll without a question": {
			"POST", messages, quietly(`"poll":{"answers":[{"poll_media":{"text":"b"}}]}`), 400, "question",
		},
		"an answer of 56 characters": {
			"POST", messages,
			`{"poll":{"question":{"text":"a"},"answers":[{"poll_media":{"text":"` + long(56) + `"}}]},` + quiet + `}`, 400, "55",
		},
		"flags that cannot be set": {"POST", messages, quietly(`"content":"hi","flags":64`), 400, "flags"},
		"a button":                 {"POST", messages, row(button), 200, ""},
		"buttons and nothing else": {
			"POST", messages, `{` + quiet + `,"components":[{"type":1,"components":[` + button + `]}]}`, 400, "50006",
		},
		"a button without a title": {"POST", messages, row(`{"type":2,"style":1,"custom_id":"b"}`), 400, "label"},
		"a button without a style": {"POST", messages, row(`{"type":2,"label":"a","custom_id":"b"}`), 400, "style"},
		"a button without an id":   {"POST", messages, row(`{"type":2,"style":1,"label":"a"}`), 400, "custom_id"},
		"a link with an id": {
			"POST", messages, row(`{"type":2,"style":5,"label":"a","url":"https://example.org","custom_id":"b"}`), 400, "url",
		},
		"a link to a script": {
			"POST", messages, row(`{"type":2,"style":5,"label":"a","url":"javascript:x"}`), 400, "url",
		},
		"two buttons with one id":     {"POST", messages, row(button, button), 400, "duplicated"},
		"a component of another kind": {"POST", messages, row(`{"type":9,"custom_id":"b"}`), 400, "must be one of"},
		"a row of nothing":            {"POST", messages, row(), 400, "between 1 and 5"},
		"a button without a row": {
			"POST", messages, `{"content":"x",` + quiet + `,"components":[` + button + `]}`, 400, "must be one of",
		},
		"a menu":                 {"POST", messages, row(menu), 200, ""},
		"a menu beside a button": {"POST", messages, row(menu, button), 400, "between 1 and 5"},
		"a menu of nothing":      {"POST", messages, row(`{"type":3,"custom_id":"c","options":[]}`), 400, "between 1 and 25"},
		"an option without a value": {
			"POST", messages, row(`{"type":3,"custom_id":"c","options":[{"label":"a"}]}`), 400, "options.0"[:7],
		},
		"an edit": {
			"PATCH", messages + "/7", quietly(`"content":"hi","embeds":[],"components":[],"attachments":[]`), 200, `"id":"7"`,
		},
		"an edit that leaves things": {"PATCH", messages + "/7", quietly(`"content":"hi"`), 400, "attachments"},
		"an edit with a nonce": {
			"PATCH", messages + "/7",
			quietly(`"content":"hi","embeds":[],"components":[],"attachments":[],"nonce":"n","enforce_nonce":true`), 400,
			"no such field",
		},
		"the first answer": {
			"PATCH", "/webhooks/2/waiting/messages/@original", quietly(`"content":"hi"`), 200, "",
		},
		"an answer that notifies": {
			"PATCH", "/webhooks/2/waiting/messages/@original", `{"content":"hi"}`, 400, "allowed_mentions",
		},
		"a later answer": {"POST", "/webhooks/2/answered", quietly(`"content":"hi","flags":64`), 200, ""},
		"a later answer with a nonce": {
			"POST", "/webhooks/2/answered", quietly(`"content":"hi","nonce":"n","enforce_nonce":true`), 400, "no such field",
		},
		"an answer to nobody":      {"POST", "/webhooks/2/another", quietly(`"content":"hi"`), 404, "10015"},
		"an answer of another app": {"POST", "/webhooks/3/answered", quietly(`"content":"hi"`), 404, "10015"},
		"an edited answer": {
			"PATCH", "/webhooks/2/answered/messages/7", quietly(`"content":"hi","embeds":[],"components":[],"attachments":[]`),
			200, `"id":"7"`,
		},
		"direct messages": {
			"POST", "/users/@me/channels", `{"recipient_id":"7"}`, 200, discordtest.DMChannel("7"),
		},
		"direct messages to a name": {"POST", "/users/@me/channels", `{"recipient_id":"ada"}`, 400, "snowflake"},
		"links to make new": {
			"POST", "/attachments/refresh-urls", `{"attachment_urls":["https://example.org/a?ex=1"]}`, 200,
			"https://example.org/a?ex=",
		},
		"no links to make new":            {"POST", "/attachments/refresh-urls", `{}`, 400, "required"},
		"a reaction":                      {"PUT", messages + "/7/reactions/%F0%9F%91%8D/@me", ``, 204, ""},
		"a reaction of the server's":      {"PUT", messages + "/7/reactions/a:7/@me", ``, 204, ""},
		"a reaction that is a word":       {"DELETE", messages + "/7/reactions/word/@me", ``, 400, "10014"},
		"typing":                          {"POST", "/channels/5/typing", ``, 204, ""},
		"typing what":                     {"POST", "/channels/5/typing", `{}`, 400, "no body"},
		"a channel that is a name":        {"POST", "/channels/general/messages", quietly(`"content":"hi"`), 404, "404"},
		"a call that there is not":        {"GET", "/guilds/5", ``, 404, "404"},
		"a message that is asked for":     {"GET", messages + "/7", ``, 200, `"id":"7"`},
		"a message that is taken away":    {"DELETE", messages + "/7", ``, 204, ""},
		"what an interaction was told":    {"GET", "/webhooks/2/answered/messages/@original", ``, 200, `"flags":0`},
		"what nobody's was told":          {"GET", "/webhooks/2/another/messages/@original", ``, 404, "10015"},
		"who the bot is":                  {"GET", "/users/@me", ``, 200, `"id":"2"`},
		"which app it is of":              {"GET", "/applications/@me", ``, 200, `"verify_key":"00"`},
		"a file that the server does not": {"GET", "/attachments/1/2/a.png", ``, 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			contentType := ""
			if test.body != "" {
				contentType = "application/json"
			}
			status, answer, err := do(t.Context(), test.method, server.URL()+test.path, contentType, test.body)
			require.NoError(t, err)
			require.Equal(t, test.status, status, answer)
			require.Contains(t, answer, test.says)
			if status >= 400 && strings.HasPrefix(answer, "{") {
				var fault struct {
					Message *string
					Code    *int
				}
				require.NoError(t, json.Unmarshal([]byte(answer), &fault))
				require.NotNil(t, fault.Message)
				require.NotNil(t, fault.Code)
			}
		})
	}
}

func TestAdmissionNeedsAProperBot(t *testing.T) {
	server := newServer(t)
	for name, test := range map[string]struct {
		path   string
		change func(*http.Request)
		status int
	}{
		"a proper one":  {messages, func(*http.Request) {}, 200},
		"another token": {messages, func(r *http.Request) { r.Header.Set("Authorization", "Bot x") }, 401},
		"a token that is no bot's": {
			messages, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }, 401,
		},
		"no token": {messages, func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		"a token where none has to": {
			"/webhooks/2/answered", func(r *http.Request) { r.Header.Set("Authorization", "Bot "+token) }, 400,
		},
		"another user agent":  {messages, func(r *http.Request) { r.Header.Set("User-Agent", "curl/8") }, 403},
		"no type of the body": {messages, func(r *http.Request) { r.Header.Del("Content-Type") }, 400},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer, err := do(
				t.Context(), http.MethodPost, server.URL()+test.path, "application/json", quietly(`"content":"hi"`),
				test.change,
			)
			require.NoError(t, err)
			require.Equal(t, test.status, status, answer)
		})
	}
}

// form is a body of several parts.
func form(t *testing.T, payload string, files ...string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	require.NoError(t, w.WriteField("payload_json", payload))
	for _, name := range files {
		part, err := w.CreatePart(
			textproto.MIMEHeader{
				"Content-Disposition": {`form-data; name="` + name + `"; filename="a.ogg"`}, "Content-Type": {"audio/ogg"},
			},
		)
		require.NoError(t, err)
		_, err = part.Write([]byte("x"))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return w.FormDataContentType(), b.String()
}

func TestFilesMatchTheirAttachments(t *testing.T) {
	server := newServer(t)
	voice := `"duration_secs":1.5,"waveform":"QEA="`
	for name, test := range map[string]struct {
		payload string
		files   []string
		status  int
	}{
		"one":                   {quietly(`"attachments":[{"id":0,"filename":"a.ogg"}]`), []string{"files[0]"}, 200},
		"one that is not named": {quietly(`"content":"x"`), []string{"files[0]"}, 400},
		"one that is not there": {quietly(`"attachments":[{"id":0,"filename":"a.ogg"}]`), nil, 400},
		"another than is named": {quietly(`"attachments":[{"id":0,"filename":"a.ogg"}]`), []string{"files[1]"}, 400},
		"one by another name":   {quietly(`"attachments":[{"id":0,"filename":"b.ogg"}]`), []string{"files[0]"}, 400},
		"one without an id":     {quietly(`"attachments":[{"filename":"a.ogg"}]`), []string{"files[0]"}, 400},
		"a voice message": {
			`{"flags":8192,"attachments":[{"id":0,"filename":"a.ogg",` + voice + `}],` + quiet + `}`, []string{"files[0]"}, 200,
		},
		"a voice message with a text": {
			`{"content":"x","flags":8192,"attachments":[{"id":0,"filename":"a.ogg",` + voice + `}],` + quiet + `}`,
			[]string{"files[0]"},
			400,
		},
		"a voice message of no length": {
			quietly(`"flags":8192,"attachments":[{"id":0,"filename":"a.ogg"}]`), []string{"files[0]"}, 400,
		},
		"a voice message of nothing": {quietly(`"flags":8192`), nil, 400},
		"a waveform of no voice message": {
			`{"attachments":[{"id":0,"filename":"a.ogg",` + voice + `}],` + quiet + `}`, []string{"files[0]"}, 400,
		},
		"eleven": {
			`{` + quiet + `}`, strings.Split(strings.Repeat("files[0] ", 11), " ")[:11], 400,
		},
		"none, but the payload is no JSON": {`x`, nil, 400},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range test.files {
				if name == "eleven" {
					test.files[i] = "files[" + string(rune('a'+i)) + "]"
				}
			}
			contentType, body := form(t, test.payload, test.files...)
			status, answer, err := do(t.Context(), http.MethodPost, server.URL()+messages, contentType, body)
			require.NoError(t, err)
			require.Equal(t, test.status, status, answer)
		})
	}
}

func TestNonceIsUsedOnce(t *testing.T) {
	server := newServer(t)
	create := func(nonce string) string {
		_, answer, err := do(
			t.Context(), http.MethodPost, server.URL()+messages, "application/json",
			quietly(`"content":"hi","nonce":"`+nonce+`","enforce_nonce":true`),
		)
		require.NoError(t, err)
		return answer
	}
	first := create("a")
	require.Equal(t, first, create("a"))
	require.NotEqual(t, first, create("b"))
}

func TestInteractionWaitsForOneAnswer(t *testing.T) {
	server := newServer(t)
	call := func(method, path string) int {
		body, contentType := quietly(`"content":"hi"`), "application/json"
		if method == http.MethodGet {
			body, contentType = "", ""
		}
		status, answer, err := do(t.Context(), method, server.URL()+"/webhooks/2/waiting"+path, contentType, body)
		require.NoError(t, err)
		if strings.Contains(answer, `"flags":128`) {
			return -status
		}
		return status
	}
	const original = "/messages/@original"
	require.Equal(t, -200, call(http.MethodGet, original), "it thinks")
	require.Equal(t, 400, call(http.MethodPost, ""), "a later answer comes too early")
	require.Equal(t, 200, call(http.MethodPatch, original))
	require.Equal(t, 200, call(http.MethodGet, original), "it has said something")
	require.Equal(t, 200, call(http.MethodPost, ""))
}

func TestScriptsAreAnsweredInOrder(t *testing.T) {
	server := newServer(t)
	server.Script(
		discordtest.GetUser, discordtest.Failure(429, 0, "no", nil), discordtest.Response{Reset: true},
		discordtest.Response{Status: 418, Body: "tea"},
	)
	get := func() (int, string, error) {
		return do(t.Context(), http.MethodGet, server.URL()+"/users/@me", "", "")
	}
	status, answer, err := get()
	require.NoError(t, err)
	require.Equal(t, 429, status)
	require.JSONEq(t, `{"message":"no","code":0}`, answer)
	_, _, err = get()
	require.Error(t, err)
	status, answer, err = get()
	require.NoError(t, err)
	require.Equal(t, 418, status)
	require.Equal(t, "tea", answer)
	status, _, err = get()
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Len(t, server.Requests(), 4)
}
