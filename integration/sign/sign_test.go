package sign_test

import (
	"cmp"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/sign"
	"github.com/hiliosai/switchboard/internal/fixtures"
)

// The schemes of platforms, as they declare them. The credential is called secret everywhere.
var (
	twilio = sign.HMAC{
		Header: "X-Twilio-Signature", Hash: crypto.SHA1, Encoding: sign.Base64, Secret: "secret",
		Over: sign.URLAndSortedForm{},
	}
	schemes = map[string]validator{
		"slack": sign.HMAC{
			Header: "X-Slack-Signature", Prefix: "v0=", Secret: "secret",
			Over: sign.TimestampAndBody{Header: "X-Slack-Request-Timestamp", Before: "v0:", Between: ":"},
		},
		"twilio": twilio,
		"line":   sign.HMAC{Header: "X-Line-Signature", Encoding: sign.Base64, Secret: "secret"},
		"meta":   sign.HMAC{Header: "X-Hub-Signature-256", Prefix: "sha256=", Secret: "secret"},
		"viber":  sign.HMAC{Header: "X-Viber-Content-Signature", Secret: "secret"},
		"discord": sign.Ed25519{
			Header: "X-Signature-Ed25519", PublicKey: "secret", Over: sign.TimestampAndBody{Header: "X-Signature-Timestamp"},
		},
		"telegram": sign.SharedSecret{Header: "X-Telegram-Bot-Api-Secret-Token", Secret: "secret"},
	}
)

// validator is a declared scheme.
type validator interface {
	ValidateSignature(ctx context.Context, w *integration.Webhook) error
}

// vector is a signature that is known to be right.
type vector struct {
	Scheme      string            `json:"scheme"`
	Platform    string            `json:"platform"` // in place of Scheme, in files from elsewhere
	Source      string            `json:"source"`
	Key         string            `json:"key"`
	PublicKey   string            `json:"public_key_hex"` // in place of Key
	URL         string            `json:"url"`
	ContentType string            `json:"contentType"`
	Params      map[string]string `json:"params"` // in place of Body
	Body        string            `json:"body"`
	Headers     map[string]string `json:"headers"`
	Time        int64             `json:"time"` // when it was signed, in seconds; zero where nothing says
}

// names are those of the schemes that files from elsewhere call by other names.
var names = map[string]string{"whatsapp": "meta", "messenger": "meta", "instagram": "meta"}

func (v *vector) scheme() string {
	return cmp.Or(v.Scheme, names[v.Platform], v.Platform)
}

func (v *vector) webhook() *integration.Webhook {
	body := v.Body
	if v.Params != nil {
		form := url.Values{}
		for name, value := range v.Params {
			form.Set(name, value)
		}
		body, v.ContentType = form.Encode(), "application/x-www-form-urlencoded"
	}
	at := v.Time
	if stamp := v.Headers["X-Slack-Request-Timestamp"] + v.Headers["X-Signature-Timestamp"]; at == 0 && stamp != "" {
		_ = json.Unmarshal([]byte(stamp), &at)
	}
	return &integration.Webhook{
		URL: v.URL, ContentType: v.ContentType, RawBody: []byte(body), Timestamp: time.Unix(at, 0),
		Headers: integration.NewHeaders(v.Headers),
		Channel: &integration.Channel{Credentials: map[string]string{"secret": cmp.Or(v.Key, v.PublicKey)}},
	}
}

func vectors(t *testing.T, file string) []vector {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var list []vector
	require.NoError(t, json.Unmarshal(data, &list))
	require.NotEmpty(t, list)
	return list
}

func TestSignatureOfTheDocumentationIsTaken(t *testing.T) {
	for _, v := range vectors(t, "testdata/vectors.json") {
		t.Run(v.scheme(), func(t *testing.T) { testVector(t, v) })
	}
}

func TestSignatureFromElsewhereIsTaken(t *testing.T) {
	for _, v := range vectors(t, fixtures.Signatures(t)) {
		t.Run(v.scheme(), func(t *testing.T) { testVector(t, v) })
	}
}

// testVector checks that a signature is taken, and refused when any one byte of what it covers differs.
func testVector(t *testing.T, v vector) {
	t.Helper()
	scheme, known := schemes[v.scheme()]
	require.True(t, known, "no scheme %s", v.scheme())
	require.NoError(t, scheme.ValidateSignature(t.Context(), v.webhook()), v.Source)
	refuse := func(change func(*integration.Webhook)) {
		w := v.webhook()
		change(w)
		requireRefused(t, scheme.ValidateSignature(t.Context(), w))
	}
	if _, shared := scheme.(sign.SharedSecret); !shared {
		for i := range v.webhook().RawBody {
			refuse(func(w *integration.Webhook) { w.RawBody[i] ^= 1 })
		}
	}
	for i := range v.URL {
		refuse(func(w *integration.Webhook) { w.URL = flippedAt(w.URL, i) })
	}
	for name, value := range v.Headers {
		for i := range value {
			refuse(func(w *integration.Webhook) { w.Headers.Set(name, flippedAt(value, i)) })
		}
		refuse(func(w *integration.Webhook) { w.Headers.Del(name) })
		refuse(func(w *integration.Webhook) { w.Headers.Set(name, value+"0") })
		refuse(func(w *integration.Webhook) { w.Headers.Set(name, value[:len(value)-1]) })
	}
	refuse(func(w *integration.Webhook) {
		w.Channel.Credentials["secret"] = flippedAt(w.Channel.Credentials["secret"], 0)
	})
	refuse(func(w *integration.Webhook) { delete(w.Channel.Credentials, "secret") })
}

func requireRefused(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok, "%v", err)
	require.Contains(
		t, []integration.ErrorKind{integration.FaultUnauthorized, integration.FaultInvalid}, e.Kind, "%v", err,
	)
}

func requireCode(t *testing.T, err error, code string) {
	t.Helper()
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, code, e.Code, "%v", err)
}

func flippedAt(text string, i int) string {
	changed := []byte(text)
	changed[i] ^= 1
	return string(changed)
}

// signer is a scheme that can sign.
type signer interface {
	validator
	Sign(w *integration.Webhook, at time.Time) error
}

var now = time.Unix(1_800_000_000, 0)

func webhook(body string) *integration.Webhook {
	return &integration.Webhook{
		URL: "https://hooks.example.com/ch-1", ContentType: "application/json", RawBody: []byte(body), Timestamp: now,
		Channel: &integration.Channel{Credentials: map[string]string{"secret": "a secret of the tests"}},
	}
}

func TestSignMakesSignaturesThatAreAccepted(t *testing.T) {
	stamped := sign.TimestampAndBody{Header: "X-Time", Unit: time.Millisecond, Window: time.Minute}
	all := maps.Clone(schemes)
	all["sha384"] = sign.HMAC{
		Header: "X-Sign", Hash: crypto.SHA384, Encoding: sign.Base64URL, Secret: "secret", Over: stamped,
	}
	all["discord"] = schemes["discord"].(sign.Ed25519).ForTests()
	for name, scheme := range all {
		t.Run(name, func(t *testing.T) {
			w := webhook(`{"a":1}`)
			if e, ok := scheme.(sign.Ed25519); ok {
				e.Trust(w.Channel)
			}
			require.NoError(t, scheme.(signer).Sign(w, now))
			require.NoError(t, scheme.ValidateSignature(t.Context(), w))
		})
	}
}

func TestSignatureOfAnotherTimeIsRefused(t *testing.T) {
	h := sign.HMAC{Header: "X-Sign", Secret: "secret", Over: sign.TimestampAndBody{Header: "X-Time", Window: time.Minute}}
	for age, code := range map[time.Duration]string{
		0: "", time.Minute: "", -time.Minute: "", time.Minute + time.Second: "SIGNATURE_EXPIRED",
		-time.Minute - time.Second: "SIGNATURE_EXPIRED",
		1e6 * time.Hour:            "SIGNATURE_EXPIRED",
	} {
		w := webhook(`{}`)
		require.NoError(t, h.Sign(w, now.Add(-age)))
		if err := h.ValidateSignature(t.Context(), w); code == "" {
			require.NoError(t, err, "%s", age)
		} else {
			requireCode(t, err, code)
		}
	}
}

func TestSignatureOverTheURLNeedsTheURL(t *testing.T) {
	w := webhook(`{}`)
	w.URL = ""
	requireCode(t, twilio.ValidateSignature(t.Context(), w), "PUBLIC_URL_MISSING")
}

func TestFormSignatureCoversABodyOfAnyType(t *testing.T) {
	signed := webhook(`{"a":1}`)
	require.NoError(t, twilio.Sign(signed, now))
	for name, change := range map[string]func(w *integration.Webhook){
		"another body": func(w *integration.Webhook) { w.RawBody = []byte(`{"a":2}`) },
		"no body, as if it were a form": func(w *integration.Webhook) {
			w.RawBody, w.ContentType = []byte{},
				"application/x-www-form-urlencoded"
		},
		"a URL without the hash": func(w *integration.Webhook) { w.URL = "https://hooks.example.com/ch-1" },
	} {
		t.Run(name, func(t *testing.T) {
			w := *signed
			change(&w)
			requireCode(t, twilio.ValidateSignature(t.Context(), &w), "SIGNATURE_INVALID")
		})
	}
	form := webhook("b=2&a=1&b=2&b=0")
	form.ContentType = "application/x-www-form-urlencoded"
	require.NoError(t, twilio.Sign(form, now))
	form.RawBody = []byte("a=1&b=0&b=2")
	require.NoError(
		t, twilio.ValidateSignature(t.Context(), form), "the order of fields does not count, nor a value that comes twice",
	)
}

func TestSignatureWithoutTheRawBodyIsRefused(t *testing.T) {
	for name, scheme := range schemes {
		if _, shared := scheme.(sign.SharedSecret); shared {
			continue
		}
		w := webhook("")
		w.RawBody = nil
		requireCode(t, scheme.ValidateSignature(t.Context(), w), "RAW_BODY_MISSING")
		require.NotEmpty(t, name)
	}
}

func TestUnknownHashRefusesEverything(t *testing.T) {
	h := sign.HMAC{Header: "X-Sign", Hash: crypto.MD4, Secret: "secret"}
	w := webhook(`{}`)
	require.Error(t, h.Sign(w, now))
	requireCode(t, h.ValidateSignature(t.Context(), w), "SIGNATURE_INVALID")
}

func TestMessageSaysWhatToDo(t *testing.T) {
	h := sign.HMAC{Header: "X-Sign", Secret: "secret", Fix: "copy it from the dashboard"}
	err := h.ValidateSignature(t.Context(), webhook(`{}`))
	require.EqualError(t, err, "the header X-Sign must hold the signature under the channel's secret: copy it from "+
		"the dashboard (SIGNATURE_INVALID)")
}

func BenchmarkValidateSignature(b *testing.B) {
	w := webhook(`{"object":"page","entry":[{"id":"1","messaging":[{"message":{"mid":"m_1","text":"hello"}}]}]}`)
	h := schemes["meta"].(sign.HMAC)
	require.NoError(b, h.Sign(w, now))
	b.ReportAllocs()
	for b.Loop() {
		if err := h.ValidateSignature(b.Context(), w); err != nil {
			b.Fatal(err)
		}
	}
}
