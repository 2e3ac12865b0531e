package interop_test

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/internal/fixtures"
)

// account is one at a platform, with all that is needed to post what the platform posts.
type account struct {
	credentials map[string]string
	sign        func(body []byte, at time.Time) map[string]string
}

// accounts are those of the platforms that come with Switchboard.
func accounts() map[string]account {
	const secret = "0123456789abcdef0123456789abcdef"
	mac := func(text string) string {
		h := hmac.New(sha256.New, []byte(secret))
		h.Write([]byte(text))
		return hex.EncodeToString(h.Sum(nil))
	}
	key := ed25519.NewKeyFromSeed([]byte(secret))
	seconds := func(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
	return map[string]account{
		"telegram": {
			map[string]string{"token": botToken, "secretToken": secretToken},
			func([]byte, time.Time) map[string]string {
				return map[string]string{"X-Telegram-Bot-Api-Secret-Token": secretToken}
			},
		},
		"line": {
			map[string]string{"channelAccessToken": "interop-line-token", "channelSecret": secret},
			func(body []byte, _ time.Time) map[string]string {
				h := hmac.New(sha256.New, []byte(secret))
				h.Write(body)
				return map[string]string{"X-Line-Signature": base64.StdEncoding.EncodeToString(h.Sum(nil))}
			},
		},
		"whatsapp": {
			map[string]string{
				"accessToken": "EAAinterop", "phoneNumberId": "1122334455667", "appSecret": secret,
				"verifyToken": "interop-verify-token",
			},
			func(body []byte, _ time.Time) map[string]string {
				return map[string]string{"X-Hub-Signature-256": "sha256=" + mac(string(body))}
			},
		},
		"slack": {
			map[string]string{"botToken": "xoxb-interop-token", "signingSecret": secret},
			func(body []byte, at time.Time) map[string]string {
				return map[string]string{
					"X-Slack-Request-Timestamp": seconds(at),
					"X-Slack-Signature":         "v0=" + mac("v0:"+seconds(at)+":"+string(body)),
				}
			},
		},
		"discord": {
			map[string]string{
				"botToken":      "MTIzNDU2Nzg5MDEyMzQ1Njc4.interop.abcdefghijklmnopqrstuvwxyz01",
				"applicationId": "123456789012345678", "publicKey": hex.EncodeToString(key.Public().(ed25519.PublicKey)),
			},
			func(body []byte, at time.Time) map[string]string {
				return map[string]string{
					"X-Signature-Timestamp": seconds(at),
					"X-Signature-Ed25519":   hex.EncodeToString(ed25519.Sign(key, append([]byte(seconds(at)), body...))),
				}
			},
		},
	}
}

// delivery is a payload from elsewhere on its way to the node. Each of its ways has a channel of its own: to one
// channel the second would be a repetition, as would be other samples that share an id.
type delivery struct {
	integrationtest.Webhook
	service, platform string
	place             int
}

func (d delivery) channel(way string) string {
	return fmt.Sprintf("%s-%d-%s", d.platform, d.place, way)
}

// ways are those by which a webhook reaches the node.
var ways = []string{"gateway", "listener"}

func TestForeignPayloadsPassBothWays(t *testing.T) {
	t.Parallel()
	var deliveries []delivery
	folder, _ := fixtures.Folder(t)
	platforms := platformNames(t)
	for _, name := range platforms {
		require.Contains(t, accounts(), name, "the test needs an account of every platform")
		for i, f := range fixtures.Read(t, filepath.Join(folder, name)) {
			if f.Status == 0 && f.Unused == "" {
				w := integrationtest.Webhook{Name: f.Name, Body: f.Body, Headers: f.Headers}
				deliveries = append(deliveries, delivery{w, name, name, i})
			}
		}
	}
	t.Logf("%d payloads from elsewhere", len(deliveries))
	if len(deliveries) == 0 {
		t.Skip("no payloads from elsewhere: they lie beside the project, in ../shared/fixtures; " +
			"TestGatewayExposesTheNode posts our own")
	}

	natsURL := natsServer(t).URL()
	urls := map[string]string{
		"listener": startNodeFor(t, natsURL, platforms, deliveries), "gateway": startGateway(t, natsURL),
	}
	peer := startPeer(t, natsURL, peerOptions{})
	for _, name := range platforms {
		peer.WaitForRoute(t, http.MethodPost, "/"+name+"/:channelId")
	}
	answers := map[string]httpAnswer{}
	for _, d := range deliveries {
		for _, way := range ways {
			answers[d.channel(way)] = postDelivery(t, urls[way]+"/"+d.service+"/"+d.channel(way), d)
		}
	}
	events := storedEvents(t, natsURL)
	for _, d := range deliveries {
		t.Run(d.platform+"/"+d.Name, func(t *testing.T) {
			for _, way := range ways {
				require.Less(
					t, answers[d.channel(way)].status, http.StatusMultipleChoices, "%s: %s", way, answers[d.channel(way)].body,
				)
				require.NotContains(t, answers[d.channel(way)].body, `"failed":1`, way)
			}
			require.Equal(t, comparableAnswer(answers[d.channel("gateway")]), comparableAnswer(answers[d.channel("listener")]))
			require.Equal(t, events[d.channel("gateway")], events[d.channel("listener")])
		})
	}
	require.NotEmpty(t, events)
}

// platformNames lists the platforms that come with Switchboard: the folders of services, but for the node's own
// services and what platforms share.
func platformNames(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir("../../services")
	require.NoError(t, err)
	for _, entry := range entries {
		if !slices.Contains([]string{"channels", "events", "meta"}, entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names
}

// numberOf finds the number that a webhook of WhatsApp names first.
var numberOf = regexp.MustCompile(`"phone_number_id":\s*"(\d+)"`)

// startNodeFor runs a node with a channel for each way of each delivery, and returns the URL of its listener.
func startNodeFor(t *testing.T, natsURL string, platforms []string, deliveries []delivery) string {
	t.Helper()
	var channels []*integration.Channel
	for _, d := range deliveries {
		for _, way := range ways {
			credentials := accounts()[d.platform].credentials
			if number := numberOf.FindSubmatch(d.Body); number != nil { // a channel takes what is for its own number
				credentials["phoneNumberId"] = string(number[1])
			}
			options := map[string]string{"ownMessages": "mark"}
			if d.platform == "discord" { // not over a connection to Discord's own Gateway
				options["receive"] = "webhook"
			}
			channels = append(channels, &integration.Channel{
				ID: d.channel(way), TenantID: tenantID, Platform: d.platform, Status: integration.ChannelActive,
				Credentials: credentials, Settings: options,
			})
		}
	}
	h := startHost(t, natsURL, settings("services: [%s]", strings.Join(platforms, ", ")))
	h.apply(t, channels...)
	return h.URL
}

func postDelivery(t *testing.T, url string, d delivery) httpAnswer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(d.Body))
	require.NoError(t, err)
	headers := maps.Clone(d.Headers)
	maps.Copy(headers, accounts()[d.platform].sign(d.Body, time.Now()))
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return httpAnswer{res.StatusCode, res.Header.Get("Content-Type"), string(body)}
}

// comparableAnswer leaves out what moleculer-web and net/http write differently and a platform reads alike.
func comparableAnswer(a httpAnswer) httpAnswer {
	a.contentType, _, _ = strings.Cut(a.contentType, ";")
	a.body = canonical([]byte(a.body), a.body)
	if a.body == "" {
		a.contentType = ""
	}
	return a
}

// canonical writes JSON in one form, and anything else as it is told.
func canonical(data []byte, otherwise string) string {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return otherwise
	}
	encoded, err := json.Marshal(value)
	return cmp.Or(string(encoded), fmt.Sprint(err))
}

// storedEvents are the messages that have come in, by channel, without what is another each time: the channel, and
// times that count from when it came in.
func storedEvents(t *testing.T, natsURL string) map[string][]string {
	t.Helper()
	events := map[string][]string{}
	for _, data := range stored(t, natsURL) {
		var payload struct {
			ChannelID string
			Message   any
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		require.NoError(t, decoder.Decode(&payload))
		encoded, err := json.Marshal(timeless(payload.Message))
		require.NoError(t, err)
		events[payload.ChannelID] = append(events[payload.ChannelID], string(encoded))
	}
	return events
}

// expires is the time until which a replyContext of Discord's can be used, in ms since 1970.
var expires = regexp.MustCompile(`\bexpires=\d+`)

// timeless puts a word in the place of times about now, in ms since 1970.
func timeless(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			value[name] = timeless(inner)
		}
	case []any:
		for i, inner := range value {
			value[i] = timeless(inner)
		}
	case json.Number:
		if ms, err := value.Int64(); err == nil && time.Since(time.UnixMilli(ms)).Abs() < time.Hour {
			return "about now"
		}
	case string:
		return expires.ReplaceAllString(value, "expires=soon")
	}
	return value
}
