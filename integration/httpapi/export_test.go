package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
)

// Public is exported for tests: they call no other machine.
func Public(a netip.Addr) bool { return public(netip.AddrPortFrom(a, 80)) }

// NewWith is New for a client to which addresses of this machine are public ones, too.
func NewWith(addresses ...string) *Client {
	c := New(Options{})
	c.web = newWebClient(func(at netip.AddrPort) bool {
		for _, a := range addresses {
			if at == netip.MustParseAddrPort(a) {
				return true
			}
		}
		return public(at)
	})
	return c
}

// Trust makes a client take a test's certificate.
func (c *Client) Trust(pool *x509.CertPool) {
	if t, ok := c.web.Transport.(quiet); ok {
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
}
