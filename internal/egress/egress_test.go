package egress_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/egress"
)

func allows(t *testing.T, g *egress.Guard, address string) bool {
	t.Helper()
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		at = netip.AddrPortFrom(netip.MustParseAddr(address), 80)
	}
	return g.Allows(at)
}

func TestOnlyPublicAddressesArePublic(t *testing.T) {
	guard := &egress.Guard{}
	for _, address := range []string{
		"8.8.8.8", "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
		"169.253.255.255",
		"169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0",
		"192.167.255.255", "192.169.0.0",
		"198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
		"2001:200::1", "2001:4860:4860::8888", "2001:db7:ffff::1", "2001:db9::1", "2003::1", "2a00::1", "3ffe::1",
	} {
		require.True(t, allows(t, guard, address), address)
	}
	for _, address := range privateAddresses {
		require.False(t, allows(t, guard, address), address)
	}
}

// privateAddresses are the first and last of the ranges that are no public ones, or some within.
var privateAddresses = []string{
	"0.0.0.0", "0.255.255.255", // this network
	"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255", // private networks
	"100.64.0.0", "100.127.255.255", // of providers
	"127.0.0.0", "127.0.0.1", "127.255.255.255", // this machine
	"169.254.0.0", "169.254.169.254", "169.254.255.255", // link-local, and clouds' metadata
	// protocols and documentation
	"192.0.0.0", "192.0.0.255", "192.0.2.0", "192.0.2.255", "198.51.100.0", "198.51.100.255", "203.0.113.0",
	"203.0.113.255",
	"192.88.99.0", "192.88.99.255", // relays
	"198.18.0.0", "198.19.255.255", // benchmarks
	"224.0.0.1", "239.255.255.255", "240.0.0.0", "255.255.255.254", "255.255.255.255", // multicast, reserved and broadcast
	"::", "::1", "fe80::1", "fe80::1%1", "febf:ffff::1", "fec0::1", "fc00::1", "fdff:ffff::1", "ff02::1",
	"::7f00:1", "::a00:1", "::ffff:0:7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", // those that hold an IPv4 address
	"2001::1", "2001:1ff:ffff::1", "2002:7f00:1::1", "2001:db8::1", "2001:db8:ffff::1", "3fff::1", "3fff:fff::1",
	"100::1", "5f00::1", "4000::1",
	"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:192.168.1.1", "::ffff:100.64.0.1",
	"::ffff:0.0.0.0",
}

func TestGuardAllowsListedAddresses(t *testing.T) {
	guard, err := egress.New(
		"10.0.0.5", "10.0.0.6:8081", "192.168.0.0/16", "::ffff:172.16.0.0/112", "[fd00::1]:8081", "fd00::2",
		"Botapi.Internal.", "proxy:3128", "[fd00::3]",
	)
	require.NoError(t, err)
	for address, want := range map[string]bool{
		"10.0.0.5:1": true, "[::ffff:10.0.0.5]:1": true, "10.0.0.4:1": false, "10.0.0.6:8081": true, "10.0.0.6:8080": false,
		"192.168.255.255:80": true, "172.16.0.9:80": true, "172.17.0.9:80": false,
		"[fd00::1]:8081": true, "[fd00::1]:80": false, "[fd00::2]:80": true, "[fd00::3]:80": true, "[fd00::4]:80": false,
		"127.0.0.1:80": false,
	} {
		require.Equal(t, want, allows(t, guard, address), address)
	}
	for name, want := range map[string]bool{
		"botapi.internal": true, "BOTAPI.internal.": true, "x.botapi.internal": false, "botapi": false, "proxy": false,
		"10.0.0.5": false,
	} {
		require.Equal(t, want, guard.AllowsName(name, 80), name)
	}
	require.True(t, guard.AllowsName("proxy", 3128))
	require.True(t, allows(t, egress.Anywhere(), "127.0.0.1:80") && egress.Anywhere().AllowsName("a", 1))
}

func TestGuardRefusesAListWithoutAddresses(t *testing.T) {
	for _, text := range []string{
		"", "http://10.0.0.5", "10.0.0.5/33", "10.0.0", "10.0.0.300", "a b", "a:0", "a:65536", "a:b", "-a", "*.internal",
		"[::1", "user@host", "fe80::1%eth0",
	} {
		_, err := egress.New("10.0.0.1", text)
		require.ErrorContains(t, err, "expects an address", "%q", text)
	}
}

// names is a resolver that knows some.
type names map[string][]netip.Addr

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if list, ok := n[host]; ok && list == nil {
		return nil, errors.New("the name server is away")
	} else if ok {
		return list, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func TestProxysTargetIsJudgedByAllOfItsAddresses(t *testing.T) {
	guard, err := egress.New("allowed.internal:8081", "10.0.0.9")
	require.NoError(t, err)
	at := func(list ...string) (addresses []netip.Addr) {
		for _, a := range list {
			addresses = append(addresses, netip.MustParseAddr(a))
		}
		return addresses
	}
	resolver := names{
		"public.example": at("8.8.8.8", "2001:4860:4860::8888"), "mixed.example": at("8.8.8.8", "10.0.0.1"),
		"private.example": at("10.0.0.1"),
		"listed.example":  at("10.0.0.9"), "away.example": nil,
	}
	for link, want := range map[string]error{
		"https://public.example/a": nil, "https://8.8.8.8": nil, "http://listed.example:99": nil,
		"http://allowed.internal:8081": nil,
		"https://mixed.example":        egress.ErrRefused, "https://private.example": egress.ErrRefused,
		"https://nobody.example": egress.ErrRefused,
		"http://10.0.0.1":        egress.ErrRefused, "http://[::1]:80": egress.ErrRefused,
		"http://allowed.internal": egress.ErrRefused,
	} {
		u, err := url.Parse(link)
		require.NoError(t, err)
		require.ErrorIs(t, guard.Check(t.Context(), u, resolver), want, link)
	}
	away, err := url.Parse("https://away.example")
	require.NoError(t, err)
	err = guard.Check(t.Context(), away, resolver)
	require.ErrorContains(t, err, "the name server is away")
	require.NotErrorIs(t, err, egress.ErrRefused)
}

func TestDialerHidesWhatIsAtAPrivateAddress(t *testing.T) {
	open, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer open.Close()
	shut, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, shut.Close())
	d := &egress.Dialer{Guard: &egress.Guard{}}
	for name, address := range map[string]string{
		"an open port": open.Addr().String(), "a closed port": shut.Addr().String(), "no address": "localhost",
	} {
		_, err := d.DialContext(t.Context(), "tcp", address)
		require.ErrorIs(t, err, egress.ErrRefused, name)
	}
	d.Guard, err = egress.New(open.Addr().String())
	require.NoError(t, err)
	conn, err := d.DialContext(t.Context(), "tcp", open.Addr().String())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

func TestGuardBecomesAnother(t *testing.T) {
	at := netip.MustParseAddrPort("10.0.0.5:8081")
	guard, err := egress.New("10.0.0.5")
	require.NoError(t, err)
	require.True(t, guard.Allows(at))
	guard.Become(&egress.Guard{})
	require.False(t, guard.Allows(at))
	guard.Become(egress.Anywhere())
	require.True(t, guard.Allows(at))
	require.True(t, guard.AllowsName("away.example", 443))
}
