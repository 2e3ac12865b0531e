package whatsapp_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/services/whatsapp"
	"github.com/hiliosai/switchboard/services/whatsapp/whatsapptest"
)

// The channel of the tests. Nothing that has "canary" in it may leave the package.
const (
	accessToken   = "EAAcanary0123456789token"
	appSecret     = "canary0123456789appsecret"
	verifyToken   = "canary-9876543210-verify"
	phoneNumberID = "106540352242922"
	wabaID        = "102290129340398"
)

var receivedAt = time.UnixMilli(1_790_000_999_123)

func channel() *integration.Channel {
	return &integration.Channel{
		ID: "ch-1", TenantID: "tenant-1", Platform: "whatsapp", Status: integration.ChannelActive,
		Credentials: map[string]string{
			"accessToken": accessToken, "phoneNumberId": phoneNumberID, "appSecret": appSecret, "verifyToken": verifyToken,
		},
		Settings: map[string]string{},
	}
}

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func webhook(body []byte) *integration.Webhook {
	return &integration.Webhook{
		TenantID: "tenant-1", ChannelID: "ch-1", Platform: "whatsapp", Payload: body, RawBody: body, Timestamp: receivedAt,
		Channel: channel(),
		Headers: integration.NewHeaders(map[string]string{"x-hub-signature-256": sign(appSecret, body)}),
	}
}

func definition(tb testing.TB) integration.Definition {
	tb.Helper()
	client := httpapi.New(httpapi.Options{AllowPrivate: true}) // the links of the fake lead to this machine
	tb.Cleanup(client.Close)
	return whatsapp.Definition(client)
}

func newPlatform(tb testing.TB) integration.Platform {
	tb.Helper()
	return definition(tb).Platform
}

func requireError(t *testing.T, err error, kind integration.ErrorKind, code string) integration.Error {
	t.Helper()
	require.Error(t, err)
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok, "%T %v", err, err)
	require.Equal(t, kind, e.Kind, "%v", err)
	require.Equal(t, code, e.Code, "%v", err)
	require.NotContains(t, e.Message, "canary")
	return *e
}

// newServer starts a fake of the Graph API and returns a channel that uses it.
func newServer(t *testing.T) (*whatsapptest.API, *integration.Channel) {
	t.Helper()
	api := newAPI()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	ch := channel()
	ch.Settings["apiBase"] = server.URL
	return api, ch
}

func send(t *testing.T, ch *integration.Channel, m integration.Message) (*integration.SendResult, error) {
	t.Helper()
	p := newPlatform(t)
	parts, err := p.(integration.Splitter).Split(t.Context(), &m, ch)
	if err != nil {
		return nil, err
	}
	var first *integration.SendResult
	for _, part := range parts { // as the factory does
		result, err := p.Send(t.Context(), part, ch)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = result
		}
	}
	return first, nil
}

// bodies returns the bodies of the requests so far.
func bodies(api *whatsapptest.API) []string {
	var list []string
	for _, r := range api.Requests() {
		list = append(list, string(r.Raw))
	}
	return list
}
