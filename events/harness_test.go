package events_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/events/order"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(victimSpool); path != "" {
		victim(path, os.Getenv(victimNATS))
	}
	if server := os.Getenv(mortalServer); server != "" {
		beMortal(server)
	}
	goleak.VerifyTestMain(m)
}

// generous bounds what has to happen at some time.
const generous = time.Minute

const (
	name    = "hios.processing.message.received"
	subject = "dev." + name
	stream  = "dev_hios_processing_message_received"
)

// harness is a publisher on a NATS server of its own.
type harness struct {
	t    testing.TB
	opts *server.Options
	srv  *server.Server
	js   jetstream.JetStream // to look behind the publisher's back
	nc   *nats.Conn          // the publisher's own
	log  *logrus.Entry
	logs *test.Hook
	*events.Publisher
}

func newHarness(tb testing.TB, change ...func(*server.Options, *events.Options)) *harness {
	tb.Helper()
	log, logs := test.NewNullLogger()
	b := &harness{t: tb, log: logrus.NewEntry(log), logs: logs, opts: &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: tb.TempDir(), NoLog: true, NoSigs: true,
	}}
	opts := events.Options{Prefix: "dev", Replicas: 1, Timeout: generous, Log: b.log}
	for _, c := range change {
		c(b.opts, &opts)
	}
	b.start()
	tb.Cleanup(b.stop)
	b.opts.Port = b.srv.Addr().(*net.TCPAddr).Port // a restarted server is found where it was

	b.nc = b.connect(nats.ReconnectBufSize(-1))
	var err error
	b.js, err = jetstream.New(b.connect())
	require.NoError(tb, err)
	b.Publisher, err = events.New(b.nc, opts)
	require.NoError(tb, err)
	return b
}

func (b *harness) start() {
	b.t.Helper()
	srv, err := server.NewServer(b.opts.Clone())
	require.NoError(b.t, err)
	srv.Start()
	b.srv = srv
	require.True(b.t, srv.ReadyForConnections(generous))
}

func (b *harness) stop() {
	b.srv.Shutdown()
	b.srv.WaitForShutdown()
}

func (b *harness) connect(options ...nats.Option) *nats.Conn {
	b.t.Helper()
	nc, err := nats.Connect(
		b.srv.ClientURL(),
		append(options, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0))...,
	)
	require.NoError(b.t, err)
	b.t.Cleanup(nc.Close)
	return nc
}

// reconnected waits until the publisher is connected again.
func (b *harness) reconnected() {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return b.nc.FlushTimeout(generous) == nil }, generous, 5*time.Millisecond)
}

func (b *harness) ensure(names ...string) {
	b.t.Helper()
	require.NoError(b.t, b.Ensure(b.t.Context(), names...))
}

// publish stores an event or says why not.
func (b *harness) publish(id, payload string) error {
	return b.Store(b.t.Context(), order.Event{Name: name, MsgID: id, Payload: []byte(payload)})
}

// publication is an event that was published and may not be acknowledged yet.
type publication struct {
	t    testing.TB
	done chan struct{} // closed when onAck is called

	duplicate bool
	err       error
	times     atomic.Int32 // how often onAck was called
}

func (b *harness) publishAsync(ctx context.Context, name, id string, payload []byte) *publication {
	return b.publishEvent(ctx, order.Event{Name: name, MsgID: id, Payload: payload})
}

func (b *harness) publishEvent(ctx context.Context, e order.Event) *publication {
	p := &publication{t: b.t, done: make(chan struct{})}
	b.Publish(ctx, e, func(duplicate bool, err error) {
		if p.times.Add(1) == 1 {
			p.duplicate, p.err = duplicate, err
			close(p.done)
		}
	})
	return p
}

// wait returns the result of onAck.
func (p *publication) wait() (duplicate bool, err error) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(generous):
		require.Fail(p.t, "onAck was not called")
	}
	return p.duplicate, p.err
}

func (b *harness) create(config jetstream.StreamConfig) {
	b.t.Helper()
	const storeInUse = 10049 // the server still removes the files of a deleted stream of this name
	var err error
	require.Eventually(b.t, func() bool {
		_, err = b.js.CreateStream(b.t.Context(), config)
		api, ok := errors.AsType[*jetstream.APIError](err)
		return !ok || api.ErrorCode != storeInUse
	}, generous, 5*time.Millisecond)
	require.NoError(b.t, err)
}

func (b *harness) info(stream string) *jetstream.StreamInfo {
	b.t.Helper()
	s, err := b.js.Stream(b.t.Context(), stream)
	require.NoError(b.t, err)
	return s.CachedInfo()
}

// stored are the ids of a stream's events in their order.
func (b *harness) stored(stream string) []string {
	b.t.Helper()
	s, err := b.js.Stream(b.t.Context(), stream)
	require.NoError(b.t, err)
	ids := []string{}
	for seq := range s.CachedInfo().State.LastSeq {
		msg, err := s.GetMsg(b.t.Context(), seq+1)
		require.NoError(b.t, err)
		ids = append(ids, msg.Header.Get(jetstream.MsgIDHeader))
	}
	return ids
}

func (b *harness) streams() []string {
	b.t.Helper()
	list := b.js.StreamNames(b.t.Context())
	var names []string
	for n := range list.Name() {
		names = append(names, n)
	}
	require.NoError(b.t, list.Err())
	return names
}

func (b *harness) warnings() []string {
	var texts []string
	for _, entry := range b.logs.AllEntries() {
		if entry.Level <= logrus.WarnLevel {
			texts = append(texts, entry.Message)
		}
	}
	return texts
}

// newCluster gives a publisher on a cluster of three servers, and its warnings.
func newCluster(t *testing.T) (*events.Publisher, func() []string) {
	t.Helper()
	var routes []*url.URL
	ports := make([]int, 3)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ports[i] = l.Addr().(*net.TCPAddr).Port
		require.NoError(t, l.Close())
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
	}
	var servers []*server.Server
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("s", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(),
			NoLog: true, NoSigs: true,
			Cluster: server.ClusterOpts{Name: "trio", Host: "127.0.0.1", Port: port}, Routes: routes,
		})
		require.NoError(t, err)
		s.Start()
		t.Cleanup(func() {
			s.Shutdown()
			s.WaitForShutdown()
		})
		servers = append(servers, s)
	}
	require.True(t, servers[0].ReadyForConnections(generous))
	require.Eventually(t, func() bool {
		for _, s := range servers {
			if s.JetStreamIsCurrent() && s.JetStreamIsLeader() {
				return len(s.JetStreamClusterPeers()) == len(servers)
			}
		}
		return false
	}, generous, 20*time.Millisecond)
	nc, err := nats.Connect(servers[0].ClientURL(), nats.ReconnectBufSize(-1))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	log, logs := test.NewNullLogger()
	p, err := events.New(nc, events.Options{Prefix: "dev", Replicas: 1, Timeout: generous, Log: logrus.NewEntry(log)})
	require.NoError(t, err)
	return p, func() []string { return (&harness{logs: logs}).warnings() }
}
