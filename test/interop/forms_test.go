package interop_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

// switchgear is a platform whose webhooks are forms, signed over the public URL and the sorted values, and answered
// with XML.
type switchgear struct{}

const formSecret = "form-canary-secret"

func signForm(url string, form map[string][]string) string {
	mac := hmac.New(sha256.New, []byte(formSecret))
	mac.Write([]byte(url))
	var names []string
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		mac.Write([]byte(name + strings.Join(form[name], "")))
	}
	return hex.EncodeToString(mac.Sum(nil))
}

func (switchgear) ValidateSignature(_ context.Context, w *integration.Webhook) error {
	url, err := w.SignedURL()
	if err != nil {
		return err
	}
	form, err := w.Form()
	if err == nil && !integration.EqualSecrets(w.Headers.Get("x-form-signature"), signForm(url, form)) {
		err = errors.New("x-form-signature must sign " + url)
	}
	return err
}

func (switchgear) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	form, err := w.Form()
	if err != nil {
		return nil, err
	}
	files, err := w.Files()
	text := fmt.Sprintf("%s %s %s %d files", w.Method, w.Query().Get("n"), form.Get("Body"), len(files))
	return []integration.Message{{
		ID: "m1", ConversationID: "c", Content: integration.Content{Type: integration.TypeText, Text: text},
		DedupKey: form.Get("Sid"),
	}}, err
}

func (switchgear) Respond(context.Context, *integration.Webhook) (*integration.Response, error) {
	return &integration.Response{ContentType: "text/xml", Body: "<Response/>"}, nil
}

func (switchgear) Send(context.Context, *integration.Message, *integration.Channel) (*integration.SendResult, error) {
	return nil, &integration.Error{Kind: integration.FaultPermanent, Code: "SILENT", Message: "it only listens"}
}

func (switchgear) Accounts(_ context.Context, w *integration.Webhook) ([]string, error) {
	form, err := w.Form()
	return form["To"], err
}

// ByAccount implements integration.AccountStore.
func (switchgear) ByAccount(_ context.Context, _ string, field integration.Field, account string) ([]string, error) {
	if field.Name == "number" && account == "+1" {
		return []string{channelID}, nil
	}
	return nil, nil
}

// Channel implements integration.ChannelStore: channelID has a publicUrl, all others have none.
func (switchgear) Channel(_ context.Context, id string) (*integration.Channel, error) {
	ch := &integration.Channel{
		ID: id, TenantID: tenantID, Platform: "switchgear", Status: integration.ChannelActive, Settings: map[string]string{},
	}
	if id == channelID {
		ch.Settings["publicUrl"] = "https://hooks.example/in/"
	}
	return ch, nil
}

func TestFormsSignedOverTheirURLComeThroughTheGateway(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	n := startHost(t, url, offered(integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "switchgear"}, Channels: switchgear{}, Platform: switchgear{},
		Title: "Switchgear", Fields: []integration.Field{{In: integration.InSettings, Name: "number", Account: true}},
	}), settings("services: [switchgear]"))
	base := startGateway(t, url)
	peer := startPeer(t, url, peerOptions{Channels: true})
	peer.WaitForRoute(t, http.MethodPost, "/switchgear/:channelId")
	require.NoError(t, peer.Consume(t.Context(), receivedEvent, "inbox", nil))

	const public = "https://hooks.example/in/switchgear/" + channelID + "?n=%37"
	const multipart = "--B\r\nContent-Disposition: form-data; name=\"Sid\"\r\n\r\nS\r\n--B\r\nContent-Disposition: " +
		"form-data; name=\"Body\"\r\n\r\nhi\r\n" +
		"--B\r\nContent-Disposition: form-data; name=\"pic\"; filename=\"a.png\"\r\nContent-Type: " +
		"image/png\r\n\r\n\x00\xff\r\n--B--\r\n"
	for name, test := range map[string]struct {
		contentType, body string
		form              map[string][]string
		text              string
	}{
		"urlencoded": {
			"application/x-www-form-urlencoded", "Body=%C3%BC+%26&Sid=U&a%5Bb%5D=1",
			map[string][]string{"Body": {"ü &"}, "Sid": {"U"}, "a[b]": {"1"}},
			"POST 7 ü & 0 files",
		},
		"multipart": {"multipart/form-data; boundary=B", multipart, map[string][]string{
			"Body": {"hi"}, "Sid": {"S"},
		}, "POST 7 hi 1 files"},
	} {
		t.Run(name, func(t *testing.T) {
			for from, url := range map[string]string{"gateway": base, "own listener": n.URL} {
				signature := signForm(public, test.form)
				status, header, answer := exchange(
					t, url+"/switchgear/"+channelID+"?n=%37", test.body, "Content-Type", test.contentType, "X-Form-Signature",
					signature,
				)
				require.Equal(t, http.StatusOK, status, "%s: %s", from, answer)
				require.Equal(t, "<Response/>", answer, from)
				require.Equal(t, "text/xml", header.Get("Content-Type"), from)

				status, _, answer = exchange(
					t, url+"/switchgear/"+channelID+"?n=%38", test.body, "Content-Type", test.contentType, "X-Form-Signature",
					signature,
				)
				require.Equal(t, http.StatusUnauthorized, status, "another URL is not what was signed, %s: %s", from, answer)

				status, _, answer = exchange(
					t, url+"/switchgear/other?n=%37", test.body, "Content-Type", test.contentType, "X-Form-Signature", signature,
				)
				require.Equal(t, http.StatusBadRequest, status, from)
				require.Contains(t, answer, "PUBLIC_URL_MISSING", from)
			}
			m := peer.NextMessage(t) // the second is the first one's duplicate
			require.Contains(t, string(m.Payload), test.text)
		})
	}

	t.Run("to the service, without a channel", func(t *testing.T) {
		for from, url := range map[string]string{"gateway": base, "own listener": n.URL} {
			const called = "/switchgear?n=%37&channelId=other" // which no caller may choose where the webhook names an account
			form := map[string][]string{"To": {"+1"}, "Sid": {"A"}, "Body": {"hi"}}
			signature := signForm("https://hooks.example/in"+called, form)
			status, _, answer := exchange(
				t, url+called, "To=%2B1&Sid=A&Body=hi", "Content-Type", "application/x-www-form-urlencoded", "X-Form-Signature",
				signature,
			)
			require.Equal(t, http.StatusOK, status, "%s: %s", from, answer)
			require.Equal(t, "<Response/>", answer, from)

			status, _, answer = exchange(t, url+"/switchgear", "To=%2B2", "Content-Type", "application/x-www-form-urlencoded")
			require.Equal(t, http.StatusNotFound, status, from)
			require.Contains(t, answer, "CHANNEL_NOT_FOUND", from)
		}
		require.Contains(t, string(peer.NextMessage(t).Payload), "POST 7 hi 0 files")
	})
}
