package whatsapp_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/whatsapp/whatsapptest"
)

// The golden files of the suite have a request of each sort; these are what they leave out.
func TestSendMakesRequests(t *testing.T) {
	group := to("", text("hi"))
	group.ConversationID = group2
	for name, test := range map[string]struct {
		message integration.Message
		body    string
	}{
		"a number with a plus": {to("+16505551234", text("hi")), `{"messaging_product":"whatsapp",` +
			`"recipient_type":"individual","to":"16505551234","type":"text","text":{"body":"hi"}}`},
		"a parent id": {to("US.ENT.11815799212886844830", text("hi")), `{"messaging_product":"whatsapp",` +
			`"recipient_type":"individual","recipient":"US.ENT.11815799212886844830","type":"text","text":{"body":"hi"}}`},
		"a conversation": {group, `{"messaging_product":"whatsapp","recipient_type":"group","to":"` + group2 + `",` +
			`"type":"text","text":{"body":"hi"}}`},
		"an id of an attachment in the place of its link": {
			to(phone, integration.Content{Type: integration.TypeImage, Media: &integration.Media{URL: sentID}}),
			`{"messaging_product":"whatsapp","recipient_type":"individual","to":"16505551234","type":"image",` +
				`"image":{"id":"` + sentID + `"}}`,
		},
		"a voice note": {
			to(phone, integration.Content{Type: integration.TypeVoice, Media: link("a.ogg", "audio/ogg")}),
			`{"messaging_product":"whatsapp","recipient_type":"individual","to":"16505551234","type":"audio",` +
				`"audio":{"link":"https://www.luckyshrub.example.com/a.ogg","voice":true}}`,
		},
		"a name without parts": {
			to(
				phone,
				integration.Content{
					Type:     integration.TypeContact,
					Contacts: []integration.Contact{{Name: integration.ContactName{Formatted: "Taxi"}}},
				},
			),
			`{"messaging_product":"whatsapp","recipient_type":"individual","to":"16505551234","type":"contacts",` +
				`"contacts":[{"name":{"formatted_name":"Taxi","first_name":"Taxi"}}]}`,
		},
		"a name in parts": {
			to(
				phone,
				integration.Content{
					Type:     integration.TypeContact,
					Contacts: []integration.Contact{{Name: integration.ContactName{First: "Ada", Last: "Lovelace"}}},
				},
			),
			`{"messaging_product":"whatsapp","recipient_type":"individual","to":"16505551234","type":"contacts",` +
				`"contacts":[{"name":{"formatted_name":"Ada Lovelace","first_name":"Ada","last_name":"Lovelace"}}]}`,
		},
		"buttons of a text under a picture": {
			to(
				phone,
				integration.Content{
					Type: integration.TypeImage, Text: "Well?", Media: link("a.png", "image/png"),
					Interactive: &integration.Interactive{Buttons: []integration.Button{{Title: "Yes"}}},
				},
			),
			`{"messaging_product":"whatsapp","recipient_type":"individual","to":"16505551234","type":"interactive",
				"interactive":{"type":"button",
				"header":{"type":"image","image":{"link":"https://www.luckyshrub.example.com/a.png"}},
				"body":{"text":"Well?"},"action":{"buttons":[{"type":"reply","reply":{"id":"Yes","title":"Yes"}}]}}}`,
		},
		"a list of one section without a title": {
			to(
				phone,
				choice(
					integration.Interactive{
						Kind: integration.InteractiveList, Body: "Well?", ButtonLabel: "Choose",
						Sections: []integration.Section{{Rows: []integration.Row{{ID: "y", Title: "Yes"}}}},
					},
				),
			),
			`{"messaging_product":"whatsapp","recipient_type":"individual","to":"16505551234","type":"interactive",
				"interactive":{"type":"list","body":{"text":"Well?"},
				"action":{"button":"Choose","sections":[{"rows":[{"id":"y","title":"Yes"}]}]}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			api, ch := newServer(t)
			result, err := send(t, ch, test.message)
			require.NoError(t, err)
			require.True(t, result.Success)
			require.Equal(t, true, result.Metadata["accepted"])
			require.Len(t, api.Requests(), 1)
			require.JSONEq(t, test.body, bodies(api)[0])
		})
	}
}

// group2 is an id that begins like those in webhooks.
const group2 = "HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA"

func TestLinkPreviewsFollowTheChannelOrTheMessage(t *testing.T) {
	for name, test := range map[string]struct {
		setting string
		wanted  any
		shown   bool
	}{
		"neither":               {"", nil, false},
		"the channel's":         {"on", nil, true},
		"the message's":         {"", true, true},
		"the message's over it": {"on", false, false},
		"what is no yes or no":  {"on", "no", true},
	} {
		t.Run(name, func(t *testing.T) {
			api, ch := newServer(t)
			ch.Settings["linkPreviews"] = test.setting
			m := to(phone, text("https://example.org"))
			m.Metadata = map[string]any{"previewUrl": test.wanted}
			_, err := send(t, ch, m)
			require.NoError(t, err)
			require.Equal(t, test.shown, strings.Contains(bodies(api)[0], `"preview_url":true`))
		})
	}
}

func TestCallbackDataIsTheMessageID(t *testing.T) {
	for id, data := range map[string]string{
		"out-1": "out-1", "": "", strings.Repeat("x", 512): strings.Repeat("x", 512), strings.Repeat("x", 513): "",
	} {
		api, ch := newServer(t)
		m := to(phone, text("hi"))
		m.ID = integration.ID(id)
		_, err := send(t, ch, m)
		require.NoError(t, err)
		var sent struct {
			Data string `json:"biz_opaque_callback_data"`
		}
		require.NoError(t, json.Unmarshal([]byte(bodies(api)[0]), &sent))
		require.Equal(t, data, sent.Data)
	}
}

func TestMarkupIsSentAsItIsAndReported(t *testing.T) {
	_, ch := newServer(t)
	c := text("**bold**")
	c.Format = "markdown"
	result, err := send(t, ch, to(phone, c))
	require.NoError(t, err)
	require.Equal(t, []integration.Degradation{{Feature: "markdown", Became: "text"}}, result.Degraded)
}

func TestAlbumMayHaveAttachmentsOfAllTypes(t *testing.T) {
	api, ch := newServer(t)
	_, err := send(t, ch, to(phone, integration.Content{Type: integration.TypeImage, Attachments: []integration.Media{
		*link("1.jpg", "image/jpeg"), *link("2.mp4", "video/mp4"), *link("3.mp3", "audio/mpeg"),
		*link("4.pdf", "application/pdf"),
	}}))
	require.NoError(t, err)
	var types []string
	for _, body := range bodies(api) {
		var sent struct{ Type string }
		require.NoError(t, json.Unmarshal([]byte(body), &sent))
		types = append(types, sent.Type)
	}
	require.Equal(t, []string{"image", "video", "audio", "document"}, types)
}

func TestSplitRefusesAnInvalidPart(t *testing.T) {
	api, ch := newServer(t)
	_, err := send(t, ch, to(phone, integration.Content{Type: integration.TypeImage, Attachments: []integration.Media{
		*link("1.jpg", ""), {URL: "https://www.luckyshrub.example.com/2.jpg", Caption: strings.Repeat("x", 1025)},
	}}))
	requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
	require.Empty(t, api.Requests(), "nothing of it is sent")
}

func TestSendResultHasWhatTheAnswerSays(t *testing.T) {
	api, ch := newServer(t)
	api.Answer(whatsapptest.Answer{Body: `{"messaging_product":"whatsapp","contacts":[{"input":"16505551234",` +
		`"wa_id":"5511987654321","user_id":"BR.5"}],"messages":[{"id":"wamid.9",` +
		`"message_status":"held_for_quality_assessment"}]}`})
	result, err := send(t, ch, to(phone, text("hi")))
	require.NoError(t, err)
	require.Equal(t, integration.ID("wamid.9"), result.MessageID)
	require.Equal(
		t,
		map[string]any{
			"accepted": true, "messageStatus": "held_for_quality_assessment", "waId": "5511987654321", "userId": "BR.5",
		},
		result.Metadata,
	)

	for _, unreadable := range []string{`{}`, `{"messages":[]}`, `{"messages":[{"id":""}]}`} {
		api.Answer(whatsapptest.Answer{Body: unreadable})
		_, err := send(t, ch, to(phone, text("hi")))
		requireError(t, err, integration.FaultUnknown, "ANSWER_UNREADABLE")
	}
}

func TestAttachmentIsUploadedBeforeItsMessage(t *testing.T) {
	png := append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 64)...)
	t.Run("with the type that their content has", func(t *testing.T) {
		api, ch := newServer(t)
		_, err := send(
			t, ch,
			to(phone, integration.Content{Type: integration.TypeImage, Text: "a logo", Media: &integration.Media{Data: png}}),
		)
		require.NoError(t, err)
		requests := api.Requests()
		require.Len(t, requests, 2)
		require.Equal(t, "/v25.0/"+phoneNumberID+"/media", requests[0].Path)
		uploaded, ok := api.Media("1037543291543001")
		require.True(t, ok)
		require.Equal(t, whatsapptest.Media{MimeType: "image/png", Filename: "file", Content: png}, uploaded)
		require.JSONEq(t, `{"messaging_product":"whatsapp","recipient_type":"individual","to":"16505551234",`+
			`"type":"image","image":{"id":"1037543291543001","caption":"a logo"}}`, string(requests[1].Raw))
	})
	t.Run("also those over buttons", func(t *testing.T) {
		api, ch := newServer(t)
		c := choice(integration.Interactive{Body: "Well?", Buttons: []integration.Button{{Title: "Yes"}}})
		c.Attachments = []integration.Media{{Data: png, MimeType: "image/png"}}
		_, err := send(t, ch, to(phone, c))
		require.NoError(t, err)
		require.Contains(t, bodies(api)[1], `"header":{"type":"image","image":{"id":"1037543291543001"}}`)
	})
	t.Run("an upload that is not answered may be made again", func(t *testing.T) {
		for _, answer := range []whatsapptest.Answer{{Status: http.StatusGatewayTimeout}, {Body: `{}`}, {Body: `[`}} {
			api, ch := newServer(t)
			api.Answer(answer)
			_, err := send(
				t, ch, to(phone, integration.Content{Type: integration.TypeImage, Media: &integration.Media{Data: png}}),
			)
			var e *integration.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, integration.FaultTransient, e.Kind)
		}
	})
}

func TestStaticStickerHasALowerLimit(t *testing.T) {
	webp := func(flags byte, size int) []byte {
		return append(
			append([]byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00"), flags, 0, 0, 0), bytes.Repeat([]byte{1}, size)...,
		)
	}
	for name, test := range map[string]struct {
		content []byte
		code    string
	}{
		"a still one":            {webp(0, 90<<10), ""},
		"a still one of 101 KB":  {webp(0, 101<<10), "MEDIA_TOO_LARGE"},
		"a moving one of 101 KB": {webp(2, 101<<10), ""},
		"a moving one of 501 KB": {webp(2, 501<<10), "MEDIA_TOO_LARGE"},
		"one of a form without flags": {
			append([]byte("RIFF\x00\x00\x00\x00WEBPVP8 "), make([]byte, 101<<10)...), "MEDIA_TOO_LARGE",
		},
	} {
		t.Run(name, func(t *testing.T) {
			api, ch := newServer(t)
			_, err := send(
				t, ch,
				to(
					phone,
					integration.Content{
						Type: integration.TypeSticker, Media: &integration.Media{Data: test.content, MimeType: "image/webp"},
					},
				),
			)
			if test.code == "" {
				require.NoError(t, err)
				return
			}
			requireError(t, err, integration.FaultPermanent, test.code)
			require.Empty(t, api.Requests())
		})
	}
}

func TestDocumentIsNamedAfterItsLink(t *testing.T) {
	for name, test := range map[string]struct {
		media integration.Media
		want  string
	}{
		"of the link": {integration.Media{
			URL: "https://example.com/docs/Order%20Receipt.pdf?sig=abc",
		}, "Order Receipt.pdf"},
		"of the message": {integration.Media{
			URL: "https://example.com/docs/a.pdf", Filename: "bill.pdf",
		}, "bill.pdf"},
		"of the message, no path": {integration.Media{
			URL: "https://example.com/docs/a.pdf", Filename: "../bill\n.pdf",
		}, "bill.pdf"},
		"none of a link without it": {integration.Media{URL: "https://example.com/files/7/download?name=a.pdf"}, ""},
		"none of an id":             {integration.Media{ID: "77"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			api, ch := newServer(t)
			_, err := send(t, ch, to(phone, integration.Content{Type: integration.TypeFile, Media: &test.media}))
			require.NoError(t, err)
			var sent struct {
				Document struct{ Filename string }
			}
			require.NoError(t, json.Unmarshal([]byte(bodies(api)[0]), &sent))
			require.Equal(t, test.want, sent.Document.Filename)
		})
	}
}
