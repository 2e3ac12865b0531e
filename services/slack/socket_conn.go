package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/coder/websocket"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

const (
	// maxFrame bounds, in bytes, one message of the WebSocket.
	maxFrame = 10 << 20
	// helloTimeout is how long Slack may take to say hello.
	helloTimeout = 15 * time.Second
	// pingEvery is how often this side asks whether the connection is alive, and pongTimeout how long the answer may take.
	pingEvery   = 20 * time.Second
	pongTimeout = 15 * time.Second
	// handOverTimeout is how long an envelope waits for those before it to be handed over: less than Slack waits for its
	// acknowledgement.
	handOverTimeout = 2 * time.Second
	// ackTimeout bounds the writing of one acknowledgement.
	ackTimeout = 10 * time.Second
	// maxAcks is how many acknowledgements may wait to be written: more than a session has items under way.
	maxAcks = 4096
)

// socket is one WebSocket. One goroutine reads it, another one writes.
type socket struct {
	conn      *httpapi.Socket
	log       *logrus.Entry
	opened    time.Time
	envelopes chan<- integration.Incoming
	acks      chan []byte
	refresh   chan struct{} // has an entry when Slack has asked for a new socket
	closing   chan struct{} // closed when no more acknowledgements come
	ended     chan struct{} // closed when nothing more is read
	err       error         // why, once ended is closed
	full      bool          // the last envelope found no room; of read only
}

func newSocket(conn *httpapi.Socket, envelopes chan<- integration.Incoming, log *logrus.Entry) *socket {
	conn.SetReadLimit(maxFrame)
	return &socket{
		conn: conn, log: log, opened: time.Now(), envelopes: envelopes, acks: make(chan []byte, maxAcks),
		refresh: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{}),
	}
}

// close writes what acknowledgements there are, and closes the WebSocket. It does not wait for that.
func (c *socket) close() { close(c.closing) }

// socketMessage is what Slack sends.
type socketMessage struct {
	Type         string          `json:"type"`
	EnvelopeID   string          `json:"envelope_id"`
	Payload      json.RawMessage `json:"payload"`
	Accepts      bool            `json:"accepts_response_payload"`
	RetryAttempt int             `json:"retry_attempt"` // 0 of an envelope that was not sent before
	RetryReason  string          `json:"retry_reason"`
	Reason       string          `json:"reason"` // of disconnect
}

// awaitHello reads the message by which Slack says that it sends envelopes from now on.
func (c *socket) awaitHello(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	m, err := c.next(ctx)
	switch {
	case err != nil:
		return err
	case m.Type == "disconnect":
		return disconnected(m.Reason)
	case m.Type != "hello":
		return &integration.Error{
			Kind: integration.FaultTransient, Code: codes.AnswerUnreadable, Message: "slack did not say hello over the socket",
		}
	}
	return nil
}

// read takes messages in until the WebSocket ends.
func (c *socket) read() {
	defer close(c.ended)
	for {
		m, err := c.next(context.Background())
		if err == nil {
			err = c.take(m)
		}
		if err != nil {
			c.err = err
			return
		}
	}
}

// take takes one message in. The error says that Slack has ended the connection.
func (c *socket) take(m *socketMessage) error {
	switch {
	case m.Type == "disconnect" && (m.Reason == "warning" || m.Reason == "refresh_requested"):
		select {
		case c.refresh <- struct{}{}:
		default: // it was asked before
		}
	case m.Type == "disconnect":
		return disconnected(m.Reason)
	case m.EnvelopeID != "": // other messages have none, such as those of a type of the future
		c.handOver(m)
	}
	return nil
}

// next returns the next message.
func (c *socket) next(ctx context.Context) (*socketMessage, error) {
	kind, data, err := c.conn.Read(ctx)
	if err != nil {
		return nil, lost(err)
	}
	var m socketMessage
	if kind != websocket.MessageText || !m.decode(data) {
		return nil, &integration.Error{
			Kind: integration.FaultTransient, Code: codes.AnswerUnreadable,
			Message: fmt.Sprintf("slack sent %d bytes over the socket that are no message of Socket Mode", len(data)),
		}
	}
	return &m, nil
}

// decode says whether data is a message. An envelope is one even if a field of it has an unexpected type. A panic means
// that it is none: it would end the node.
func (m *socketMessage) decode(data []byte) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	err := payload.Unmarshal(data, m)
	_, typeErr := errors.AsType[*json.UnmarshalTypeError](err)
	return err == nil || typeErr && m.EnvelopeID != ""
}

// watch closes a connection that is half open: whose other side does not answer pings any more.
func (c *socket) watch() {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.ended:
			return
		case <-c.closing:
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), pongTimeout)
		err := c.conn.Ping(ctx)
		cancel()
		if err != nil {
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

// disconnected says what a disconnect message means after which Slack sends nothing more.
func disconnected(reason string) error {
	switch reason {
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

// handOver hands an envelope over, to be acknowledged once it is durable. While too much is not durable yet, such as
// while JetStream is away, it leaves envelopes out: Slack sends again what is not acknowledged. So reading goes on and
// answers Slack's pings, and memory stays bounded.
func (c *socket) handOver(m *socketMessage) {
	body, err := webhookBody(m)
	if err != nil {
		c.log.WithError(err).WithField("type", m.Type).Warn("an envelope of Socket Mode cannot be read")
		c.ack(m, nil)
		return
	}
	in := integration.Incoming{Payload: body, Headers: m.headers(), Done: func(response *integration.Response, _ error) {
		c.ack(m, response) // also what can never be taken in, else it would come again
	}}
	select {
	case c.envelopes <- in:
		c.full = false
		return
	default:
	}
	if c.full {
		return
	}
	timer := time.NewTimer(handOverTimeout)
	defer timer.Stop()
	select {
	case c.envelopes <- in:
	case <-c.closing:
	case <-timer.C:
		c.full = true
		c.log.Warn("too much is not stored yet: envelopes are not acknowledged, so that Slack sends them again")
	}
}

// headers are those that a webhook has which Slack sends again.
func (m *socketMessage) headers() integration.Headers {
	var h integration.Headers
	if m.RetryAttempt > 0 {
		h.Set(headerRetryNumber, strconv.Itoa(m.RetryAttempt))
		h.Set(headerRetryReason, m.RetryReason)
	}
	return h
}

// webhookBody is the body that a webhook with the same content has.
func webhookBody(m *socketMessage) (json.RawMessage, error) {
	switch m.Type {
	case "interactive":
		return json.RawMessage(url.Values{"payload": {string(m.Payload)}}.Encode()), nil
	case "slash_commands":
		var fields map[string]any
		decoder := json.NewDecoder(bytes.NewReader(m.Payload))
		decoder.UseNumber() // a number is written as it came
		if err := decoder.Decode(&fields); err != nil {
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
