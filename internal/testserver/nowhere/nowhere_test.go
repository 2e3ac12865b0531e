package nowhere_test

import (
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/testserver/nowhere"
)

func TestNobodyIsThere(t *testing.T) {
	address := strings.TrimPrefix(nowhere.URL(t), "http://")
	_, err := net.Dial("tcp", address) //nolint:noctx // it is refused at once
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	_, err = net.Listen("tcp", address) //nolint:noctx // it does not wait
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}
