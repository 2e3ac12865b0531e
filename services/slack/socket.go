package slack

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

const (
	receiveSocket = "socket"

	// copies is how many sockets a channel has, on different nodes. Slack sends each envelope to any one of them, so that
	// the other goes on when one node dies.
	copies = 2
	// tooManyPause is how long a socket waits that was one too many.
	tooManyPause = time.Minute
	// replacePause is how old a socket is at least when it is replaced, and the pause after the first attempt that failed.
	// The pause doubles up to longestReplace.
	replacePause   = 2 * time.Second
	longestReplace = time.Minute
	// retireTimeout is how long a socket that was replaced is still read. Slack closes it after some ten seconds.
	retireTimeout = 30 * time.Second
	// lastAcks bounds the wait for acknowledgements when a connection ends.
	lastAcks = 500 * time.Millisecond
)

// Connections implements [integration.Receiver].
func (*platform) Connections(ch *integration.Channel) int {
	if overSocket(ch.Settings) {
		return copies
	}
	return 0
}

func overSocket(settings map[string]string) bool { return settings["receive"] == receiveSocket }

// Receive implements [integration.Receiver]: it keeps one connection of "Using Socket Mode".
func (p *platform) Receive(ctx context.Context, session *integration.Session) error {
	if session.Channel.Credentials[fieldAppToken] == "" {
		return noAppToken()
	}
	receiving, end := context.WithCancelCause(ctx)
	s := &sockets{
		p: p, session: session, ctx: receiving, end: end,
		envelopes: make(chan integration.Incoming), closing: make(chan struct{}),
	}
	first, err := s.open()
	if err == nil {
		session.Ready()
		s.running.Go(func() { s.keep(first) })
		s.deliver()
		s.close()
		err = context.Cause(receiving)
	}
	end(nil)
	if ctx.Err() != nil { // it was asked to end
		err = nil
	}
	return err
}

// sockets are those of one connection: the one in use and, after Slack asked for a new one, the one before it. Both are
// read, and an envelope is acknowledged on the socket that it came on.
type sockets struct {
	p         *platform
	session   *integration.Session
	ctx       context.Context // of receiving
	end       context.CancelCauseFunc
	envelopes chan integration.Incoming // from all sockets to deliver
	closing   chan struct{}             // closed when all sockets are to be closed
	running   sync.WaitGroup
}

// deliver hands envelopes over until the connection ends. While too much is not durable yet it blocks; the sockets are
// read nevertheless, see [socket.handOver].
func (s *sockets) deliver() {
	for {
		select {
		case in := <-s.envelopes:
			if s.session.Deliver(s.ctx, in) != nil {
				return // the connection has ended
			}
		case <-s.ctx.Done():
			return
		}
	}
}

// close waits a moment for what is under way, so that it can be acknowledged, and closes the sockets.
func (s *sockets) close() {
	ctx, cancel := context.WithTimeout(context.Background(), lastAcks)
	defer cancel()
	_ = s.session.Flush(ctx) // what is not durable by then comes again
	close(s.closing)
	s.running.Wait()
}

// keep replaces a socket as often as Slack asks for it, and ends the connection when the one in use is lost.
func (s *sockets) keep(c *socket) {
	for {
		next, err := s.successor(c)
		if err != nil {
			s.end(err)
			<-s.closing
			c.close()
			return
		}
		old := c
		s.running.Go(func() { s.retire(old) })
		c = next
	}
}

// successor waits until Slack asks for a new socket in place of c, and opens it. The error says why the connection
// ends.
func (s *sockets) successor(c *socket) (*socket, error) {
	select {
	case <-c.refresh:
	case <-c.ended:
		return nil, c.err
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
	var failed error
	pause := time.Until(c.opened.Add(replacePause)) // else a server that asks at once would be asked at once
	for next := replacePause; ; next = min(2*next, longestReplace) {
		select {
		case <-time.After(pause):
		case <-c.ended: // then the factory tries again
			return nil, cmp.Or(failed, c.err)
		case <-s.ctx.Done():
			return nil, s.ctx.Err()
		}
		successor, err := s.open()
		if err == nil {
			return successor, nil
		}
		s.session.Log().WithError(err).Warn("Slack asked for a new socket, which could not be opened; it is tried again")
		failed, pause = err, next
		if e, ok := errors.AsType[*integration.Error](err); ok {
			pause = max(pause, e.RetryAfter)
		}
	}
}

// retire closes a socket that was replaced, once Slack has or after a while.
func (s *sockets) retire(c *socket) {
	select {
	case <-c.ended:
	case <-time.After(retireTimeout):
	case <-s.closing:
	}
	c.close()
}

// open opens a socket and begins to read it.
func (s *sockets) open() (*socket, error) {
	conn, err := s.p.dialSocket(s.ctx, s.session.Channel)
	if err != nil {
		return nil, err
	}
	c := newSocket(conn, s.envelopes, s.session.Log())
	if err := c.awaitHello(s.ctx); err != nil {
		_ = conn.CloseNow()
		return nil, err
	}
	s.running.Go(c.writeAcks)
	s.running.Go(c.read)
	s.running.Go(c.watch)
	return c, nil
}

func noAppToken() *integration.Error {
	return &integration.Error{
		Kind: integration.FaultAuth, Code: codes.CredentialsRefused,
		Message: `the setting receive "socket" needs the credential appToken: at api.slack.com/apps, the app's page ` +
			`"Basic Information", App-Level Tokens, one with the scope connections:write`,
	}
}

// opened is the answer of "apps.connections.open".
type opened struct {
	URL string `json:"url"`
}

// dialSocket asks Slack for an address, and connects.
func (p *platform) dialSocket(ctx context.Context, ch *integration.Channel) (*httpapi.Socket, error) {
	a := p.api(ch.Credentials, ch.Settings)
	a.Header = httpapi.Bearer(ch.Credentials[fieldAppToken])
	a.Errors = socketErrors
	answer, _, err := ask[opened](ctx, a, "apps.connections.open", url.Values{})
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(answer.URL)
	if err != nil || u.Host == "" || u.Scheme != "wss" && (u.Scheme != "ws" || !strings.HasPrefix(a.Base, "http:")) {
		return nil, &integration.Error{ // the address is a secret
			Kind: integration.FaultTransient, Code: codes.AnswerUnreadable, Message: "slack handed out no wss address",
		}
	}
	return a.Client.Dial(ctx, "slack socket", answer.URL, nil)
}

// socketErrors is errorTable for "apps.connections.open": what it refuses is the app token's fault.
var socketErrors = func() *integration.ErrorTable {
	table := *errorTable
	appToken := integration.ErrorRow{
		Kind: integration.FaultAuth, Code: codes.CredentialsRefused,
		Fix: "store an App-Level Token that begins with xapp- and has the scope connections:write, " + // #nosec G101
			"and switch Socket Mode on for the app",
	}
	table.Codes = map[string]integration.ErrorRow{}
	for code, row := range errorTable.Codes {
		if row.Kind == integration.FaultAuth {
			row.Fix = appToken.Fix
		}
		table.Codes[code] = row
	}
	for _, code := range []string{
		"forbidden_team", "missing_scope", "not_allowed_token_type", "no_permission", "access_denied", "link_disabled",
		"socket_mode_not_enabled",
	} {
		table.Codes[code] = appToken
	}
	table.Codes["too_many_websockets"] = integration.ErrorRow{Kind: integration.FaultThrottled, Code: codes.RateLimited}
	return &table
}()
