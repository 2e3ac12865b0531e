package slack_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/slack/slacktest"
)

// newServer starts a fake of the Web API and a channel that uses it.
func newServer(t *testing.T) (*slacktest.Server, *integration.Channel) {
	t.Helper()
	server := newFake(t)
	return server, channelAt(server.URL())
}

func text(text string, change ...func(*integration.Message)) *integration.Message {
	m := &integration.Message{
		To: integration.Party{ID: channelID}, Content: integration.Content{Type: integration.TypeText, Text: text},
	}
	for _, f := range change {
		f(m)
	}
	return m
}

func content(c integration.Content) *integration.Message {
	return &integration.Message{To: integration.Party{ID: channelID}, Content: c}
}

func interactive(i integration.Interactive) *integration.Message {
	return content(integration.Content{Type: integration.TypeInteractive, Interactive: &i})
}

// methods lists what was called.
func methods(server *slacktest.Server) []string {
	var list []string
	for _, r := range server.Requests() {
		list = append(list, r.Route)
	}
	return list
}

// bodies lists the bodies of the calls of a method.
func bodies(server *slacktest.Server, method string) []string {
	var list []string
	for _, r := range server.Requests() {
		if r.Route == method {
			list = append(list, string(r.Raw))
		}
	}
	return list
}

func TestSendFindsItsDestination(t *testing.T) {
	const ts, other = "1700000000.000100", "1700000000.000200"
	type m = integration.Message
	for name, test := range map[string]struct {
		message         m
		channel, thread string
	}{
		"a channel":                       {m{To: integration.Party{ID: "C1A"}}, "C1A", ""},
		"a channel by its name":           {m{To: integration.Party{ID: "#general"}}, "#general", ""},
		"a private channel":               {m{To: integration.Party{ID: "G1A"}}, "G1A", ""},
		"a user":                          {m{To: integration.Party{ID: "U1A"}}, "U1A", ""},
		"a user of an organization":       {m{To: integration.Party{ID: "W1A"}}, "W1A", ""},
		"a conversation":                  {m{ConversationID: "D1A"}, "D1A", ""},
		"a conversation that is a thread": {m{ConversationID: "C1A:" + ts}, "C1A", ts},
		"a user within a conversation": {m{
			To: integration.Party{ID: "U1A"}, ConversationID: "C1A:" + ts,
		}, "C1A", ts},
		"a user beside an id of somebody else's": {m{
			To: integration.Party{ID: "U1A"}, ConversationID: "conv-17",
		}, "U1A", ""},
		"a channel beside another conversation": {m{
			To: integration.Party{ID: "C2A"}, ConversationID: "C1A:" + ts,
		}, "C2A", ""},
		"a channel beside a thread of it": {m{
			To: integration.Party{ID: "C1A"}, ConversationID: "C1A:" + ts,
		}, "C1A", ts},
		"a user's conversation of a modal": {m{ConversationID: "U1A"}, "U1A", ""},
		"a thread":                         {m{To: integration.Party{ID: "C1A"}, ThreadID: ts}, "C1A", ts},
		"a reply by the id of an inbound message": {
			m{To: integration.Party{ID: "C1A"}, ReplyTo: &integration.ReplyTo{MessageID: "C1A:" + ts}}, "C1A", ts,
		},
		"a reply by Slack's ts": {m{
			To: integration.Party{ID: "C1A"}, ReplyTo: &integration.ReplyTo{MessageID: ts},
		}, "C1A", ts},
		"a reply to a reply": {m{
			To: integration.Party{ID: "C1A"}, ThreadID: ts, ReplyTo: &integration.ReplyTo{MessageID: "C1A:" + other},
		}, "C1A", ts},
		"a reply to a message to a user": {m{
			To: integration.Party{ID: "U1A"}, ReplyTo: &integration.ReplyTo{MessageID: "D1A:" + ts},
		}, "U1A", ts},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			test.message.Content = integration.Content{Text: "hi"} // without a type
			_, err := newPlatform(t).Send(t.Context(), &test.message, ch)
			require.NoError(t, err)
			var sent struct {
				Channel  string `json:"channel"`
				ThreadTS string `json:"thread_ts"`
			}
			require.NoError(t, json.Unmarshal(server.Requests()[0].Raw, &sent))
			require.Equal(t, test.channel, sent.Channel)
			require.Equal(t, test.thread, sent.ThreadTS)
		})
	}
	for name, message := range map[string]m{
		"nobody":                 {},
		"a phone number":         {To: integration.Party{ID: "+1555"}},
		"a name without #":       {To: integration.Party{ID: "general"}},
		"a thread that is no ts": {To: integration.Party{ID: "C1A"}, ThreadID: "x"},
		"a reply to a message elsewhere": {
			To: integration.Party{ID: "C1A"}, ReplyTo: &integration.ReplyTo{MessageID: "C2A:" + ts},
		},
		"a conversation of a thread only": {ConversationID: ":" + ts},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			message.Content = integration.Content{Text: "hi"}
			_, err := newPlatform(t).Send(t.Context(), &message, ch)
			requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
			require.Empty(t, server.Requests())
		})
	}
}

func TestSendToAUserHasTheIDOfTheConversation(t *testing.T) {
	_, ch := newServer(t)
	result, err := newPlatform(t).Send(t.Context(), text("hi", func(m *integration.Message) { m.To.ID = "U1A" }), ch)
	require.NoError(t, err)
	require.Equal(t, integration.ID("D1A:1700000000.000001"), result.MessageID)
}

func TestTextIsEscapedUnlessItIsMarkup(t *testing.T) {
	type entities = []integration.Entity
	for name, test := range map[string]struct {
		content integration.Content
		want    string // of the body, without the channel
	}{
		"a plain text": {integration.Content{
			Text: "a & <b> *c* <!here>",
		}, `{"text":"a &amp; &lt;b&gt; *c* &lt;!here&gt;","mrkdwn":false}`},
		"a text that says so": {integration.Content{
			Text: "a & b", Format: "plain",
		}, `{"text":"a &amp; b","mrkdwn":false}`},
		"markup": {integration.Content{
			Text: "*a* &amp; <@U1>", Format: "mrkdwn",
		}, `{"text":"*a* &amp; <@U1>"}`},
		"markdown": {integration.Content{
			Text: "**a** & <b>", Format: "markdown",
		}, `{"markdown_text":"**a** & <b>"}`},
		"a mention": {integration.Content{
			Text: "👍 @ada!", Entities: entities{{Type: "mention", Offset: 3, Length: 4, UserID: "U1"}},
		}, `{"text":"👍 <@U1>!"}`},
		"a link": {integration.Content{
			Text:     "a <b> c",
			Entities: entities{{Type: "text_link", Offset: 2, Length: 3, URL: "https://example.org/?a=1&b=|>"}},
		}, `{"text":"a <https://example.org/?a=1&amp;b=%7C%3E|&lt;b&gt;> c"}`},
		"everyone who is there": {integration.Content{
			Text: "@here: a", Entities: entities{{Type: "broadcast", Length: 5}},
		}, `{"text":"<!here>: a"}`},
		"no such crowd": {integration.Content{
			Text: "@all: a", Entities: entities{{Type: "broadcast", Length: 4}},
		}, `{"text":"@all: a","mrkdwn":false}`},
		"entities that mark none": {
			integration.Content{
				Text: "a & b", Entities: entities{{Type: "bold", Length: 1}, {Type: "url", Length: 1, URL: "https://example.org"}},
			},
			`{"text":"a &amp; b","mrkdwn":false}`,
		},
		"a user id with markup": {integration.Content{
			Text: "@ada", Entities: entities{{Type: "mention", Length: 4, UserID: "U1> <!here"}},
		}, `{"text":"@ada","mrkdwn":false}`},
		"entities out of order, nested and beyond": {
			integration.Content{Text: "@a @b", Entities: entities{
				{Type: "mention", Offset: 3, Length: 2, UserID: "U2"},
				{Type: "mention", Length: 2, UserID: "U1"},
				{Type: "mention", Offset: 1, Length: 1, UserID: "U3"},
				{Type: "mention", Offset: 4, Length: 2, UserID: "U4"},
				{Type: "mention", Offset: -1, Length: 2, UserID: "U5"},
				{Type: "mention", Offset: 9223372036854775807, Length: 9223372036854775807, UserID: "U6"},
			}}, `{"text":"<@U1> <@U2>"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			_, err := newPlatform(t).Send(t.Context(), content(test.content), ch)
			require.NoError(t, err)
			require.JSONEq(
				t, strings.Replace(test.want, "{", `{"channel":"`+channelID+`",`, 1), string(server.Requests()[0].Raw),
			)
		})
	}
}

func TestTextGoesOutAsItCame(t *testing.T) {
	const raw = "Fish &amp; chips 🍟 for <@U0LAN0Z89>: <https://example.org/menu?a=1&amp;b=2|the menu>, <!here> &lt;now&gt;"
	encoded, err := json.Marshal(raw)
	require.NoError(t, err)
	in := one(
		t, `{"type":"message","user":"U1","channel":"`+channelID+`","ts":"1799999000.000100","text":`+string(encoded)+`}`,
	)
	server, ch := newServer(t)
	_, err = newPlatform(t).Send(t.Context(), content(in.Content), ch)
	require.NoError(t, err)
	var sent struct{ Text string }
	require.NoError(t, json.Unmarshal(server.Requests()[0].Raw, &sent))
	require.Equal(t, raw, sent.Text)
}

func TestLinkPreviewsCanBeTurnedOff(t *testing.T) {
	server, ch := newServer(t)
	ch.Settings["linkPreviews"] = "off"
	_, err := newPlatform(t).Send(t.Context(), text("https://example.org"), ch)
	require.NoError(t, err)
	require.JSONEq(
		t, `{"channel":"C024BE91L","text":"https://example.org","mrkdwn":false,"unfurl_links":false,"unfurl_media":false}`,
		string(server.Requests()[0].Raw),
	)
}

func rows(n int) []integration.Row {
	list := make([]integration.Row, n)
	for i := range list {
		list[i] = integration.Row{Title: fmt.Sprintf("row %d", i)}
	}
	return list
}

func buttons(n int) []integration.Button {
	list := make([]integration.Button, n)
	for i := range list {
		list[i] = integration.Button{Title: fmt.Sprintf("button %d", i)}
	}
	return list
}

func TestLimitsAreCheckedBeforeTheCall(t *testing.T) {
	long := strings.Repeat
	button := func(b integration.Button) *integration.Message {
		return interactive(integration.Interactive{Body: "?", Buttons: []integration.Button{b}})
	}
	list := func(sections ...integration.Section) *integration.Message {
		return interactive(integration.Interactive{Body: "?", Sections: sections})
	}
	row := func(r integration.Row) *integration.Message {
		return list(integration.Section{Rows: []integration.Row{r}})
	}
	media := func(m ...integration.Media) *integration.Message {
		return content(integration.Content{Type: integration.TypeImage, Attachments: m})
	}
	picture := integration.Media{URL: "https://example.org/a.png"}
	sections := func(n int) []integration.Section {
		s := make([]integration.Section, n)
		for i := range s {
			s[i] = integration.Section{Title: fmt.Sprint(i), Rows: rows(1)}
		}
		return s
	}
	for name, test := range map[string]struct {
		message *integration.Message
		code    string
		says    string
	}{
		"40,000 characters":             {text(long("ж", 40_000)), "", ""},
		"40,001 characters":             {text(long("ж", 40_001)), "MESSAGE_TOO_LONG", "40001"},
		"40,000 with the escapes":       {text(long("&", 8000)), "", ""},
		"40,005 with the escapes":       {text(long("&", 8001)), "MESSAGE_TOO_LONG", "40005"},
		"12,000 characters of markdown": {content(integration.Content{Text: long("a", 12_000), Format: "markdown"}), "", ""},
		"12,001 characters of markdown": {
			content(integration.Content{Text: long("a", 12_001), Format: "markdown"}), "MESSAGE_TOO_LONG", "12000",
		},
		"no text":                 {text(""), "MESSAGE_INVALID", "empty"},
		"nothing but white space": {text(" \n"), "MESSAGE_INVALID", "empty"},
		"HTML": {
			content(integration.Content{Text: "<b>a</b>", Format: "html"}), "UNSUPPORTED_CONTENT", "html",
		},
		"25 buttons": {interactive(integration.Interactive{Body: "?", Buttons: buttons(25)}), "", ""},
		"26 buttons": {
			interactive(integration.Interactive{Body: "?", Buttons: buttons(26)}), "MESSAGE_INVALID", "25",
		},
		"a title of 75":          {button(integration.Button{Title: long("ж", 75)}), "", ""},
		"a title of 76":          {button(integration.Button{Title: long("ж", 76)}), "MESSAGE_INVALID", "title of button 1"},
		"a button without title": {button(integration.Button{Title: " "}), "MESSAGE_INVALID", "no title"},
		"an id of 2000":          {button(integration.Button{Title: "a", ID: long("a", 2000)}), "", ""},
		"an id of 2001": {
			button(integration.Button{Title: "a", ID: long("a", 2001)}), "MESSAGE_INVALID", "id of button 1",
		},
		"a link that is none": {
			button(integration.Button{Title: "a", Type: "url", URL: "javascript:x"}), "MESSAGE_INVALID", "url of button 1",
		},
		"a link of 3001": {
			button(integration.Button{Title: "a", Type: "url", URL: "https://example.org/" + long("a", 2981)}),
			"MESSAGE_INVALID", "3000",
		},
		"a button that calls": {button(integration.Button{Title: "a", Type: "call"}), "UNSUPPORTED_CONTENT", "call"},
		"a button of gold":    {button(integration.Button{Title: "a", Style: "gold"}), "MESSAGE_INVALID", "style"},
		"buttons without a text": {
			interactive(integration.Interactive{Buttons: buttons(1)}), "MESSAGE_INVALID", "body",
		},
		"nothing to choose from": {
			interactive(integration.Interactive{Body: "?"}), "MESSAGE_INVALID", "buttons or sections",
		},
		"an interactive without it": {
			content(integration.Content{Type: integration.TypeInteractive, Text: "?"}), "MESSAGE_INVALID", "buttons or sections",
		},
		"a form": {interactive(integration.Interactive{Kind: "form", Body: "?"}), "UNSUPPORTED_CONTENT", "modal"},
		"a header of 150": {
			interactive(integration.Interactive{Header: long("a", 150), Body: "?", Buttons: buttons(1)}), "", "",
		},
		"a header of 151": {
			interactive(integration.Interactive{Header: long("a", 151), Body: "?", Buttons: buttons(1)}),
			"MESSAGE_INVALID", "header",
		},
		"a footer of 3001": {
			interactive(integration.Interactive{Footer: long("a", 3001), Body: "?", Buttons: buttons(1)}),
			"MESSAGE_INVALID", "footer",
		},
		"a body of many sections": {
			interactive(integration.Interactive{Body: long("a b ", 3000), Buttons: buttons(1)}), "", "",
		},
		"100 rows":     {list(integration.Section{Rows: rows(100)}), "", ""},
		"101 rows":     {list(integration.Section{Rows: rows(101)}), "MESSAGE_INVALID", "100"},
		"no rows":      {list(integration.Section{}), "MESSAGE_INVALID", "0 rows"},
		"100 sections": {list(sections(100)...), "", ""},
		"101 sections": {list(sections(101)...), "MESSAGE_INVALID", "101 sections"},
		"a section without title": {
			list(integration.Section{Title: "a", Rows: rows(1)}, integration.Section{Rows: rows(1)}),
			"MESSAGE_INVALID", "section 2",
		},
		"a section's title of 76": {
			list(integration.Section{Title: long("a", 76), Rows: rows(1)}), "MESSAGE_INVALID", "section 1",
		},
		"a row without title": {row(integration.Row{ID: "a"}), "MESSAGE_INVALID", "row 1 of section 1"},
		"a row's title of 75": {row(integration.Row{Title: long("a", 75)}), "", ""},
		"a row's title of 76": {
			row(integration.Row{Title: long("a", 76), ID: "a"}), "MESSAGE_INVALID", "title of row 1",
		},
		"a row's id of 151": {row(integration.Row{Title: "a", ID: long("a", 151)}), "MESSAGE_INVALID", "id of row 1"},
		"a row's description of 76": {
			row(integration.Row{Title: "a", Description: long("a", 76)}), "MESSAGE_INVALID", "description of row 1",
		},
		"a label of 151": {
			interactive(integration.Interactive{Body: "?", ButtonLabel: long("a", 151), Sections: sections(1)}),
			"MESSAGE_INVALID", "buttonLabel",
		},
		"10 pictures": {
			media(picture, picture, picture, picture, picture, picture, picture, picture, picture, picture), "", "",
		},
		"a picture without anything": {
			content(integration.Content{Type: integration.TypeImage}), "MESSAGE_INVALID", "content.media",
		},
		"a picture without a place": {media(integration.Media{URL: "F1"}), "MESSAGE_INVALID", "attachment 1"},
		"a picture's link of 3001": {
			media(integration.Media{URL: "https://example.org/" + long("a", 2981)}), "MESSAGE_INVALID", "url of attachment 1",
		},
		"a picture's caption of 2001": {
			media(integration.Media{URL: picture.URL, Caption: long("a", 2001)}), "MESSAGE_INVALID", "caption of attachment 1",
		},
		"a file without a place": {
			content(integration.Content{Type: integration.TypeFile, Media: &integration.Media{MimeType: "application/pdf"}}),
			"MEDIA_URL_INVALID", "datasource",
		},
		"a file with buttons": {content(
			integration.Content{
				Type: integration.TypeFile, Media: &integration.Media{Data: []byte("a")},
				Interactive: &integration.Interactive{Buttons: buttons(1)},
			},
		), "MESSAGE_INVALID", "pictures only"},
		"a file with markdown": {content(
			integration.Content{
				Type: integration.TypeFile, Text: "a", Format: "markdown", Media: &integration.Media{Data: []byte("a")},
			},
		), "UNSUPPORTED_CONTENT", "markdown"},
		"a sticker": {content(integration.Content{Type: integration.TypeSticker}), "UNSUPPORTED_CONTENT", "STICKER"},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			_, err := newPlatform(t).Send(t.Context(), test.message, ch)
			if test.code == "" {
				require.NoError(t, err)
				return
			}
			kind := integration.FaultInvalid
			if test.code == "UNSUPPORTED_CONTENT" {
				kind = integration.FaultPermanent
			}
			e := errorOf(t, err, kind, test.code)
			require.Contains(t, e.Message, test.says)
			require.Empty(t, server.Requests())
		})
	}
}

func TestLongBodyIsSplitWithoutLoss(t *testing.T) {
	for name, body := range map[string]string{
		"words":          strings.TrimSpace(strings.Repeat("word ", 2000)),
		"one long word":  strings.Repeat("a", 7000),
		"escapes only":   strings.Repeat("&", 1501),
		"escapes offset": "a" + strings.Repeat("<", 2000),
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			_, err := newPlatform(t).Send(t.Context(), interactive(integration.Interactive{Body: body, Buttons: buttons(1)}), ch)
			require.NoError(t, err)
			var sent struct {
				Text   string
				Blocks []struct {
					Type string
					Text struct{ Text string }
				}
			}
			require.NoError(t, json.Unmarshal(server.Requests()[0].Raw, &sent))
			var shown strings.Builder
			for _, b := range sent.Blocks[:len(sent.Blocks)-1] {
				require.Equal(t, "section", b.Type)
				shown.WriteString(b.Text.Text)
			}
			require.Equal(t, strings.ReplaceAll(sent.Text, " ", ""), strings.ReplaceAll(shown.String(), " ", ""))
		})
	}
}

func TestPictureMayHaveButtons(t *testing.T) {
	server, ch := newServer(t)
	_, err := newPlatform(t).Send(t.Context(), content(integration.Content{
		Type: integration.TypeImage, Media: &integration.Media{URL: "https://example.org/a.png", Filename: "a.png"},
		Interactive: &integration.Interactive{Body: "Take it?", Buttons: buttons(1)},
	}), ch)
	require.NoError(t, err)
	require.JSONEq(t, `{"channel":"C024BE91L","text":"Take it?","blocks":[
		{"type":"image","image_url":"https://example.org/a.png","alt_text":"a.png"},
		{"type":"section","text":{"type":"mrkdwn","text":"Take it?"}},
		{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"button 0"},
			"action_id":"button-1","value":"button 0"}]}]}`,
		string(server.Requests()[0].Raw))
}

func TestMarkdownStandsAboveButtons(t *testing.T) {
	server, ch := newServer(t)
	m := interactive(integration.Interactive{Body: "**Well**?", Buttons: buttons(1)})
	m.Content.Format = "markdown"
	_, err := newPlatform(t).Send(t.Context(), m, ch)
	require.NoError(t, err)
	require.Contains(t, string(server.Requests()[0].Raw), `{"type":"markdown","text":"**Well**?"}`)
}

func TestSendChangesNeitherMessageNorChannel(t *testing.T) {
	_, ch := newServer(t)
	m := content(
		integration.Content{
			Type: integration.TypeFile, Text: "a", Attachments: []integration.Media{{Data: []byte("a")}, {Data: []byte("b")}},
		},
	)
	before, err := json.Marshal([]any{m, ch})
	require.NoError(t, err)
	_, err = newPlatform(t).Send(t.Context(), m, ch)
	require.NoError(t, err)
	after, err := json.Marshal([]any{m, ch})
	require.NoError(t, err)
	require.JSONEq(t, string(before), string(after))
}
