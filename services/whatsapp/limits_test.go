package whatsapp_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

// The letter counts as one character, and has two UTF-16 units and four bytes.
func letters(n int) string { return strings.Repeat("👍", n) }

func buttons(list ...integration.Button) integration.Content {
	return choice(integration.Interactive{Body: "Well?", Buttons: list})
}

func listOf(sections ...integration.Section) integration.Content {
	return choice(integration.Interactive{Body: "Well?", ButtonLabel: "Choose", Sections: sections})
}

func rows(n int) []integration.Row {
	list := make([]integration.Row, n)
	for i := range list {
		list[i] = integration.Row{ID: string(rune('a' + i)), Title: "row"}
	}
	return list
}

func TestLimitsAreCheckedBeforeTheCall(t *testing.T) {
	const fine = integration.ErrorKind("")
	invalid, permanent := integration.FaultInvalid, integration.FaultPermanent
	alter := func(c integration.Content, change func(*integration.Interactive)) integration.Content {
		i := *c.Interactive
		change(&i)
		c.Interactive = &i
		return c
	}
	yes, withLink := integration.Button{Title: "Yes"}, integration.Button{
		Title: "See", Type: "url", URL: "https://example.org",
	}
	place := func(latitude, longitude float64) integration.Content {
		return integration.Content{
			Type: integration.TypeLocation, Location: &integration.Location{Latitude: latitude, Longitude: longitude},
		}
	}
	people := func(n int) integration.Content {
		return integration.Content{Type: integration.TypeContact, Contacts: make([]integration.Contact, n)}
	}
	template := func(name, language string, components ...string) integration.Content {
		out := &integration.Template{Name: name, Language: language}
		for _, c := range components {
			out.Components = append(out.Components, json.RawMessage(c))
		}
		return integration.Content{Type: integration.TypeTemplate, Template: out}
	}
	picture := func(m integration.Media, text string) integration.Content {
		return integration.Content{Type: integration.TypeImage, Text: text, Media: &m}
	}
	linked := *link("a.jpg", "image/jpeg")
	for name, test := range map[string]struct {
		content integration.Content
		kind    integration.ErrorKind
		says    string
	}{
		"a text of 4096 characters": {text(letters(4096)), fine, ""},
		"a text of 4097 characters": {text(letters(4097)), invalid, "the text has 4097 characters; WhatsApp takes 4096"},
		"no text":                   {text(" \n"), invalid, "content.text is empty"},
		"a text with an attachment": {integration.Content{
			Type: integration.TypeText, Text: "a", Media: &linked,
		}, invalid, "IMAGE"},
		"a caption of 1024 characters": {picture(linked, letters(1024)), fine, ""},
		"a caption of 1025 characters": {picture(linked, letters(1025)), invalid, "1024"},
		"a picture that is not there":  {integration.Content{Type: integration.TypeImage}, invalid, "content.media"},
		"a picture without a place":    {picture(integration.Media{}, ""), invalid, "id, an http or https url"},
		"a picture on a disk":          {picture(integration.Media{URL: "file:///etc/passwd"}, ""), invalid, "http"},
		"a picture of another format": {picture(
			integration.Media{Data: []byte("GIF89a"), MimeType: "image/gif"}, "",
		), invalid, "image/jpeg or image/png, not image/gif"},
		"a picture of 5 MB": {picture(
			integration.Media{Data: make([]byte, 5<<20), MimeType: "image/png"}, "",
		), fine, ""},
		"a picture of more than 5 MB": {picture(
			integration.Media{Data: make([]byte, 5<<20+1), MimeType: "image/png"}, "",
		), permanent, "larger"},
		"a voice of another format": {integration.Content{
			Type: integration.TypeVoice, Media: &integration.Media{Data: []byte("a"), MimeType: "audio/mpeg"},
		}, invalid, "audio/ogg"},
		"a voice with a codec": {integration.Content{
			Type: integration.TypeVoice, Media: &integration.Media{Data: []byte("a"), MimeType: "audio/ogg; codecs=opus"},
		}, fine, ""},
		"a sticker of nothing": {integration.Content{
			Type: integration.TypeSticker, Sticker: &integration.Sticker{},
		}, invalid, "content.media"},

		"the North Pole":         {place(90, 180), fine, ""},
		"beyond the North Pole":  {place(90.1, 0), invalid, "90"},
		"beyond the date line":   {place(0, -180.1), invalid, "180"},
		"no number at all":       {place(math.NaN(), 0), invalid, "earth"},
		"a location of nothing":  {integration.Content{Type: integration.TypeLocation}, invalid, "content.location"},
		"contacts without names": {people(1), invalid, "contact 1 has no name"},
		"no contacts":            {people(0), invalid, "0 entries"},
		"258 contacts":           {people(258), invalid, "257"},
		"a template": {template(
			"a", "en", `{"type":"body","parameters":[{"type":"text","text":"a"}]}`,
		), fine, ""},
		"a template of nothing":    {integration.Content{Type: integration.TypeTemplate}, invalid, "name and language"},
		"no language":              {template("a", ""), invalid, "language"},
		"a long name":              {template(letters(513), "en"), invalid, "512"},
		"a component of no type":   {template("a", "en", `{}`), invalid, "component 1"},
		"a component of no object": {template("a", "en", `5`), invalid, "component 1"},

		"three buttons": {buttons(
			yes, integration.Button{Title: "No"}, integration.Button{Title: "Maybe"},
		), fine, ""},
		"four buttons": {buttons(
			yes, integration.Button{Title: "No"}, integration.Button{Title: "Maybe"}, integration.Button{Title: "What?"},
		), invalid, "4 buttons; WhatsApp takes 3"},
		"no buttons":               {buttons(), invalid, "buttons or sections"},
		"two titles alike":         {buttons(yes, integration.Button{ID: "2", Title: "Yes"}), invalid, "differ"},
		"two ids alike":            {buttons(yes, integration.Button{ID: "Yes", Title: "No"}), invalid, "differ"},
		"a title of 20 characters": {buttons(integration.Button{Title: letters(20)}), fine, ""},
		"a title of 21 characters": {buttons(
			integration.Button{ID: "a", Title: letters(21)},
		), invalid, "21 characters; WhatsApp takes 20"},
		"a button without a title": {buttons(integration.Button{ID: "a", Title: " "}), invalid, "empty"},
		"an id of 257 characters":  {buttons(integration.Button{ID: letters(257), Title: "a"}), invalid, "256"},
		"a button of another type": {buttons(integration.Button{Title: "Call", Type: "call"}), permanent, `"call"`},
		"a link":                   {buttons(withLink), fine, ""},
		"a link beside a reply":    {buttons(yes, withLink), permanent, "no other"},
		"a link to nowhere": {buttons(
			integration.Button{Title: "See", Type: "url", URL: "javascript:alert(1)"},
		), invalid, "http"},
		"a link with a long title": {buttons(
			integration.Button{Title: letters(21), Type: "url", URL: "https://example.org"},
		), invalid, "20"},
		"no body": {alter(
			buttons(yes), func(i *integration.Interactive) { i.Body = "" },
		), invalid, "body"},
		"a body of 1024 characters": {alter(
			buttons(yes), func(i *integration.Interactive) { i.Body = letters(1024) },
		), fine, ""},
		"a body of 1025 characters": {alter(
			buttons(yes), func(i *integration.Interactive) { i.Body = letters(1025) },
		), invalid, "1024"},
		"a footer of 61 characters": {alter(
			buttons(yes), func(i *integration.Interactive) { i.Footer = letters(61) },
		), invalid, "60"},
		"a header of 61 characters": {alter(
			buttons(yes), func(i *integration.Interactive) { i.Header = letters(61) },
		), invalid, "60"},
		"a list's body of 4096 characters": {alter(
			listOf(integration.Section{Rows: rows(1)}), func(i *integration.Interactive) { i.Body = letters(4096) },
		), fine, ""},
		"a list's body of 4097 characters": {alter(
			listOf(integration.Section{Rows: rows(1)}), func(i *integration.Interactive) { i.Body = letters(4097) },
		), invalid, "4096"},
		"a list without a label": {alter(
			listOf(integration.Section{Rows: rows(1)}), func(i *integration.Interactive) { i.ButtonLabel = "" },
		), invalid, "buttonLabel is empty"},
		"a label of 21 characters": {alter(
			listOf(integration.Section{Rows: rows(1)}), func(i *integration.Interactive) { i.ButtonLabel = letters(21) },
		), invalid, "20"},
		"ten rows": {listOf(integration.Section{Title: "a", Rows: rows(10)}), fine, ""},
		"eleven rows in two sections": {listOf(
			integration.Section{Title: "a", Rows: rows(10)},
			integration.Section{Title: "b", Rows: []integration.Row{{Title: "z"}}},
		), invalid, "11 rows"},
		"eleven sections": {listOf(make([]integration.Section, 11)...), invalid, "11 sections"},
		"a list of nothing": {alter(
			listOf(), func(i *integration.Interactive) { i.Kind = integration.InteractiveList },
		), invalid, "0 sections"},
		"a section of nothing": {listOf(integration.Section{Title: "a"}), invalid, "no rows"},
		"two sections without titles": {listOf(
			integration.Section{Rows: rows(1)}, integration.Section{Rows: []integration.Row{{Title: "z"}}},
		), invalid, "section is empty"},
		"a section's title of 25": {listOf(integration.Section{Title: letters(25), Rows: rows(1)}), invalid, "24"},
		"two rows alike": {listOf(
			integration.Section{Rows: []integration.Row{{ID: "a", Title: "b"}, {ID: "a", Title: "c"}}},
		), invalid, "differ"},
		"a row's title of 25 characters": {listOf(
			integration.Section{Rows: []integration.Row{{ID: "a", Title: letters(25)}}},
		), invalid, "24"},
		"a row's id of 201 characters": {listOf(
			integration.Section{Rows: []integration.Row{{ID: letters(201), Title: "a"}}},
		), invalid, "200"},
		"a row's description of 73": {listOf(
			integration.Section{Rows: []integration.Row{{Title: "a", Description: letters(73)}}},
		), invalid, "72"},
		"a form without a Flow": {choice(
			integration.Interactive{Kind: integration.InteractiveForm, Body: "a", Buttons: []integration.Button{{Title: "Go"}}},
		), invalid, "Flow"},
		"an interactive message of nothing": {
			integration.Content{Type: integration.TypeInteractive}, invalid, "content.interactive",
		},
		"a reaction of nothing": {integration.Content{
			Type: integration.TypeReaction,
		}, invalid, "content.reaction"},
		"a location with buttons": {integration.Content{
			Type: integration.TypeLocation, Interactive: &integration.Interactive{Buttons: []integration.Button{yes}},
		}, permanent, "LOCATION"},
		"a list under a picture": {integration.Content{
			Type: integration.TypeImage, Media: &linked, Interactive: listOf(integration.Section{Rows: rows(1)}).Interactive,
		}, permanent, "list"},
		"two pictures over buttons": {integration.Content{
			Type: integration.TypeImage, Attachments: []integration.Media{linked, linked},
			Interactive: buttons(yes).Interactive,
		}, permanent, "one attachment"},
		"two headers": {integration.Content{
			Type: integration.TypeImage, Media: &linked,
			Interactive: &integration.Interactive{Header: "a", Body: "b", Buttons: []integration.Button{yes}},
		}, permanent, "not both"},
		"a command": {integration.Content{Type: integration.TypeCommand}, permanent, "COMMAND"},
	} {
		t.Run(name, func(t *testing.T) {
			api, ch := newServer(t)
			_, err := send(t, ch, to(phone, test.content))
			if test.kind == fine {
				require.NoError(t, err)
				return
			}
			e, ok := err.(*integration.Error) //nolint:errorlint // it is not wrapped
			require.True(t, ok, "%T %v", err, err)
			require.Equal(t, test.kind, e.Kind, "%v", err)
			require.Contains(t, e.Message, test.says)
			require.Contains(t, []string{"MESSAGE_INVALID", "UNSUPPORTED_CONTENT", "MEDIA_TOO_LARGE"}, e.Code)
			require.Empty(t, api.Requests())
		})
	}
}

func TestRecipientMustBeValid(t *testing.T) {
	for _, wrong := range []integration.ID{
		"", "+", "1234", "1234567890123456", "0044 123456", "ada", "us.123456", "US.",
		"US." + integration.ID(strings.Repeat("1", 129)), "US.12 34", "group",
	} {
		api, ch := newServer(t)
		_, err := send(t, ch, to(wrong, text("hi")))
		require.Contains(t, requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID").Message, "to.id")
		require.Empty(t, api.Requests())
	}
}
