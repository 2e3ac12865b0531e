package app_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
)

const (
	// generous bounds what has to happen at some time.
	generous = time.Minute
	// moment is how often it is looked for.
	moment = 20 * time.Millisecond
)

// members are the users of a NATS server: the node under the password that it knows, or another.
func members(password string) []*server.User {
	return []*server.User{{Username: "node", Password: password}}
}

// external is a node of settings on a NATS server of the test's own.
func external(t *testing.T, url string) *config.Config {
	t.Helper()
	c := settings(t)
	c.NATS.Embedded, c.NATS.Servers = false, []config.URL{config.URL(url)}
	c.Events.Spool.Path = filepath.Join(t.TempDir(), "spool.db")
	return c
}

// logged is a logger for a test, and what it has written.
func logged(c *config.Config) (*logrus.Logger, *redact.Secrets, *buffer) {
	out, log, secrets := &buffer{}, logrus.New(), &redact.Secrets{}
	app.ConfigureLog(log, out, c.Log, secrets)
	return log, secrets, out
}

func TestNodeComesBackWhenItsRefusedLoginWorksAgain(t *testing.T) {
	t.Parallel()
	opts := &server.Options{JetStream: true, StoreDir: t.TempDir(), Users: members("right")}
	srv := natsd(t, opts)
	reload := func(password string) {
		changed := opts.Clone()
		changed.Users = members(password)
		require.NoError(t, srv.ReloadOptions(changed))
	}
	refused := func() (n int) {
		closed, err := srv.Connz(&server.ConnzOptions{State: server.ConnClosed, Username: true})
		require.NoError(t, err)
		for _, conn := range closed.Conns {
			if conn.Reason == "Authentication Failure" {
				n++
			}
		}
		return n
	}
	c := external(t, srv.ClientURL())
	c.NATS.User, c.NATS.Password = "node", "right"
	log, secrets, out := logged(c)
	n, err := app.Start(t.Context(), c, app.Extensions{}, log, secrets)
	require.NoError(t, err)
	defer n.Stop()

	for round := 1; round <= 2; round++ {
		before := refused()
		reload("changed")
		require.Eventually(t, func() bool { return refused() >= before+4 }, generous, moment, "it tries again and again")
		require.Eventually(t, func() bool { // probes remember for a moment that it was ready
			status, _ := ready(t, n)
			return status == http.StatusServiceUnavailable
		}, generous, moment)
		require.Equal(
			t, 1, strings.Count(out.String(), "NATS refuses the login"), "one line for all refusals within a minute",
		)

		reload("right")
		require.Eventually(t, func() bool {
			status, _ := ready(t, n)
			return status == http.StatusOK
		}, generous, moment)
		require.Empty(t, n.Lost())
	}
}

// wire passes the bytes between a node and its NATS server on, and says something of its own to the node where a test
// asks for it.
type wire struct {
	mu    sync.Mutex
	nodes []net.Conn
}

func newWire(t *testing.T, server string) (*wire, string) {
	t.Helper()
	target, err := url.Parse(server)
	require.NoError(t, err)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); all.Wait() })
	all.Go(func() {
		for {
			node, err := listener.Accept()
			if err != nil {
				return
			}
			nats, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), "tcp", target.Host)
			if err != nil {
				_ = node.Close()
				continue
			}
			w.mu.Lock()
			w.nodes = append(w.nodes, node)
			w.mu.Unlock()
			all.Go(func() { w.pass(nats, node); _ = node.Close() })
			all.Go(func() { w.pass(node, nats); _ = nats.Close() })
		}
	})
	return w, "nats://" + listener.Addr().String()
}

func (w *wire) pass(from, to net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			w.mu.Lock()
			_, _ = to.Write(buf[:n])
			w.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// say sends an error to all nodes, as a server does that ends a connection.
func (w *wire) say(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, node := range w.nodes {
		_, _ = node.Write([]byte("-ERR '" + text + "'\r\n"))
	}
}

func TestConnectionThatIsClosedForGoodEndsTheNode(t *testing.T) {
	t.Parallel()
	srv := natsd(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	wire, address := newWire(t, srv.ClientURL())
	c := external(t, address)
	log, secrets, out := logged(c)
	ended := make(chan error, 1)
	go func() { ended <- app.Run(t.Context(), c, app.Extensions{}, log, secrets) }()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "node is ready") }, generous, moment)
	require.Empty(t, ended)
	wire.say("Something Nobody Knows") // which nats.go takes for the end
	require.ErrorContains(t, <-ended, "the connection to NATS is closed for good: nats: Something Nobody Knows")
}

func TestStartGivesUpWhenItsLimitIsOver(t *testing.T) {
	t.Parallel()
	c := settings(t)
	c.Channels.Store, c.Channels.DSN = "postgres", "postgres://nobody@127.0.0.1:1/nowhere"
	c.Channels.Keys = append(c.Channels.Keys, newKey(t, "k1"))
	c.Limits.StartTimeout = 3 * time.Second
	_, err := app.Start(t.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
	require.ErrorContains(t, err, `datasource "channels"`)
	require.ErrorContains(t, err, "limits.startTimeout is over (3s)")
}

func jetStream(t *testing.T, server string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(server)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

func makeStream(t *testing.T, server, name, subject string) {
	t.Helper()
	_, err := jetStream(t, server).CreateStream(
		t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}},
	)
	require.NoError(t, err)
}

func streams(t *testing.T, server string) []string {
	t.Helper()
	var names []string
	for name := range jetStream(t, server).StreamNames(t.Context()).Name() {
		names = append(names, name)
	}
	return names
}
