package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// newSocketServer starts a server. The path of a request says how the server answers its handshake.
func newSocketServer(t *testing.T) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer func() { _ = conn.CloseNow() }()
			for {
				kind, data, err := conn.Read(r.Context())
				if err != nil || conn.Write(r.Context(), kind, data) != nil {
					return
				}
			}
		case "/deaf": // it does not answer close frames
			conn, err := websocket.Accept(w, r, nil)
			if err == nil {
				defer func() { _ = conn.CloseNow() }()
				<-t.Context().Done()
			}
		case "/elsewhere":
			http.Redirect(w, r, "/echo", http.StatusFound)
		case "/busy":
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			_, _ = w.Write([]byte("hello"))
		}
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "http", "ws", 1)
}

func TestSocketIsDialled(t *testing.T) {
	address := newSocketServer(t)
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	t.Cleanup(client.Close)
	socket, err := client.Dial(t.Context(), "parrot say", address+"/echo", nil)
	require.NoError(t, err)
	require.NoError(t, socket.Write(t.Context(), websocket.MessageText, []byte("hi")))
	_, data, err := socket.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hi", string(data))
	socket.Shut(4000, "")
	_, _, err = socket.Read(t.Context())
	require.Error(t, err)
	socket.Shut(4000, "")
	socket, err = client.Dial(t.Context(), "parrot say", address+"/deaf", nil)
	require.NoError(t, err)
	socket.Shut(4000, "")
	_, _, err = socket.Read(t.Context())
	require.Error(t, err, "it is closed though the other side says nothing")

	for name, test := range map[string]struct {
		address string
		code    string
		kind    integration.ErrorKind
	}{
		"a redirect":         {address + "/elsewhere", "API_BASE_INVALID", integration.FaultPermanent},
		"a busy server":      {address + "/busy", "RATE_LIMITED", integration.FaultThrottled},
		"a page":             {address + "/page", "PLATFORM_UNREACHABLE", integration.FaultTransient},
		"nobody":             {"ws://127.0.0.1:1/CANARY", "PLATFORM_UNREACHABLE", integration.FaultTransient},
		"another scheme":     {"http://127.0.0.1/CANARY", "ANSWER_UNREADABLE", integration.FaultTransient},
		"what is no address": {"ws://%zz/CANARY", "ANSWER_UNREADABLE", integration.FaultTransient},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Dial(t.Context(), "parrot say", test.address, nil)
			requireError(t, err, test.kind, test.code)
		})
	}
}

func TestSocketAddressOfTenantMustBePublic(t *testing.T) {
	address := newSocketServer(t)
	client := httpapi.New(httpapi.Options{})
	t.Cleanup(client.Close)
	_, err := client.For(integration.WithChosenAddresses(nil)).Dial(t.Context(), "parrot say", address+"/echo", nil)
	requireError(t, err, integration.FaultPermanent, "ADDRESS_REFUSED")
	socket, err := client.For(nil).Dial(t.Context(), "parrot say", address+"/echo", nil)
	require.NoError(t, err)
	socket.Shut(4000, "")
}
