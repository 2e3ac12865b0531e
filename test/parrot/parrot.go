// Package parrot is a small platform for tests. It checks signatures by a method of its own and has no error table;
// examples/parrot is the one to learn from.
package parrot

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

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
	}
}

type platform struct{ client *httpapi.Client }

func (*platform) ValidateSignature(_ context.Context, w *integration.Webhook) error {
	body, err := w.SignedBody()
	secret, signature := w.Channel.Credentials["webhookSecret"], w.Headers.Get("x-parrot-signature")
	if err == nil && !integration.ValidHMACSHA256(secret, body, signature) {
		err = errors.New("x-parrot-signature must be the body's HMAC-SHA256, in hex, under the channel's webhookSecret")
	}
	return err
}

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
		var in struct{ ID, Chat, User, Text integration.ID } // which also takes numbers
		m := integration.Message{Timestamp: w.Timestamp.UnixMilli(), Content: integration.Content{Type: integration.TypeText}}
		if json.Unmarshal(raw, &in) != nil || in.ID == "" || in.Text == "" { // the others of the batch must not suffer
			in.ID, in.Text, m.Metadata = integration.ID(fmt.Sprintf("%x", sha256.Sum256(raw))), "", map[string]any{"raw": raw}
			m.Content = integration.Content{
				Type: integration.TypeUnsupported, Unsupported: &integration.Unsupported{PlatformType: "message"},
			}
		}
		m.ID, m.DedupKey, m.Content.Text = in.ID, string(in.ID), string(in.Text)
		m.ConversationID, m.From.ID = in.Chat, in.User
		messages = append(messages, m)
	}
	return messages, err
}

func (p *platform) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	if m.Content.Type != integration.TypeText {
		return nil, &integration.Error{
			Kind: integration.FaultPermanent, Code: "UNSUPPORTED_CONTENT", Message: "Parrot takes text only",
		}
	}
	text := map[string]any{"chat": m.To.ID, "text": m.Content.Text}
	id, err := p.call(ctx, "/v1/messages", ch.Credentials, ch.Settings, text)
	return &integration.SendResult{Success: err == nil, MessageID: id}, err
}

func (p *platform) CheckHealth(ctx context.Context, ch *integration.Channel) (*integration.Health, error) {
	id, err := p.call(ctx, "/v1/me", ch.Credentials, ch.Settings, nil)
	return &integration.Health{Status: integration.HealthHealthy, Message: "the bot is " + string(id)}, err
}

func (p *platform) ValidateCredentials(ctx context.Context, credentials, settings map[string]string) (bool, error) {
	_, err := p.call(ctx, "/v1/me", credentials, settings, nil) // an error of kind auth is a no
	return err == nil, err
}

// call returns the id with which Parrot answers whatever went well. The kind of its error says whether to try again.
func (p *platform) call(
	ctx context.Context, path string, credentials, settings map[string]string, in any,
) (integration.ID, error) {
	header := http.Header{"Authorization": {"Bearer " + credentials["apiKey"]}}
	url := cmp.Or(settings["apiBase"], "https://api.parrot.example") + path
	answer, err := p.client.For(settings).PostJSON(ctx, "parrot "+path, url, header, in)
	var result struct{ ID integration.ID }
	if err != nil || answer.Status < 300 && json.Unmarshal(answer.Body, &result) == nil && result.ID != "" {
		return result.ID, err
	}
	// Any other status leaves it unknown whether the call was carried out: it is never repeated.
	kind := map[int]integration.ErrorKind{
		400: integration.FaultPermanent, 403: integration.FaultPermanent, 404: integration.FaultPermanent,
		401: integration.FaultAuth, 429: integration.FaultThrottled, 503: integration.FaultTransient,
	}[answer.Status]
	return "", &integration.Error{
		Kind: cmp.Or(kind, integration.FaultUnknown), HTTPStatus: answer.Status,
		Code:       fmt.Sprintf("PARROT_%d", answer.Status),
		Message:    fmt.Sprintf("parrot %s: HTTP %d %s", path, answer.Status, answer.Body),
		RetryAfter: httpapi.RetryAfter(answer.Header, time.Now()),
	}
}
