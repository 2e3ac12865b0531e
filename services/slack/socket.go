package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

const (
	receiveSocket = "socket"

	// copies is how many sockets a channel has, on different nodes. Slack sends each envelope to any one of them, so that
	// the other goes on when one node dies.
	copies = 2
	// maxFrame bounds, in bytes, one message of the WebSocket.
	maxFrame = 10 << 20
	// pingEvery is how often this side asks whether the connection is alive, and pongTimeout how long the answer may take.
	pingEvery   = 20 * time.Second
	pongTimeout = 15 * time.Second
	// tooManyPause is how long a socket waits that was one too many.
	tooManyPause = time.Minute
	// ackTimeout bounds the writing of one acknowledgement.
	ackTimeout = 10 * time.Second
	// maxAcks is how many acknowledgements may wait to be written: more than a session has items under way.
	maxAcks = 4096
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
	ch := session.Channel
	if ch.Credentials[fieldAppToken] == "" {
		return noAppToken()
	}
	c, err := p.openSocket(ctx, ch)
	if err != nil {
		return err
	}
	c.session = session
	watched, cancel := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	helpers.Go(c.writeAcks)
	helpers.Go(c.readFrames)
	helpers.Go(func() { c.watch(watched) })
	err = c.read(ctx)
	cancel()
	c.close()
	helpers.Wait()
	if ctx.Err() != nil { // it was asked to end
		err = nil
	}
	return err
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

// openSocket asks Slack for an address, and connects.
func (p *platform) openSocket(ctx context.Context, ch *integration.Channel) (*socket, error) {
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
	conn, err := a.Client.Dial(ctx, "slack socket", answer.URL, nil)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(maxFrame)
	return &socket{
		conn: conn, frames: make(chan frame), acks: make(chan []byte, maxAcks), closing: make(chan struct{}),
	}, nil
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

// socket is one WebSocket. One goroutine reads it, another one writes.
type socket struct {
	conn    *httpapi.Socket
	session *integration.Session
	frames  chan frame
	acks    chan []byte
	closing chan struct{} // closed when no more acknowledgements come
	reading atomic.Bool   // what comes is read: the other side's answer to a ping would be seen
}

// socketMessage is what Slack sends.
type socketMessage struct {
	Type       string          `json:"type"`
	EnvelopeID string          `json:"envelope_id"`
	Payload    json.RawMessage `json:"payload"`
	Accepts    bool            `json:"accepts_response_payload"`
	Reason     string          `json:"reason"` // of disconnect
}

// read takes messages in until the connection ends. Nil opens it anew at once.
func (c *socket) read(ctx context.Context) error {
	for {
		m, err := c.next(ctx)
		if err != nil {
			return err
		}
		switch m.Type {
		case "hello":
			c.session.Ready()
		case "disconnect":
			if err := disconnected(m.Reason); err != nil || m.Reason != "warning" {
				return err
			} // after a warning Slack says when
		default:
			if m.EnvelopeID == "" {
				break // such as a type of the future
			}
			if err := c.deliver(ctx, m); err != nil {
				return err
			}
		}
	}
}

// frame is one message of the WebSocket, or why it ended.
type frame struct {
	kind websocket.MessageType
	data []byte
	err  error
}

// readFrames reads until the connection ends. The next one is read when the one before was taken.
func (c *socket) readFrames() {
	for {
		var f frame
		c.reading.Store(true)
		f.kind, f.data, f.err = c.conn.Read(context.Background())
		c.reading.Store(false)
		select {
		case c.frames <- f:
		case <-c.closing:
			return
		}
		if f.err != nil {
			return
		}
	}
}

// next returns the next message.
func (c *socket) next(ctx context.Context) (*socketMessage, error) {
	var f frame
	select {
	case f = <-c.frames:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var m socketMessage
	switch {
	case f.err != nil:
		return nil, lost(f.err)
	case f.kind != websocket.MessageText || payload.Unmarshal(f.data, &m) != nil:
		return nil, &integration.Error{
			Kind: integration.FaultTransient, Code: codes.AnswerUnreadable,
			Message: fmt.Sprintf("slack sent %d bytes over the socket that are no message of Socket Mode", len(f.data)),
		}
	}
	return &m, nil
}

// watch closes a connection that is half open: whose other side does not answer pings any more.
func (c *socket) watch(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if !c.reading.Load() {
			continue
		}
		short, cancel := context.WithTimeout(ctx, pongTimeout)
		err := c.conn.Ping(short)
		cancel()
		if err != nil && ctx.Err() == nil && c.reading.Load() {
			_ = c.conn.CloseNow()
			return
		}
	}
}

// lost is the error of a connection that ended.
func lost(err error) error {
	e := &integration.Error{
		Kind: integration.FaultTransient, Code: codes.ConnectionLost, Message: "the connection to Slack was lost", Err: err,
	}
	if errors.Is(err, websocket.ErrMessageTooBig) {
		e.Message = fmt.Sprintf("slack sent a message of more than %d bytes over the socket", maxFrame)
	}
	return e
}

// disconnected says what a disconnect message means: nil for one after which Slack goes on, or asks for a new
// connection.
func disconnected(reason string) error {
	switch reason {
	case "warning", "refresh_requested":
		return nil
	case "link_disabled":
		return &integration.Error{
			Kind: integration.FaultAuth, Code: codes.CredentialsRefused, PlatformCode: reason,
			Message: `Socket Mode is switched off for the app: switch it on at api.slack.com/apps, the app's page "Socket Mode"`,
		}
	case "too_many_websockets":
		return &integration.Error{
			Kind: integration.FaultThrottled, Code: codes.RateLimited, PlatformCode: reason, RetryAfter: tooManyPause,
			Message: "the app has more than ten sockets: something else than this cluster uses its App-Level Token, too",
		}
	default:
		return &integration.Error{
			Kind: integration.FaultTransient, Code: codes.ConnectionLost, PlatformCode: reason,
			Message: "Slack has ended the connection: " + reason,
		}
	}
}

// deliver hands an envelope over. It is acknowledged once it is durable; Slack sends again what is not acknowledged.
func (c *socket) deliver(ctx context.Context, m *socketMessage) error {
	body, err := webhookBody(m)
	if err != nil {
		c.session.Log().WithError(err).WithField("type", m.Type).Warn("an envelope of Socket Mode cannot be read")
		c.ack(m, nil)
		return nil
	}
	return c.session.Deliver(ctx, integration.Incoming{Payload: body, Done: func(response *integration.Response, _ error) {
		c.ack(m, response) // also what can never be taken in, else it would come again
	}})
}

// webhookBody is the body that a webhook with the same content has.
func webhookBody(m *socketMessage) (json.RawMessage, error) {
	switch m.Type {
	case "interactive":
		return json.RawMessage(url.Values{"payload": {string(m.Payload)}}.Encode()), nil
	case "slash_commands":
		var fields map[string]any
		if err := json.Unmarshal(m.Payload, &fields); err != nil {
			return nil, err
		}
		form := url.Values{}
		for name, value := range fields {
			switch value := value.(type) {
			case string:
				form.Set(name, value)
			case nil:
			default:
				form.Set(name, fmt.Sprint(value))
			}
		}
		return json.RawMessage(form.Encode()), nil
	default: // events_api
		return m.Payload, nil
	}
}

// ack has an envelope be acknowledged, with what the webhook would be answered where Slack reads that. It does not
// wait.
func (c *socket) ack(m *socketMessage, response *integration.Response) {
	answer := struct {
		EnvelopeID string          `json:"envelope_id"`
		Payload    json.RawMessage `json:"payload,omitempty"`
	}{EnvelopeID: m.EnvelopeID}
	if m.Accepts && response != nil && json.Valid([]byte(response.Body)) {
		answer.Payload = json.RawMessage(response.Body)
	}
	encoded, err := json.Marshal(answer)
	if err != nil {
		return // it is made of valid JSON
	}
	select {
	case c.acks <- encoded:
	case <-c.closing: // Slack sends it again, and it is recognized
	default: // likewise
	}
}

// writeAcks writes acknowledgements until the connection is closed.
func (c *socket) writeAcks() {
	for {
		select {
		case ack := <-c.acks:
			if !c.write(ack) {
				_ = c.conn.CloseNow() // so that reading ends, too
				return
			}
		case <-c.closing:
			for len(c.acks) > 0 && c.write(<-c.acks) {
			}
			c.conn.Shut(websocket.StatusNormalClosure, "")
			return
		}
	}
}

func (c *socket) write(ack []byte) bool {
	ctx, cancel := context.WithTimeout(context.Background(), ackTimeout)
	defer cancel()
	return c.conn.Write(ctx, websocket.MessageText, ack) == nil
}

// close waits a moment for what is under way, so that it can be acknowledged, and has the connection be closed.
func (c *socket) close() {
	ctx, cancel := context.WithTimeout(context.Background(), lastAcks)
	defer cancel()
	_ = c.session.Flush(ctx) // what is not durable by then comes again
	close(c.closing)
}
