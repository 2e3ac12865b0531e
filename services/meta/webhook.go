// Package meta is what the platforms of Meta have in common: the signature and the handshake of their webhooks,
// the reading of these, and calls of the Graph API with its errors.
//
// It is no platform and knows none: what is in a webhook, and what an error code of one platform means, is told
// where the platform is.
package meta

import (
	"fmt"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/sign"
)

// Signature is that of all webhooks, under the credential of that name, which holds the secret of the app:
// https://developers.facebook.com/docs/graph-api/webhooks/getting-started, "Validating Payloads". There is no time in
// it: repetitions, which may come days later, are told by ids.
func Signature(credential string) sign.HMAC {
	return sign.HMAC{
		Header: "x-hub-signature-256", Prefix: "sha256=", Secret: credential,
		Fix: "copy the app secret from the app's dashboard, App settings > Basic",
	}
}

// VerifyWebhook answers the handshake by which a webhook's URL is set, under the credential of that name.
func VerifyWebhook(v integration.Verification, ch *integration.Channel, credential string) (string, error) {
	if v.Mode == "subscribe" && integration.EqualSecrets(v.Token, ch.Credentials[credential]) {
		return v.Challenge, nil
	}
	return "", &integration.Error{
		Kind: integration.FaultForbidden, Code: codes.VerificationFailed,
		Message: fmt.Sprintf(`hub.mode must be "subscribe" and hub.verify_token the channel's %s`, credential),
	}
}
