package parrot_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/parrot"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
)

func TestMain(m *testing.M) { integrationtest.Main(m) }

func TestParrotIsAPlatform(t *testing.T) { integrationtest.Run(t, platform(t)) }

func FuzzWebhook(f *testing.F) { integrationtest.FuzzWebhook(f, platform(f)) }

const apiKey = "cn4rqz81-wv0x6kty"

func platform(tb testing.TB) integrationtest.Platform {
	tb.Helper()
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	tb.Cleanup(client.Close)
	perch := integration.Party{ID: "perch"}
	text := integration.Message{To: perch, Content: integration.Content{Type: integration.TypeText, Text: "hello 👍 <b>"}}
	picture := integration.Message{To: perch, Content: integration.Content{
		Type: integration.TypeImage, Media: &integration.Media{URL: "https://example.org/polly.jpg"},
	}}
	return integrationtest.Platform{
		Definition: parrot.Definition(client),
		Channel: func(url string) *integration.Channel {
			return &integration.Channel{
				ID: "cage", TenantID: "acme", Platform: "parrot", Status: integration.ChannelActive,
				Credentials: map[string]string{
					"apiKey": apiKey, "webhookSecret": "ub73hjf9-eo2mslpd", "verifyToken": "g5tiyxa0-rk8vwcnz",
				},
				Settings: map[string]string{"apiBase": url},
			}
		},
		API:      api,
		Webhooks: integrationtest.Files(tb, "testdata/webhooks/*.json"),
		BadItem: []byte(`{"messages": [{"id": "m-1", "chat": {}, "text": 5}, {"id": "m-2", "chat": "perch", "user": ` +
			`"ada", "text": "hello"}]}`),
		Handshake: integration.Verification{Mode: "subscribe", Token: "g5tiyxa0-rk8vwcnz"},
		Sends: []integrationtest.Send{
			{Name: "text", Message: text},
			{Name: "picture", Message: picture},
			{Name: "text to nobody", Message: text, Answer: &integrationtest.Answer{
				Status: 404, Body: `{"code":"no_such_chat","message":"nobody sits there"}`,
			}},
		},
		Refusal: func(r integration.Refusal) integrationtest.Answer {
			return integrationtest.Answer{Status: r.Status, Body: fmt.Sprintf(`{"code":%q,"message":%q}`, r.Code, r.Text)}
		},
	}
}

// api is Parrot's API when all is well. Its shapes say what a request must have.
func api(testing.TB) http.Handler {
	return fakeapi.New(fakeapi.API{
		Admit: func(r *fakeapi.Request) *fakeapi.Answer {
			if r.Header.Get("Authorization") == "Bearer "+apiKey {
				return nil
			}
			return new(fakeapi.JSON(http.StatusUnauthorized, map[string]any{"code": "bad_key", "message": "who are you?"}))
		},
		Routes: fakeapi.Routes{
			"POST /v1/messages": {
				Body:   is.Object{"chat!": is.Text(50), "text!": is.Text(500)},
				Answer: func(*fakeapi.Request) fakeapi.Answer { return fakeapi.JSON(200, map[string]any{"id": "m-9"}) },
			},
			"GET /v1/me": {
				Takes:  fakeapi.NoBody,
				Answer: func(*fakeapi.Request) fakeapi.Answer { return fakeapi.JSON(200, map[string]any{"id": "polly"}) },
			},
		},
	})
}

func TestTheDocumentationHoldsTheWholeFileWhichIsShort(t *testing.T) {
	file, err := os.ReadFile("parrot.go")
	require.NoError(t, err)
	require.LessOrEqual(t, bytes.Count(file, []byte("\n")), 125, "a platform is short, or the factory does too little")
	page, err := os.ReadFile("../../docs/writing-a-platform.md")
	require.NoError(t, err)
	require.True(
		t, bytes.Contains(page, []byte("```go\n"+string(file)+"```\n")),
		"docs/writing-a-platform.md must hold parrot.go as it is",
	)
}
