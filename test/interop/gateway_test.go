package interop_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asUser calls the gateway with a token; "" is nobody's.
func asUser(t *testing.T, method, url, token, body string) httpAnswer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return httpAnswer{res.StatusCode, res.Header.Get("Content-Type"), string(answer)}
}

func TestGatewayOpensWebhooksAlone(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	n := startNode(t, url, nil)
	peer := startPeer(t, url, peerOptions{})
	base := startGateway(t, url)
	peer.WaitForRoute(t, http.MethodPost, "/telegram/send")

	const message = `{"channelId":"shop","message":{"to":{"id":"42"},"content":{"type":"TEXT","text":"toll fraud"}}}`
	for _, route := range []struct{ method, path, body string }{
		{http.MethodPost, "/telegram/send", message},
		{http.MethodPost, "/telegram/send/", message},
		{http.MethodPost, "/TELEGRAM/send", message},
		{http.MethodGet, "/telegram/health?channelId=shop", ""},
		{http.MethodGet, "/telegram/status", ""},
	} {
		for name, token := range map[string]string{
			"nobody": "", "a wrong token": "guess", "a name of an object's own": "__proto__",
		} {
			t.Run(fmt.Sprint(route.method, " ", route.path, " by ", name), func(t *testing.T) {
				require.Equal(t, http.StatusUnauthorized, asUser(t, route.method, base+route.path, token, route.body).status)
			})
		}
	}
	require.Empty(t, n.Telegram.Requests(), "nothing was sent, and Telegram was asked nothing")

	t.Run("a webhook needs no token, and a token makes nobody of it", func(t *testing.T) {
		for _, token := range []string{"", opsToken} {
			a := asUser(t, http.MethodPost, base+"/telegram/shop", token, `{"update_id":7}`)
			require.Equal(t, http.StatusUnauthorized, a.status, a.body)
			require.Contains(t, a.body, "SIGNATURE_INVALID")
		}
		status, answer := postUpdate(
			t, base+"/telegram/shop",
			[]byte(`{"update_id":7,"message":{"message_id":7,"date":1,"chat":{"id":1,"type":"private"},"text":"x"}}`),
			secretToken,
		)
		require.Equal(t, http.StatusOK, status, string(answer))
	})

	t.Run("other methods of a webhook's path are answered as moleculer-web answers them", func(t *testing.T) {
		for _, method := range []string{http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			require.Equal(t, http.StatusNotFound, asUser(t, method, base+"/telegram/shop", "", "").status, method)
		}
	})
}

func TestGatewayThatStartsFirstHasWebhooksRepeated(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	base := startGateway(t, url)
	status := func(method, path string) int { return asUser(t, method, base+path, "", `{}`).status }

	require.Equal(t, http.StatusServiceUnavailable, status(http.MethodPost, "/telegram/shop"))
	require.Equal(t, http.StatusServiceUnavailable, status(http.MethodGet, "/whatsapp/shop?hub.mode=subscribe"))
	require.Equal(t, http.StatusNotFound, status(http.MethodPut, "/telegram/shop"))
	require.Equal(t, http.StatusNotFound, status(http.MethodPost, "/wp-login/shop"))

	// A platform of another name is learned when it is first seen, before its first webhook.
	host := startPeer(t, url, peerOptions{Services: []service{{Name: "echohook"}}})
	host.WaitForRoute(t, http.MethodPost, "/echohook/:channelId")
	host.Stop(t)
	require.Eventually(t, func() bool {
		return status(http.MethodPost, "/echohook/shop") == http.StatusServiceUnavailable
	}, patience, 50*time.Millisecond)
}

func TestWebhookForAKilledNodeIsGivenToAnother(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	options := peerOptions{Services: []service{{Name: "echohook"}}}
	dead, alive := startPeer(t, url, options), startPeer(t, url, options)
	base := startGateway(t, url)
	alive.WaitForRoute(t, http.MethodPost, "/echohook/:channelId")
	dead.Kill()

	statuses := make([]int, 12)
	var posts sync.WaitGroup
	for i := range statuses {
		posts.Go(func() { statuses[i] = asUser(t, http.MethodPost, base+"/echohook/c1", "", `{}`).status })
	}
	posts.Wait()
	for _, status := range statuses {
		require.Equal(t, http.StatusOK, status, "%v", statuses)
	}
}

// The README's consumer is what a newcomer copies first.
func TestConsumerOfTheREADMEReadsMessages(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, script, found := strings.Cut(string(readme), "```js\n")
	require.True(t, found)
	script, _, found = strings.Cut(script, "```")
	require.True(t, found)
	url := natsServer(t).URL()
	n := startNode(t, url, nil)
	lines := make(chan string, 1000)
	onLine := func(line []byte) {
		select {
		case lines <- string(line):
		default:
		}
	}
	startProcess(t, "consumer", peerDir, nil, onLine, "-e", strings.ReplaceAll(script, "nats://nats:4222", url)+
		`process.stdin.on("end", () => broker.stop().then(() => process.exit(0))).resume();`)
	await := func(text string) {
		t.Helper()
		bound := time.After(patience)
		for {
			select {
			case line := <-lines:
				if strings.Contains(line, text) {
					return
				}
			case <-bound:
				require.Fail(t, "the consumer never said "+text)
			}
		}
	}
	await("ServiceBroker with")
	body := []byte(`{"update_id":8,"message":{"message_id":8,"date":1,"chat":{"id":1,"type":"private"},"from":{"id":7,` +
		`"first_name":"Ada"},"text":"to the README"}}`)
	status, answer := postUpdate(t, n.URL+"/telegram/shop", body, secretToken)
	require.Equal(t, http.StatusOK, status, string(answer))
	await("tenant-1 shop 7 to the README")
}
