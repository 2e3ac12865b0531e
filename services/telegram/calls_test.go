package telegram_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// sample is a message with what becomes of it, as testdata has them.
type sample struct {
	Name    string
	Message integration.Message
	Edits   *integration.ID // the message that it replaces; nil for a new one

	// Of calls.json: the one call that is made.
	Method   string
	Body     json.RawMessage
	Files    []string // names of uploads
	Chat     string   // of the result, if it is not that of the body
	Degraded []integration.Degradation

	// Of refusals.json: the error of a message for which no call is made.
	Kind integration.ErrorKind
	Code string
}

func samples(t *testing.T, file string) []sample {
	t.Helper()
	content, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	var list []sample
	require.NoError(t, json.Unmarshal(content, &list))
	return list
}

// send sends the message, or edits with it, and returns the calls that were made.
func (s *sample) send(t *testing.T) (*integration.SendResult, []telegramtest.Request, error) {
	t.Helper()
	if s.Edits == nil {
		return send(t, &s.Message)
	}
	server, ch := newServer(t)
	target := integration.Target{MessageID: *s.Edits}
	result, err := newPlatform(t).(integration.Editor).EditMessage(t.Context(), target, &s.Message, ch)
	return result, server.Requests(), err
}

func TestCallsOfMessages(t *testing.T) {
	for _, s := range samples(t, "calls.json") {
		t.Run(s.Name, func(t *testing.T) {
			result, requests, err := s.send(t)
			require.NoError(t, err)
			require.Len(t, requests, 1)
			require.Equal(t, s.Method, requests[0].Route)
			requireBody(t, string(s.Body), requests[0])
			require.Len(t, requests[0].Files, len(s.Files))
			for _, name := range s.Files {
				require.Contains(t, requests[0].Files, name)
			}
			require.Equal(t, s.Degraded, result.Degraded)
			if s.Edits != nil {
				require.Equal(t, *s.Edits, result.MessageID)
				return
			}
			chat := cmp.Or(s.Chat, fmt.Sprint(requests[0].Body["chat_id"]))
			require.Equal(t, chat, result.Metadata["chatId"])
			require.Equal(t, integration.ID(chat+":1"), result.MessageID)
			if n := len(s.Message.Content.Attachments); n > 1 {
				require.Len(t, result.MessageIDs, n)
			}
		})
	}
}

func TestRefusalsOfMessages(t *testing.T) {
	for _, s := range samples(t, "refusals.json") {
		t.Run(s.Name, func(t *testing.T) {
			_, requests, err := s.send(t)
			requireError(t, err, s.Kind, s.Code)
			require.Empty(t, requests)
		})
	}
}

func TestLimitsOfMessages(t *testing.T) {
	const emoji = "👍" // 2 UTF-16 units, 4 bytes
	a := func(n int) string { return strings.Repeat("a", n) }
	picture := func(m integration.Media, text string) *integration.Message {
		return content(integration.Content{Type: "IMAGE", Text: text, Media: &m})
	}
	album := func(n int, f integration.Media) *integration.Message {
		return content(integration.Content{Type: "IMAGE", Attachments: slices.Repeat([]integration.Media{f}, n)})
	}
	buttons := func(n int, id string) *integration.Message {
		button := integration.Button{ID: id, Title: "Yes"}
		return withButtons(slices.Repeat([]integration.Button{button}, n)...)
	}
	quote := text("5", "x")
	quote.ReplyTo = &integration.ReplyTo{MessageID: "5:41", Quote: a(1025)}
	ada := content(integration.Content{Type: "CONTACT", Contacts: []integration.Contact{{
		Name: integration.ContactName{Formatted: "Ada"}, Phones: []integration.ContactPhone{{Phone: "1"}}, VCard: a(2049),
	}}})
	marked := func(format, text string) *integration.Message {
		return content(integration.Content{Text: text, Format: format})
	}
	const tooLong, invalid = "MESSAGE_TOO_LONG", "MESSAGE_INVALID"
	for name, test := range map[string]struct {
		message *integration.Message
		code    string
	}{
		"4096 letters":                          {text("5", a(4096)), ""},
		"4097 letters":                          {text("5", a(4097)), tooLong},
		"4096 letters of two bytes":             {text("5", strings.Repeat("ж", 4096)), ""},
		"2048 emoji":                            {text("5", strings.Repeat(emoji, 2048)), ""},
		"2048 emoji and a letter":               {text("5", strings.Repeat(emoji, 2048)+"a"), tooLong},
		"4098 units of HTML without markup":     {marked("html", strings.Repeat("<b>ab</b>", 2049)), tooLong},
		"4098 units of Markdown without markup": {marked("markdown", strings.Repeat("*ab*", 2049)), tooLong},
		"4096 units of HTML without markup":     {marked("html", strings.Repeat("<b>&amp;</b>", 4096)), ""},
		"4096 units of Markdown without markup": {marked("markdown", strings.Repeat(`*\.*`, 4096)), ""},
		"callback data of 64 bytes":             {buttons(1, strings.Repeat(emoji, 16)), ""},
		"callback data of 65 bytes":             {buttons(1, strings.Repeat(emoji, 16)+"a"), invalid},
		"100 buttons":                           {buttons(100, "y"), ""},
		"101 buttons":                           {buttons(101, "y"), invalid},
		"a quote of 1025 units":                 {quote, invalid},
		"a vcard of 2049 bytes":                 {ada, invalid},
		"a caption of 1024 units":               {picture(integration.Media{ID: "ph-1"}, strings.Repeat(emoji, 512)), ""},
		"a caption of 1025 units":               {picture(integration.Media{ID: "ph-1"}, a(1025)), tooLong},
		"ten photos":                            {album(10, integration.Media{ID: "ph-1"}), ""},
		"a caption of 1025 units in an album":   {album(2, integration.Media{ID: "ph-1", Caption: a(1025)}), tooLong},
		"a photo of more than 10 MB":            {picture(integration.Media{Data: make([]byte, 10<<20+1)}, ""), invalid},
		"an album of more than 50 MB":           {album(6, integration.Media{Data: make([]byte, 9<<20)}), invalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, requests, err := send(t, test.message)
			if test.code == "" {
				require.NoError(t, err)
				return
			}
			requireError(t, err, integration.FaultInvalid, test.code)
			require.Empty(t, requests)
		})
	}
	t.Run("Telegram judges faulty markup", func(t *testing.T) {
		_, requests, err := send(t, marked("html", "<b>"+a(5000)))
		requireError(t, err, integration.FaultPermanent, invalid)
		require.Len(t, requests, 1)
	})
}
