package nowhere_test

import (
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/testserver/nowhere"
)

func TestURLRefusesConnections(t *testing.T) {
	address := strings.TrimPrefix(nowhere.URL(t), "http://")
	_, err := net.Dial("tcp", address)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	_, err = net.Listen("tcp", address)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}
