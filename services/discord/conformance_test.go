package discord_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/discord"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

func TestDiscordIsAPlatform(t *testing.T) { integrationtest.Run(t, conformance(t)) }

func FuzzWebhook(f *testing.F) { integrationtest.FuzzWebhook(f, conformance(f)) }

func conformance(tb testing.TB) integrationtest.Platform {
	tb.Helper()
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	tb.Cleanup(client.Close)
	return integrationtest.Platform{
		Definition: discord.Definition(client),
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
			server.SetReactions(discordtest.Reaction{Emoji: "👍", Mine: true}, discordtest.Reaction{Emoji: "brass:760000000000000001", Mine: true}, discordtest.Reaction{Emoji: "👎"})
			server.AddFile("/attachments/1/2/engine.png", "image/png", []byte("a picture"))
			return server
		},
		Webhooks: integrationtest.Files(tb, "testdata/inbound/*.json"),
		Sign:     func(_ *integration.Channel, body []byte, at time.Time) map[string]string { return sign(body, at) },
		Sends:    sends(),
		Failures: failures(),
	}
}

// failures are what Discord says when it refuses to take a message.
func failures() []integrationtest.Failure {
	refused := func(name string, status, code int, kind integration.ErrorKind, as string) integrationtest.Failure {
		r := discordtest.Failure(status, code, "no", nil)
		f := integrationtest.Failure{Name: name, Answer: integrationtest.Answer{Status: r.Status, Body: r.Body}, Kind: kind, Code: as, PlatformCode: strconv.Itoa(code)}
		if code == 0 {
			f.PlatformCode = strconv.Itoa(status)
		}
		return f
	}
	slow := func(name, body string, header map[string]string, wait time.Duration, code string, pauses integration.Scope) integrationtest.Failure {
		return integrationtest.Failure{
			Name: name, Answer: integrationtest.Answer{Status: 429, Header: header, Body: body},
			Kind: integration.FaultThrottled, Code: "RATE_LIMITED", RetryAfter: wait, PlatformCode: code, Pauses: pauses,
		}
	}
	const permanent, transient = integration.FaultPermanent, integration.FaultTransient
	return []integrationtest.Failure{
		slow("a rate limit", `{"message":"You are being rate limited.","retry_after":64.57,"global":false}`, nil, 64570*time.Millisecond, "429", integration.PausesRecipient),
		slow("a rate limit whose header asks for more", `{"message":"no","retry_after":64.57,"global":true}`, map[string]string{"Retry-After": "65", "X-RateLimit-Scope": "global"}, 65*time.Second, "429", integration.PausesChannel),
		slow("slow mode", `{"message":"no","code":20016,"retry_after":30.5}`, map[string]string{"Retry-After": "30"}, 30500*time.Millisecond, "20016", integration.PausesRecipient),
		slow("the edge, which says no more", "<html>", nil, 10*time.Minute, "", integration.PausesChannel),
		refused("an unknown channel", 404, 10003, permanent, "RECIPIENT_UNKNOWN"),
		refused("no access to the channel", 403, 50001, permanent, "PERMISSION_MISSING"),
		refused("a missing permission", 403, 50013, permanent, "PERMISSION_MISSING"),
		refused("a user who takes no direct messages", 403, 50007, permanent, "RECIPIENT_UNAVAILABLE"),
		refused("a channel that has no messages", 400, 50008, permanent, "RECIPIENT_UNAVAILABLE"),
		refused("an empty message", 400, 50006, permanent, "MESSAGE_INVALID"),
		refused("a form that is wrong", 400, 50035, permanent, "MESSAGE_INVALID"),
		refused("a message that is too large", 413, 40005, permanent, "MEDIA_TOO_LARGE"),
		refused("an archived thread", 400, 50083, permanent, "THREAD_CLOSED"),
		refused("a locked thread", 403, 160005, permanent, "THREAD_CLOSED"),
		refused("a word that is not allowed", 400, 200000, permanent, "MESSAGE_BLOCKED"),
		refused("a link that is not allowed", 400, 240000, permanent, "MESSAGE_BLOCKED"),
		refused("a user agent that Cloudflare blocks", 403, 40333, permanent, "PLATFORM_BLOCKED"),
		refused("a wrong token", 401, 0, integration.FaultAuth, "CREDENTIALS_REFUSED"),
		refused("no authorization", 401, 40001, integration.FaultAuth, "CREDENTIALS_REFUSED"),
		refused("an overload", 503, 130000, transient, "PLATFORM_UNAVAILABLE"),
		refused("a fault of Discord's", 500, 0, integration.FaultUnknown, "PLATFORM_UNAVAILABLE"),
		refused("a gateway of Discord's without a server", 502, 0, integration.FaultUnknown, "PLATFORM_UNAVAILABLE"),
		refused("an overload without a code", 503, 0, transient, "PLATFORM_UNAVAILABLE"),
		refused("a gateway that did not wait", 504, 0, integration.FaultUnknown, "PLATFORM_NO_ANSWER"),
		refused("a refusal of a later version", 400, 999999, permanent, "MESSAGE_REJECTED"),
	}
}

// text is a message to a channel.
func text(to integration.ID, text string) integration.Message {
	return integration.Message{To: integration.Party{ID: to}, Content: integration.Content{Type: integration.TypeText, Text: text}}
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

// answering makes a message the answer to an interaction that lasts until long after these tests.
func answering(m integration.Message, token, kind string) integration.Message {
	m.Metadata = map[string]any{"interactionToken": token, "interactionType": kind, "interactionExpiresAt": 4_000_000_000_000, "applicationId": applicationID}
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
		message("list", of(integration.Content{Type: integration.TypeInteractive, Text: "Which one?", Interactive: &integration.Interactive{
			ButtonLabel: "choose", Sections: []integration.Section{
				{Title: "Brass", Rows: []integration.Row{{ID: "s", Title: "Small", Description: "fits a table"}, {Title: "Large"}}},
				{Rows: []integration.Row{{ID: "x", Title: "Steel"}}},
			},
		}})),
		message("image", of(integration.Content{Type: integration.TypeImage, Text: "look", Media: media("image/png", "engine.png")})),
		message("video", of(integration.Content{Type: integration.TypeVideo, Media: media("video/mp4", "run.mp4")})),
		message("audio", of(integration.Content{Type: integration.TypeAudio, Media: media("audio/mpeg", "song.mp3")})),
		message("voice", of(integration.Content{Type: integration.TypeVoice, Media: &integration.Media{Data: []byte("opus"), MimeType: "audio/ogg", Filename: "voice.ogg", DurationMs: 1500}})),
		message("voice of unknown length", of(integration.Content{Type: integration.TypeVoice, Media: media("audio/ogg", "voice.ogg")})),
		message("file", of(integration.Content{Type: integration.TypeFile, Media: media("application/pdf", "report.pdf")})),
		message("several files", of(integration.Content{Type: integration.TypeFile, Attachments: []integration.Media{*media("application/pdf", "a.pdf"), *media("text/plain", "b.txt")}})),
		message("sticker", of(integration.Content{Type: integration.TypeSticker, Sticker: &integration.Sticker{ID: "749054660769218631"}})),
		message("sticker of another platform", of(integration.Content{Type: integration.TypeSticker, Media: media("image/webp", "sticker.webp")})),
		message("image of a message that came in", of(integration.Content{Type: integration.TypeImage, Media: &integration.Media{ID: link}})),
		message("location", of(integration.Content{Type: integration.TypeLocation, Location: &integration.Location{Latitude: 51.5, Longitude: -0.125, Name: "Analytical Engine", Address: "Dorset Street 1"}})),
		message("contact", of(integration.Content{Type: integration.TypeContact, Contacts: []integration.Contact{{
			Name: integration.ContactName{Formatted: "Ada Byron"}, Org: "Engines Ltd", Phones: []integration.ContactPhone{{Phone: "+44 20 5550100", Type: "CELL"}}, Emails: []string{"ada@example.org"},
		}}})),
		message("poll", of(integration.Content{Type: integration.TypePoll, Poll: &integration.Poll{Question: "Brass?", Options: []string{"Yes", "No"}, Multiple: true}})),
		message("reaction", of(integration.Content{Type: integration.TypeReaction, Reaction: &integration.Reaction{MessageID: messageID, Emoji: "👍", Action: integration.ReactionAdd}})),
		message("answer to a command", answering(text("", "done"), thinking, "command")),
		message("answer to a command that was answered", answering(text("", "and done"), answered, "command")),
		message("answer that replies", answering(replying(text("", "done"), messageID), answered, "component")),
		message("answer to a button", answering(text("", "pressed"), answered, "component")),
		message("template", of(integration.Content{Type: integration.TypeTemplate, Template: &integration.Template{Name: "hello", Language: "en"}})),
		message("form", of(integration.Content{Type: integration.TypeInteractive, Interactive: &integration.Interactive{Kind: integration.InteractiveForm, Body: "x"}})),
		action("edit", integration.ActionEditMessage, map[string]any{
			"messageId": messageID, "conversationId": channelID,
			"message": of(integration.Content{Type: integration.TypeImage, Text: "hello again", Media: media("image/png", "engine.png")}),
		}),
		action("delete", integration.ActionDeleteMessage, map[string]any{"messageId": messageID, "conversationId": channelID}),
		action("react with an emoji of the server", integration.ActionReact, map[string]any{"messageId": messageID, "conversationId": channelID, "emoji": "<:brass:760000000000000001>"}),
		action("take reactions away", integration.ActionReact, map[string]any{"messageId": messageID, "conversationId": channelID, "emoji": ""}),
		action("media", integration.ActionGetMedia, map[string]any{"mediaId": link}),
		action("media whose link has ended", integration.ActionGetMedia, map[string]any{"mediaId": "https://media.discordapp.net/attachments/1/2/engine.png?ex=1&is=1&hm=2"}),
		action("typing", integration.ActionTyping, map[string]any{"conversationId": channelID}),
	}
}
