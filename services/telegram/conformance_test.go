package telegram_test

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/telegram"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func TestTelegramIsAPlatform(t *testing.T) { integrationtest.Run(t, conformance(t)) }

func FuzzWebhook(f *testing.F) { integrationtest.FuzzWebhook(f, conformance(f)) }

func conformance(tb testing.TB) integrationtest.Platform {
	tb.Helper()
	client := httpapi.New(httpapi.Options{})
	tb.Cleanup(client.Close)
	forbidden := telegramtest.Failure(http.StatusForbidden, "Forbidden: bot was blocked by the user", nil)
	return integrationtest.Platform{
		Definition: telegram.Definition(client),
		Channel: func(url string) *integration.Channel {
			ch := channel()
			ch.Settings["apiBase"] = url
			return ch
		},
		API: func(tb testing.TB) http.Handler {
			tb.Helper()
			server := telegramtest.NewServer(token)
			tb.Cleanup(server.Close)
			root, err := url.Parse(server.URL())
			require.NoError(tb, err)
			proxy := httputil.NewSingleHostReverseProxy(root)
			proxy.Transport = &http.Transport{DisableKeepAlives: true}
			return proxy
		},
		Webhooks: integrationtest.Files(tb,
			"testdata/inbound/text_with_entities.json", "testdata/inbound/reply_in_a_topic_with_quote.json",
			"testdata/inbound/photo_with_caption.json", "testdata/inbound/edited_text.json", "testdata/inbound/button_pressed.json",
			"testdata/inbound/content_of_a_later_version.json", "testdata/inbound/message_is_null.json"),
		Sign: func(ch *integration.Channel, _ []byte, _ time.Time) map[string]string {
			return map[string]string{"X-Telegram-Bot-Api-Secret-Token": ch.Credentials["secretToken"]}
		},
		Handshake: integration.Verification{Mode: "subscribe", Token: secretToken},
		Sends: []integrationtest.Send{
			{Name: "text", Message: *text("700100200", "hello 👍 <b>")},
			{Name: "buttons", Message: *withButtons(integration.Button{ID: "start:1", Title: "Yes"}, integration.Button{Title: "Docs", Type: "url", URL: "https://example.org"})},
			{Name: "picture", Message: integration.Message{To: integration.Party{ID: "5"}, Content: integration.Content{Type: integration.TypeImage}}},
			{Name: "text to who blocked the bot", Message: *text("5", "hello"), Answer: &integrationtest.Answer{Status: forbidden.Status, Body: forbidden.Body}},
		},
	}
}
