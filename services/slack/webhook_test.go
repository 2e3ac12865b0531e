package slack_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/services/slack"
)

var receivedAt = time.UnixMilli(1_800_000_000_123)

func newPlatform(tb testing.TB) integration.Platform {
	tb.Helper()
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	tb.Cleanup(client.Close)
	return slack.Definition(client).Platform
}

// webhook is a genuine one.
func webhook(body []byte) *integration.Webhook {
	ch := channel()
	return &integration.Webhook{
		TenantID: "tenant-1", ChannelID: "ch-1", Platform: "slack", Payload: json.RawMessage("{}"), RawBody: body,
		Headers: integration.NewHeaders(sign(ch, body, receivedAt)), Timestamp: receivedAt, Channel: ch,
	}
}

// requireError checks an error's kind and code, and that nothing in its chain tells a secret.
func requireError(t *testing.T, err error, kind integration.ErrorKind, code string) {
	t.Helper()
	_ = errorOf(t, err, kind, code)
}

// errorOf is requireError for what else is to be checked.
func errorOf(t *testing.T, err error, kind integration.ErrorKind, code string) *integration.Error {
	t.Helper()
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, kind, e.Kind, e.Error())
	require.Equal(t, code, e.Code, e.Error())
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		require.NotContains(t, cause.Error(), "canary")
		require.NotContains(t, cause.Error(), "http://127")
	}
	return e
}

func validate(t *testing.T, w *integration.Webhook) error {
	t.Helper()
	return slack.Definition(nil).Signature.ValidateSignature(t.Context(), w)
}

func TestSignatureHoldsForFiveMinutes(t *testing.T) {
	for name, test := range map[string]struct {
		age  time.Duration
		code string
	}{
		"at once":                 {0, ""},
		"300 s ago":               {300 * time.Second, ""},
		"301 s ago":               {301 * time.Second, "SIGNATURE_EXPIRED"},
		"a clock 300 s ahead":     {-300 * time.Second, ""},
		"a clock 301 s ahead":     {-301 * time.Second, "SIGNATURE_EXPIRED"},
		"the beginning of time":   {time.Duration(receivedAt.UnixNano()), "SIGNATURE_EXPIRED"},
		"the end of what is time": {-200 * 365 * 24 * time.Hour, "SIGNATURE_EXPIRED"},
	} {
		t.Run(name, func(t *testing.T) {
			w := webhook([]byte(`{"type":"event_callback"}`))
			w.Timestamp = receivedAt.Truncate(time.Second)
			w.Headers = integration.NewHeaders(sign(w.Channel, w.RawBody, w.Timestamp.Add(-test.age)))
			err := validate(t, w)
			if test.code == "" {
				require.NoError(t, err)
				return
			}
			requireError(t, err, integration.FaultUnauthorized, test.code)
		})
	}
	for _, stamp := range []string{"", "x", "1.5", "9223372036854775807", "-9223372036854775808", "99999999999999999999"} {
		t.Run("the time "+stamp, func(t *testing.T) {
			w := webhook([]byte(`{}`))
			w.Headers = integration.NewHeaders(signedAt(w.Channel, w.RawBody, stamp))
			requireError(t, validate(t, w), integration.FaultUnauthorized, "SIGNATURE_EXPIRED")
		})
	}
}

func TestSignatureOfAnythingElseIsRefused(t *testing.T) {
	for name, change := range map[string]func(*integration.Webhook){
		"no headers":       func(w *integration.Webhook) { w.Headers = integration.Headers{} },
		"no signature":     func(w *integration.Webhook) { w.Headers.Del("x-slack-signature") },
		"no time":          func(w *integration.Webhook) { w.Headers.Del("x-slack-request-timestamp") },
		"the scheme alone": func(w *integration.Webhook) { w.Headers.Set("x-slack-signature", "v0=") },
		"no scheme": func(w *integration.Webhook) {
			w.Headers.Set("x-slack-signature", w.Headers.Get("x-slack-signature")[3:])
		},
		"another scheme": func(w *integration.Webhook) {
			w.Headers.Set("x-slack-signature", "v1"+w.Headers.Get("x-slack-signature")[2:])
		},
		"upper case": func(w *integration.Webhook) {
			w.Headers.Set("x-slack-signature", "v0="+strings.ToUpper(w.Headers.Get("x-slack-signature")[3:]))
		},
		"two signatures": func(w *integration.Webhook) {
			w.Headers.Set("x-slack-signature", w.Headers.Get("x-slack-signature")+", "+w.Headers.Get("x-slack-signature"))
		},
		"another body": func(w *integration.Webhook) { w.RawBody = append(w.RawBody, ' ') },
		"another time": func(w *integration.Webhook) {
			w.Headers.Set("x-slack-request-timestamp", w.Headers.Get("x-slack-request-timestamp")+"0")
		},
		"another secret":           func(w *integration.Webhook) { w.Channel.Credentials["signingSecret"] = "another" },
		"no secret in the channel": func(w *integration.Webhook) { delete(w.Channel.Credentials, "signingSecret") },
		"an empty secret on both sides": func(w *integration.Webhook) {
			w.Channel.Credentials["signingSecret"] = ""
			w.Headers = integration.NewHeaders(sign(w.Channel, w.RawBody, receivedAt))
		},
		"a retry's headers alone": func(w *integration.Webhook) {
			w.Headers = integration.NewHeaders(
				map[string]string{"x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout"},
			)
		},
		"a command that asks for a test": func(w *integration.Webhook) {
			w.RawBody = []byte("ssl_check=1&token=x&command=%2Forder")
			w.Headers = integration.Headers{}
		},
		"an interaction with a test": func(w *integration.Webhook) {
			w.RawBody = []byte("ssl_check=1&payload=%7B%7D")
			w.Headers = integration.Headers{}
		},
		"JSON with a test": func(w *integration.Webhook) {
			w.RawBody = []byte(`{"type":"event_callback"}&ssl_check=1`)
			w.Headers = integration.Headers{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := webhook([]byte(`{"type":"event_callback"}`))
			change(w)
			err := validate(t, w)
			requireError(t, err, integration.FaultUnauthorized, "SIGNATURE_INVALID")
			require.Equal(t, 401, action.AsError(err, "", "").Code)
		})
	}
	t.Run("a repeated delivery, signed anew", func(t *testing.T) {
		w := webhook([]byte(`{"type":"event_callback"}`))
		w.Headers.Set("x-slack-retry-num", "3")
		w.Headers.Set("x-slack-retry-reason", "http_timeout")
		require.NoError(t, validate(t, w))
	})
	t.Run("no raw body", func(t *testing.T) {
		w := webhook(nil)
		requireError(t, validate(t, w), integration.FaultInvalid, "RAW_BODY_MISSING")
	})
}

// slack-go reads the clock, hence the signature of now.
func TestSignatureAgreesWithSlackGo(t *testing.T) {
	for name, age := range map[string]time.Duration{
		"now": 0, "four minutes ago": 4 * time.Minute, "an hour ago": time.Hour,
	} {
		for _, changed := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				w := webhook([]byte(`payload=%7B%7D`))
				w.Timestamp = time.Now()
				w.Headers = integration.NewHeaders(sign(w.Channel, w.RawBody, w.Timestamp.Add(-age)))
				if changed {
					w.RawBody = []byte(`payload=%7B+%7D`)
				}
				header := http.Header{}
				for k, v := range w.Headers.Map() {
					header.Set(k, v)
				}
				theirs, err := slackgo.NewSecretsVerifier(header, signingSecret)
				if err == nil {
					_, err = theirs.Write(w.RawBody)
					require.NoError(t, err)
					err = theirs.Ensure()
				}
				require.Equal(t, err == nil, validate(t, w) == nil)
			})
		}
	}
}

func TestResponseIsWhatSlackReads(t *testing.T) {
	const (
		text = "text/plain; charset=utf-8"
		json = "application/json; charset=utf-8"
	)
	interaction := func(payload string) []byte { return form(t, payload) }
	for name, test := range map[string]struct {
		body []byte
		want *integration.Response
	}{
		"a challenge": {
			[]byte(`{"token":"t","challenge":"3eZb <&>","type":"url_verification"}`),
			&integration.Response{Status: 200, ContentType: text, Body: "3eZb <&>"},
		},
		"an event": {
			[]byte(`{"type":"event_callback","event":{"type":"message","text":"url_verification"}}`), nil,
		},
		"events that were left out": {[]byte(`{"type":"app_rate_limited"}`), nil},
		"a pressed button":          {interaction(`{"type":"block_actions"}`), &integration.Response{Status: 200}},
		"a modal":                   {interaction(`{"type":"view_submission"}`), &integration.Response{Status: 200}},
		"a menu that asks for options": {
			interaction(`{"type":"block_suggestion"}`),
			&integration.Response{Status: 200, ContentType: json, Body: `{"options":[]}`},
		},
		"a dialog that asks for them": {interaction(`{"type":"dialog_suggestion"}`), &integration.Response{
			Status: 200, ContentType: json, Body: `{"options":[]}`,
		}},
		"a command":                 {[]byte(url.Values{"command": {"/order"}}.Encode()), &integration.Response{Status: 200}},
		"a look at the certificate": {[]byte("ssl_check=1&token=t"), &integration.Response{Status: 200}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newPlatform(t).(integration.Responder).Respond(t.Context(), webhook(test.body))
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestCertificateCheckIsNotAMessage(t *testing.T) {
	for _, signed := range []bool{true, false} {
		w := webhook([]byte("ssl_check=1&token=t"))
		if !signed { // which Slack does not promise to do
			w.Headers = integration.NewHeaders(map[string]string{})
		}
		require.NoError(t, validate(t, w))
		messages, err := newPlatform(t).Normalize(t.Context(), w)
		require.NoError(t, err)
		require.Empty(t, messages)
	}
	signedCommand := webhook([]byte("ssl_check=1&token=t&command=%2Forder"))
	messages, err := newPlatform(t).Normalize(t.Context(), signedCommand)
	require.NoError(t, err)
	require.Empty(t, messages)
}

func TestWebhookThatIsNotSlacksIsInvalid(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":                     "",
		"white space":                 " \n",
		"a word":                      "hello",
		"null":                        "null",
		"a list":                      `[{"type":"event_callback"}]`,
		"a text":                      `"event_callback"`,
		"half of an object":           `{"type":"event_callback"`,
		"an object without a type":    `{}`,
		"a type of another type":      `{"type":{}}`,
		"a challenge without one":     `{"type":"url_verification"}`,
		"a form of something else":    "a=b",
		"a form that is not encoded":  "payload=%zz",
		"a form with half an object":  "payload=%7B",
		"a form with a list":          "payload=%5B%5D",
		"a form with an empty object": "payload=%7B%7D",
		"an empty payload":            "payload=",
		"a payload nested too deep":   "payload=" + strings.Repeat("%5B", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newPlatform(t).Normalize(t.Context(), webhook([]byte(body)))
			requireError(t, err, integration.FaultInvalid, "WEBHOOK_INVALID")
		})
	}
	t.Run("no raw body", func(t *testing.T) {
		_, err := newPlatform(t).Normalize(t.Context(), webhook(nil))
		requireError(t, err, integration.FaultInvalid, "RAW_BODY_MISSING")
	})
}

func TestChannelIsCheckedAgainstTheFields(t *testing.T) {
	for name, test := range map[string]struct {
		field, value string
		ok           bool
	}{
		"a token":                   {"credentials.botToken", botToken, true},
		"a token that is rotated":   {"credentials.botToken", "xoxe.xoxb-1-MS4yLmNhbmFyeQ", true},
		"a Web API of one's own":    {"settings.apiBase", "https://slack-gov.com/api", true},
		"threads":                   {"settings.conversations", "thread", true},
		"no link previews":          {"settings.linkPreviews", "off", true},
		"no token":                  {"credentials.botToken", "", false},
		"the secret as token":       {"credentials.botToken", "canary8f742231b10e8888", false},
		"a token with a line break": {"credentials.botToken", botToken + "\n", false},
		"no secret":                 {"credentials.signingSecret", "", false},
		"a secret with a space":     {"credentials.signingSecret", "canary canary", false},
		"an apiBase without scheme": {"settings.apiBase", "slack.com/api", false},
		"another conversations":     {"settings.conversations", "user", false},
	} {
		t.Run(name, func(t *testing.T) {
			ch := channel()
			in, field, _ := strings.Cut(test.field, ".")
			map[string]map[string]string{"credentials": ch.Credentials, "settings": ch.Settings}[in][field] = test.value
			err := integration.ValidateChannel(ch, slack.Definition(nil).Fields)
			if test.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.field)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestAccountsNameTheWorkspaceOfAWebhook(t *testing.T) {
	p := newPlatform(t).(integration.Accounts)
	for name, test := range map[string]struct {
		body string
		want string
	}{
		"an event": {`{"type":"event_callback","team_id":"T1","event":{}}`, "T1"},
		"a channel that two share": {`{"type":"event_callback","team_id":"T2","authorizations":[{"team_id":"T1"}],` +
			`"event":{}}`, "T1"},
		"an app of an organization": {`{"type":"event_callback","team_id":null,` +
			`"authorizations":[{"enterprise_id":"E1","team_id":null}]}`, "E1"},
		"an interaction":               {url.Values{"payload": {`{"type":"shortcut","team":{"id":"T1"}}`}}.Encode(), "T1"},
		"a command":                    {"command=%2Fx&team_id=T1", "T1"},
		"the handshake":                {`{"type":"url_verification","challenge":"x"}`, ""},
		"what has nothing of the kind": {`{}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			accounts, err := p.Accounts(t.Context(), &integration.Webhook{RawBody: []byte(test.body)})
			require.NoError(t, err)
			require.Equal(t, []string{test.want}, accounts)
		})
	}
}
