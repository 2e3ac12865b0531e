package parrot_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/parrot"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParrotIsAPlatform(t *testing.T) { integrationtest.Run(t, platform(t)) }

func FuzzWebhook(f *testing.F) { integrationtest.FuzzWebhook(f, platform(f)) }

const apiKey = "cn4rqz81-wv0x6kty"

func platform(tb testing.TB) integrationtest.Platform {
	tb.Helper()
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	tb.Cleanup(client.Close)
	text := func(text string) integration.Message {
		return integration.Message{To: integration.Party{ID: "perch"}, Content: integration.Content{Type: integration.TypeText, Text: text}}
	}
	picture := integration.Message{To: integration.Party{ID: "perch"}, Content: integration.Content{Type: integration.TypeImage}}
	return integrationtest.Platform{
		Definition: parrot.Definition(client),
		Channel: func(url string) *integration.Channel {
			return &integration.Channel{
				ID: "cage", TenantID: "acme", Platform: "parrot", Status: integration.ChannelActive,
				Credentials: map[string]string{"apiKey": apiKey, "webhookSecret": "ub73hjf9-eo2mslpd", "verifyToken": "g5tiyxa0-rk8vwcnz"},
				Settings:    map[string]string{"apiBase": url},
			}
		},
		API:      func(testing.TB) http.Handler { return http.HandlerFunc(api) },
		Webhooks: integrationtest.Files(tb, "testdata/webhooks/*.json"),
		BadItem:  []byte(`{"messages": [{"id": "m-1", "chat": {}, "text": 5}, {"id": "m-2", "chat": "perch", "user": "ada", "text": "hello"}]}`),
		Sign: func(ch *integration.Channel, body []byte, _ time.Time) map[string]string {
			mac := hmac.New(sha256.New, []byte(ch.Credentials["webhookSecret"]))
			mac.Write(body)
			return map[string]string{"x-parrot-signature": hex.EncodeToString(mac.Sum(nil))}
		},
		Handshake: integration.Verification{Mode: "subscribe", Token: "g5tiyxa0-rk8vwcnz"},
		Sends: []integrationtest.Send{
			{Name: "text", Message: text("hello 👍 <b>")},
			{Name: "picture", Message: picture},
			{Name: "text to nobody", Message: text("hello"), Answer: &integrationtest.Answer{Status: 404, Body: `{"error":"no such chat"}`}},
		},
		Failures: []integrationtest.Failure{
			{Name: "an unknown chat", Answer: integrationtest.Answer{Status: 404, Body: `{"error":"no such chat"}`}, Kind: integration.FaultPermanent, Code: "PARROT_404"},
			{
				Name: "too many messages", Answer: integrationtest.Answer{Status: 429, Header: map[string]string{"Retry-After": "60"}},
				Kind: integration.FaultThrottled, Code: "PARROT_429", RetryAfter: time.Minute,
			},
			{Name: "a break", Answer: integrationtest.Answer{Status: 503}, Kind: integration.FaultTransient, Code: "PARROT_503"},
		},
	}
}

// api is Parrot's API when all is well. It takes nothing that lacks what is required.
func api(w http.ResponseWriter, r *http.Request) {
	var message struct{ Chat, Text string }
	switch err := json.NewDecoder(r.Body).Decode(&message); {
	case r.Header.Get("Authorization") != "Bearer "+apiKey:
		w.WriteHeader(http.StatusUnauthorized)
		return
	case r.Header.Get("Content-Type") != "application/json",
		r.URL.Path == "/v1/messages" && (err != nil || message.Chat == "" || message.Text == ""):
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = w.Write([]byte(map[string]string{"/v1/messages": `{"id":"m-9"}`, "/v1/me": `{"id":"polly"}`}[r.URL.Path]))
}

func TestTheDocumentationHoldsTheWholeFileWhichIsShort(t *testing.T) {
	file, err := os.ReadFile("parrot.go")
	require.NoError(t, err)
	require.LessOrEqual(t, bytes.Count(file, []byte("\n")), 100, "a platform is a hundred lines, or the factory does too little")
	page, err := os.ReadFile("../../docs/writing-a-platform.md")
	require.NoError(t, err)
	require.True(t, bytes.Contains(page, []byte("```go\n"+string(file)+"```\n")), "docs/writing-a-platform.md must hold parrot.go as it is")
}
