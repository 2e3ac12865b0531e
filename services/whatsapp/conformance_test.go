package whatsapp_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/whatsapp/whatsapptest"
)

// The recipients of the tests.
const (
	phone  = "16505551234"
	bsuid  = "US.13491208655302741918"
	group  = "Y2FwaV9ncm91cDoxNzA1NTU1MDEzOToxMjAzNjM0MDQ2OTQyMzM4MjAZD"
	wamid  = "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA="
	sentID = "1003383421387256" // of an attachment that came in
)

func TestWhatsAppIsAPlatform(t *testing.T) { integrationtest.Run(t, conformance(t)) }

func FuzzWebhook(f *testing.F) { integrationtest.FuzzWebhook(f, conformance(f)) }

func conformance(tb testing.TB) integrationtest.Platform {
	tb.Helper()
	return integrationtest.Platform{
		Definition: definition(tb),
		Channel: func(url string) *integration.Channel {
			ch := channel()
			ch.Settings["apiBase"], ch.Settings["wabaId"] = url, wabaID
			return ch
		},
		Address:   address,
		API:       func(testing.TB) http.Handler { return newAPI() },
		Webhooks:  integrationtest.Files(tb, "testdata/inbound/*.json"),
		BadItem:   integrationtest.Files(tb, "testdata/inbound/field_of_the_wrong_type.json")[0].Body,
		Handshake: integration.Verification{Mode: "subscribe", Token: verifyToken},
		Sends:     sends(),
		Refusal: func(r integration.Refusal) integrationtest.Answer {
			code, _ := strconv.Atoi(r.Code)
			subcode, _ := strconv.Atoi(r.Subcode)
			if r.Code == "" { // one that the table does not have
				code = 199999
			}
			a := whatsapptest.Error(r.Status, code, subcode, r.Text, "")
			return integrationtest.Answer{Status: a.Status, Body: a.Body}
		},
	}
}

// address gives a channel the number that a webhook names first.
func address(ch *integration.Channel, body []byte) {
	delete(ch.Settings, "wabaId")
	if found := regexp.MustCompile(`"phone_number_id":\s*"([^"]+)"`).FindSubmatch(body); found != nil {
		ch.Credentials["phoneNumberId"] = string(found[1])
	}
}

func newAPI() *whatsapptest.API {
	api := whatsapptest.New(
		whatsapptest.Account{Token: accessToken, PhoneNumberID: phoneNumberID, WABAID: wabaID, AppSecret: appSecret},
	)
	api.AddMedia(
		sentID,
		whatsapptest.Media{MimeType: "image/jpeg", Filename: "taj.jpg", Content: []byte("\xff\xd8\xff\xe0 a picture")},
	)
	return api
}

func to(id integration.ID, c integration.Content) integration.Message {
	return integration.Message{To: integration.Party{ID: id}, Content: c}
}

func text(text string) integration.Content {
	return integration.Content{Type: integration.TypeText, Text: text}
}

// link is an attachment that WhatsApp fetches itself.
func link(name, mimeType string) *integration.Media {
	return &integration.Media{URL: "https://www.luckyshrub.example.com/" + name, MimeType: mimeType}
}

func choice(i integration.Interactive) integration.Content {
	return integration.Content{Type: integration.TypeInteractive, Interactive: &i}
}

func sends() []integrationtest.Send {
	reply := to(phone, text("that is https://example.org"))
	reply.ID, reply.ReplyTo = "out-17", &integration.ReplyTo{MessageID: wamid}
	reply.Metadata = map[string]any{"previewUrl": true}
	buttons := choice(integration.Interactive{
		Body: "Do you want to come?", Footer: "Until Friday",
		Buttons: []integration.Button{{ID: "yes-1", Title: "Yes"}, {Title: "No"}},
	})
	buttons.Media = link("invitation.pdf", "application/pdf")
	buttons.Media.Filename = "invitation.pdf"
	template := to(phone, integration.Content{Type: integration.TypeTemplate, Template: &integration.Template{
		Name: "order_confirmation", Language: "en_US", Components: []json.RawMessage{
			json.RawMessage(`{"type":"body","parameters":[{"type":"text","text":"4711"}]}`),
			json.RawMessage(`{"type":"button","sub_type":"url","index":"0","parameters":[{"type":"text","text":"4711"}]}`),
		},
	}})
	on := integration.Target{ConversationID: phone, MessageID: wamid}
	about := map[string]any{"conversationId": on.ConversationID, "messageId": on.MessageID}
	return []integrationtest.Send{
		{Name: "text", Message: to(phone, text("hello 👍 *you*"))},
		{Name: "reply with a preview", Message: reply},
		{Name: "text to a business-scoped id", Message: to(bsuid, text("hello"))},
		{Name: "text to a group", Message: to(group, text("hello all"))},
		{Name: "image by link", Message: to(
			phone, integration.Content{Type: integration.TypeImage, Text: "the *Taj*", Media: link("taj.jpg", "image/jpeg")},
		)},
		{Name: "video by id", Message: to(
			phone, integration.Content{Type: integration.TypeVideo, Media: &integration.Media{ID: sentID, URL: sentID}},
		)},
		{Name: "audio with a text", Message: to(
			phone, integration.Content{Type: integration.TypeAudio, Text: "our song", Media: link("song.mp3", "audio/mpeg")},
		)},
		{Name: "audio with a long text", Message: to(
			phone,
			integration.Content{
				Type: integration.TypeAudio, Text: strings.Repeat("la ", 400), Media: link("song.mp3", "audio/mpeg"),
			},
		)},
		{Name: "voice with a text", Message: to(
			phone, integration.Content{Type: integration.TypeVoice, Text: "what we say", Media: link("note.ogg", "audio/ogg")},
		)},
		{Name: "file by content", Message: to(phone, integration.Content{
			Type: integration.TypeFile, Text: "the offer",
			Media: &integration.Media{Data: []byte("%PDF-1.7 offer"), Filename: "offer.pdf"},
		})},
		{Name: "album", Message: to(phone, integration.Content{
			Type: integration.TypeImage, Text: "the tour", Attachments: []integration.Media{
				*link("1.jpg", "image/jpeg"), {URL: "https://www.luckyshrub.example.com/2.jpg", Caption: "the second"},
			},
		})},
		{Name: "sticker with a text", Message: to(
			phone, integration.Content{Type: integration.TypeSticker, Text: "ha", Sticker: &integration.Sticker{ID: sentID}},
		)},
		{Name: "location", Message: to(phone, integration.Content{
			Type: integration.TypeLocation, Location: &integration.Location{
				Latitude: 37.4421625, Longitude: -122.1615358, Name: "Philz Coffee", Address: "101 Forest Ave", Live: true,
			},
		})},
		{Name: "contact with a text", Message: to(phone, integration.Content{
			Type: integration.TypeContact, Text: "ask her", Contacts: []integration.Contact{{
				Name:   integration.ContactName{Formatted: "Barbara J. Johnson", First: "Barbara", Last: "Johnson"},
				Phones: []integration.ContactPhone{{Phone: "+1 650-555-9999", Type: "CELL", WaID: "16505559999"}},
				Emails: []string{"barbara@example.org"}, Org: "Lucky Shrub",
			}},
		})},
		{Name: "buttons under a document", Message: to(phone, buttons)},
		{Name: "button with a link", Message: to(phone, choice(integration.Interactive{
			Header: "Dates", Body: "Tap to see them",
			Buttons: []integration.Button{
				{Title: "See dates", Type: integration.ButtonURL, URL: "https://example.org/dates?a=b&c=d"},
			},
		}))},
		{Name: "list", Message: to(phone, choice(integration.Interactive{
			Header: "Shipping", Body: "Which one?", ButtonLabel: "Options", Sections: []integration.Section{
				{Title: "Fast", Rows: []integration.Row{{ID: "express", Title: "Express", Description: "Next day"}}},
				{Title: "Slow", Rows: []integration.Row{{Title: "Mail"}}},
			},
		}))},
		{Name: "form", Message: to(phone, choice(integration.Interactive{
			Kind: integration.InteractiveForm, Body: "Book a table",
			Buttons: []integration.Button{{ID: "1232134235234634", Title: "Book"}},
		}))},
		{Name: "template", Message: template},
		{Name: "reaction", Message: to(
			phone,
			integration.Content{
				Type:     integration.TypeReaction,
				Reaction: &integration.Reaction{MessageID: wamid, Emoji: "👍", Action: integration.ReactionAdd},
			},
		)},
		{Name: "poll", Message: to(
			phone,
			integration.Content{
				Type: integration.TypePoll, Poll: &integration.Poll{Question: "Well?", Options: []string{"Yes"}},
			},
		)},
		{Name: "text outside the window", Message: to(phone, text("hello")), Answer: refusal(
			131047, "(#131047) Re-engagement message",
			"Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
		)},
		{Name: "react", Action: integration.ActionReact, Params: with(about, "emoji", "")},
		{Name: "typing", Action: integration.ActionTyping, Params: about},
		{Name: "mark as read", Action: integration.ActionMarkRead, Params: about},
		{Name: "media", Action: integration.ActionGetMedia, Params: map[string]any{"mediaId": sentID}},
	}
}

func with(params map[string]any, name string, value any) map[string]any {
	more := map[string]any{name: value}
	for k, v := range params {
		more[k] = v
	}
	return more
}

func refusal(code int, message, details string) *integrationtest.Answer {
	a := whatsapptest.Error(http.StatusBadRequest, code, 0, message, details)
	return &integrationtest.Answer{Status: a.Status, Body: a.Body}
}
