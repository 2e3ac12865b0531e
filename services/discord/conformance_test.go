package discord_test

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/discord"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

func conformance(tb testing.TB) integrationtest.Platform {
	tb.Helper()
	return integrationtest.Platform{
		Definition: discord.Definition(newClient(tb)),
		Channel: func(url string) *integration.Channel {
			ch := channel()
			ch.Settings["apiBase"], ch.Settings["cdnBase"] = url+discordtest.Root, url
			return ch
		},
		API: func(tb testing.TB) http.Handler {
			tb.Helper()
			server := discordtest.New(app())
			server.AddInteraction(thinking, true)
			server.AddInteraction(answered, false)
			server.SetReactions(
				discordtest.Reaction{Emoji: "👍", Mine: true}, discordtest.Reaction{Emoji: "brass:760000000000000001", Mine: true},
				discordtest.Reaction{Emoji: "👎"},
			)
			server.AddFile("/attachments/1/2/engine.png", "image/png", []byte("a picture"))
			return server
		},
		Webhooks: integrationtest.Files(tb, "testdata/inbound/*.json"),
		Incoming: integrationtest.Files(tb, "testdata/gateway/*.json"),
		Sign:     func(_ *integration.Channel, body []byte, at time.Time) map[string]string { return sign(body, at) },
		Sends:    sends(),
		Refusal:  refusal,
	}
}

func TestDiscordIsAPlatform(t *testing.T) { integrationtest.Run(t, conformance(t)) }

func FuzzWebhook(f *testing.F) { integrationtest.FuzzWebhook(f, conformance(f)) }

// refusal says no as Discord does.
func refusal(r integration.Refusal) integrationtest.Answer {
	code, _ := strconv.Atoi(r.Code)
	a := discordtest.Failure(r.Status, code, r.Text, nil)
	return integrationtest.Answer{Status: a.Status, Body: a.Body}
}

// text is a message to a channel.
func text(to integration.ID, text string) integration.Message {
	return integration.Message{
		To: integration.Party{ID: to}, Content: integration.Content{Type: integration.TypeText, Text: text},
	}
}

func of(c integration.Content) integration.Message {
	return integration.Message{To: integration.Party{ID: channelID}, Content: c}
}

func media(mimeType, filename string) *integration.Media {
	return &integration.Media{Data: []byte("content of " + filename), MimeType: mimeType, Filename: filename}
}

func replying(m integration.Message, to integration.ID) integration.Message {
	m.ReplyTo = &integration.ReplyTo{MessageID: to}
	return m
}

// link is that of an attachment at Discord.
const link = "https://cdn.discordapp.com/attachments/1/2/engine.png?ex=7fffffff&is=1&hm=2"

// replyContext is that of an interaction that lasts until then, in ms since 1970.
func replyContext(token, kind string, expires int64) string {
	return url.Values{
		"id": {interactionID}, "token": {token}, "application": {applicationID}, "type": {kind},
		"expires": {strconv.FormatInt(expires, 10)},
	}.Encode()
}

// answering makes a message the answer to an interaction that lasts until long after these tests.
func answering(m integration.Message, token, kind string) integration.Message {
	m.ReplyContext = replyContext(token, kind, 4_000_000_000_000)
	return m
}

func sends() []integrationtest.Send {
	message := func(name string, m integration.Message) integrationtest.Send {
		return integrationtest.Send{Name: name, Message: m}
	}
	action := func(name, action string, params map[string]any) integrationtest.Send {
		return integrationtest.Send{Name: name, Action: action, Params: params}
	}
	withID := text(channelID, "hello")
	withID.ID = "order-4711"
	reply := replying(text(channelID, "of course"), messageID)
	thread := text(channelID, "in here")
	thread.ThreadID = "500000000000000015"
	return []integrationtest.Send{
		message("text", text(channelID, "hello 👍 **you** @everyone")),
		message("text with an id", withID),
		message("text to a user", text("user:700000000000000007", "hello")),
		message("reply", reply),
		message("text in a thread", thread),
		message("buttons", of(integration.Content{Type: integration.TypeInteractive, Interactive: &integration.Interactive{
			Header: "Engine", Body: "Start it?", Footer: "takes an hour",
			Buttons: []integration.Button{
				{ID: "start:1", Title: "Yes", Style: "primary"},
				{ID: "start:0", Title: "No", Style: "danger"},
				{Title: "Later"},
				{ID: "a", Title: "A"},
				{ID: "b", Title: "B"},
				{Title: "Docs", Type: integration.ButtonURL, URL: "https://example.org/docs"},
			},
		}})),
		message("list", of(integration.Content{
			Type: integration.TypeInteractive, Text: "Which one?",
			Interactive: &integration.Interactive{ButtonLabel: "choose", Sections: []integration.Section{
				{Title: "Brass", Rows: []integration.Row{{ID: "s", Title: "Small", Description: "fits a table"}, {Title: "Large"}}},
				{Rows: []integration.Row{{ID: "x", Title: "Steel"}}},
			}},
		})),
		message(
			"image",
			of(integration.Content{Type: integration.TypeImage, Text: "look", Media: media("image/png", "engine.png")}),
		),
		message("video", of(integration.Content{Type: integration.TypeVideo, Media: media("video/mp4", "run.mp4")})),
		message("audio", of(integration.Content{Type: integration.TypeAudio, Media: media("audio/mpeg", "song.mp3")})),
		message(
			"voice",
			of(
				integration.Content{
					Type:  integration.TypeVoice,
					Media: &integration.Media{Data: []byte("opus"), MimeType: "audio/ogg", Filename: "voice.ogg", DurationMs: 1500},
				},
			),
		),
		message(
			"voice of unknown length",
			of(integration.Content{Type: integration.TypeVoice, Media: media("audio/ogg", "voice.ogg")}),
		),
		message("file", of(integration.Content{Type: integration.TypeFile, Media: media("application/pdf", "report.pdf")})),
		message(
			"several files",
			of(
				integration.Content{
					Type:        integration.TypeFile,
					Attachments: []integration.Media{*media("application/pdf", "a.pdf"), *media("text/plain", "b.txt")},
				},
			),
		),
		message(
			"sticker",
			of(integration.Content{Type: integration.TypeSticker, Sticker: &integration.Sticker{ID: "749054660769218631"}}),
		),
		message(
			"sticker of another platform",
			of(integration.Content{Type: integration.TypeSticker, Media: media("image/webp", "sticker.webp")}),
		),
		message(
			"image of a message that came in",
			of(integration.Content{Type: integration.TypeImage, Media: &integration.Media{ID: link}}),
		),
		message(
			"location",
			of(
				integration.Content{
					Type: integration.TypeLocation,
					Location: &integration.Location{
						Latitude: 51.5, Longitude: -0.125, Name: "Analytical Engine", Address: "Dorset Street 1",
					},
				},
			),
		),
		message("contact", of(integration.Content{Type: integration.TypeContact, Contacts: []integration.Contact{{
			Name: integration.ContactName{Formatted: "Ada Byron"}, Org: "Engines Ltd",
			Phones: []integration.ContactPhone{{Phone: "+44 20 5550100", Type: "CELL"}}, Emails: []string{"ada@example.org"},
		}}})),
		message(
			"poll",
			of(
				integration.Content{
					Type: integration.TypePoll,
					Poll: &integration.Poll{Question: "Brass?", Options: []string{"Yes", "No"}, Multiple: true},
				},
			),
		),
		message(
			"reaction",
			of(
				integration.Content{
					Type:     integration.TypeReaction,
					Reaction: &integration.Reaction{MessageID: messageID, Emoji: "👍", Action: integration.ReactionAdd},
				},
			),
		),
		message("answer to a command", answering(text("", "done"), thinking, "command")),
		message("answer to a command that was answered", answering(text("", "and done"), answered, "command")),
		message("answer that replies", answering(replying(text("", "done"), messageID), answered, "component")),
		message("answer to a button", answering(text("", "pressed"), answered, "component")),
		message(
			"template",
			of(
				integration.Content{Type: integration.TypeTemplate, Template: &integration.Template{Name: "hello", Language: "en"}},
			),
		),
		message(
			"form",
			of(
				integration.Content{
					Type:        integration.TypeInteractive,
					Interactive: &integration.Interactive{Kind: integration.InteractiveForm, Body: "x"},
				},
			),
		),
		action("edit", integration.ActionEditMessage, map[string]any{
			"messageId": messageID, "conversationId": channelID,
			"message": of(
				integration.Content{Type: integration.TypeImage, Text: "hello again", Media: media("image/png", "engine.png")},
			),
		}),
		action(
			"delete", integration.ActionDeleteMessage, map[string]any{"messageId": messageID, "conversationId": channelID},
		),
		action(
			"react with an emoji of the server", integration.ActionReact,
			map[string]any{"messageId": messageID, "conversationId": channelID, "emoji": "<:brass:760000000000000001>"},
		),
		action(
			"take reactions away", integration.ActionReact,
			map[string]any{"messageId": messageID, "conversationId": channelID, "emoji": ""},
		),
		action("media", integration.ActionGetMedia, map[string]any{"mediaId": link}),
		action(
			"media whose link has ended", integration.ActionGetMedia,
			map[string]any{"mediaId": "https://media.discordapp.net/attachments/1/2/engine.png?ex=1&is=1&hm=2"},
		),
		action("typing", integration.ActionTyping, map[string]any{"conversationId": channelID}),
	}
}
