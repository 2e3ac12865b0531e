package line_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/line"
)

// hook is what LINE knows of an account's webhook.
type hook struct {
	endpoint string // "" for none
	active   bool
	reason   string // why a test fails; "" for one that succeeds
}

// routes are the calls about the webhook.
func (h *hook) routes() fakeapi.Routes {
	const root = " /v2/bot/channel/webhook/"
	endpoint := is.Object{"endpoint!": is.Link(500, "https")}
	return fakeapi.Routes{
		"GET" + root + "endpoint": {Takes: fakeapi.NoBody, Answer: func(*fakeapi.Request) fakeapi.Answer {
			if h.endpoint == "" {
				return fakeapi.JSON(http.StatusNotFound, map[string]any{"message": "Webhook endpoint not found"})
			}
			return fakeapi.JSON(http.StatusOK, map[string]any{"endpoint": h.endpoint, "active": h.active})
		}},
		"PUT" + root + "endpoint": {Body: endpoint, Answer: func(r *fakeapi.Request) fakeapi.Answer {
			h.endpoint = is.At[string](r.Body, "endpoint")
			return fakeapi.JSON(http.StatusOK, map[string]any{})
		}},
		"POST" + root + "test": {Body: endpoint, Answer: func(*fakeapi.Request) fakeapi.Answer {
			result := map[string]any{
				"success": true, "timestamp": "2026-11-30T05:38:20.031Z", "statusCode": 200, "reason": "OK", "detail": "200",
			}
			if h.reason != "" {
				result["success"], result["statusCode"], result["reason"], result["detail"] = false, 401, h.reason, "401"
			}
			return fakeapi.JSON(http.StatusOK, result)
		}},
	}
}

// newServer starts a fake with this webhook and returns a platform and a channel for it.
func newServer(t *testing.T, h *hook) (*fakeapi.Server, integration.Definition, *integration.Channel) {
	t.Helper()
	file, err := os.ReadFile("testdata/api.json")
	require.NoError(t, err)
	described, err := fakeapi.Describe(file)
	require.NoError(t, err)
	api := described.API()
	for pattern, route := range h.routes() {
		route.Name = pattern
		api.Routes[pattern] = route
	}
	server := fakeapi.Start(api)
	t.Cleanup(server.Close)
	p := integrationtest.FromFiles(t, line.Definition)
	return server, p.Definition, p.Channel(server.URL())
}

func TestSetupSetsAndTriesTheWebhook(t *testing.T) {
	h := &hook{active: true}
	server, def, ch := newServer(t, h)
	integrationtest.SetUp(t, "new", def, ch, integration.Setup{URL: "https://gw.example.org/"})
	require.Equal(t, "https://gw.example.org/line/teahouse", h.endpoint)
	require.Len(t, server.Requests(), 5)
}

func TestSetupTellsThatLINECannotReachTheWebhook(t *testing.T) {
	_, def, ch := newServer(t, &hook{endpoint: "https://other.example.org/secret", reason: "ERROR_STATUS_CODE"})
	integrationtest.SetUp(t, "in vain", def, ch, integration.Setup{URL: "https://gw.example.org/x"})
	commands := integration.Setup{URL: "https://gw.example.org/", Commands: []byte("[]")}
	_, err := integrationtest.TrySetUp(t, def, ch, commands, true)
	require.ErrorContains(t, err, "LINE has no commands")
}
