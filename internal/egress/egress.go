// Package egress decides which addresses the node may connect to on behalf of callers, tenants and platforms. It is not
// used for addresses that the operator configures.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrRefused says that the node may not connect to an address, or that a name has no address. The error is the same for
// both, so that a caller cannot find out which names and addresses exist in a private network.
var ErrRefused = errors.New("the address is not a public one, or the host is not known")

// Guard allows connections to public addresses and to listed ones. The zero value allows public addresses only. Safe
// for concurrent use.
type Guard struct{ list atomic.Pointer[list] }

// list is what a guard allows beside public addresses.
type list struct {
	all   bool
	rules []rule
}

func (g *Guard) now() *list {
	if l := g.list.Load(); l != nil {
		return l
	}
	return &list{}
}

// rule allows a name or a range of addresses, at one port, or at all ports if port is 0.
type rule struct {
	name   string
	prefix netip.Prefix
	port   uint16
}

// Anywhere returns a guard that allows everything.
func Anywhere() *Guard { return newGuard(&list{all: true}) }

func newGuard(l *list) *Guard {
	g := &Guard{}
	g.list.Store(l)
	return g
}

// Become has g allow from now on what other allows. Connections that are open stay open.
func (g *Guard) Become(other *Guard) { g.list.Store(other.now()) }

// New makes a guard that also allows the listed IP addresses, networks such as 192.168.0.0/16, and names of hosts.
// Addresses and names may have a port, as in 10.0.0.5:8081 or [fd00::1]:8081. The error joins all faults.
func New(allow ...string) (*Guard, error) {
	l := &list{}
	var faults []error
	for _, text := range allow {
		r, err := parse(text)
		if err != nil {
			faults = append(faults, err)
		}
		l.rules = append(l.rules, r)
	}
	return newGuard(l), errors.Join(faults...)
}

// hostname matches a name in DNS. It may not end in a number, because some programs read such a name as an address.
var hostname = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]*[a-z_]([a-z0-9_-]*[a-z0-9_])?$`)

func parse(text string) (rule, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return rule{prefix: unmapped(p)}, nil
	}
	host, port := text, uint64(0)
	if h, p, err := net.SplitHostPort(text); err == nil {
		if port, err = strconv.ParseUint(p, 10, 16); err != nil || port == 0 {
			return rule{}, fault(text)
		}
		host = h
	}
	if inner, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inner, "]") {
		host = strings.TrimSuffix(inner, "]")
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return rule{prefix: netip.PrefixFrom(a, a.BitLen()), port: uint16(port)}, nil
	}
	if host = normal(host); !hostname.MatchString(host) {
		return rule{}, fault(text)
	}
	return rule{name: host, port: uint16(port)}, nil
}

func fault(text string) error {
	return fmt.Errorf(
		"expects an address, a network such as 192.168.0.0/16 or the name of a host, maybe with a port, found %q", text,
	)
}

// unmapped turns an IPv4 network that was written as IPv6 into one of IPv4.
func unmapped(p netip.Prefix) netip.Prefix {
	const mapped = 96
	if p.Addr().Is4In6() && p.Bits() >= mapped {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p.Masked()
}

// normal returns a host's name in the form in which names are compared.
func normal(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// AllowsName says whether the node may connect to a host whatever its address is.
func (g *Guard) AllowsName(host string, port uint16) bool {
	name := normal(host)
	l := g.now()
	return l.all || slices.ContainsFunc(l.rules, func(r rule) bool {
		return r.name != "" && r.name == name && (r.port == 0 || r.port == port)
	})
}

// Allows says whether the node may connect to an address.
func (g *Guard) Allows(at netip.AddrPort) bool {
	a := at.Addr().Unmap()
	l := g.now()
	return l.all || isPublic(a) || slices.ContainsFunc(l.rules, func(r rule) bool {
		return r.prefix.IsValid() && r.prefix.Contains(a) && (r.port == 0 || r.port == at.Port())
	})
}

// globalIPv6 is all that is assigned of IPv6 as public addresses.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// notPublic lists the ranges that package netip has no name for (IANA special-purpose registries).
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"),
}

func isPublic(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !globalIPv6.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Dialer is a net.Dialer that asks the guard. It checks the address that it dials, so that a name cannot resolve to
// another address after the check.
type Dialer struct {
	net.Dialer
	Guard *Guard
}

// DialContext connects as [net.Dialer.DialContext] does. Its error wraps [ErrRefused] if the guard refuses the address.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := split(address)
	if err != nil {
		return nil, ErrRefused
	}
	inner := d.Dialer
	if !d.Guard.AllowsName(host, port) {
		inner.Control = func(_, address string, _ syscall.RawConn) error {
			if at, err := netip.ParseAddrPort(address); err != nil || !d.Guard.Allows(at) {
				return ErrRefused
			}
			return nil
		}
	}
	conn, err := inner.DialContext(ctx, network, address)
	if inner.Control != nil && isUnknown(err) {
		err = ErrRefused
	}
	return conn, err
}

// isUnknown says that a name has no address.
func isUnknown(err error) bool {
	e, ok := errors.AsType[*net.DNSError](err)
	return ok && e.IsNotFound
}

func split(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return host, uint16(n), err
}

// resolveTimeout bounds the look-up of a name.
const resolveTimeout = 5 * time.Second

// Resolver finds the addresses of a name; *net.Resolver does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Check checks a URL that a proxy will fetch. The proxy resolves the host itself, so all addresses of the host must be
// allowed. The error wraps [ErrRefused], or is that of the look-up.
func (g *Guard) Check(ctx context.Context, u *url.URL, resolver Resolver) error {
	port, err := portOf(u)
	if err != nil {
		return ErrRefused
	}
	if g.AllowsName(u.Hostname(), port) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addresses, err := resolver.LookupNetIP(ctx, "ip", u.Hostname()) // of an address that is itself
	if isUnknown(err) {
		return ErrRefused
	}
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if !g.Allows(netip.AddrPortFrom(a, port)) {
			return ErrRefused
		}
	}
	return nil
}

func portOf(u *url.URL) (uint16, error) {
	const http, https = 80, 443
	switch {
	case u.Port() == "" && u.Scheme == "https":
		return https, nil
	case u.Port() == "":
		return http, nil
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return uint16(n), err
}
