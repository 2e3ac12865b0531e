package natsleases_test

import (
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/leases"
	"github.com/hiliosai/switchboard/leases/leasestest"
	"github.com/hiliosai/switchboard/leases/natsleases"
)

func TestMain(m *testing.M) {
	// nats.go 1.55.0 leaves this one behind where a publisher is cleaned up before what its first publish began has run.
	// Of a publisher that is not cleaned up a subscription's would be there, too.
	goleak.VerifyTestMain(
		testserver.Main(m),
		goleak.IgnoreTopFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect"),
	)
}

// patience bounds every wait.
const patience = time.Minute

func harness() leasestest.Harness {
	return leasestest.Harness{
		New: func(tb testing.TB) func() leases.Store {
			tb.Helper()
			url := testserver.NATS(tb).ClientURL()
			return func() leases.Store { return newNATS(tb, connect(tb, url), natsleases.Options{Namespace: "hios"}) }
		},
		Breakable: func(tb testing.TB) (leases.Store, func(), func()) {
			tb.Helper()
			s := startNATS(tb)
			return newNATS(tb, connect(tb, s.ClientURL()), natsleases.Options{}), s.stop, s.start
		},
	}
}

func TestConformance(t *testing.T) { leasestest.Run(t, harness()) }

func BenchmarkLeases(b *testing.B) { leasestest.Benchmark(b, harness()) }

func newNATS(tb testing.TB, nc *nats.Conn, opts natsleases.Options) leases.Store {
	tb.Helper()
	store, err := natsleases.New(nc, opts)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, store.Close()) })
	return store
}

// connect connects as a node does.
func connect(tb testing.TB, url string) *nats.Conn {
	tb.Helper()
	nc, err := nats.Connect(
		url, nats.ReconnectBufSize(-1), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond),
		nats.ReconnectJitter(0, 0),
	)
	require.NoError(tb, err)
	tb.Cleanup(nc.Close)
	return nc
}

// natsServer is one that can be restarted where it was.
type natsServer struct {
	*server.Server
	tb   testing.TB
	opts *server.Options
}

func startNATS(tb testing.TB) *natsServer {
	tb.Helper()
	s := &natsServer{tb: tb, opts: &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: tb.TempDir(),
	}}
	s.start()
	tb.Cleanup(s.stop)
	s.opts.Port = s.Addr().(*net.TCPAddr).Port
	return s
}

func (s *natsServer) start() {
	s.tb.Helper()
	var err error
	s.Server, err = server.NewServer(s.opts.Clone())
	require.NoError(s.tb, err)
	s.Start()
	require.True(s.tb, s.ReadyForConnections(patience))
}

func (s *natsServer) stop() {
	s.Shutdown()
	s.WaitForShutdown()
}
