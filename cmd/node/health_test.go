package main_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealthCommandAsksTheNodeOfThisMachine(t *testing.T) {
	t.Parallel()
	dir, listen := t.TempDir(), freeAddress(t)
	_, port, err := net.SplitHostPort(listen)
	require.NoError(t, err)
	nats := embedded(freeAddress(t))
	write(t, dir, "config.yaml", fmt.Sprintf("node: {id: one}\n%shttp: {listen: %q}\n", nats, listen))
	write(t, dir, "all.yaml", fmt.Sprintf("http: {listen: \"0.0.0.0:%s\"}\n", port))
	write(t, dir, "cluster.yaml", "node: {id: one}\nhttp: {listen: \"\"}\n"+nats)
	write(t, dir, "other.yaml", "node: {id: two}\nhttp: {listen: \"\"}\n"+nats)
	write(t, dir, "nobody.yaml", "http: {listen: \"\"}\n"+nats)

	r := start(t, dir)
	for _, file := range []string{"config.yaml", "all.yaml", "cluster.yaml"} {
		require.Equal(t, result{"ready\n", "", 0}, node(t, dir, "health", "--config", file), file)
	}
	for file, fault := range map[string]string{
		"other.yaml": `there is no node "two"; there are: one`, "nobody.yaml": "set admin.listen, http.listen or node.id",
	} {
		none := node(t, dir, "health", "--config", file)
		require.Equal(t, 1, none.exit)
		require.Contains(t, none.stderr, fault)
	}

	require.NoError(t, r.cmd.Process.Signal(syscall.SIGTERM))
	r.await(t, "stopped")
	gone := node(t, dir, "health")
	require.Equal(t, 1, gone.exit)
	require.Contains(t, gone.stderr, "connection refused")
}

func TestHealthCommandFailsWhereTheNodeIsNotReady(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]result{
		`{"ready":true,"state":"degraded"}`:     {"degraded\n", "", 0},
		`{"ready":false,"state":"unavailable"}`: {"", "the node is unavailable: the node's log says why\n", 1},
		`{}`:                                    {"", "the node is not known: the node's log says why\n", 1},
		`<html>`:                                {"", "ADDRESS is no node of Switchboard: it answers with HTTP 503\n", 1},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, body)
		}))
		t.Cleanup(server.Close)
		dir, address := t.TempDir(), server.Listener.Addr().String()
		write(t, dir, "config.yaml", fmt.Sprintf("http: {listen: %q}\n", address))
		got := node(t, dir, "health")
		got.stderr = strings.ReplaceAll(got.stderr, address, "ADDRESS")
		require.Equal(t, want, got, body)
	}
}
