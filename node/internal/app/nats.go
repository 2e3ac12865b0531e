package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/internal/netbatch"
	"github.com/hiliosai/switchboard/node/internal/config"
)

const (
	// connectWait is the pause between attempts to reach NATS at start.
	connectWait = 2 * time.Second
	// connectTimeout is how long one attempt may take, the login included.
	connectTimeout = 5 * time.Second
	// embeddedMaxPayload is the embedded server's max_payload, in bytes: a webhook of 3 MB, whose raw
	// body goes along with its payload, fits.
	embeddedMaxPayload = 8 << 20
	embeddedStart      = 10 * time.Second
)

// startEmbedded runs a NATS server with JetStream in this process, at the address of nats.servers.
func startEmbedded(ctx context.Context, c *config.Config, log *logrus.Entry) (*server.Server, error) {
	address, err := c.NATS.Servers[0].Address()
	if err != nil {
		return nil, err
	}
	// The server itself would only log that its port is taken.
	var lc net.ListenConfig
	probe, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("nats.servers: the embedded server cannot listen on %s: %w", address, cause(err))
	}
	host, port, err := net.SplitHostPort(probe.Addr().String())
	if err = errors.Join(err, probe.Close()); err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	srv, err := server.NewServer(&server.Options{
		ServerName: "switchboard-" + c.NodeID(), Host: host, Port: number,
		Username: c.NATS.User, Password: c.NATS.Password.Reveal(), Authorization: c.NATS.Token.Reveal(),
		JetStream: true, StoreDir: c.NATS.StoreDir,
		SyncAlways: true, // one server, no replicas: an ack means that the event is on the disk
		MaxPayload: embeddedMaxPayload, MaxPending: 64 << 20,
		NoSigs: true, // this process handles signals itself
	})
	if err != nil {
		return nil, fmt.Errorf("embedded NATS server: %w", err)
	}
	failed := make(chan string, 1)
	srv.SetLoggerV2(&serverLog{log.WithField("server", "nats"), failed}, false, false, false)
	go srv.Start()
	ready := make(chan bool, 1)
	go func() { ready <- srv.ReadyForConnections(embeddedStart) }()
	select {
	case ok := <-ready:
		if ok {
			return srv, nil
		}
		err = fmt.Errorf("embedded NATS server: not ready after %s", embeddedStart)
	case reason := <-failed:
		err = errors.New("embedded NATS server: " + reason)
	}
	srv.Shutdown()
	return nil, err
}

// connect reaches NATS, trying again until nats.startTimeout is over.
func connect(
	ctx context.Context, c *config.Config, name string, embedded *server.Server, log *logrus.Entry,
) (*nats.Conn, error) {
	options, servers := natsOptions(c, name, log), make([]string, len(c.NATS.Servers))
	shown := make([]string, len(servers))
	for i, s := range c.NATS.Servers {
		servers[i], shown[i] = string(s), s.String()
	}
	if embedded != nil {
		options = append(options, nats.InProcessServer(embedded))
	} else {
		dialer := &netbatch.Dialer{Dialer: net.Dialer{Timeout: connectTimeout}}
		options = append(options, nats.SetCustomDialer(dialer), nats.FlusherTimeout(0)) // it has one of its own
	}
	where := strings.Join(shown, ", ")
	deadline := time.Now().Add(c.NATS.StartTimeout)
	for attempt := 1; ; attempt++ {
		nc, err := nats.Connect(strings.Join(servers, ","), options...)
		if err == nil {
			return nc, nil
		}
		reason := cause(err)
		if errors.Is(err, nats.ErrAuthorization) {
			return nil, fmt.Errorf("NATS at %s refuses the login: %w", where, reason)
		}
		if time.Now().Add(connectWait).After(deadline) {
			return nil, fmt.Errorf(
				"cannot reach NATS at %s within %s (nats.startTimeout): %w", where, c.NATS.StartTimeout, reason,
			)
		}
		log.WithField("attempt", attempt).Warnf("cannot reach NATS at %s, trying again in %s: %v", where, connectWait, reason)
		pause := time.NewTimer(connectWait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, ctx.Err()
		}
	}
}

func natsOptions(c *config.Config, name string, log *logrus.Entry) []nats.Option {
	options := []nats.Option{
		nats.Name(name),
		nats.CustomInboxPrefix(c.NATS.InboxPrefix),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, 500*time.Millisecond),
		// Nothing is kept while the connection is down: a request or an event that was given up must
		// not be delivered later.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.Timeout(connectTimeout),
		// A login that the server refuses now may work again soon: users change while nodes run. Without this
		// nats.go closes the connection for good after the second refusal.
		nats.IgnoreAuthErrorAbort(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil when this node closes the connection
				log.WithError(err).Warn("lost the connection to NATS")
			}
		}),
		nats.ErrorHandler(newErrorLog(log).handle),
	}
	n := c.NATS
	if n.User != "" {
		options = append(options, nats.UserInfo(n.User, n.Password.Reveal()))
	}
	if n.Token != "" {
		options = append(options, nats.Token(n.Token.Reveal()))
	}
	if n.Creds != "" {
		options = append(options, nats.UserCredentials(n.Creds))
	}
	if n.NKey != "" {
		options = append(options, nkey(n.NKey.Reveal()))
	}
	if n.TLS.CA != "" {
		options = append(options, nats.RootCAs(n.TLS.CA))
	}
	if n.TLS.Cert != "" {
		options = append(options, nats.ClientCert(n.TLS.Cert, n.TLS.Key))
	}
	return options
}

// errorLog logs what NATS reports, the same error once in errorPause: a refused login is reported at each of several
// attempts a second, a missing permission for each message.
type errorLog struct {
	log *logrus.Entry
	now func() time.Time

	mu   sync.Mutex
	last map[string]time.Time // when an error was logged, by its text
}

const (
	errorPause = time.Minute
	// maxErrors bounds how many different errors are told apart.
	maxErrors = 100
)

func newErrorLog(log *logrus.Entry) *errorLog {
	return &errorLog{log: log, now: time.Now, last: map[string]time.Time{}}
}

func (l *errorLog) handle(_ *nats.Conn, sub *nats.Subscription, err error) {
	if !l.isDue(err.Error()) {
		return
	}
	entry := l.log.WithError(err)
	if sub != nil {
		entry = entry.WithField("subject", sub.Subject)
	}
	if isRefusedLogin(err) {
		entry.Warn("NATS refuses the login; it is tried again until it works")
		return
	}
	entry.Warn("NATS reports an error")
}

// isDue says whether an error has not been logged within errorPause.
func (l *errorLog) isDue(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if at, ok := l.last[text]; ok && now.Sub(at) < errorPause {
		return false
	}
	if len(l.last) >= maxErrors {
		clear(l.last)
	}
	l.last[text] = now
	return true
}

func isRefusedLogin(err error) bool {
	for _, refused := range []error{
		nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
	} {
		if errors.Is(err, refused) {
			return true
		}
	}
	return false
}

// nkey logs in with the seed of a user's NKey.
func nkey(seed string) nats.Option {
	return func(o *nats.Options) error {
		pair, err := nkeys.FromSeed([]byte(seed))
		if err != nil {
			return fmt.Errorf("nats.nkey: %w", err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			return fmt.Errorf("nats.nkey: %w", err)
		}
		return nats.Nkey(public, pair.Sign)(o)
	}
}

// cause is the reason inside a network error, which repeats addresses and, from some libraries, credentials.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// serverLog passes the embedded server's log on: its notices matter to nobody but debuggers.
type serverLog struct {
	log    *logrus.Entry
	failed chan string
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debugf(format, v...) }
func (l *serverLog) Debugf(format string, v ...any)  { l.log.Debugf(format, v...) }
func (l *serverLog) Tracef(format string, v ...any)  { l.log.Tracef(format, v...) }
func (l *serverLog) Warnf(format string, v ...any)   { l.log.Warnf(format, v...) }
func (l *serverLog) Errorf(format string, v ...any)  { l.log.Errorf(format, v...) }

func (l *serverLog) Fatalf(format string, v ...any) {
	select {
	case l.failed <- fmt.Sprintf(format, v...):
	default:
	}
}
