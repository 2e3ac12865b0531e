// Package parrot is an example of a platform, small and complete. docs/writing-a-platform.md explains it.
package parrot

import (
	"context"
	"errors"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/sign"
)

// apiBase is the root of Parrot's API.
const apiBase = "https://api.parrot.example"

// errorTable says what Parrot's error codes mean.
var errorTable = &integration.ErrorTable{Codes: map[string]integration.ErrorRow{
	"bad_key": {
		Kind: integration.FaultAuth, Code: codes.CredentialsRefused, Fix: "copy the key from Parrot's console",
	},
	"no_such_chat": integration.Permanent(codes.RecipientUnknown),
	"asleep":       {Kind: integration.FaultTransient, Code: codes.PlatformUnavailable},
}}

// Definition defines the platform. Its calls go through client.
func Definition(client *httpapi.Client) integration.Definition {
	return integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "parrot"}, Platform: &platform{client}, Title: "Parrot",
		Fields: []integration.Field{
			integration.Secret("apiKey", "the bot's key"),
			integration.Secret("webhookSecret", "what Parrot signs with"),
			integration.Secret("verifyToken", "a word you tell Parrot"),
			integration.APIBase("another API", apiBase),
		},
		Signature: sign.HMAC{Header: "X-Parrot-Signature", Secret: "webhookSecret"},
		Errors:    errorTable,
		Text:      integration.TextLimits{Text: 500},
		Support:   integration.Basic("https://parrot.example/docs/messages").AsText(),
	}
}

type platform struct{ client *httpapi.Client }

func (*platform) VerifyWebhook(_ context.Context, v integration.Verification, ch *integration.Channel) (string, error) {
	if v.Mode == "subscribe" && integration.EqualSecrets(v.Token, ch.Credentials["verifyToken"]) {
		return v.Challenge, nil
	}
	return "", errors.New("the token must be the channel's verifyToken")
}

func (*platform) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	return w.Items("messages", readMessage)
}

// readMessage reads one message of a webhook. What it cannot read is passed on as unsupported: the others must not be
// lost.
func readMessage(m *integration.Message, in integration.Item) *integration.Unsupported {
	m.ID, m.DedupKey, m.ConversationID, m.From.ID = in.ID("id"), in.Text("id"), in.ID("chat"), in.ID("user")
	m.Content = integration.Content{Type: integration.TypeText, Text: in.Text("text")}
	if m.ID == "" || m.ConversationID == "" || m.Content.Text == "" {
		return &integration.Unsupported{PlatformType: "message"}
	}
	return nil
}

func (p *platform) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	call := httpapi.Call{
		Name: "messages", Path: "/v1/messages", JSON: map[string]any{"chat": m.To.ID, "text": m.Content.Text},
	}
	var sent struct{ ID integration.ID }
	_, err := p.api(ch.Credentials, ch.Settings).Do(ctx, call, &sent)
	return &integration.SendResult{Success: err == nil, MessageID: sent.ID}, err
}

func (p *platform) CheckHealth(ctx context.Context, ch *integration.Channel) (*integration.Health, error) {
	var bot struct{ ID integration.ID }
	_, err := p.api(ch.Credentials, ch.Settings).Ask(ctx, me, &bot)
	return integration.Healthy("the bot is "+string(bot.ID), nil), err
}

func (p *platform) ValidateCredentials(ctx context.Context, credentials, settings map[string]string) (bool, error) {
	_, err := p.api(credentials, settings).Ask(ctx, me, nil) // an error of kind auth means no
	return err == nil, err
}

// me asks who the bot is.
var me = httpapi.Get("me", "/v1/me")

// api is Parrot's API as the account of these credentials calls it.
func (p *platform) api(credentials, settings map[string]string) *httpapi.API {
	return &httpapi.API{
		Client: p.client.For(settings), Name: "parrot", Base: integration.APIBaseOf(settings, apiBase),
		Header: httpapi.Bearer(credentials["apiKey"]), Errors: errorTable,
		Read: httpapi.ErrorShape{Text: "message", Code: "code"}.Read,
	}
}
