package slacktest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/hiliosai/switchboard/integration/fakeapi"
)

const (
	// ackWait is how long an acknowledgement may take.
	ackWait = 3 * time.Second
	// maxSockets is how many connections an app may have, "Using Socket Mode".
	maxSockets = 10
	// pingEvery is how often a client is asked whether it is there, and pongWait how long it may take to answer.
	pingEvery = 10 * time.Second
	pongWait  = 10 * time.Second
	// refreshWait is how long a connection lasts after its client was warned, or asked to refresh it.
	refreshWait = 10 * time.Second
	// closeWait is how long it lasts after any other disconnect message, which has to arrive.
	closeWait = 100 * time.Millisecond
)

// SocketMode is the fake's Socket Mode. Each envelope goes to one of the connections, and to another one if it is not
// acknowledged in time or its connection ends. Safe for concurrent use.
type SocketMode struct {
	mu        sync.Mutex
	silent    bool // connections say nothing at all, not even to pings
	appToken  string
	tickets   map[string]bool // of addresses that were handed out and not used yet
	sockets   []*socket
	waiting   []*envelope // for a connection
	turn, ids int
	counts    SocketCounts
	served    sync.WaitGroup
}

// SocketCounts are what clients did.
type SocketCounts struct {
	Opened     int // addresses that were handed out
	Connects   int
	Delivered  int      // envelopes to clients, repeated ones too
	Acked      int      // envelopes
	Homeless   int      // times that an envelope found no connection
	Unanswered int      // pings, after which the connection was closed
	Violations []string // what Slack would not understand
}

// Answer is a client's acknowledgement.
type Answer struct {
	EnvelopeID string
	Payload    json.RawMessage // nil without one
}

type envelope struct {
	id      string
	body    map[string]any
	accepts bool
	attempt int
	on      *socket // nil while it waits for a connection
	acked   chan Answer
	timer   *time.Timer
}

type socket struct {
	conn *websocket.Conn
	out  chan []byte
	sent map[string]*envelope // not acknowledged
	came map[string]bool      // ids of all envelopes that were sent over it
}

func newSocketMode() *SocketMode { return &SocketMode{tickets: map[string]bool{}} }

// SetAppToken lets an App-Level Token open connections. Without one Socket Mode is off.
func (m *SocketMode) SetAppToken(token string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.appToken = token
}

func (m *SocketMode) takes(token string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.appToken != "" && token == m.appToken
}

// Counts returns what clients did so far.
func (m *SocketMode) Counts() SocketCounts {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts
	c.Violations = slices.Clone(c.Violations)
	return c
}

// Sockets returns how many connections there are.
func (m *SocketMode) Sockets() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.sockets)
}

// open is "apps.connections.open".
func (m *SocketMode) open(r *fakeapi.Request) fakeapi.Answer {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts.Opened++
	if len(m.sockets) >= maxSockets {
		return Failure("too_many_websockets", nil)
	}
	m.ids++
	ticket := fmt.Sprint("ticket-", m.ids)
	m.tickets[ticket] = true
	return success(map[string]any{"url": "ws://" + r.Host + socketPath + "?ticket=" + ticket + "&app_id=A0000APP"})
}

const socketPath = "/link/"

// ServeHTTP takes a WebSocket in.
func (m *SocketMode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ticket := r.URL.Query().Get("ticket")
	m.mu.Lock()
	known := m.tickets[ticket]
	delete(m.tickets, ticket)
	m.mu.Unlock()
	if !known {
		http.Error(w, "the ticket was used or never handed out", http.StatusForbidden)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		OnPingReceived: func(context.Context, []byte) bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			return !m.silent
		},
	})
	if err != nil {
		return // it has answered
	}
	defer func() { _ = conn.CloseNow() }()
	s := &socket{conn: conn, out: make(chan []byte, 4096), sent: map[string]*envelope{}, came: map[string]bool{}}
	m.served.Add(1)
	defer m.served.Done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var writer sync.WaitGroup
	defer writer.Wait()
	writer.Go(func() {
		for {
			select {
			case data := <-s.out:
				if conn.Write(ctx, websocket.MessageText, data) != nil {
					cancel()
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	writer.Go(func() { m.ping(ctx, s) })
	defer cancel()
	m.join(s)
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			break
		}
		m.take(s, data)
	}
	m.leave(s)
}

// ping closes a connection whose client does not answer.
func (m *SocketMode) ping(ctx context.Context, s *socket) {
	next := time.NewTimer(pingEvery / 2) // not when a client pings: over a net.Pipe both would wait to write the answer
	defer next.Stop()
	for {
		select {
		case <-next.C:
			next.Reset(pingEvery)
		case <-ctx.Done():
			return
		}
		if m.isSilent() {
			continue
		}
		waiting, cancel := context.WithTimeout(ctx, pongWait)
		err := s.conn.Ping(waiting)
		cancel()
		switch {
		case err == nil:
			continue
		case ctx.Err() == nil:
			m.mu.Lock()
			m.counts.Unanswered++
			m.mu.Unlock()
		}
		_ = s.conn.CloseNow()
		return
	}
}

func (m *SocketMode) isSilent() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.silent
}

// join says hello and hands over what waits.
func (m *SocketMode) join(s *socket) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts.Connects++
	if len(m.sockets) >= maxSockets {
		m.disconnect(s, "too_many_websockets")
		return
	}
	m.sockets = append(m.sockets, s)
	m.say(s, map[string]any{
		"type": "hello", "num_connections": len(m.sockets), "connection_info": map[string]any{"app_id": "A0000APP"},
		"debug_info": map[string]any{"host": "applink-1", "approximate_connection_time": 18060},
	})
	waiting := m.waiting
	m.waiting = nil
	for _, e := range waiting {
		m.send(e)
	}
}

func (m *SocketMode) say(s *socket, body map[string]any) {
	data, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("slacktest: the message cannot be encoded: %v", err)) //nolint:forbidigo // the test is at fault
	}
	if m.silent {
		return
	}
	select {
	case s.out <- data:
	default: // as a connection that is too slow
		_ = s.conn.CloseNow()
	}
}

// send hands an envelope to the next connection. The lock is held.
func (m *SocketMode) send(e *envelope) {
	e.on = nil
	if len(m.sockets) == 0 {
		m.counts.Homeless++
		m.waiting = append(m.waiting, e)
		return
	}
	m.turn++
	s := m.sockets[m.turn%len(m.sockets)]
	e.on, s.sent[e.id], s.came[e.id] = s, e, true
	e.body["retry_attempt"], e.body["retry_reason"] = e.attempt, ""
	if e.attempt > 0 {
		e.body["retry_reason"] = "timeout"
	}
	e.attempt++
	m.counts.Delivered++
	m.say(s, e.body)
	e.timer = time.AfterFunc(ackWait, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if e.on == s && s.sent[e.id] == e {
			delete(s.sent, e.id)
			m.send(e)
		}
	})
}

// forget has no more envelopes go to a connection. The lock is held.
func (m *SocketMode) forget(s *socket) {
	m.sockets = slices.DeleteFunc(m.sockets, func(other *socket) bool { return other == s })
}

// leave sends what the connection has not acknowledged to others.
func (m *SocketMode) leave(s *socket) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(s)
	left := make([]*envelope, 0, len(s.sent))
	for _, e := range s.sent {
		e.timer.Stop()
		left = append(left, e)
	}
	s.sent = map[string]*envelope{}
	slices.SortFunc(left, func(a, b *envelope) int { return strings.Compare(a.id, b.id) })
	for _, e := range left {
		m.send(e)
	}
}

// take reads an acknowledgement.
func (m *SocketMode) take(s *socket, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ack map[string]json.RawMessage
	var id string
	if json.Unmarshal(data, &ack) != nil || json.Unmarshal(ack["envelope_id"], &id) != nil {
		m.violated("%q is no acknowledgement", data)
		return
	}
	for name := range ack {
		if name != "envelope_id" && name != "payload" {
			m.violated("an acknowledgement with %q", name)
		}
	}
	e := s.sent[id]
	switch {
	case !s.came[id]:
		m.violated("an acknowledgement of %q, which did not come over this connection", id)
		return
	case e == nil:
		return // it came too late: another connection has it
	}
	if ack["payload"] != nil && !e.accepts {
		m.violated("a payload for an envelope that accepts none")
	}
	delete(s.sent, id)
	e.timer.Stop()
	m.counts.Acked++
	e.acked <- Answer{id, ack["payload"]}
}

func (m *SocketMode) violated(format string, args ...any) {
	m.counts.Violations = append(m.counts.Violations, fmt.Sprintf(format, args...))
}

// PushEvent sends what the Events API would POST. The channel takes the acknowledgement.
func (m *SocketMode) PushEvent(payload any) <-chan Answer {
	return m.push("events_api", payload, false)
}

// PushInteraction sends what an interaction's form has in payload.
func (m *SocketMode) PushInteraction(payload any) <-chan Answer {
	return m.push("interactive", payload, true)
}

// PushCommand sends the fields of a slash command's form.
func (m *SocketMode) PushCommand(fields any) <-chan Answer {
	return m.push("slash_commands", fields, true)
}

func (m *SocketMode) push(kind string, payload any, accepts bool) <-chan Answer {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ids++
	e := &envelope{id: fmt.Sprintf("envelope-%08d", m.ids), accepts: accepts, acked: make(chan Answer, 1)}
	e.body = map[string]any{
		"type": kind, "envelope_id": e.id, "payload": payload, "accepts_response_payload": accepts,
	}
	m.send(e)
	return e.acked
}

// Disconnect tells all connections to disconnect for a reason, and closes them, whatever the clients do: ten seconds
// after a warning and refresh_requested, which ask for a new connection, and at once for all others, such as
// link_disabled.
func (m *SocketMode) Disconnect(reason string) {
	m.each(func(s *socket) { m.disconnect(s, reason) })
}

// disconnect tells one connection. The lock is held.
func (m *SocketMode) disconnect(s *socket, reason string) {
	m.say(s, map[string]any{"type": "disconnect", "reason": reason, "debug_info": map[string]any{"host": "applink-1"}})
	wait := closeWait
	if reason == "warning" || reason == "refresh_requested" {
		wait = refreshWait
	}
	time.AfterFunc(wait, func() {
		m.mu.Lock()
		m.forget(s)
		m.mu.Unlock()
		_ = s.conn.Close(websocket.StatusNormalClosure, "")
	})
}

// SendFrame sends any text to all connections. If it is an envelope it may be acknowledged, and is not sent again.
func (m *SocketMode) SendFrame(text string) {
	var e struct {
		ID string `json:"envelope_id"`
	}
	_ = json.Unmarshal([]byte(text), &e) // mostly it is none
	m.each(func(s *socket) {
		s.came[e.ID] = e.ID != ""
		s.out <- []byte(text)
	})
}

// Drop ends all connections without a word.
func (m *SocketMode) Drop() { m.each(func(s *socket) { _ = s.conn.CloseNow() }) }

func (m *SocketMode) each(f func(*socket)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sockets {
		f(s)
	}
}

// SetSilent has connections say nothing from now on, or speak again.
func (m *SocketMode) SetSilent(silent bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.silent = silent
}

// shut ends all connections and waits for them.
func (m *SocketMode) shut() {
	m.Drop()
	m.served.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.waiting {
		if e.timer != nil {
			e.timer.Stop()
		}
	}
}
