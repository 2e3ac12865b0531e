package telegram

import (
	"context"
	"strconv"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
	"github.com/hiliosai/switchboard/integration/sign"
)

// signature checks the secret_token of "setWebhook", which comes back with each update. It is the only proof of where
// an update comes from, because Telegram signs nothing.
var signature = sign.SharedSecret{
	Header: "x-telegram-bot-api-secret-token", Secret: fieldSecretToken, Fix: "give setWebhook the same secret_token",
}

var (
	_ integration.WebhookValidator = (*platform)(nil)
	_ integration.WebhookVerifier  = (*platform)(nil)
)

// ValidateWebhook checks that the payload is an update. Only its first field is read. Normalize reads the others.
func (*platform) ValidateWebhook(_ context.Context, w *integration.Webhook) error {
	_, err := updateID(payload.First(w.Payload, "update_id"))
	return err
}

// updateID reads the one field that every update has. Updates are told apart by it.
func updateID(raw []byte) (int64, error) {
	id, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return 0, &integration.Error{
			Kind: integration.FaultInvalid, Code: codes.WebhookInvalid,
			Message: "the payload is not a Telegram update: an object with an integer update_id",
		}
	}
	return id, nil
}

// VerifyWebhook answers the SDK's handshake. Telegram itself has none.
func (*platform) VerifyWebhook(_ context.Context, v integration.Verification, ch *integration.Channel) (string, error) {
	if v.Mode == "subscribe" && integration.EqualSecrets(v.Token, ch.Credentials[fieldSecretToken]) {
		return v.Challenge, nil
	}
	return "", &integration.Error{
		Kind: integration.FaultForbidden, Code: codes.VerificationFailed,
		Message: `the mode must be "subscribe" and the token the channel's secretToken`,
	}
}
