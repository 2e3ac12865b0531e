package discord

import (
	"context"
	"net/http"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
	"github.com/hiliosai/switchboard/integration/sign"
)

// signature is that of every delivery, "Validating Security Request Headers": Ed25519 over the timestamp and the raw
// body. Discord sends wrong signatures on purpose, and removes a URL that does not answer them with 401.
func signature() sign.Ed25519 {
	return sign.Ed25519{
		Header: "x-signature-ed25519", PublicKey: fieldPublicKey, Fix: "the key must be the app's",
		Over: sign.TimestampAndBody{Header: "x-signature-timestamp", Window: maxSignatureAge},
	}
}

// Types of interactions, "Interaction Type". A webhook event is of type 1 too, and its ping of type 0.
const (
	typePing         = 1
	typeCommand      = 2
	typeComponent    = 3
	typeAutocomplete = 4
	typeModal        = 5
)

// Respond returns the response that Discord waits for, for three seconds. The response to an interaction promises a
// later answer, see interaction.go.
func (*platform) Respond(_ context.Context, w *integration.Webhook) (*integration.Response, error) {
	var in struct {
		Type  int       `json:"type"`
		Event *struct{} `json:"event"`
	}
	_ = payload.Unmarshal(w.Payload, &in) // Normalize has read it
	if in.Event != nil || in.Type == 0 {
		// "Responding to Events": without a body, and with a Content-Type all the same.
		return &integration.Response{Status: http.StatusNoContent, ContentType: "application/json"}, nil
	}
	// "Interaction Callback Type".
	switch in.Type {
	case typePing:
		return callback(`{"type":1}`), nil
	case typeCommand, typeModal:
		if w.Channel.Settings[fieldEphemeral] == yes {
			return callback(`{"type":5,"data":{"flags":64}}`), nil
		}
		return callback(`{"type":5}`), nil
	case typeComponent:
		return callback(`{"type":6}`), nil
	case typeAutocomplete:
		return callback(`{"type":8,"data":{"choices":[]}}`), nil
	default:
		return nil, nil
	}
}

func callback(body string) *integration.Response {
	return &integration.Response{ContentType: "application/json", Body: body}
}
