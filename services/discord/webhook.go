package discord

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
)

// The headers of every delivery, "Validating Security Request Headers".
const (
	signatureHeader = "x-signature-ed25519"
	timestampHeader = "x-signature-timestamp"
)

// ValidateSignature checks Ed25519 over the timestamp and the raw body. Discord sends wrong signatures on purpose, and
// removes the URL of who does not answer them with 401.
func (*platform) ValidateSignature(_ context.Context, w *integration.Webhook) error {
	body, err := w.SignedBody()
	if err != nil {
		return err
	}
	key, err := hex.DecodeString(w.Channel.Credentials[fieldPublicKey])
	if err != nil || len(key) != ed25519.PublicKeySize {
		return unsigned("the channel has no publicKey to check the signature with: 64 hexadecimal digits")
	}
	timestamp := w.Headers.Get(timestampHeader)
	signature, err := hex.DecodeString(w.Headers.Get(signatureHeader))
	if err != nil || len(signature) != ed25519.SignatureSize || timestamp == "" {
		return unsigned("the headers " + signatureHeader + " and " + timestampHeader + " must hold Discord's signature")
	}
	signed := append([]byte(timestamp), body...)
	if !ed25519.Verify(key, signed, signature) {
		return unsigned("the header " + signatureHeader + " does not fit: the channel's publicKey must be the app's")
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || w.Timestamp.Sub(time.Unix(seconds, 0)).Abs() > maxSignatureAge {
		return unsigned("the signature is of another time than the webhook")
	}
	return nil
}

func unsigned(message string) error {
	return &integration.Error{Kind: integration.ErrUnauthorized, Code: "SIGNATURE_INVALID", Message: message}
}

// Types of interactions, "Interaction Type". A webhook event is of type 1 too, and its ping of type 0.
const (
	typePing         = 1
	typeCommand      = 2
	typeComponent    = 3
	typeAutocomplete = 4
	typeModal        = 5
)

// Respond gives the answer that has to come within three seconds. That of an interaction promises more: what it is
// answered with later is told by interaction.go.
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
