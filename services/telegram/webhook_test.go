package telegram_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/telegram"
)

func TestSecretTokenIsChecked(t *testing.T) {
	validator := telegram.Definition(nil).Signature
	for name, test := range map[string]struct {
		header, secret string
		ok             bool
	}{
		"the same on both sides": {secretToken, secretToken, true},
		"another one":            {"guess", secretToken, false},
		"a beginning of it":      {secretToken[:10], secretToken, false},
		"no header":              {"", secretToken, false},
		"no secret":              {"guess", "", false},
		"neither":                {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := webhook([]byte(`{"update_id":1}`))
			w.Headers = integration.NewHeaders(map[string]string{"x-telegram-bot-api-secret-token": test.header})
			w.Channel.Credentials["secretToken"] = test.secret
			err := validator.ValidateSignature(t.Context(), w)
			if test.ok {
				require.NoError(t, err)
				return
			}
			requireError(t, err, integration.FaultUnauthorized, "SIGNATURE_INVALID")
			require.Equal(t, 401, action.AsError(err, "", "").Code)
		})
	}
}

func TestHandshakeNeedsTheSecret(t *testing.T) {
	verifier := newPlatform(t).(integration.WebhookVerifier)
	for name, test := range map[string]struct {
		mode, token, secret string
		ok                  bool
	}{
		"the secret":    {"subscribe", secretToken, secretToken, true},
		"another mode":  {"unsubscribe", secretToken, secretToken, false},
		"another token": {"subscribe", "guess", secretToken, false},
		"no secret":     {"subscribe", "", "", false},
		"nothing":       {"", "", secretToken, false},
	} {
		t.Run(name, func(t *testing.T) {
			ch := channel()
			ch.Credentials["secretToken"] = test.secret
			verification := integration.Verification{Mode: test.mode, Token: test.token, Challenge: "c"}
			challenge, err := verifier.VerifyWebhook(t.Context(), verification, ch)
			if test.ok {
				require.NoError(t, err)
				require.Equal(t, "c", challenge)
				return
			}
			require.Empty(t, challenge)
			requireError(t, err, integration.FaultForbidden, "VERIFICATION_FAILED")
		})
	}
}

func TestChannelFieldsAreChecked(t *testing.T) {
	fields := telegram.Definition(nil).Fields
	for _, test := range []struct {
		key, value string
		ok         bool
	}{
		{"credentials.token", token, true},
		{"credentials.token", "123456:BENCH", true},
		{"credentials.token", "", false},
		{"credentials.token", "1:canary/../x", false},
		{"credentials.secretToken", "", false},
		{"credentials.secretToken", "canary canary", false},
		{"settings.apiBase", "http://127.0.0.1:8081/tg", true},
		{"settings.apiBase", "api.telegram.org", false},
		{"settings.apiBase", "file:///etc", false},
	} {
		t.Run(test.key+" "+test.value, func(t *testing.T) {
			ch := channel()
			part, name, _ := strings.Cut(test.key, ".")
			map[string]map[string]string{"credentials": ch.Credentials, "settings": ch.Settings}[part][name] = test.value
			faults := integration.FieldErrors(integration.ValidateChannel(ch, fields))
			if test.ok {
				require.Empty(t, faults)
				return
			}
			require.Len(t, faults, 1)
			require.Equal(t, test.key, faults[0].Key)
			require.NotContains(t, faults[0].Error(), "canary")
		})
	}
}
