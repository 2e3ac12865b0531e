package discordtest

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// "Gateway Opcodes".
const (
	opDispatch       = 0
	opHeartbeat      = 1
	opIdentify       = 2
	opPresence       = 3
	opResume         = 6
	opReconnect      = 7
	opInvalidSession = 9
	opHello          = 10
	opHeartbeatACK   = 11
)

const (
	gatewayPath   = "/gateway"
	maxSend       = 4096 // bytes of what a client sends
	maxSends      = 120  // within sendsWindow
	sendsWindow   = time.Minute
	knownIntents  = (1<<26 - 1) &^ (1<<17 | 1<<18 | 1<<19 | 1<<22 | 1<<23)
	privilegedAll = 1<<1 | 1<<8 | 1<<15
)

// gatewayClient is one connection.
type gatewayClient struct {
	gateway *Gateway
	conn    *websocket.Conn
	host    string
	wake    chan struct{}

	// The gateway's lock guards what follows.
	session *gatewaySession
	sent    int64 // sequence number of the last event that was sent
	sends   []time.Time
	closed  bool       // by the gateway
	posted  []outgoing // beside the session's events, and before them

	stream *zlib.Writer // nil without compression; for the goroutine that sends
	packed bytes.Buffer
}

// outgoing is a payload, or a frame that is sent as it is.
type outgoing struct {
	data []byte
	raw  bool
}

// ServeHTTP takes a WebSocket in.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // any Origin, as Discord
	if err != nil {
		return // it has answered
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxSend)
	query := r.URL.Query()
	g.mu.Lock()
	g.counts.Connects++
	compressed := query.Get("compress") == "zlib-stream"
	if !compressed && !g.config.Uncompressed {
		g.violated("a connection without compression")
	}
	c := &gatewayClient{gateway: g, conn: conn, host: r.Host, wake: make(chan struct{}, 1)}
	g.connected[c] = true
	g.clients.Add(1)
	defer g.clients.Done()
	heartbeat := g.config.Heartbeat
	g.mu.Unlock()
	if compressed {
		c.stream = zlib.NewWriter(&c.packed)
	}
	if query.Get("v") != "10" || query.Get("encoding") != "json" {
		_ = conn.Close(4012, "")
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var writer sync.WaitGroup
	writer.Go(func() { c.sendEvents(ctx) })
	c.post(map[string]any{"op": opHello, "d": map[string]any{"heartbeat_interval": heartbeat.Milliseconds()}})
	for err == nil {
		err = c.read(ctx)
	}
	cancel()
	_ = conn.CloseNow()
	writer.Wait()
	c.leave(err)
}

// closing is an error that closes the connection with a code.
type closing struct {
	code int
	why  string
}

func (c closing) Error() string { return fmt.Sprint(c.code, " ", c.why) }

// leave ends a connection. What the client closes with 1000 or 1001 cannot be resumed.
func (c *gatewayClient) leave(err error) {
	g := c.gateway
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.connected, c)
	status := int(websocket.CloseStatus(err))
	if _, own := err.(closing); !own { //nolint:errorlint // it is never wrapped
		g.counts.Closes = append(g.counts.Closes, status)
	}
	if s := c.session; s != nil && s.client == c {
		s.client, s.left = nil, time.Now()
		if c.closed {
			return
		}
		if status == int(websocket.StatusNormalClosure) || status == int(websocket.StatusGoingAway) {
			delete(g.sessions, s.id)
		}
	}
}

// read takes one payload of the client.
func (c *gatewayClient) read(ctx context.Context) error {
	c.gateway.mu.Lock()
	patience := 3 * c.gateway.config.Heartbeat
	c.gateway.mu.Unlock()
	reading, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, data, err := c.conn.Read(reading)
	if err == nil {
		err = c.take(data)
	}
	if e, ok := err.(closing); ok { //nolint:errorlint // it is never wrapped
		_ = c.conn.Close(websocket.StatusCode(e.code), e.why)
	}
	return err
}

type sentPayload struct {
	Op int             `json:"op"`
	D  json.RawMessage `json:"d"`
}

func (c *gatewayClient) take(data []byte) error {
	g := c.gateway
	g.mu.Lock()
	answer, err := c.answer(data)
	g.mu.Unlock()
	if err != nil || answer == nil {
		return err
	}
	c.post(answer)
	return nil
}

// post has a payload be sent.
func (c *gatewayClient) post(payload any) {
	encoded, err := json.Marshal(payload)
	if err != nil {
		encoded = []byte("null") // of a test's own value
	}
	c.postRaw(outgoing{data: encoded})
}

func (c *gatewayClient) postRaw(o outgoing) {
	c.gateway.mu.Lock()
	defer c.gateway.mu.Unlock()
	c.posted = append(c.posted, o)
	c.wakeUp()
}

// answer acts on a payload. The lock is held.
func (c *gatewayClient) answer(data []byte) (any, error) {
	g, now := c.gateway, time.Now()
	c.sends = append(c.sends, now)
	for now.Sub(c.sends[0]) >= sendsWindow {
		c.sends = c.sends[1:]
	}
	if len(c.sends) > maxSends {
		g.violated("more than %d sends within a minute", maxSends)
		return nil, closing{4008, "Rate limited."}
	}
	var p sentPayload
	if json.Unmarshal(data, &p) != nil {
		g.violated("what is no payload: %q", data)
		return nil, closing{4002, "Error while decoding payload."}
	}
	switch p.Op {
	case opHeartbeat:
		return c.heartbeat(p.D)
	case opIdentify:
		return c.identify(p.D)
	case opResume:
		return c.resume(p.D)
	case opPresence:
		if c.session == nil {
			return nil, closing{4003, "Not authenticated."}
		}
		g.counts.Presences = append(g.counts.Presences, string(p.D))
		return nil, nil
	default:
		g.violated("opcode %d", p.Op)
		return nil, closing{4001, "Unknown opcode."}
	}
}

func (c *gatewayClient) heartbeat(data json.RawMessage) (any, error) {
	g := c.gateway
	g.counts.Heartbeats++
	var seq *int64
	if err := json.Unmarshal(data, &seq); err != nil {
		g.violated("a heartbeat of %s", data)
		return nil, closing{4002, "Error while decoding payload."}
	}
	if seq != nil && c.session != nil && *seq > c.session.seq {
		g.violated("a heartbeat with a sequence number of the future")
	}
	if g.config.Zombie || g.config.Silent {
		return nil, nil
	}
	return map[string]any{"op": opHeartbeatACK}, nil
}

func (c *gatewayClient) identify(data json.RawMessage) (any, error) {
	g := c.gateway
	var d struct {
		Token      string            `json:"token"`
		Properties map[string]string `json:"properties"`
		Shard      *[2]int           `json:"shard"`
		Intents    *int64            `json:"intents"`
		Presence   json.RawMessage   `json:"presence"`
	}
	if err := json.Unmarshal(data, &d); err != nil || d.Intents == nil || d.Properties["browser"] == "" {
		g.violated("an identify of another form")
		return nil, closing{4002, "Error while decoding payload."}
	}
	shard := [2]int{0, 1}
	if d.Shard != nil {
		shard = *d.Shard
	}
	switch {
	case c.session != nil:
		return nil, closing{4005, "Already authenticated."}
	case d.Token != g.app.BotToken:
		return nil, closing{4004, "Authentication failed."}
	case shard[0] < 0 || shard[0] >= shard[1]:
		return nil, closing{4010, "Invalid shard."}
	case shard[1] < g.config.MinShards:
		return nil, closing{4011, "Sharding required."}
	case *d.Intents&^knownIntents != 0:
		return nil, closing{4013, "Invalid intent(s)."}
	case *d.Intents&privilegedAll&^g.config.Privileged != 0:
		return nil, closing{4014, "Disallowed intent(s)."}
	}
	g.counts.Identifies++
	if g.config.Starts--; g.config.Starts < 0 {
		g.violated("more sessions than a day has")
		return nil, closing{4004, "Authentication failed."}
	}
	now, key := time.Now(), shard[0]%g.config.MaxConcurrency
	if last, ok := g.identified[key]; ok && now.Sub(last) < g.config.IdentifyEvery {
		g.violated("key %d: two sessions began within %s", key, now.Sub(last))
		return map[string]any{"op": opInvalidSession, "d": false}, nil
	}
	g.identified[key] = now
	if d.Presence != nil {
		g.counts.Presences = append(g.counts.Presences, string(d.Presence))
	}
	g.last++
	s := &gatewaySession{
		id: fmt.Sprintf("session-%d", g.last), shard: shard[0], shards: shard[1], intents: *d.Intents, client: c,
	}
	g.sessions[s.id], c.session = s, s
	s.append(g, "READY", map[string]any{
		"v": 10, "user": map[string]any{"id": g.app.ApplicationID, "username": "test_bot", "bot": true}, "guilds": []any{},
		"session_id": s.id, "resume_gateway_url": "ws://" + c.host + gatewayPath, "shard": shard,
		"application": map[string]any{"id": g.app.ApplicationID, "flags": g.flags()},
	})
	return nil, nil
}

// resume is "Resuming": events that the session has kept are sent again, and Resumed after them.
func (c *gatewayClient) resume(data json.RawMessage) (any, error) {
	g := c.gateway
	var d struct {
		Token   string `json:"token"`
		Session string `json:"session_id"`
		Seq     *int64 `json:"seq"`
	}
	if err := json.Unmarshal(data, &d); err != nil || d.Seq == nil {
		g.violated("a resume of another form")
		return nil, closing{4002, "Error while decoding payload."}
	}
	s := g.sessions[d.Session]
	switch {
	case c.session != nil:
		return nil, closing{4005, "Already authenticated."}
	case d.Token != g.app.BotToken:
		return nil, closing{4004, "Authentication failed."}
	case s != nil && *d.Seq > s.seq:
		return nil, closing{4007, "Invalid seq."}
	case s == nil, s.client == nil && time.Since(s.left) > g.config.Linger,
		len(s.events) > 0 && *d.Seq < s.events[0].seq-1:
		return map[string]any{"op": opInvalidSession, "d": g.config.Resumable && s != nil}, nil
	}
	if s.client != nil {
		old := s.client
		go func() { _ = old.conn.CloseNow() }()
	}
	g.counts.Resumes++
	s.client, c.session, c.sent = c, s, *d.Seq
	s.append(g, "RESUMED", map[string]any{})
	return nil, nil
}

// sendEvents sends the session's events, in order, until ctx ends.
func (c *gatewayClient) sendEvents(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		for {
			list := c.next()
			if len(list) == 0 {
				break
			}
			for _, o := range list {
				if ctx.Err() != nil || c.write(o) != nil {
					return
				}
			}
		}
	}
}

// next takes what is to be sent now.
func (c *gatewayClient) next() []outgoing {
	const most = 64
	g := c.gateway
	g.mu.Lock()
	defer g.mu.Unlock()
	list := c.posted
	c.posted = nil
	s := c.session
	if len(list) > 0 || s == nil || s.client != c || g.config.Silent || len(s.events) == 0 {
		return list
	}
	first := int(max(c.sent+1-s.events[0].seq, 0))
	for _, e := range s.events[min(first, len(s.events)):min(first+most, len(s.events))] {
		list = append(list, outgoing{data: e.json})
		c.sent = e.seq
	}
	g.counts.Sent += len(list)
	return list
}

func (c *gatewayClient) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default: // it is awake
	}
}

// write sends a payload, compressed where the client asked for that.
func (c *gatewayClient) write(o outgoing) error {
	switch {
	case o.raw:
		return c.conn.Write(context.Background(), websocket.MessageBinary, o.data)
	case c.stream == nil:
		return c.conn.Write(context.Background(), websocket.MessageText, o.data)
	}
	c.packed.Reset()
	if _, err := c.stream.Write(o.data); err != nil {
		return err
	}
	if err := c.stream.Flush(); err != nil { // it ends with 00 00 ff ff
		return err
	}
	return c.conn.Write(context.Background(), websocket.MessageBinary, c.packed.Bytes())
}
