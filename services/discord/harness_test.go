package discord_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/services/discord"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

// canary is a part of the secrets. Nothing that leaves the package may have it.
const (
	canary        = "canary-0123456789"
	botToken      = "MTExMTExMTExMTExMTExMTExMQ.GabcDe." + canary
	applicationID = "1111111111111111111"
	channelID     = "500000000000000005"
	messageID     = "1400000000000000007"
	interactionID = "1450000000000000000"

	// Tokens of interactions: one that waits for its first answer, and one that has had it.
	thinking = "token-of-a-command"
	answered = "token-of-another"
)

var (
	privateKey = ed25519.NewKeyFromSeed([]byte("a seed of thirty-two characters!"))
	publicKey  = hex.EncodeToString(privateKey.Public().(ed25519.PublicKey))
	receivedAt = time.UnixMilli(1_790_000_999_123)
)

func app() discordtest.App {
	return discordtest.App{
		BotToken: botToken, ApplicationID: applicationID, PublicKey: publicKey,
		InteractionsEndpointURL: "https://gw.example.org/discord/ch-1",
		EventWebhooksURL:        "https://gw.example.org/discord/ch-1", EventWebhooksStatus: 2,
	}
}

func channel() *integration.Channel {
	return &integration.Channel{
		ID: "ch-1", TenantID: "tenant-1", Platform: "discord", Status: integration.ChannelActive,
		Credentials: map[string]string{"botToken": botToken, "applicationId": applicationID, "publicKey": publicKey},
		Settings:    map[string]string{"receive": "webhook"},
	}
}

// sign makes the headers of a genuine delivery.
func sign(body []byte, at time.Time) map[string]string {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	return map[string]string{
		"x-signature-timestamp": timestamp,
		"x-signature-ed25519":   hex.EncodeToString(ed25519.Sign(privateKey, append([]byte(timestamp), body...))),
	}
}

func webhook(body string) *integration.Webhook {
	return &integration.Webhook{
		TenantID: "tenant-1", ChannelID: "ch-1", Platform: "discord", Payload: []byte(body), RawBody: []byte(body),
		Headers: integration.NewHeaders(sign([]byte(body), receivedAt)), Timestamp: receivedAt, Channel: channel(),
	}
}

// newClient makes a client that may call fakes on this machine.
func newClient(tb testing.TB) *httpapi.Client {
	tb.Helper()
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	tb.Cleanup(client.Close)
	return client
}

func newPlatform(tb testing.TB) integration.Platform {
	tb.Helper()
	return discord.Definition(newClient(tb)).Platform
}

// newServer starts a fake of Discord and makes a channel that uses it.
func newServer(tb testing.TB) (*discordtest.Server, *integration.Channel) {
	tb.Helper()
	server := discordtest.NewServer(app())
	tb.Cleanup(server.Close)
	server.AddInteraction(thinking, true)
	server.AddInteraction(answered, false)
	ch := channel()
	ch.Settings["apiBase"] = server.URL()
	return server, ch
}

// requireError checks an error's kind and code, and that no error of its chain has a secret.
func requireError(tb testing.TB, err error, kind integration.ErrorKind, code string) {
	tb.Helper()
	_ = errorOf(tb, err, kind, code)
}

// errorOf is requireError for tests that look at more of the error.
func errorOf(tb testing.TB, err error, kind integration.ErrorKind, code string) *integration.Error {
	tb.Helper()
	e, ok := errors.AsType[*integration.Error](err)
	require.True(tb, ok, "%v", err)
	require.Equal(tb, kind, e.Kind, e.Error())
	require.Equal(tb, code, e.Code, e.Error())
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		require.NotContains(tb, cause.Error(), "canary")
	}
	return e
}

// files are those of a form, by the names of their parts, their own names and their types.
func files(r fakeapi.Request) map[string]string {
	list := map[string]string{}
	for part, f := range r.Files {
		list[part+" "+f.Name+" "+f.ContentType] = string(f.Content)
	}
	return list
}
