package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"

	"github.com/hiliosai/switchboard/internal/redact"
)

// URL is the address of a server. It may hold credentials, as in nats://USER:PASSWORD@HOST, which are masked however
// it is printed or marshalled; convert it to string where it is used.
type URL string

// String gives the URL with its credentials masked.
func (u URL) String() string { return redact.Address(string(u)) }

// Format masks the credentials for every verb, also for those that would bypass String.
func (u URL) Format(f fmt.State, _ rune) { fmt.Fprint(f, u.String()) }

// MarshalText masks the credentials for encoders.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// hasScheme says whether the URL is one, with a host and one of the schemes.
func (u URL) hasScheme(schemes ...string) bool {
	parsed, err := url.Parse(string(u))
	return err == nil && slices.Contains(schemes, parsed.Scheme) && parsed.Host != ""
}

// host gives the host, and whether NATS accepts the URL. It leaves out why not: such errors quote the URL.
func (u URL) host() (host string, ok bool) {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return "", false
	}
	scheme, host, port := parsed.Scheme, parsed.Hostname(), parsed.Port()
	return host, (scheme == "nats" || scheme == "tls") && host != "" && (port == "" || isPort(port))
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// Address is HOST:PORT, with NATS's own port where the URL names none.
func (u URL) Address() (string, error) {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return "", fmt.Errorf("%s is not an address of a NATS server", u)
	}
	return net.JoinHostPort(parsed.Hostname(), cmp.Or(parsed.Port(), "4222")), nil
}

// Secrets lists the credentials in the URL, unescaped.
func (u URL) Secrets() []string {
	parsed, err := url.Parse(string(u))
	if err != nil || parsed.User == nil {
		return nil
	}
	if password, ok := parsed.User.Password(); ok {
		return []string{password}
	}
	if parsed.Scheme == "nats" || parsed.Scheme == "tls" {
		return []string{parsed.User.Username()} // a token
	}
	return nil
}
