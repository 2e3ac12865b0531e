package integration

import (
	"context"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

var verifyParams = action.Params{
	{Name: "channelId", Type: action.String, Optional: true},
	{Name: "mode", Type: action.String, Optional: true},
	{Name: "token", Type: action.String, Optional: true},
	{Name: "challenge", Type: action.String, Optional: true},
	{Name: "hub.mode", Type: action.String, Optional: true},
	{Name: "hub.verify_token", Type: action.String, Optional: true},
	{Name: "hub.challenge", Type: action.String, Optional: true},
}

// verifyWebhook is i_verifyWebhook. It answers the challenge as plain text, or 403 without the challenge.
func (s *platformService) verifyWebhook(ctx context.Context, req *action.Request) (any, error) {
	fields, err := verifyParams.Decode(req)
	if err != nil {
		s.refused("", nil, err)
		return nil, err
	}
	refused := &Error{
		Kind: FaultForbidden, Code: codes.VerificationFailed,
		Message: "the verification was refused: mode, token and channel must match",
	}
	verifier, ok := s.def.Platform.(WebhookVerifier)
	id := rawjson.Text(fields.Get("channelId"))
	if !ok || id == "" {
		s.refused(id, nil, refused)
		return nil, refused
	}
	ch, err := s.platformsChannel(ctx, req, id)
	if err != nil {
		s.refused(id, ch, err)
		return nil, err
	}
	either := func(name, hub string) string {
		if v := rawjson.Text(fields.Get(name)); v != "" {
			return v
		}
		return rawjson.Text(fields.Get(hub))
	}
	challenge, err := verifier.VerifyWebhook(ctx, Verification{
		Mode:      either("mode", "hub.mode"),
		Token:     either("token", "hub.verify_token"),
		Challenge: either("challenge", "hub.challenge"),
	}, ch)
	if err != nil || challenge == "" {
		s.refused(id, ch, refused)
		return nil, refused
	}
	return answerHTTP(req, &Response{ContentType: "text/plain; charset=utf-8", Body: challenge}), nil
}
