package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
	"github.com/hiliosai/switchboard/integration/sign"
)

// signature is the HMAC over the timestamp and the body of "Verifying requests from Slack".
type signature struct{ sign.HMAC }

func newSignature() signature {
	return signature{sign.HMAC{
		Header: "x-slack-signature", Prefix: "v0=", Secret: fieldSigningSecret,
		Over: sign.TimestampAndBody{Header: "x-slack-request-timestamp", Before: "v0:", Between: ":", Window: maxAge},
		Fix:  "copy the Signing Secret from the app's Basic Information, App Credentials",
	}}
}

// ValidateSignature checks the signature. It lets certificate checks through, which Slack does not sign: they become no
// message.
func (s signature) ValidateSignature(ctx context.Context, w *integration.Webhook) error {
	if w.RawBody != nil && isProbe(w.RawBody) {
		return nil
	}
	return s.HMAC.ValidateSignature(ctx, w)
}

func malformed(message string) error {
	return &integration.Error{Kind: integration.FaultInvalid, Code: codes.WebhookInvalid, Message: message}
}

// delivery is a webhook's body in the form in which it came.
type delivery struct {
	payload json.RawMessage // of an event, or of an interaction's form
	event   bool            // the payload is the body itself
	command url.Values      // the form of a slash command
	probe   bool            // see isProbe
}

// readDelivery takes a body apart by what is in it: its bytes are signed, the header that names its type is not.
func readDelivery(w *integration.Webhook) (delivery, error) {
	body, err := w.SignedBody()
	if err != nil {
		return delivery{}, err
	}
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '{' {
		return delivery{payload: trimmed, event: true}, nil
	}
	form, err := url.ParseQuery(string(body))
	switch {
	case err != nil:
		return delivery{}, malformed("the body is neither a JSON object nor a form")
	case form.Get("payload") != "":
		return delivery{payload: json.RawMessage(form.Get("payload"))}, nil
	case form.Get("ssl_check") == "1":
		return delivery{probe: true}, nil
	case form.Get("command") != "":
		return delivery{command: form}, nil
	default:
		return delivery{}, malformed("the form has neither payload nor command")
	}
}

// isProbe says whether a body is Slack's check of the certificate of a slash command's URL, "Implementing slash
// commands". Slack does not sign it, and the form says nothing else.
func isProbe(body []byte) bool {
	if len(body) > 256 || !bytes.Contains(body, []byte("ssl_check")) {
		return false
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("ssl_check") != "1" {
		return false
	}
	form.Del("ssl_check")
	form.Del("token")
	return len(form) == 0
}

// Respond answers the challenge of "Using the Events API" and menus that ask for options. Other interactions and
// commands get a status only, since Slack would show a body to the user.
func (*platform) Respond(_ context.Context, w *integration.Webhook) (*integration.Response, error) {
	d, err := readDelivery(w)
	if err != nil {
		return nil, err
	}
	switch {
	case d.probe || d.command != nil:
		return &integration.Response{Status: http.StatusOK}, nil
	case d.event && !bytes.Contains(d.payload, []byte("url_verification")): // most of them
		return nil, nil
	}
	var p struct {
		Type      string `json:"type"`
		Challenge string `json:"challenge"`
	}
	_ = payload.Unmarshal(d.payload, &p) // Normalize refuses what cannot be read
	switch p.Type {
	case "url_verification":
		return &integration.Response{Status: http.StatusOK, ContentType: "text/plain; charset=utf-8", Body: p.Challenge}, nil
	case "event_callback", "app_rate_limited":
		return nil, nil
	case "block_suggestion", "dialog_suggestion":
		return &integration.Response{
			Status: http.StatusOK, ContentType: "application/json; charset=utf-8", Body: `{"options":[]}`,
		}, nil
	default:
		return &integration.Response{Status: http.StatusOK}, nil
	}
}
