// Package meta is what the platforms of Meta have in common: the signature and the handshake of their webhooks,
// the reading of these, and calls of the Graph API with its errors.
//
// It is no platform and knows none: what is in a webhook, and what an error code of one platform means, is told
// where the platform is.
package meta

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/hiliosai/switchboard/integration"
)

// The header that signs a webhook, https://developers.facebook.com/docs/graph-api/webhooks/getting-started,
// "Validating Payloads".
const (
	signatureHeader = "x-hub-signature-256"
	signaturePrefix = "sha256="
)

// ValidateSignature checks the header over the raw body, under the credential of that name, which holds the
// secret of the app. There is no timestamp to check: repetitions, which may come days later, are told by ids.
func ValidateSignature(w *integration.Webhook, credential string) error {
	body, err := w.SignedBody()
	if err != nil {
		return err
	}
	signature, ok := strings.CutPrefix(w.Headers.Get(signatureHeader), signaturePrefix)
	// Meta writes lower case; anything else is not what it sent.
	ok = ok && len(signature) == hex.EncodedLen(32) && strings.ToLower(signature) == signature
	if ok && integration.ValidHMACSHA256(w.Channel.Credentials[credential], body, signature) {
		return nil
	}
	return &integration.Error{
		Kind: integration.ErrUnauthorized, Code: "SIGNATURE_INVALID",
		Message: fmt.Sprintf("the header %s must sign the raw body under the channel's %s: copy the app secret from the app's dashboard, App settings > Basic", signatureHeader, credential),
	}
}

// VerifyWebhook answers the handshake by which a webhook's URL is set, under the credential of that name.
func VerifyWebhook(v integration.Verification, ch *integration.Channel, credential string) (string, error) {
	if v.Mode == "subscribe" && integration.EqualSecrets(v.Token, ch.Credentials[credential]) {
		return v.Challenge, nil
	}
	return "", &integration.Error{
		Kind: integration.ErrForbidden, Code: "VERIFICATION_FAILED",
		Message: fmt.Sprintf(`hub.mode must be "subscribe" and hub.verify_token the channel's %s`, credential),
	}
}
