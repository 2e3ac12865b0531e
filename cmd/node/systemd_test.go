package main_test

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSystemdIsToldWhatTheNodeDoes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "config.yaml", embedded(freeAddress(t))+"http: {listen: \"127.0.0.1:0\"}\n")
	socket := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, manager.Close()) })
	told := func() []string {
		require.NoError(t, manager.SetReadDeadline(time.Now().Add(patience)))
		packet := make([]byte, 1<<10)
		n, err := manager.Read(packet)
		require.NoError(t, err)
		return strings.Fields(string(packet[:n]))
	}
	r := start(t, dir, "NOTIFY_SOCKET="+socket)
	require.Equal(t, []string{"READY=1"}, told())

	require.NoError(t, r.cmd.Process.Signal(syscall.SIGHUP))
	reloading := told()
	require.Len(t, reloading, 2)
	require.Equal(t, "RELOADING=1", reloading[0])
	require.Regexp(t, `^MONOTONIC_USEC=\d+$`, reloading[1])
	require.Equal(t, []string{"READY=1"}, told())

	require.NoError(t, r.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, []string{"STOPPING=1"}, told())
	r.await(t, "stopped")
}
