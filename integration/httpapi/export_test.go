package httpapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"

	"github.com/hiliosai/switchboard/internal/egress"
)

// NewBehind returns a client behind a proxy. resolver resolves the names of targets for the guard.
func NewBehind(proxy *url.URL, resolver egress.Resolver, guard *egress.Guard) *Client {
	c := New(Options{Guard: guard, proxy: func(*http.Request) (*url.URL, error) { return proxy, nil }})
	for _, t := range []http.RoundTripper{c.web.Transport, c.strict.api} {
		if g, ok := t.(*guarded); ok {
			g.resolver = resolver
		}
	}
	return c
}

// DialWith makes API calls use the connections of dial.
func (c *Client) DialWith(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	for _, t := range []transport{c.api, c.long} {
		if q, ok := t.(noRedirectQuoting); ok {
			q.DialContext = dial
		}
	}
}

// Trust makes a client trust a test's certificates for downloads.
func (c *Client) Trust(pool *x509.CertPool) {
	if g, ok := c.web.Transport.(*guarded); ok {
		g.direct.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
}
