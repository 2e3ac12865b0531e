// Package sms is an example of a platform in Twilio's scheme: webhooks are forms, signed together with the public URL
// and answered in XML, and the API takes forms with basic authentication.
package sms

import (
	"context"
	"crypto"
	"net/url"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/sign"
)

// apiBase is the root of the API.
const apiBase = "https://api.sms.example"

var errorTable = &integration.ErrorTable{Codes: map[string]integration.ErrorRow{
	"20003": {Kind: integration.FaultAuth, Code: codes.CredentialsRefused, Fix: "check accountSid and authToken"},
	"21211": integration.Permanent(codes.RecipientUnknown, "write the number as +15550100"),
	"30001": {Kind: integration.FaultTransient, Code: codes.PlatformUnavailable},
}}

// Signature covers the public URL and the fields of the form.
var Signature = sign.HMAC{
	Header: "X-Twilio-Signature", Hash: crypto.SHA1, Encoding: sign.Base64, Secret: "authToken",
	Over: sign.URLAndSortedForm{},
}

// Definition defines the platform. Its calls go through client.
func Definition(client *httpapi.Client) integration.Definition {
	return integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "sms"}, Platform: &platform{client}, Title: "SMS",
		Fields: []integration.Field{
			integration.Credential("accountSid", "the account's id"),
			integration.Secret("authToken", "the account's token"),
			integration.Credential("from", "the number that sends, such as +15550100"),
			integration.APIBase("another API", apiBase),
		},
		Text:      integration.TextLimits{Text: 1600},
		Support:   integration.Basic("https://sms.example/docs/messages").AsText(),
		Errors:    errorTable,
		Signature: Signature,
	}
}

type platform struct{ client *httpapi.Client }

func (*platform) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	form, err := w.Form()
	if err != nil {
		return nil, err
	}
	id, from := form.Get("MessageSid"), integration.ID(form.Get("From"))
	if id == "" || from == "" {
		return nil, integration.Invalid("the form has no MessageSid or no From")
	}
	return []integration.Message{{
		ID: integration.ID(id), DedupKey: id, ConversationID: from, Timestamp: w.Timestamp.UnixMilli(),
		From: integration.Party{ID: from}, To: integration.Party{ID: integration.ID(form.Get("To"))},
		Content: integration.Content{Type: integration.TypeText, Text: form.Get("Body")},
	}}, nil
}

func (*platform) Respond(context.Context, *integration.Webhook) (*integration.Response, error) {
	return &integration.Response{ContentType: "text/xml", Body: "<Response/>"}, nil
}

func (p *platform) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	sid := ch.Credentials["accountSid"]
	api := &httpapi.API{
		Client: p.client.For(ch.Settings), Name: "sms", Base: integration.APIBaseOf(ch.Settings, apiBase),
		Header: httpapi.BasicAuth(sid, ch.Credentials["authToken"]), Errors: errorTable,
		Read: httpapi.ErrorShape{Text: "message", Code: "code"}.Read,
	}
	form := url.Values{"From": {ch.Credentials["from"]}, "To": {string(m.To.ID)}, "Body": {m.Content.Text}}
	var sent struct{ SID integration.ID }
	_, err := api.Do(ctx, httpapi.Call{
		Name: "Messages", Path: "/Accounts/" + url.PathEscape(sid) + "/Messages.json", Body: httpapi.Form(form),
	}, &sent)
	return &integration.SendResult{Success: err == nil, MessageID: sent.SID}, err
}
