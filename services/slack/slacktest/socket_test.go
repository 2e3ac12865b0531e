package slacktest_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/services/slack/slacktest"
)

const appToken = "xapp-TEST"

// workspace is a fake on a network in memory, within a bubble of testing/synctest.
type workspace struct {
	*slacktest.Server
	t      *testing.T
	accept chan net.Conn
	closed chan struct{}
	client *http.Client
}

// Accept implements net.Listener.
func (w *workspace) Accept() (net.Conn, error) {
	select {
	case conn := <-w.accept:
		return conn, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (*workspace) Addr() net.Addr { return &net.TCPAddr{} }

// listener hides the fake's own Close.
type listener struct{ *workspace }

// Close implements net.Listener.
func (l listener) Close() error {
	close(l.closed)
	return nil
}

func (w *workspace) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case w.accept <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func withSocketMode(t *testing.T, test func(t *testing.T, w *workspace)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &workspace{
			Server: slacktest.New(token), t: t, accept: make(chan net.Conn), closed: make(chan struct{}),
		}
		w.Socket.SetAppToken(appToken)
		w.client = &http.Client{Transport: &http.Transport{DialContext: w.dial, DisableKeepAlives: true}}
		server := &http.Server{Handler: w.Server, ReadHeaderTimeout: time.Minute}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(listener{w}) })
		defer serving.Wait()
		defer w.Close()
		defer func() { _ = server.Close() }()
		test(t, w)
	})
}

// open calls "apps.connections.open".
func (w *workspace) open(token string) (address, fault string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(
		w.t.Context(), http.MethodPost, "http://slack.test/api/apps.connections.open", http.NoBody,
	)
	require.NoError(w.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", formType)
	res, err := w.client.Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	var answer struct {
		OK    bool
		URL   string
		Error string
	}
	require.NoError(w.t, json.NewDecoder(res.Body).Decode(&answer))
	require.Equal(w.t, answer.OK, answer.Error == "")
	return answer.URL, answer.Error
}

// message is what Slack sends.
type message struct {
	Type           string
	Reason         string
	EnvelopeID     string `json:"envelope_id"`
	Payload        json.RawMessage
	Accepts        bool   `json:"accepts_response_payload"`
	RetryAttempt   int    `json:"retry_attempt"`
	RetryReason    string `json:"retry_reason"`
	NumConnections int    `json:"num_connections"`
}

// client is one connection. It is read all the time, so that pings are answered.
type client struct {
	t        *testing.T
	conn     *websocket.Conn
	messages chan message
	done     chan struct{} // closed when the connection has ended
}

// link connects to an address.
func (w *workspace) link(address string) *client {
	w.t.Helper()
	conn, _, err := websocket.Dial( //nolint:bodyclose // Dial closes it
		w.t.Context(), address, &websocket.DialOptions{HTTPClient: w.client},
	)
	require.NoError(w.t, err)
	c := &client{t: w.t, conn: conn, messages: make(chan message, 100), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for {
			_, data, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			var m message
			if json.Unmarshal(data, &m) == nil {
				c.messages <- m
			}
		}
	}()
	return c
}

// connect opens a connection that is told hello.
func (w *workspace) connect() *client {
	w.t.Helper()
	address, fault := w.open(appToken)
	require.Empty(w.t, fault)
	c := w.link(address)
	require.Equal(w.t, "hello", c.next().Type)
	return c
}

// next is the next message. It is the zero value if none comes.
func (c *client) next() message {
	c.t.Helper()
	synctest.Wait()
	select {
	case m := <-c.messages:
		return m
	default:
		return message{}
	}
}

func (c *client) isOpen() bool {
	synctest.Wait()
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

func (c *client) send(text string) {
	c.t.Helper()
	require.NoError(c.t, c.conn.Write(c.t.Context(), websocket.MessageText, []byte(text)))
	synctest.Wait()
}

func (c *client) ack(m message) { c.t.Helper(); c.send(`{"envelope_id":"` + m.EnvelopeID + `"}`) }

// pass lets time go by, of which there is as much as wanted within a bubble.
func pass(d time.Duration) { <-time.After(d) }

func TestSocketSaysHello(t *testing.T) {
	withSocketMode(t, func(t *testing.T, w *workspace) {
		t.Helper()
		address, fault := w.open(appToken)
		require.Empty(t, fault)
		hello := w.link(address).next()
		require.Equal(t, message{Type: "hello", NumConnections: 1}, hello)
		//nolint:bodyclose // Dial closes it
		_, res, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{HTTPClient: w.client})
		require.Error(t, err, "an address is good for one connection")
		require.Equal(t, http.StatusForbidden, res.StatusCode)
		require.Equal(t, 1, w.Socket.Sockets())
	})
}

func TestSocketOfAnotherAppTokenIsRefused(t *testing.T) {
	withSocketMode(t, func(t *testing.T, w *workspace) {
		t.Helper()
		for _, other := range []string{token, "xapp-OTHER"} {
			_, fault := w.open(other)
			require.Equal(t, "invalid_auth", fault)
		}
		w.Socket.SetAppToken("")
		_, fault := w.open(appToken)
		require.Equal(t, "invalid_auth", fault)
	})
}

func TestSocketIsClosedAfterItsRefresh(t *testing.T) {
	withSocketMode(t, func(t *testing.T, w *workspace) {
		t.Helper()
		for _, reason := range []string{"warning", "refresh_requested"} {
			old := w.connect()
			w.Socket.Disconnect(reason)
			require.Equal(t, message{Type: "disconnect", Reason: reason}, old.next())
			pass(9 * time.Second)
			w.Socket.PushEvent("of the old one")
			m := old.next()
			require.JSONEq(t, `"of the old one"`, string(m.Payload), "it is used until it is closed")
			old.ack(m)
			next := w.connect()
			pass(2 * time.Second)
			require.False(t, old.isOpen(), "whatever the client does")
			require.True(t, next.isOpen())
			require.Zero(t, w.Socket.Counts().Homeless)
			w.Socket.Disconnect("link_disabled")
			pass(time.Second)
			require.False(t, next.isOpen())
		}
		acked := w.Socket.PushEvent("of nobody")
		require.Equal(t, 1, w.Socket.Counts().Homeless)
		c := w.connect()
		m := c.next()
		require.JSONEq(t, `"of nobody"`, string(m.Payload))
		c.ack(m)
		require.Len(t, acked, 1)
		require.Empty(t, w.Socket.Counts().Violations)
	})
}

func TestSocketEnvelopeIsSentAgainUntilItIsAcknowledged(t *testing.T) {
	withSocketMode(t, func(t *testing.T, w *workspace) {
		t.Helper()
		first := w.connect()
		acked := w.Socket.PushEvent("hi")
		m := first.next()
		require.Zero(t, m.RetryAttempt)
		require.Empty(t, m.RetryReason)
		pass(4 * time.Second)
		again := first.next()
		require.Equal(t, m.EnvelopeID, again.EnvelopeID)
		require.Equal(t, 1, again.RetryAttempt)
		require.Equal(t, "timeout", again.RetryReason)

		second := w.connect()
		require.NoError(t, first.conn.CloseNow())
		moved := second.next()
		require.Equal(t, m.EnvelopeID, moved.EnvelopeID, "what a lost connection has not acknowledged goes to another one")
		require.Empty(t, acked)
		second.ack(moved)
		require.Len(t, acked, 1)
		pass(10 * time.Second)
		require.Zero(t, second.next())
		counts := w.Socket.Counts()
		require.Equal(t, 1, counts.Acked)
		require.Equal(t, 3, counts.Delivered)
		require.Empty(t, counts.Violations)
	})
}

func TestSocketAcknowledgementIsUnderstoodBySlack(t *testing.T) {
	withSocketMode(t, func(t *testing.T, w *workspace) {
		t.Helper()
		c := w.connect()
		answered := w.Socket.PushInteraction("asks for options")
		m := c.next()
		require.True(t, m.Accepts)
		c.send(`{"envelope_id":"` + m.EnvelopeID + `","payload":{"options":[]}}`)
		require.JSONEq(t, `{"options":[]}`, string((<-answered).Payload))
		require.Empty(t, w.Socket.Counts().Violations)

		w.Socket.PushEvent("takes no answer")
		m = c.next()
		require.False(t, m.Accepts)
		for n, wrong := range []string{
			`{"envelope_id":"` + m.EnvelopeID + `","payload":{}}`, `{"envelope_id":"of-no-envelope"}`,
			`{"envelope_id":5}`, `{}`, `no JSON`, `{"envelope_id":"` + m.EnvelopeID + `","ok":true}`,
		} {
			before := len(w.Socket.Counts().Violations)
			c.send(wrong)
			require.Greater(t, len(w.Socket.Counts().Violations), before, "%d: %s", n, wrong)
		}
		require.True(t, c.isOpen())
	})
}

func TestSocketAcknowledgementBelongsToTheConnectionOfItsEnvelope(t *testing.T) {
	withSocketMode(t, func(t *testing.T, w *workspace) {
		t.Helper()
		first := w.connect()
		w.Socket.PushEvent("hi")
		m := first.next()
		second := w.connect()
		second.ack(m)
		require.Zero(t, w.Socket.Counts().Acked)
		require.Len(t, w.Socket.Counts().Violations, 1)
		first.ack(m)
		require.Equal(t, 1, w.Socket.Counts().Acked)
	})
}

func TestSocketsOfAnAppAreTen(t *testing.T) {
	withSocketMode(t, func(t *testing.T, w *workspace) {
		t.Helper()
		late, fault := w.open(appToken)
		require.Empty(t, fault)
		var all []*client
		for range 10 {
			all = append(all, w.connect())
		}
		_, fault = w.open(appToken)
		require.Equal(t, "too_many_websockets", fault)
		eleventh := w.link(late)
		require.Equal(t, message{Type: "disconnect", Reason: "too_many_websockets"}, eleventh.next())
		pass(time.Second)
		require.False(t, eleventh.isOpen())
		require.NoError(t, all[0].conn.CloseNow())
		synctest.Wait()
		w.connect()
		require.Equal(t, 10, w.Socket.Sockets())
	})
}

func TestSocketOfAClientThatAnswersNoPingsIsClosed(t *testing.T) {
	withSocketMode(t, func(t *testing.T, w *workspace) {
		t.Helper()
		reading := w.connect()
		address, fault := w.open(appToken)
		require.Empty(t, fault)
		//nolint:bodyclose // Dial closes it
		deaf, _, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{HTTPClient: w.client})
		require.NoError(t, err)
		defer func() { _ = deaf.CloseNow() }()
		pass(time.Minute)
		require.True(t, reading.isOpen())
		require.Equal(t, 1, w.Socket.Sockets())
		require.Equal(t, 1, w.Socket.Counts().Unanswered)
	})
}
