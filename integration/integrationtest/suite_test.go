package integrationtest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/test/parrot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testserver.Parallel(m)) }

// faultVariable names the fault of the platform that the suite is run on, see findFault.
const faultVariable = "INTEGRATIONTEST_FAULT"

func TestSuite(t *testing.T) {
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	t.Cleanup(client.Close)
	p := platform(t, parrot.Definition(client))
	if f, planted := faults[os.Getenv(faultVariable)]; planted {
		p.Definition.Platform = f.plant(p.Definition.Platform.(sound))
	}
	if _, ok := p.Definition.Platform.(timed); ok {
		p.Sign, p.Signatures = signTimed, "testdata/signatures_with_time.json"
	}
	integrationtest.Run(t, p)
}

func TestSuiteOfAPlatformThatSignsTheTime(t *testing.T) {
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	t.Cleanup(client.Close)
	p := platform(t, parrot.Definition(client))
	p.Definition.Platform, p.Sign = timed{p.Definition.Platform.(sound), time.Minute}, signTimed
	p.Signatures = "testdata/signatures_with_time.json"
	integrationtest.Run(t, p)
}

func TestSuiteFindsPlantedFaults(t *testing.T) {
	for name, f := range faults {
		t.Run(name, func(t *testing.T) { findFault(t, name, "TestSuite/"+f.found) })
	}
}

// findFault runs the suite on a faulty platform in a process of its own: a suite that finds a fault fails its test, and
// says what is to be read there.
func findFault(t *testing.T, name, found string, says ...string) {
	t.Helper()
	t.Parallel()
	found = strings.TrimSuffix(strings.ReplaceAll(found, " ", "_"), "/")
	only := "^" + strings.ReplaceAll(regexp.QuoteMeta(found), "/", "$/^") + "$"
	binary, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), binary, "-test.run="+only)
	cmd.Env = append(os.Environ(), faultVariable+"="+name)
	output, err := cmd.CombinedOutput()
	_, failed := errors.AsType[*exec.ExitError](err)
	require.True(t, failed, "%v %s", err, output)
	if !strings.Contains(string(output), "panic: integrationtest: ") { // which a suite ends with that cannot go on
		require.Contains(t, string(output), "--- FAIL: "+found+" ")
	}
	for _, text := range says {
		require.Contains(t, string(output), text)
	}
}

func platform(tb testing.TB, def integration.Definition) integrationtest.Platform {
	tb.Helper()
	text := integration.Message{
		To: integration.Party{ID: "perch"}, Content: integration.Content{Type: integration.TypeText, Text: "hello 👍 <b>"},
	}
	return integrationtest.Platform{
		Definition: def,
		Channel: func(url string) *integration.Channel {
			return &integration.Channel{
				ID: "cage", TenantID: "acme", Platform: "parrot", Status: integration.ChannelActive,
				Credentials: map[string]string{
					"apiKey": "cn4rqz81-wv0x6kty", "webhookSecret": "ub73hjf9-eo2mslpd", "verifyToken": "g5tiyxa0-rk8vwcnz",
				},
				Settings: map[string]string{"apiBase": url},
			}
		},
		API: func(testing.TB) http.Handler {
			return http.HandlerFunc(parrotAPI)
		},
		Webhooks: integrationtest.Files(tb, "testdata/webhooks/*.json"),
		BadItem: []byte(
			`{"messages": [{"id": "m-1", "chat": {}, "text": 5}, {"id": "m-2", "chat": "perch", "text": "hello"}]}`,
		),
		Sign: func(ch *integration.Channel, body []byte, _ time.Time) map[string]string {
			return map[string]string{"x-parrot-signature": hmacOf(ch, body)}
		},
		Handshake: integration.Verification{Mode: "subscribe", Token: "g5tiyxa0-rk8vwcnz"},
		Sends:     []integrationtest.Send{{Name: "text", Message: text}},
	}
}

// parrotAPI takes nothing that lacks what is required.
func parrotAPI(w http.ResponseWriter, r *http.Request) {
	var message struct{ Chat, Text string }
	err := json.NewDecoder(r.Body).Decode(&message)
	switch {
	case r.Header.Get("Authorization") != "Bearer cn4rqz81-wv0x6kty":
		w.WriteHeader(http.StatusUnauthorized)
	case r.Header.Get("Content-Type") != "application/json", r.URL.Path == "/v1/messages" &&
		(err != nil || message.Chat == "" || message.Text == ""):
		w.WriteHeader(http.StatusBadRequest)
	default:
		_, _ = w.Write([]byte(`{"id":"m-9"}`))
	}
}

func hmacOf(ch *integration.Channel, body []byte) string {
	mac := hmac.New(sha256.New, []byte(ch.Credentials["webhookSecret"]))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// sound is what the faulty platforms are made of.
type sound interface {
	integration.Platform
	integration.SignatureValidator
	integration.WebhookVerifier
	integration.HealthChecker
	integration.CredentialsValidator
}

// faults are planted into the sound platform, and found in that subtest.
var faults = map[string]struct {
	plant func(sound) integration.Platform
	found string
}{
	"no signature is checked": {
		func(s sound) integration.Platform { return unsigned{s} },
		"inbound/what is not genuine is refused/without x-parrot-signature",
	},
	"the signature is checked without a secret": {
		func(s sound) integration.Platform { return keyless{s} },
		"inbound/what is not genuine is refused/for a channel without secrets, and signed with none",
	},
	"a signature of a missing body": {
		func(s sound) integration.Platform { return bodiless{s} },
		"inbound/without the raw body the answer says how to configure the gateway",
	},
	"more than a signature counts as one": {
		func(s sound) integration.Platform { return lengthy{s} },
		"inbound/what is not genuine is refused/with twice the value in x-parrot-signature",
	},
	"the end of the secret does not matter": {
		func(s sound) integration.Platform { return forgetful{s} }, "inbound/what differs in any one byte is refused",
	},
	"an old signature counts": {
		func(s sound) integration.Platform { return timed{s, 24 * time.Hour} },
		"inbound/a webhook of another time is refused",
	},
	"every message has the same dedupKey": {normalizing(func(m []integration.Message) {
		for i := range m {
			m[i].DedupKey = "1"
		}
	}), "inbound/a message has the same id whenever it comes, and no other message has it"},
	"a message has another dedupKey each time": {normalizing(func(m []integration.Message) {
		for i := range m {
			m[i].DedupKey = time.Now().String()
		}
	}), "inbound/a message has the same id whenever it comes, and no other message has it"},
	"timestamps count seconds": {normalizing(func(m []integration.Message) {
		for i := range m {
			m[i].Timestamp /= 1000
		}
	}), "inbound/a message has the same id whenever it comes, and no other message has it"},
	"messages lose their conversation": {normalizing(func(m []integration.Message) {
		for i := range m {
			m[i].ConversationID = ""
		}
	}), "inbound/a genuine webhook becomes its events/two_messages"},
	"a panic on an empty object": {normalizing(
		func(m []integration.Message) { _ = m[0] },
	), "inbound/a hostile body does no harm"},
	"one bad item loses the webhook": {
		func(s sound) integration.Platform { return strict{s} }, "inbound/a bad item loses no other",
	},
	"every handshake is answered": {
		func(s sound) integration.Platform { return credulous{s} },
		"inbound/a handshake is answered to who knows the token/a wrong token",
	},
	"the token is in an error": {failing(func(e *integration.Error, ch *integration.Channel) {
		e.Message += " with " + ch.Credentials["apiKey"]
	}), "outbound/trouble/credentials that are refused"},
	"the token is in an error's cause": {failing(func(e *integration.Error, ch *integration.Channel) {
		e.Err = errors.New("GET /?key=" + ch.Credentials["apiKey"])
	}), "outbound/trouble/an API that fails"},
	"an error is cut before it is redacted": {failing(func(e *integration.Error, _ *integration.Channel) {
		e.Message = e.Message[:min(len(e.Message), 100)]
	}), "leaks/an API that quotes secrets with Bad Request"},
	"an unknown outcome is sent again by the factory": {failing(func(e *integration.Error, _ *integration.Channel) {
		if e.Kind == integration.FaultUnknown {
			e.Kind = integration.FaultTransient
		}
	}), "outbound/trouble/a connection that breaks after the request was read"},
	"an unknown outcome is sent again by the platform": {
		func(s sound) integration.Platform { return stubborn{s} }, "outbound/trouble/an empty answer",
	},
	"Retry-After is not read": {failing(
		func(e *integration.Error, _ *integration.Channel) { e.RetryAfter = 0 },
	), "outbound/trouble/an API that asks for a short pause"},
	"the caller's deadline is not obeyed": {
		func(s sound) integration.Platform { return deaf{s} }, "outbound/trouble/no answer before the caller's deadline",
	},
	"an error is no answer": {
		func(s sound) integration.Platform { return optimist{s} },
		"account/a platform that is down leaves the question open",
	},
	"the channel is changed": {
		func(s sound) integration.Platform { return meddler{s} },
		"outbound/a message becomes its requests/text",
	},
	"an optional interface is lost": {func(s sound) integration.Platform { return struct{ integration.Platform }{s} }, ""},
}

// timed signs the time before the body, and takes signatures that differ by no more than the window.
type timed struct {
	sound
	window time.Duration
}

func (p timed) ValidateSignature(_ context.Context, w *integration.Webhook) error {
	body, err := w.SignedBody()
	if err != nil {
		return err
	}
	ms, err := strconv.ParseInt(w.Headers.Get("x-parrot-time"), 10, 64)
	if age := w.Timestamp.Sub(time.UnixMilli(ms)).Abs(); err != nil || age > p.window {
		return errors.New("x-parrot-time must be the time")
	}
	signed := append([]byte(w.Headers.Get("x-parrot-time")), body...)
	if !integration.ValidHMACSHA256(w.Channel.Credentials["webhookSecret"], signed, w.Headers.Get("x-parrot-signature")) {
		return errors.New("x-parrot-signature is wrong")
	}
	return nil
}

func signTimed(ch *integration.Channel, body []byte, at time.Time) map[string]string {
	ms := strconv.FormatInt(at.UnixMilli(), 10)
	return map[string]string{"x-parrot-time": ms, "x-parrot-signature": hmacOf(ch, append([]byte(ms), body...))}
}

type unsigned struct{ sound }

func (unsigned) ValidateSignature(_ context.Context, _ *integration.Webhook) error { return nil }

type keyless struct{ sound }

func (k keyless) ValidateSignature(ctx context.Context, w *integration.Webhook) error {
	if w.Channel.Credentials["webhookSecret"] == "" {
		return nil
	}
	return k.sound.ValidateSignature(ctx, w)
}

// lengthy looks at the beginning of a signature.
type lengthy struct{ sound }

func (l lengthy) ValidateSignature(ctx context.Context, w *integration.Webhook) error {
	cut := *w
	cut.Headers = integration.NewHeaders(
		map[string]string{
			"x-parrot-signature": w.Headers.Get("x-parrot-signature")[:min(64, len(w.Headers.Get("x-parrot-signature")))],
		},
	)
	return l.sound.ValidateSignature(ctx, &cut)
}

// forgetful takes secrets for one that differ in a byte in the middle.
type forgetful struct{ sound }

func (f forgetful) ValidateSignature(ctx context.Context, w *integration.Webhook) error {
	err := f.sound.ValidateSignature(ctx, w)
	secret := []byte(w.Channel.Credentials["webhookSecret"])
	if err == nil || len(secret) < 4 {
		return err
	}
	secret[3] ^= 1
	other, ch := *w, *w.Channel
	ch.Credentials = map[string]string{"webhookSecret": string(secret)}
	other.Channel = &ch
	return f.sound.ValidateSignature(ctx, &other)
}

type bodiless struct{ sound }

func (b bodiless) ValidateSignature(ctx context.Context, w *integration.Webhook) error {
	if w.RawBody == nil {
		return nil
	}
	return b.sound.ValidateSignature(ctx, w)
}

// normalizing plants a fault into Normalize.
func normalizing(change func([]integration.Message)) func(sound) integration.Platform {
	return func(s sound) integration.Platform { return normalizer{s, change} }
}

type normalizer struct {
	sound
	change func([]integration.Message)
}

func (n normalizer) Normalize(ctx context.Context, w *integration.Webhook) ([]integration.Message, error) {
	messages, err := n.sound.Normalize(ctx, w)
	if err == nil && (len(messages) > 0 || string(w.Payload) == "{}") {
		n.change(messages)
	}
	return messages, err
}

type strict struct{ sound }

func (s strict) Normalize(ctx context.Context, w *integration.Webhook) ([]integration.Message, error) {
	var all struct{ Messages []struct{ Text string } }
	if err := json.Unmarshal(w.Payload, &all); err != nil {
		return nil, err
	}
	return s.sound.Normalize(ctx, w)
}

type credulous struct{ sound }

func (credulous) VerifyWebhook(_ context.Context, v integration.Verification, _ *integration.Channel) (string, error) {
	return v.Challenge, nil
}

// failing plants a fault into the errors of Send.
func failing(change func(*integration.Error, *integration.Channel)) func(sound) integration.Platform {
	return func(s sound) integration.Platform { return failer{s, change} }
}

type failer struct {
	sound
	change func(*integration.Error, *integration.Channel)
}

func (f failer) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	result, err := f.sound.Send(ctx, m, ch)
	if e, ok := errors.AsType[*integration.Error](err); ok {
		f.change(e, ch)
	}
	return result, err
}

type stubborn struct{ sound }

func (s stubborn) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	if result, err := s.sound.Send(ctx, m, ch); err == nil {
		return result, nil
	}
	return s.sound.Send(ctx, m, ch)
}

type deaf struct{ sound }

func (d deaf) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	return d.sound.Send(context.WithoutCancel(ctx), m, ch)
}

type optimist struct{ sound }

func (o optimist) ValidateCredentials(ctx context.Context, credentials, settings map[string]string) (bool, error) {
	valid, _ := o.sound.ValidateCredentials(ctx, credentials, settings)
	return valid, nil
}

type meddler struct{ sound }

func (p meddler) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	ch.Settings["seen"] = "yes"
	return p.sound.Send(ctx, m, ch)
}
