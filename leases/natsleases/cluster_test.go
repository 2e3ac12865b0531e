//go:build slow

package natsleases_test

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/leases"
	"github.com/hiliosai/switchboard/leases/leasestest"
	"github.com/hiliosai/switchboard/leases/natsleases"
)

// startCluster starts three servers that keep copies for each other.
func startCluster(t *testing.T) []*server.Server {
	t.Helper()
	servers, routes := make([]*server.Server, 3), make([]*url.URL, 3)
	for i := range routes { // all servers must know all, from the start
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		routes[i] = &url.URL{Scheme: "nats", Host: listener.Addr().String()}
		require.NoError(t, listener.Close())
	}
	for i := range servers {
		port, err := strconv.Atoi(routes[i].Port())
		require.NoError(t, err)
		servers[i], err = server.NewServer(&server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(), Routes: routes,
			Cluster: server.ClusterOpts{Name: "leases", Host: "127.0.0.1", Port: port},
		})
		require.NoError(t, err)
		servers[i].Start()
		t.Cleanup(func() { servers[i].Shutdown(); servers[i].WaitForShutdown() })
	}
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(servers, func(s *server.Server) bool {
			return s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == len(servers)
		})
	}, patience, 20*time.Millisecond)
	return servers
}

func TestConformanceOfACluster(t *testing.T) {
	servers := startCluster(t)
	var places, stores atomic.Int64
	leasestest.Run(t, leasestest.Harness{New: func(tb testing.TB) func() leases.Store {
		tb.Helper()
		opts := natsleases.Options{Namespace: fmt.Sprint("place-", places.Add(1)), Replicas: 3, Timeout: 10 * time.Second}
		return func() leases.Store { // each on another server
			s := servers[stores.Add(1)%int64(len(servers))]
			return newNATS(tb, connect(tb, s.ClientURL()), opts)
		}
	}})
}
