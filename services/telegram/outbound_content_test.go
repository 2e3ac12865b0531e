package telegram_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/textlimit"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func content(c integration.Content) *integration.Message {
	return &integration.Message{To: integration.Party{ID: "5"}, Content: c}
}

func anonymous(m *integration.Message) *integration.Message { return flagged(m, "anonymous") }

func TestContentsBecomeTheirMethods(t *testing.T) {
	place := &integration.Location{Latitude: 51.5, Longitude: -0.15}
	ada := integration.Contact{
		Name: integration.ContactName{Formatted: "Ada Byron"}, Phones: []integration.ContactPhone{{Phone: "+15550100"}},
	}
	full := integration.Contact{
		Name:   integration.ContactName{Formatted: "Ada Byron", First: "Ada", Last: "Byron"},
		Phones: []integration.ContactPhone{{Phone: "+15550100"}, {Phone: "+15550101"}}, Emails: []string{"ada@example.org"},
		Org: "Engines; Ltd",
	}
	poll := &integration.Poll{Question: "More steam?", Options: []string{"Yes", "No"}, Multiple: true}
	for name, test := range map[string]struct {
		message  *integration.Message
		method   string
		body     string
		degraded []integration.Degradation
	}{
		"a point": {
			content(integration.Content{Type: "LOCATION", Location: place}), "sendLocation",
			`{"chat_id":5,"latitude":51.5,"longitude":-0.15}`, nil,
		},
		"a point that moves": {
			content(integration.Content{Type: "LOCATION", Location: &integration.Location{Live: true}}),
			"sendLocation", `{"chat_id":5,"latitude":0,"longitude":0}`,
			[]integration.Degradation{{Feature: "live location", Became: "location"}},
		},
		"a place": {
			content(
				integration.Content{
					Type:     "LOCATION",
					Location: &integration.Location{Latitude: 1, Longitude: 2, Name: "Works", Address: "1 Mill Lane"},
				},
			),
			"sendVenue", `{"chat_id":5,"latitude":1,"longitude":2,"title":"Works","address":"1 Mill Lane"}`, nil,
		},
		"a place without a name": {
			content(
				integration.Content{
					Type: "LOCATION", Location: &integration.Location{Latitude: 1, Longitude: 2, Address: "1 Mill Lane"},
				},
			),
			"sendVenue", `{"chat_id":5,"latitude":1,"longitude":2,"title":"1 Mill Lane","address":"1 Mill Lane"}`, nil,
		},
		"a contact": {
			content(integration.Content{Type: "CONTACT", Contacts: []integration.Contact{ada}}), "sendContact",
			`{"chat_id":5,"phone_number":"+15550100","first_name":"Ada Byron"}`, nil,
		},
		"a contact with more than Telegram's fields": {
			content(integration.Content{Type: "CONTACT", Contacts: []integration.Contact{full}}), "sendContact",
			`{"chat_id":5,"phone_number":"+15550100","first_name":"Ada","last_name":"Byron","vcard":"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada Byron\r\nN:Byron;Ada;;;\r\nTEL:+15550100\r\nTEL:+15550101\r\nEMAIL:ada@example.org\r\nORG:Engines\\; Ltd\r\nEND:VCARD\r\n"}`,
			nil,
		},
		"a poll": {content(integration.Content{Type: "POLL", Poll: poll}), "sendPoll", `{"chat_id":5,"question":"More steam?","options":[{"text":"Yes"},{"text":"No"}],"is_anonymous":false,"allows_multiple_answers":true}`, nil},
		"a poll of secrets": {anonymous(
			content(
				integration.Content{Type: "POLL", Poll: &integration.Poll{Question: "Q", Options: []string{"A"}, Closed: true}},
			),
		), "sendPoll", `{"chat_id":5,"question":"Q","options":[{"text":"A"}],"is_anonymous":true,"is_closed":true}`, nil},
		"HTML": {content(
			integration.Content{Text: "<b>hi</b>", Format: "html"},
		), "sendMessage", `{"chat_id":5,"text":"<b>hi</b>","parse_mode":"HTML"}`, nil},
		"Markdown": {content(
			integration.Content{Text: "*hi*", Format: "markdown"},
		), "sendMessage", `{"chat_id":5,"text":"*hi*","parse_mode":"MarkdownV2"}`, nil},
		"HTML below a header": {content(integration.Content{Type: "INTERACTIVE", Text: "<b>hi</b>", Format: "html", Interactive: &integration.Interactive{Header: "A & B", Footer: "1 < 2", Buttons: []integration.Button{{Title: "Ok"}}}}), "sendMessage", `{"chat_id":5,"text":"A &amp; B\n\n<b>hi</b>\n\n1 &lt; 2","parse_mode":"HTML","reply_markup":{"inline_keyboard":[[{"text":"Ok","callback_data":"Ok"}]]}}`, nil},
		"Markdown below a header": {
			content(
				integration.Content{
					Type: "INTERACTIVE", Text: "*hi*", Format: "markdown",
					Interactive: &integration.Interactive{Header: "No. 1 (_a_) \\", Buttons: []integration.Button{{Title: "Ok"}}},
				},
			),
			"sendMessage",
			`{"chat_id":5,"text":"No\\. 1 \\(\\_a\\_\\) \\\\\n\n*hi*","parse_mode":"MarkdownV2","reply_markup":{"inline_keyboard":[[{"text":"Ok","callback_data":"Ok"}]]}}`,
			nil,
		},
		"entities": {
			content(integration.Content{Text: "👍 Ada here", Entities: []integration.Entity{
				{Type: "text_mention", Offset: 3, Length: 3, UserID: "700100200"},
				{Type: "text_link", Offset: 7, Length: 4, URL: "https://example.org"}, {Type: "custom_emoji", Length: 2},
			}}),
			"sendMessage",
			`{"chat_id":5,"text":"👍 Ada here","entities":[{"type":"text_mention","offset":3,"length":3,"user":{"id":700100200}},{"type":"text_link","offset":7,"length":4,"url":"https://example.org"}]}`,
			[]integration.Degradation{{Feature: "custom emoji", Became: "emoji"}},
		},
		"entities below a header": {
			content(
				integration.Content{
					Type: "INTERACTIVE", Text: "hi", Entities: []integration.Entity{{Type: "bold", Length: 2}},
					Interactive: &integration.Interactive{Header: "👍", Buttons: []integration.Button{{Title: "Ok"}}},
				},
			),
			"sendMessage",
			`{"chat_id":5,"text":"👍\n\nhi","entities":[{"type":"bold","offset":4,"length":2}],"reply_markup":{"inline_keyboard":[[{"text":"Ok","callback_data":"Ok"}]]}}`,
			nil,
		},
		"a list": {
			content(integration.Content{Type: "INTERACTIVE", Interactive: &integration.Interactive{Body: "Which?", Footer: "Valves Ltd", ButtonLabel: "Choose", Sections: []integration.Section{
				{Title: "Valves", Rows: []integration.Row{{ID: "v1", Title: "Brass", Description: "two bar"}, {Title: "Steel"}}},
				{Rows: []integration.Row{{ID: "p1", Title: "Pipe"}}},
			}}}),
			"sendMessage",
			`{"chat_id":5,"text":"Which?\n\nValves\nBrass: two bar\n\nValves Ltd","reply_markup":{"inline_keyboard":[[{"text":"Brass","callback_data":"v1"}],[{"text":"Steel","callback_data":"Steel"}],[{"text":"Pipe","callback_data":"p1"}]]}}`,
			[]integration.Degradation{{Feature: "list", Became: "buttons"}},
		},
		"buttons of a style": {
			withButtons(
				integration.Button{Title: "Go", Style: "primary"}, integration.Button{Title: "No", Style: "danger"},
				integration.Button{Title: "Hm", Style: "loud"},
			),
			"sendMessage",
			`{"chat_id":700100200,"text":"choose","reply_markup":{"inline_keyboard":[[{"text":"Go","style":"primary","callback_data":"Go"}],[{"text":"No","style":"danger","callback_data":"No"}],[{"text":"Hm","callback_data":"Hm"}]]}}`,
			nil,
		},
		"a text in the name of a connected account": {
			with(text("5", "hi"), func(m *integration.Message) { m.Metadata = map[string]any{"businessConnectionId": "bc-1"} }),
			"sendMessage", `{"business_connection_id":"bc-1","chat_id":5,"text":"hi"}`, nil,
		},
		"a text to who wrote to a channel": {
			with(
				text("-1001700100901", "hi"),
				func(m *integration.Message) { m.Metadata = map[string]any{"directMessagesTopicId": "700100200"} },
			),
			"sendMessage", `{"chat_id":-1001700100901,"direct_messages_topic_id":700100200,"text":"hi"}`, nil,
		},
		"a reply with a quote": {
			with(
				text("5", "hi"),
				func(m *integration.Message) { m.ReplyTo = &integration.ReplyTo{MessageID: "5:41", Quote: "steam"} },
			),
			"sendMessage",
			`{"chat_id":5,"text":"hi","reply_parameters":{"message_id":41,"quote":"steam","allow_sending_without_reply":true}}`,
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			result, requests := send(t, test.message)
			require.Len(t, requests, 1)
			require.Equal(t, test.method, requests[0].Route)
			requireBody(t, test.body, requests[0])
			require.Equal(t, test.degraded, result.Degraded)
		})
	}
}

func TestASentPollTellsItsID(t *testing.T) {
	result, _ := send(
		t, content(integration.Content{Type: "POLL", Poll: &integration.Poll{Question: "Q", Options: []string{"A"}}}),
	)
	require.Equal(t, "poll-1", result.Metadata["pollId"])
}

func TestContentsThatTelegramWouldRefuseAreRefused(t *testing.T) {
	name := integration.ContactName{Formatted: "Ada"}
	phones := []integration.ContactPhone{{Phone: "+15550100"}}
	location := func(l integration.Location) integration.Content {
		return integration.Content{Type: "LOCATION", Location: &l}
	}
	contacts := func(list ...integration.Contact) integration.Content {
		return integration.Content{Type: "CONTACT", Contacts: list}
	}
	poll := func(question string, options ...string) integration.Content {
		return integration.Content{Type: "POLL", Poll: &integration.Poll{Question: question, Options: options}}
	}
	entity := func(e integration.Entity) integration.Content {
		return integration.Content{Text: "👍", Entities: []integration.Entity{e}}
	}
	for what, c := range map[string]integration.Content{
		"no location":                {Type: "LOCATION"},
		"a location beyond the pole": location(integration.Location{Latitude: 90.1}),
		"a location with a text":     {Type: "LOCATION", Location: &integration.Location{}, Text: "here"},
		"a location with words over buttons": {
			Type: "LOCATION", Location: &integration.Location{},
			Interactive: &integration.Interactive{Body: "here", Buttons: []integration.Button{{Title: "Ok"}}},
		},
		"no contact": {Type: "CONTACT"},
		"two contacts": contacts(
			integration.Contact{Name: name, Phones: phones}, integration.Contact{Name: name, Phones: phones},
		),
		"a contact without a phone": contacts(integration.Contact{Name: name}),
		"a contact without a name":  contacts(integration.Contact{Phones: phones}),
		"a contact with a text": {Type: "CONTACT", Text: "this one", Contacts: []integration.Contact{
			{Name: name, Phones: phones},
		}},
		"a vcard of 2049 bytes": contacts(
			integration.Contact{Name: name, Phones: phones, VCard: strings.Repeat("a", 2049)},
		),
		"no poll":                   {Type: "POLL"},
		"a poll without a question": poll(" ", "A"),
		"a question of 301 units":   poll(strings.Repeat("a", 301), "A"),
		"a poll without options":    poll("Q"),
		"a poll of 13 options":      poll("Q", strings.Split("ABCDEFGHIJKLM", "")...),
		"an empty option":           poll("Q", "A", ""),
		"an option of 101 units":    poll("Q", strings.Repeat("👍", 50)+"a"),
		"a poll with a text": {Type: "POLL", Text: "vote", Poll: &integration.Poll{
			Question: "Q", Options: []string{"A"},
		}},
		"a format of another platform": {Text: "*hi*", Format: "mrkdwn"},
		"a format and entities": {Text: "hi", Format: "html", Entities: []integration.Entity{
			{Type: "bold", Length: 1},
		}},
		"an entity before the text":      entity(integration.Entity{Type: "bold", Offset: -1, Length: 1}),
		"an entity behind the text":      entity(integration.Entity{Type: "bold", Offset: 1, Length: 2}),
		"an entity of no length":         entity(integration.Entity{Type: "bold"}),
		"an entity of an endless length": entity(integration.Entity{Type: "bold", Offset: 1, Length: 1<<63 - 1}),
		"a mention of no user": entity(
			integration.Entity{Type: "text_mention", Length: 2, UserID: "U024BE7LH"},
		),
		"a row without a title": {Type: "INTERACTIVE", Interactive: &integration.Interactive{
			Body: "Which?", Sections: []integration.Section{{Rows: []integration.Row{{ID: "a"}}}},
		}},
		"a row's id of 65 bytes": {Type: "INTERACTIVE", Interactive: &integration.Interactive{
			Body:     "Which?",
			Sections: []integration.Section{{Rows: []integration.Row{{ID: strings.Repeat("a", 65), Title: "A"}}}},
		}},
		"sections without rows": {Type: "INTERACTIVE", Interactive: &integration.Interactive{
			Body: "Which?", Sections: []integration.Section{{Title: "none"}},
		}},
		"buttons without words": {Type: "INTERACTIVE", Interactive: &integration.Interactive{
			Buttons: []integration.Button{{Title: "Ok"}},
		}},
	} {
		t.Run(what, func(t *testing.T) { requireJudged(t, content(c), integration.FaultInvalid, "MESSAGE_INVALID") })
	}
	t.Run("a topic of direct messages that is no number", func(t *testing.T) {
		_, ch := newServer(t)
		m := text("5", "hi")
		m.Metadata = map[string]any{"directMessagesTopicId": "general"}
		_, err := newPlatform(t).Send(t.Context(), m, ch)
		requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
	})
	t.Run("more than 4096 units beside the markup", func(t *testing.T) {
		for format, long := range map[string]string{
			"html": strings.Repeat("<b>ab</b>", 2049), "markdown": strings.Repeat("*ab*", 2049),
		} {
			requireJudged(
				t, content(integration.Content{Text: long, Format: format}), integration.FaultInvalid, "MESSAGE_TOO_LONG",
			)
		}
	})
	t.Run("faulty markup is Telegram's to judge", func(t *testing.T) {
		_, ch := newServer(t)
		_, err := newPlatform(t).Send(
			t.Context(), content(integration.Content{Text: "<b>" + strings.Repeat("a", 5000), Format: "html"}), ch,
		)
		requireError(t, err, integration.FaultPermanent, "MESSAGE_INVALID")
	})
	t.Run("what Telegram finds too long", func(t *testing.T) {
		for _, says := range []string{
			"Bad Request: message is too long", "Bad Request: message caption is too long",
			"Bad Request: MEDIA_CAPTION_TOO_LONG",
		} {
			server, ch := newServer(t)
			server.Script("sendMessage", telegramtest.Failure(400, says, nil))
			_, err := newPlatform(t).Send(t.Context(), text("5", "hi"), ch)
			requireError(t, err, integration.FaultPermanent, "MESSAGE_TOO_LONG")
		}
	})
}

func TestMarkupThatCountsForNothingIsSent(t *testing.T) {
	for format, long := range map[string]string{
		"html": strings.Repeat("<b>&amp;</b>", 4096), "markdown": strings.Repeat(`*\.*`, 4096),
	} {
		_, ch := newServer(t)
		_, err := newPlatform(t).Send(t.Context(), content(integration.Content{Text: long, Format: format}), ch)
		require.NoError(t, err)
	}
}

// FuzzPartsAreValid has texts made of pieces of markup, of which most are right as a whole: each part of them must be
// right too, short enough, and all of them together must show what the whole does.
func FuzzPartsAreValid(f *testing.F) {
	for seed := range 16 {
		f.Add([]byte(strings.Repeat(string(rune('a'+seed))+"\x03\x12\x25\x37", 20)), uint8(seed), seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, plan []byte, size uint8, asHTML bool) {
		markup, mode, pieces := textlimit.MarkdownV2, "MarkdownV2", markdownPieces
		if asHTML {
			markup, mode, pieces = textlimit.HTML, "HTML", htmlPieces
		}
		whole := compose(plan, pieces)
		shown, fault := telegramtest.Shown(whole, mode)
		if fault != "" || strings.TrimSpace(shown) == "" {
			return
		}
		limit := 8 + int(size)
		parts, err := textlimit.Split(
			whole, textlimit.Rules{First: limit, Limit: limit, Unit: textlimit.UTF16, Markup: markup},
		)
		if err != nil { // nested too deep
			require.ErrorIs(t, err, textlimit.ErrMarkup)
			return
		}
		together := ""
		for _, part := range parts {
			of, fault := telegramtest.Shown(part, mode)
			require.Empty(t, fault, "%q of %q", part, whole)
			require.LessOrEqual(t, textlimit.UTF16(of), limit, "%q of %q", part, whole)
			together += of
		}
		bare := func(s string) string { return strings.Join(strings.Fields(s), "") }
		require.Equal(t, bare(shown), bare(together), "%q", whole)
	})
}

var (
	htmlPieces = []string{
		"word ", "a ", "\n", "\n\n", "    ", "&amp;", "&lt;x&gt; ", "<b>", "<i>", "<a href=\"https://e.org/?a=1&amp;b\">",
		"<code>", "👍",
		"<pre><code class=\"language-go\">", "longer words of a text ", "<blockquote expandable>", "<tg-spoiler>",
	}
	markdownPieces = []string{
		"word ", "a ", "\n", "\n\n", "    ", "\\.", "\\_x ", "*", "_", "[", "`", "👍", "```go\n", "longer words of a text ",
		"\n>", "__", "||", "~",
	}
)

// compose writes the pieces that a plan names. A sign that is open is closed where it is named again, and in the end.
func compose(plan []byte, pieces []string) string {
	var b strings.Builder
	var open []string
	shut := func() {
		b.WriteString(closing(open[len(open)-1]))
		open = open[:len(open)-1]
	}
	for _, c := range plan[:min(len(plan), 300)] {
		piece := pieces[int(c)%len(pieces)]
		switch {
		case len(open) > 0 && open[len(open)-1] == piece:
			shut()
			continue
		case closing(piece) != "" && (slices.Contains(open, piece) || len(open) > 3 || len(open) > 0 && strings.ContainsAny(open[len(open)-1], "`")):
			continue
		case closing(piece) != "":
			open = append(open, piece)
		}
		b.WriteString(piece)
	}
	for len(open) > 0 {
		shut()
	}
	return b.String()
}

// closing is what ends what a piece begins, "" for one that begins nothing.
func closing(piece string) string {
	switch {
	case strings.HasPrefix(piece, "<pre>"):
		return "</code></pre>"
	case strings.HasPrefix(piece, "<"):
		name, _, _ := strings.Cut(strings.Trim(piece, "<>"), " ")
		return "</" + name + ">"
	case piece == "[":
		return "](https://e.org/\\))"
	case strings.HasPrefix(piece, "```"):
		return "```"
	case strings.ContainsAny(piece, "*_~|`") && !strings.HasPrefix(piece, "\\"):
		return piece
	}
	return ""
}
