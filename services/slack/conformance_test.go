package slack_test

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/slack"
	"github.com/hiliosai/switchboard/services/slack/slacktest"
)

func TestMain(m *testing.M) { integrationtest.Main(m) }

func TestSlackIsAPlatform(t *testing.T) { integrationtest.Run(t, conformance(t)) }

func FuzzWebhook(f *testing.F) { integrationtest.FuzzWebhook(f, conformance(f)) }

// What must never be seen in what leaves the package.
const (
	canary        = "canary-0123456789"
	botToken      = "xoxb-" + canary
	signingSecret = "secret-canary_9876543210"
)

// What the fake has from the start.
const (
	channelID = "C024BE91L"
	messageTS = "1700000000.000900"
	messageID = channelID + ":" + messageTS
	fileID    = "F024BERPE"
)

func conformance(tb testing.TB) integrationtest.Platform {
	tb.Helper()
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	tb.Cleanup(client.Close)
	return integrationtest.Platform{
		Definition: slack.Definition(client),
		Channel:    func(url string) *integration.Channel { return channelAt(url + "/api") },
		API:        func(tb testing.TB) http.Handler { tb.Helper(); return newFake(tb) },
		Webhooks:   webhooks(tb),
		BadItem: form(tb, `{"type":"block_actions","user":{"id":"U1"},"channel":{"id":"C1"},"trigger_id":"1.2.3",`+
			`"actions":[{"type":"button","value":"a"},{"type":"button","value":{}}]}`),
		Sends:    sends(),
		Failures: failures(),
		Refusal:  refusal,
	}
}

// newFake starts a fake with a message, a file and a picture.
func newFake(tb testing.TB) *slacktest.Server {
	tb.Helper()
	server := slacktest.NewServer(botToken)
	tb.Cleanup(server.Close)
	server.AddMessage(channelID, messageTS)
	server.AddFile(fileID, "plan.pdf", "application/pdf", []byte("%PDF"), nil)
	return server
}

// channelAt is a channel with another root of the Web API.
func channelAt(apiBase string) *integration.Channel {
	ch := channel()
	ch.Settings["apiBase"] = apiBase
	return ch
}

func channel() *integration.Channel {
	return &integration.Channel{
		ID: "ch-1", TenantID: "tenant-1", Platform: "slack", Status: integration.ChannelActive,
		Credentials: map[string]string{"botToken": botToken, "signingSecret": signingSecret},
		Settings:    map[string]string{},
	}
}

func sign(ch *integration.Channel, body []byte, at time.Time) map[string]string {
	return signedAt(ch, body, strconv.FormatInt(at.Unix(), 10))
}

func signedAt(ch *integration.Channel, body []byte, stamp string) map[string]string {
	mac := hmac.New(sha256.New, []byte(ch.Credentials["signingSecret"]))
	mac.Write([]byte("v0:" + stamp + ":" + string(body)))
	return map[string]string{
		"x-slack-request-timestamp": stamp, "x-slack-signature": "v0=" + hex.EncodeToString(mac.Sum(nil)),
	}
}

// form is an interaction's body.
func form(tb testing.TB, payload string) []byte {
	tb.Helper()
	require.True(tb, json.Valid([]byte(payload)))
	return []byte(url.Values{"payload": {payload}}.Encode())
}

// webhooks are those of testdata, a plain text first. Interactions and commands are kept there as what their
// forms hold.
func webhooks(tb testing.TB) []integrationtest.Webhook {
	tb.Helper()
	list := integrationtest.Files(tb, "testdata/events/text.json")
	paths, err := filepath.Glob("testdata/*/*.json")
	require.NoError(tb, err)
	formType := map[string]string{"content-type": "application/x-www-form-urlencoded"}
	for _, path := range paths {
		kind, name := filepath.Base(filepath.Dir(path)), strings.TrimSuffix(filepath.Base(path), ".json")
		switch {
		case kind == "events" && name != "text":
			list = append(list, integrationtest.Files(tb, path)...)
		case kind == "interactions":
			list = append(list, integrationtest.Webhook{Name: name, Headers: formType, Body: form(tb, string(read(tb, path)))})
		case kind == "commands":
			var fields map[string]string
			require.NoError(tb, json.Unmarshal(read(tb, path), &fields))
			values := url.Values{}
			for k, v := range fields {
				values.Set(k, v)
			}
			list = append(list, integrationtest.Webhook{Name: name, Headers: formType, Body: []byte(values.Encode())})
		}
	}
	return list
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	data, err := os.ReadFile(path)
	require.NoError(tb, err)
	return data
}

// sends show each of the features, and the message actions.
func sends() []integrationtest.Send {
	to := integration.Party{ID: channelID}
	send := func(name string, c integration.Content, change ...func(*integration.Message)) integrationtest.Send {
		m := integration.Message{To: to, Content: c}
		for _, f := range change {
			f(&m)
		}
		return integrationtest.Send{Name: name, Message: m}
	}
	held := func(name, mimeType string) *integration.Media {
		return &integration.Media{Data: []byte("content of " + name), Filename: name, MimeType: mimeType}
	}
	call := func(name, action string, params map[string]any) integrationtest.Send {
		return integrationtest.Send{Name: name, Action: action, Params: params}
	}
	about := func(more map[string]any) map[string]any {
		params := map[string]any{"messageId": messageID}
		for k, v := range more {
			params[k] = v
		}
		return params
	}
	refusedText := slacktest.Failure("is_archived", nil)
	refused := send("text to a channel that was archived", integration.Content{Type: integration.TypeText, Text: "hello"})
	refused.Answer = &integrationtest.Answer{Body: refusedText.Body}
	return []integrationtest.Send{
		send(
			"text", integration.Content{Type: integration.TypeText, Text: "fish & chips 👍 for <two>"},
			func(m *integration.Message) { m.ID = "out-1" },
		),
		send(
			"text in markup",
			integration.Content{Type: integration.TypeText, Text: "*fish* for <@U061F7AUR>", Format: "mrkdwn"},
		),
		send("text in markdown", integration.Content{Type: integration.TypeText, Text: "**fish**", Format: "markdown"}),
		send(
			"reply", integration.Content{Type: integration.TypeText, Text: "yes"},
			func(m *integration.Message) { m.ReplyTo = &integration.ReplyTo{MessageID: messageID} },
		),
		send(
			"text in a thread", integration.Content{Type: integration.TypeText, Text: "here"},
			func(m *integration.Message) { m.ThreadID = messageTS },
		),
		send(
			"picture by its link",
			integration.Content{
				Type: integration.TypeImage, Text: "look",
				Media: &integration.Media{URL: "https://example.org/a.png", Caption: "A plan"},
			},
		),
		send(
			"picture by its content",
			integration.Content{Type: integration.TypeImage, Text: "look", Media: held("a.png", "image/png")},
		),
		send(
			"several pictures",
			integration.Content{
				Type:        integration.TypeImage,
				Attachments: []integration.Media{{URL: "https://example.org/a.png"}, {ID: "F024BERPH", MimeType: "image/png"}},
			},
		),
		send(
			"several files",
			integration.Content{
				Type: integration.TypeFile, Text: "both",
				Attachments: []integration.Media{*held("a.pdf", "application/pdf"), *held("b.txt", "text/plain")},
			},
		),
		send(
			"video", integration.Content{Type: integration.TypeVideo, Media: held("a.mp4", "video/mp4")},
			func(m *integration.Message) { m.ThreadID = messageTS },
		),
		send("audio", integration.Content{Type: integration.TypeAudio, Media: held("a.mp3", "audio/mpeg")}),
		send("voice", integration.Content{Type: integration.TypeVoice, Media: held("a.ogg", "audio/ogg")}),
		send(
			"file to a user", integration.Content{Type: integration.TypeFile, Media: held("a.pdf", "application/pdf")},
			func(m *integration.Message) { m.To.ID = "U061F7AUR" },
		),
		send(
			"file that is there already",
			integration.Content{
				Type: integration.TypeFile, Text: "again", Media: &integration.Media{ID: fileID, MimeType: "application/pdf"},
			},
		),
		send(
			"location",
			integration.Content{
				Type:     integration.TypeLocation,
				Location: &integration.Location{Latitude: 52.52, Longitude: 13.405, Name: "Fish & Co"},
			},
		),
		send(
			"contact",
			integration.Content{
				Type: integration.TypeContact,
				Contacts: []integration.Contact{
					{Name: integration.ContactName{Formatted: "Test Guest"}, Phones: []integration.ContactPhone{
						{Phone: "+1 555 0100", Type: "WORK"},
					}, Emails: []string{"guest@example.org"}},
				},
			},
		),
		send("buttons", integration.Content{Type: integration.TypeInteractive, Interactive: &integration.Interactive{
			Header: "Dinner", Body: "Fish & chips?", Footer: "until 9 pm",
			Buttons: []integration.Button{
				{ID: "yes", Title: "Yes & thanks", Style: "primary"}, {Title: "Docs", Type: "url", URL: "https://example.org"},
			},
		}}),
		send("list", integration.Content{Type: integration.TypeInteractive, Interactive: &integration.Interactive{
			Body: "Sides?", ButtonLabel: "Choose",
			Sections: []integration.Section{
				{Rows: []integration.Row{{ID: "peas", Title: "Peas", Description: "mushy"}, {Title: "Slaw"}}},
			},
		}}),
		send("list of sections", integration.Content{
			Type: integration.TypeInteractive, Text: "Sides?", Interactive: &integration.Interactive{
				Sections: []integration.Section{
					{Title: "Warm", Rows: []integration.Row{{ID: "peas", Title: "Peas"}}},
					{Title: "Cold", Rows: []integration.Row{{ID: "slaw", Title: "Slaw"}}},
				},
			},
		}),
		send(
			"a form",
			integration.Content{
				Type:        integration.TypeInteractive,
				Interactive: &integration.Interactive{Kind: integration.InteractiveForm, Body: "Your name?"},
			},
		),
		refused,

		call(
			"edit", integration.ActionEditMessage,
			about(map[string]any{"message": map[string]any{"content": map[string]any{"type": "TEXT", "text": "better"}}}),
		),
		call("deletion", integration.ActionDeleteMessage, about(nil)),
		call("reaction", integration.ActionReact, about(map[string]any{"emoji": "👍🏽"})),
		call("typing", integration.ActionTyping, map[string]any{"conversationId": "D024BE7RE", "threadId": messageTS}),
		call("media", integration.ActionGetMedia, map[string]any{"mediaId": fileID}),
	}
}

// failures are those of refusals that are an answer.
func failures() []integrationtest.Failure {
	var list []integrationtest.Failure
	all := refusals()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		r := all[name]
		if r.response.Reset {
			continue
		}
		answer := integrationtest.Answer{Status: r.response.Status, Header: map[string]string{}, Body: r.response.Body}
		for k := range r.response.Header {
			answer.Header[k] = r.response.Header.Get(k)
		}
		list = append(
			list,
			integrationtest.Failure{
				Name: name, Answer: answer, Kind: r.kind, Code: r.code, RetryAfter: r.retryAfter, PlatformCode: r.platformCode,
				Pauses: integration.PausesRecipient,
			},
		)
	}
	return list
}

// refusal is how Slack says no: with HTTP 200 and a word, unless the HTTP status itself says what is wrong.
func refusal(r integration.Refusal) integrationtest.Answer {
	a := slacktest.Failure(cmp.Or(r.Code, "moon_is_full"), nil)
	if r.Code == "" {
		a.Status = r.Status
	}
	return integrationtest.Answer{Status: a.Status, Body: a.Body}
}
