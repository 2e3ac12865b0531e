package telegram_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/services/telegram"
)

// requireError checks an error's kind and code, and that nothing in its chain tells a secret.
func requireError(t *testing.T, err error, kind integration.ErrorKind, code string) {
	t.Helper()
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, kind, e.Kind, e.Error())
	require.Equal(t, code, e.Code, e.Error())
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		require.NotContains(t, cause.Error(), "canary")
	}
}

func TestTheSecretTokenIsChecked(t *testing.T) {
	validator := telegram.Definition(nil).Signature
	for name, test := range map[string]struct {
		header, secret string
		ok             bool
	}{
		"the same on both sides":            {secretToken, secretToken, true},
		"another one":                       {"guess", secretToken, false},
		"a beginning of it":                 {secretToken[:10], secretToken, false},
		"no header":                         {"", secretToken, false},
		"no secret in the channel":          {"guess", "", false},
		"neither header nor channel has it": {"", "", false},
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

func TestTheHandshakeIsAnsweredToWhoKnowsTheSecret(t *testing.T) {
	verifier := newPlatform(t).(integration.WebhookVerifier)
	for name, test := range map[string]struct {
		verification integration.Verification
		secret       string
		want         string
	}{
		"subscribe with the secret": {integration.Verification{
			Mode: "subscribe", Token: secretToken, Challenge: "c",
		}, secretToken, "c"},
		"another mode": {integration.Verification{
			Mode: "unsubscribe", Token: secretToken, Challenge: "c",
		}, secretToken, ""},
		"another token": {integration.Verification{
			Mode: "subscribe", Token: "guess", Challenge: "c",
		}, secretToken, ""},
		"no token and none to expect":    {integration.Verification{Mode: "subscribe", Challenge: "c"}, "", ""},
		"nothing of what there is to be": {integration.Verification{}, secretToken, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ch := channel()
			ch.Credentials["secretToken"] = test.secret
			challenge, err := verifier.VerifyWebhook(t.Context(), test.verification, ch)
			require.Equal(t, test.want, challenge)
			if test.want == "" {
				requireError(t, err, integration.FaultForbidden, "VERIFICATION_FAILED")
			}
		})
	}
}

func TestChannelsAreCheckedAgainstTheFields(t *testing.T) {
	fields := telegram.Definition(httpapi.New(httpapi.Options{})).Fields
	for name, test := range map[string]struct {
		change func(*integration.Channel)
		faulty string
	}{
		"a good channel":         {func(*integration.Channel) {}, ""},
		"a short token of tests": {func(ch *integration.Channel) { ch.Credentials["token"] = "123456:BENCH" }, ""},
		"a server of one's own":  {func(ch *integration.Channel) { ch.Settings["apiBase"] = "http://127.0.0.1:8081/tg" }, ""},
		"no token":               {func(ch *integration.Channel) { delete(ch.Credentials, "token") }, "credentials.token"},
		"a token with a slash":   {func(ch *integration.Channel) { ch.Credentials["token"] = "1:canary/../x" }, "credentials.token"},
		"no secretToken": {func(ch *integration.Channel) {
			delete(
				ch.Credentials, "secretToken",
			)
		}, "credentials.secretToken"},
		"a secretToken with a space": {
			func(ch *integration.Channel) { ch.Credentials["secretToken"] = "canary canary" }, "credentials.secretToken",
		},
		"an apiBase without scheme": {func(ch *integration.Channel) { ch.Settings["apiBase"] = "api.telegram.org" }, "settings.apiBase"},
		"an apiBase of another kind": {
			func(ch *integration.Channel) { ch.Settings["apiBase"] = "file:///etc" }, "settings.apiBase",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ch := channel()
			test.change(ch)
			err := integration.ValidateChannel(ch, fields)
			if test.faulty == "" {
				require.NoError(t, err)
				return
			}
			fault, ok := errors.AsType[*integration.FieldError](err)
			require.True(t, ok)
			require.Equal(t, test.faulty, fault.Key)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}
