package integration_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

// textOnly is all that a platform must bring: texts, and nothing else.
type textOnly struct{ sent []integration.Content }

func (*textOnly) Normalize(context.Context, *integration.Webhook) ([]integration.Message, error) {
	return nil, nil
}

func (p *textOnly) Send(
	_ context.Context, m *integration.Message, _ *integration.Channel,
) (*integration.SendResult, error) {
	if p.sent = append(p.sent, m.Content); m.Content.Type != integration.TypeText {
		return nil, integration.UnsupportedContent("texts only")
	}
	return &integration.SendResult{Success: true, MessageID: "1"}, nil
}

const birds = "https://birds.example.org/messages"

func newTextOnly(t *testing.T) (*harness, *textOnly) {
	t.Helper()
	b, p := newHarness(t), &textOnly{}
	b.def.Platform, b.def.Support = p, integration.Basic(birds).AsText()
	return b, p
}

func TestTextOnlyPlatformTakesEveryContentType(t *testing.T) {
	link := func(name string) object { return object{"url": "https://example.org/" + name} }
	choice := object{
		"header": "Lunch", "body": "Which?", "footer": "till noon",
		"buttons": []object{{"title": "Soup"}, {"title": "Menu", "type": "url", "url": "https://example.org/menu"}},
	}
	list := object{
		"sections": []object{
			{"title": "Hot", "rows": []object{{"title": "Soup", "description": "of the day"}}},
			{"rows": []object{{"title": "Tea"}}},
		},
	}
	for name, test := range map[string]struct {
		content  object
		want     string // the text; "" where it is refused
		degraded []string
	}{
		"TEXT": {object{"type": "TEXT", "text": "hi"}, "hi", nil},
		"IMAGE": {object{
			"type": "IMAGE", "text": "look", "media": link("a.png"),
		}, "look\nhttps://example.org/a.png", []string{"image→text"}},
		"VIDEO": {object{
			"type": "VIDEO", "media": link("a.mp4"),
		}, "https://example.org/a.mp4", []string{"video→text"}},
		"AUDIO": {object{
			"type": "AUDIO", "media": link("a.mp3"),
		}, "https://example.org/a.mp3", []string{"audio→text"}},
		"VOICE": {object{
			"type": "VOICE", "media": link("a.ogg"),
		}, "https://example.org/a.ogg", []string{"voice→text"}},
		"FILE": {object{
			"type": "FILE", "media": object{"url": "https://example.org/a.pdf", "caption": "the bill"},
		}, "the bill\nhttps://example.org/a.pdf", []string{"file→text"}},
		"several attachments": {object{
			"type": "FILE", "attachments": []object{link("a"), link("b")},
		}, "https://example.org/a\nhttps://example.org/b", []string{"file→text", "several attachments→text"}},
		"an attachment by its id": {object{"type": "IMAGE", "media": object{"id": "7", "url": "7"}}, "", nil},
		"bytes":                   {object{"type": "IMAGE", "media": object{"data": "AAE="}}, "", nil},
		"STICKER": {object{
			"type": "STICKER", "sticker": object{"id": "1", "emoji": "😀"},
		}, "😀", []string{"sticker→text"}},
		"a sticker without an emoji": {object{"type": "STICKER", "sticker": object{"id": "1"}}, "", nil},
		"LOCATION": {
			object{
				"type": "LOCATION", "text": " here ",
				"location": object{"latitude": 52.5, "longitude": 13.4, "name": "Home", "address": "1 Road"},
			},
			"here\nHome\n1 Road\nhttps://www.google.com/maps/search/?api=1&query=52.5%2C13.4",
			[]string{"location→text"},
		},
		"a location with a link": {
			object{"type": "LOCATION", "location": link("map")}, "https://example.org/map", []string{"location→text"},
		},
		"no location": {object{"type": "LOCATION"}, "", nil},
		"CONTACT": {
			object{
				"type": "CONTACT",
				"contacts": []object{
					{"name": object{"first": "Ada", "last": "L."}, "org": "O", "phones": []object{
						{"phone": "1", "type": "CELL"}, {"waId": 2},
					}, "emails": []string{"a@b"}},
					{"vcard": "V"},
				},
			},
			"Ada L.\nO\n1 (CELL)\n2\na@b\nV",
			[]string{"contact→text"},
		},
		"no contact": {object{"type": "CONTACT"}, "", nil},
		"POLL": {object{
			"type": "POLL", "poll": object{"question": "Tea?", "options": []string{"Yes", "No"}},
		}, "Tea?\n1. Yes\n2. No", []string{"poll→text"}},
		"an empty poll": {object{"type": "POLL", "poll": object{"question": "Tea?"}}, "", nil},
		"INTERACTIVE": {
			object{"type": "INTERACTIVE", "interactive": choice},
			"Lunch\nWhich?\n1. Soup\n2. Menu: https://example.org/menu\ntill noon",
			[]string{"buttons→text"},
		},
		"a list": {object{
			"type": "TEXT", "text": "Well?", "interactive": list,
		}, "Well?\nHot\n1. Soup: of the day\n2. Tea", []string{"list→text"}},
		"a picture with buttons": {object{
			"type": "IMAGE", "media": link("a.png"), "interactive": object{"buttons": []object{{"title": "Soup"}}},
		}, "https://example.org/a.png\n1. Soup", []string{"image→text", "buttons→text"}},
		"a form":   {object{"type": "INTERACTIVE", "interactive": object{"kind": "form"}}, "", nil},
		"TEMPLATE": {object{"type": "TEMPLATE", "template": object{"name": "a"}}, "", nil},
		"REACTION": {object{"type": "REACTION", "reaction": object{"messageId": 1}}, "", nil},
		"a text with marked up": {object{
			"type": "TEXT", "text": "hi", "entities": []object{{"type": "bold", "offset": 0, "length": 2}},
		}, "hi", nil},
		"a list with marked text": {
			object{
				"type": "TEXT", "text": " Well?", "entities": []object{{"type": "bold", "offset": 1, "length": 4}},
				"interactive": list,
			},
			"Well?\nHot\n1. Soup: of the day\n2. Tea",
			[]string{"list→text", "entities→none"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, p := newTextOnly(t)
			answer, err := b.sendContent(test.content)
			require.NoError(t, err)
			result := answer.(*integration.SendResult)
			if test.want == "" {
				require.Contains(t, []string{"UNSUPPORTED_CONTENT", "MESSAGE_INVALID"}, result.Error.Code)
				require.Empty(t, p.sent)
				return
			}
			require.True(t, result.Success, "%+v", result.Error)
			require.Equal(t, test.want, p.sent[0].Text)
			var degraded []string
			for _, d := range result.Degraded {
				degraded = append(degraded, d.String())
			}
			require.Equal(t, test.degraded, degraded)
			rest := p.sent[0]
			rest.Text, rest.Entities = "", nil
			require.Equal(t, integration.Content{Type: integration.TypeText}, rest, "the platform sees nothing but the text")
		})
	}
}

func TestTextStyleMarksWhatIsWritten(t *testing.T) {
	b, p := newTextOnly(t)
	b.def.Style = integration.TextStyle{
		Format: "loud", Escape: strings.NewReplacer("!", "!!").Replace,
		Bold: func(text string) string { return "*" + text + "*" },
		Link: func(link, text string) string { return "<" + link + " " + text + ">" },
	}
	_, err := b.sendContent(
		object{"type": "LOCATION", "text": "here!", "location": object{"latitude": 1e-7, "longitude": 2, "name": "Yahoo!"}},
	)
	require.NoError(t, err)
	_, err = b.sendContent(
		object{
			"type": "POLL", "text": "here!", "format": "loud", "poll": object{"question": "So!", "options": []string{"Yes!"}},
		},
	)
	require.NoError(t, err)
	require.Equal(t, []integration.Content{
		{Type: "TEXT", Format: "loud", Text: "here!!\nYahoo!!\n<https://www.google.com/maps/search/?api=1&query=0.0000001" +
			"%2C2 0.0000001,2>"},
		{Type: "TEXT", Format: "loud", Text: "here!\n*So!!*\n1. Yes!!"},
	}, p.sent)
}

func TestAsTextOfOneFeatureLeavesTheOthers(t *testing.T) {
	link := func(name string) object { return object{"url": "https://example.org/" + name, "mimeType": "image/png"} }
	full := integration.Cells{Out: integration.Full()}
	b, sent := limited(t, 0, nil)
	b.def.Text = integration.TextLimits{}
	b.def.Support = integration.Basic(birds).
		With(integration.Support{integration.FeatureImage: full, integration.FeatureButtons: full}).AsText()
	require.Equal(
		t, integration.LevelImpossible, b.def.Support[integration.FeatureImage].In.Level, "what With does not name stays",
	)
	buttons := object{"buttons": []object{{"title": "Yes"}}}
	for _, content := range []object{
		{"type": "IMAGE", "text": "two", "attachments": []object{link("a"), link("b")}},
		{"type": "LOCATION", "location": link("map"), "interactive": buttons},
	} {
		_, err := b.sendContent(content)
		require.NoError(t, err)
	}
	first, second := (*sent)[0].Content, (*sent)[1].Content
	require.Equal(t, "two\nhttps://example.org/b", first.Text)
	require.Equal(t, "https://example.org/a", first.Media.URL)
	require.Empty(t, first.Attachments)
	require.Equal(t, integration.TypeText, second.Type)
	require.NotNil(t, second.Interactive)
}

func TestRenderedTextIsSplitWhereItIsLong(t *testing.T) {
	b, p := newTextOnly(t)
	b.def.Text.Text, b.def.Text.Unit = 12, func(text string) int { return len(text) }
	answer, err := b.sendContent(
		object{"type": "POLL", "poll": object{"question": "Which one?", "options": []string{"the first", "the other"}}},
	)
	require.NoError(t, err)
	require.Equal(t, 3, answer.(*integration.SendResult).Parts)
	require.Len(t, p.sent, 3)
}

func TestBasicSupportHasEveryRow(t *testing.T) {
	s := integration.Basic(birds)
	for _, f := range integration.Features() {
		cells, ok := s[f]
		require.True(t, ok)
		for has, cell := range map[bool]integration.Cell{f.Inbound(): cells.In, f.Outbound(): cells.Out} {
			if f != integration.FeatureText && f.Inbound() == f.Outbound() && has {
				require.Equal(t, birds, cell.Source)
			}
		}
		require.Equal(t, f.Inbound(), cells.In != integration.Cell{}, f)
		require.Equal(t, f.Outbound(), cells.Out != integration.Cell{}, f)
	}
	b := newHarness(t)
	b.def.Support = s.AsText(integration.FeatureTemplate)
	_, err := integration.Define(b.def, b.runtime)
	require.ErrorContains(t, err, `the factory cannot write "template" as text`)
	require.True(t, slices.Contains(integration.Features(), integration.FeatureTemplate))
}

func TestEditIsRenderedLikeASend(t *testing.T) {
	b := newHarness(t)
	a := &acrobat{platform: b.platform}
	b.def.Platform, b.def.Support = a, integration.Basic(birds).AsText()
	a.doing = func(int) (*integration.SendResult, error) {
		return &integration.SendResult{
			Success: true, Degraded: []integration.Degradation{{Feature: "emoji", Became: "text"}},
		}, nil
	}
	edit := func(content object) *integration.SendResult {
		t.Helper()
		answer, err := b.call(
			integration.ActionEditMessage, object{"channelId": "c1", "messageId": 1, "message": object{"content": content}},
		)
		require.NoError(t, err)
		return answer.(*integration.SendResult)
	}
	result := edit(object{"type": "POLL", "poll": object{"question": "Tea?", "options": []string{"Yes"}}})
	require.Equal(t, integration.Content{Type: "TEXT", Text: "Tea?\n1. Yes"}, a.message.Content)
	require.Equal(t, []string{"poll→text", "emoji→text"}, result.Metadata["degraded"])
	require.Equal(t, "MESSAGE_INVALID", edit(object{"type": "POLL"}).Error.Code)
}
