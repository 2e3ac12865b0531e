// Package nowhere has addresses at which nobody listens. The one of a server that was closed will not do: another
// test's server may get it.
package nowhere

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// URL is one at which nobody listens for as long as the test runs: its port is taken, by a connection's other end.
func URL(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = listener.Close() })
	conn, err := net.Dial("tcp", listener.Addr().String()) //nolint:noctx // to a listener that is there
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	return "http://" + conn.LocalAddr().String()
}
