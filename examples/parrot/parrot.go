// Package parrot is an example of a platform, small and complete. docs/writing-a-platform.md explains it.
package parrot

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/sign"
)

// errorTable says what Parrot's error codes mean.
var errorTable = &integration.ErrorTable{Codes: map[string]integration.ErrorRow{
	"bad_key": {
		Kind: integration.FaultAuth, Code: codes.CredentialsRefused, Fix: "copy the key from Parrot's console",
	},
	"no_such_chat": {Kind: integration.FaultPermanent, Code: codes.RecipientUnknown},
	"asleep":       {Kind: integration.FaultTransient, Code: codes.PlatformUnavailable},
}}

// Definition defines the platform. Its calls go through client.
func Definition(client *httpapi.Client) integration.Definition {
	return integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "parrot"}, Platform: &platform{client}, Title: "Parrot",
		Fields: []integration.Field{
			{In: integration.InCredentials, Name: "apiKey", Required: true, Secret: true, Help: "the bot's key"},
			{In: integration.InCredentials, Name: "webhookSecret", Required: true, Secret: true, Help: "what Parrot signs with"},
			{In: integration.InCredentials, Name: "verifyToken", Required: true, Secret: true, Help: "a word you tell Parrot"},
			{In: integration.InSettings, Name: "apiBase", Address: true, Help: "another API root"},
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

func (*platform) Normalize(_ context.Context, w *integration.Webhook) (messages []integration.Message, err error) {
	var batch struct{ Messages []json.RawMessage }
	err = json.Unmarshal(w.Payload, &batch)
	for _, raw := range batch.Messages {
		messages = append(messages, message(raw, w))
	}
	return messages, err
}

// message reads one message of a webhook. What it cannot read is passed on as unsupported: the others must not be lost.
func message(raw json.RawMessage, w *integration.Webhook) integration.Message {
	m := integration.Message{Timestamp: w.Timestamp.UnixMilli()}
	var in struct{ ID, Chat, User, Text integration.ID } // an ID may be a number in JSON
	if json.Unmarshal(raw, &in) == nil && in.ID != "" && in.Chat != "" && in.Text != "" {
		m.Content = integration.Content{Type: integration.TypeText, Text: string(in.Text)}
	} else {
		in.ID, m.Metadata = integration.ID(fmt.Sprintf("%x", sha256.Sum256(raw))), map[string]any{"raw": raw}
		unsupported := &integration.Unsupported{PlatformType: "message"}
		m.Content = integration.Content{Type: integration.TypeUnsupported, Unsupported: unsupported}
	}
	m.ID, m.DedupKey, m.ConversationID, m.From.ID = in.ID, string(in.ID), in.Chat, in.User
	return m
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
	return &integration.Health{Status: integration.HealthHealthy, Message: "the bot is " + string(bot.ID)}, err
}

func (p *platform) ValidateCredentials(ctx context.Context, credentials, settings map[string]string) (bool, error) {
	_, err := p.api(credentials, settings).Ask(ctx, me, nil) // an error of kind auth means no
	return err == nil, err
}

// me asks who the bot is.
var me = httpapi.Call{Name: "me", Method: http.MethodGet, Path: "/v1/me"}

// api is Parrot's API as the account of these credentials calls it.
func (p *platform) api(credentials, settings map[string]string) *httpapi.API {
	return &httpapi.API{
		Client: p.client.For(settings), Name: "parrot", Base: cmp.Or(settings["apiBase"], "https://api.parrot.example"),
		Header: http.Header{"Authorization": {"Bearer " + credentials["apiKey"]}}, Errors: errorTable,
		Read: httpapi.ErrorShape{Text: "message", Code: "code"}.Read,
	}
}
