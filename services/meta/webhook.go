// Package meta is what the platforms of Meta have in common: signature, handshake and decoding of webhooks, and calls
// of the Graph API with its errors.
//
// It knows no platform: the content of webhooks and the error codes of one platform are in the platform's package.
package meta

import (
	"fmt"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/sign"
)

// Signature returns the signature scheme of all webhooks. credential is the name of the credential with the app secret.
// See https://developers.facebook.com/docs/graph-api/webhooks/getting-started, "Validating Payloads". The signature has
// no timestamp: a webhook that is sent again, even days later, is recognised by its ids.
func Signature(credential string) sign.HMAC {
	return sign.HMAC{
		Header: "x-hub-signature-256", Prefix: "sha256=", Secret: credential,
		Fix: "copy the app secret from the app's dashboard, App settings > Basic",
	}
}

// VerifyWebhook answers the handshake of a new webhook URL. credential is the name of the credential with the verify
// token. An error has the kind [integration.FaultForbidden].
func VerifyWebhook(v integration.Verification, ch *integration.Channel, credential string) (string, error) {
	if v.Mode == "subscribe" && integration.EqualSecrets(v.Token, ch.Credentials[credential]) {
		return v.Challenge, nil
	}
	return "", &integration.Error{
		Kind: integration.FaultForbidden, Code: codes.VerificationFailed,
		Message: fmt.Sprintf(`hub.mode must be "subscribe" and hub.verify_token the channel's %s`, credential),
	}
}
