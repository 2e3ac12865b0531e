package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/egress"
)

// shutTimeout is how long [Socket.Shut] waits for the peer.
const shutTimeout = 500 * time.Millisecond

// Socket is a WebSocket connection. SetReadLimit says how long its messages may be.
type Socket struct {
	*websocket.Conn
	raw io.Closer
}

// Dial opens a WebSocket at a ws or wss address that an API returned. If a tenant chose the channel's addresses, Dial
// reaches only addresses that the Guard allows; see [Client.For]. Errors show name instead of the address, which may
// hold a credential. ctx and a timeout of 15 seconds bound the handshake only. Errors are *integration.Error.
func (c *Client) Dial(ctx context.Context, name, address string, header http.Header) (*Socket, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" {
		return nil, &integration.Error{ // err is not wrapped because it quotes the address
			Kind: integration.FaultTransient, Code: codes.AnswerUnreadable,
			Message: name + ": the address that the platform handed out is not a ws or wss URL",
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	handshake := &handshake{RoundTripper: c.api}
	conn, res, err := websocket.Dial(ctx, address, &websocket.DialOptions{ //nolint:bodyclose // Dial closes it
		HTTPHeader: header,
		HTTPClient: &http.Client{
			Transport:     handshake,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
	switch {
	case err == nil:
		return &Socket{conn, handshake.connection}, nil
	case errors.Is(err, egress.ErrRefused):
		return nil, refused(name, codeAddressRefused, u)
	case res != nil && res.StatusCode != http.StatusSwitchingProtocols && res.StatusCode >= http.StatusMultipleChoices:
		return nil, Foreign(name, &Answer{Status: res.StatusCode, Header: res.Header})
	default:
		return nil, failure(name, false, err)
	}
}

// handshake is a RoundTripper that keeps the connection under a WebSocket, so that it can be closed at any time.
type handshake struct {
	http.RoundTripper
	connection io.Closer
}

// RoundTrip implements http.RoundTripper.
func (h *handshake) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := h.RoundTripper.RoundTrip(req)
	if err == nil {
		h.connection = res.Body
	}
	return res, err
}

// Shut closes the WebSocket with a status code. Unlike Close, it waits at most half a second for the peer. Reads in
// progress end with an error. It is safe for concurrent use.
func (s *Socket) Shut(code websocket.StatusCode, reason string) {
	timer := time.AfterFunc(shutTimeout, func() { _ = s.raw.Close() })
	defer timer.Stop()
	_ = s.Close(code, reason) // the peer may be gone already
}
