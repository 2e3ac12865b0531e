package datasource

import (
	"context"
	"net"
	"net/http"
)

// DialWith has a client's calls go over a test's connections.
func (c *HTTPClient) DialWith(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	if transport, ok := c.http.Transport.(*http.Transport); ok {
		transport.DialContext = dial
	}
}
