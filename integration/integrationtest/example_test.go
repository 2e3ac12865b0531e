package integrationtest_test

import (
	"net/http"
	"testing"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/test/parrot"
)

// A platform's test says what the suite must know, and what the platform declares is not repeated. This is the body of
// TestParrotIsAPlatform, see examples/parrot.
func ExampleRun() {
	_ = func(t *testing.T) { //nolint:thelper // it is a test
		client := httpapi.New(httpapi.Options{AllowPrivate: true}) // the fake is on this machine
		t.Cleanup(client.Close)
		integrationtest.Run(t, integrationtest.Platform{
			Definition: parrot.Definition(client),
			Channel: func(url string) *integration.Channel {
				return &integration.Channel{
					ID: "cage", TenantID: "acme", Platform: "parrot", Status: integration.ChannelActive,
					Credentials: map[string]string{"apiKey": "cn4rqz81-wv0x6kty", "webhookSecret": "ub73hjf9-eo2mslpd"},
					Settings:    map[string]string{"apiBase": url},
				}
			},
			API: func(testing.TB) http.Handler {
				return fakeapi.New(fakeapi.API{Routes: fakeapi.Routes{
					"POST /v1/messages": {Body: is.Object{"chat!": is.Text(50), "text!": is.Text(500)}},
				}})
			},
			Webhooks: integrationtest.Files(t, "testdata/webhooks/*.json"),
			Sends: []integrationtest.Send{{Name: "text", Message: integration.Message{
				To: integration.Party{ID: "perch"}, Content: integration.Content{Type: integration.TypeText, Text: "hello"},
			}}},
		})
	}
}
