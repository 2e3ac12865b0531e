package discordtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/hiliosai/switchboard/integration/fakeapi"
)

// GatewayConfig is how the Gateway behaves.
type GatewayConfig struct {
	Shards         int           // that "Get Gateway Bot" recommends
	MinShards      int           // fewer are refused with 4011
	MaxConcurrency int           // sessions that may begin within IdentifyEvery
	IdentifyEvery  time.Duration // 5 s
	Starts         int           // sessions that may still begin today
	ResetAfter     time.Duration // until Starts is full again
	Heartbeat      time.Duration // the interval that clients are told
	Buffer         int           // events of a session that can be replayed
	Linger         time.Duration // how long a session without a connection can be resumed
	Privileged     int64         // the privileged intents that the app may have
	Zombie         bool          // heartbeats are not acknowledged
	Silent         bool          // nothing at all is sent
	Resumable      bool          // an invalid session is said to be resumable
	Uncompressed   bool          // connections without transport compression are let in
}

// GatewayCounts are what clients did. The lists are in the order of time.
type GatewayCounts struct {
	Asked      int // for the Gateway's address
	Connects   int
	Identifies int
	Resumes    int // that succeeded
	Heartbeats int
	Closes     []int    // the codes with which clients closed; -1 without one
	Violations []string // what Discord forbids
	Sent       int      // events to clients, repeated ones too
	Presences  []string
}

// Gateway is the fake's Gateway: sessions of shards, with what can be resumed of each. Safe for concurrent use.
type Gateway struct {
	app App

	mu         sync.Mutex
	config     GatewayConfig
	counts     GatewayCounts
	identified map[int]time.Time // when a session of each rate limit key began last
	sessions   map[string]*gatewaySession
	connected  map[*gatewayClient]bool
	clients    sync.WaitGroup
	last       int // session's number
}

// gatewayEvent is one of a session's events.
type gatewayEvent struct {
	seq  int64
	json []byte
}

// gatewaySession is a session of a shard, with or without a connection. The gateway's lock guards it.
type gatewaySession struct {
	id            string
	shard, shards int
	intents       int64
	seq           int64
	events        []gatewayEvent // the newest ones
	client        *gatewayClient // nil without a connection
	left          time.Time      // when the last connection ended
}

// Names of the Gateway's calls, as scripts and requests have them.
const (
	GetGateway          = "get gateway"
	ConnectGateway      = "connect gateway"
	InteractionCallback = "interaction callback"
)

func newGateway(app App) *Gateway {
	return &Gateway{
		app: app, identified: map[int]time.Time{}, sessions: map[string]*gatewaySession{},
		connected: map[*gatewayClient]bool{},
		config: GatewayConfig{
			Shards: 1, MaxConcurrency: 1, IdentifyEvery: 5 * time.Second, Starts: 1000, ResetAfter: 24 * time.Hour,
			Heartbeat: 41250 * time.Millisecond, Buffer: 100_000, Linger: 3 * time.Minute, Privileged: intentContent,
		},
	}
}

// Configure changes how the Gateway behaves from now on.
func (g *Gateway) Configure(change func(*GatewayConfig)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.config)
}

// Counts returns what clients did so far.
func (g *Gateway) Counts() GatewayCounts {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.counts
	c.Closes, c.Violations = slices.Clone(c.Closes), slices.Clone(c.Violations)
	c.Presences = slices.Clone(c.Presences)
	return c
}

// Sessions returns how many sessions have a connection now.
func (g *Gateway) Sessions() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, s := range g.sessions {
		if s.client != nil {
			n++
		}
	}
	return n
}

// Publish makes an event, such as MESSAGE_CREATE, of a server, or of direct messages if guildID is empty. Each session
// of the server's shard whose intents have the event gets it, now or when it is resumed. Publish returns how many these
// are. Messages lose their content where the app has no MESSAGE_CONTENT.
func (g *Gateway) Publish(guildID, name string, data map[string]any) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	data = maps.Clone(data)
	if guildID != "" {
		data["guild_id"] = guildID
	}
	sessions := 0
	for _, s := range g.sessions {
		if s.shard != shardOf(guildID, s.shards) || !wants(s.intents, name, guildID != "") {
			continue
		}
		sessions++
		s.append(g, name, g.visible(s, guildID, name, data))
	}
	return sessions
}

// shardOf is "Sharding Formula".
func shardOf(guildID string, shards int) int {
	id, err := strconv.ParseUint(guildID, 10, 64)
	if err != nil {
		return 0
	}
	return int((id >> 22) % uint64(shards))
}

const intentContent = 1 << 15

// eventIntents are the intents of the events, in servers and in direct messages: "List of Intents". Events that are not
// there need none.
var eventIntents = map[string][2]int64{
	"GUILD_CREATE": {1 << 0, 1 << 0}, "GUILD_UPDATE": {1 << 0, 1 << 0}, "GUILD_DELETE": {1 << 0, 1 << 0},
	"CHANNEL_CREATE": {1 << 0, 1 << 0}, "CHANNEL_UPDATE": {1 << 0, 1 << 0}, "CHANNEL_DELETE": {1 << 0, 1 << 0},
	"THREAD_CREATE": {1 << 0, 1 << 0}, "THREAD_UPDATE": {1 << 0, 1 << 0}, "THREAD_DELETE": {1 << 0, 1 << 0},
	"GUILD_MEMBER_ADD": {1 << 1, 1 << 1}, "GUILD_MEMBER_UPDATE": {1 << 1, 1 << 1},
	"GUILD_MEMBER_REMOVE": {1 << 1, 1 << 1}, "PRESENCE_UPDATE": {1 << 8, 1 << 8},
	"MESSAGE_CREATE": {1 << 9, 1 << 12}, "MESSAGE_UPDATE": {1 << 9, 1 << 12}, "MESSAGE_DELETE": {1 << 9, 1 << 12},
	"MESSAGE_DELETE_BULK": {1 << 9, 1 << 12}, "MESSAGE_REACTION_ADD": {1 << 10, 1 << 13},
	"MESSAGE_REACTION_REMOVE": {1 << 10, 1 << 13}, "MESSAGE_REACTION_REMOVE_ALL": {1 << 10, 1 << 13},
	"MESSAGE_REACTION_REMOVE_EMOJI": {1 << 10, 1 << 13}, "TYPING_START": {1 << 11, 1 << 14},
	"MESSAGE_POLL_VOTE_ADD": {1 << 24, 1 << 25}, "MESSAGE_POLL_VOTE_REMOVE": {1 << 24, 1 << 25},
}

func wants(intents int64, name string, inGuild bool) bool {
	needed, known := eventIntents[name]
	if !known {
		return true
	}
	if inGuild {
		return intents&needed[0] != 0
	}
	return intents&needed[1] != 0
}

// visible takes the content from a message that the session may not read, "Message Content Intent".
func (g *Gateway) visible(s *gatewaySession, guildID, name string, data map[string]any) map[string]any {
	if s.intents&intentContent != 0 || guildID == "" || name != "MESSAGE_CREATE" && name != "MESSAGE_UPDATE" {
		return data
	}
	author, _ := data["author"].(map[string]any)
	if author["id"] == g.app.ApplicationID || strings.Contains(fmt.Sprint(data["content"]), "<@"+g.app.ApplicationID+">") {
		return data
	}
	hidden := maps.Clone(data)
	for field, empty := range map[string]any{
		"content": "", "attachments": []any{}, "embeds": []any{}, "components": []any{},
	} {
		if _, has := hidden[field]; has {
			hidden[field] = empty
		}
	}
	delete(hidden, "poll")
	if _, forwards := hidden["message_snapshots"]; forwards {
		hidden["message_snapshots"] = []any{map[string]any{"message": map[string]any{
			"type": 0, "content": "", "attachments": []any{}, "embeds": []any{}, "components": []any{},
		}}}
	}
	return hidden
}

// append adds an event to a session. The lock is held.
func (s *gatewaySession) append(g *Gateway, name string, data any) {
	s.seq++
	encoded, err := json.Marshal(map[string]any{"op": opDispatch, "t": name, "s": s.seq, "d": data})
	if err != nil { // of a test's own value
		encoded = []byte("null")
	}
	s.events = append(s.events, gatewayEvent{s.seq, encoded})
	if extra := len(s.events) - g.config.Buffer; extra > 0 {
		s.events = s.events[extra:]
	}
	if s.client != nil {
		s.client.wakeUp()
	}
}

// Drop ends all connections without a word. Their sessions can be resumed.
func (g *Gateway) Drop() { g.eachClient(func(c *gatewayClient) { _ = c.conn.CloseNow() }) }

// Close closes all connections with a code. fresh also forgets their sessions.
func (g *Gateway) Close(code int, fresh bool) {
	if fresh {
		g.Forget()
	}
	g.eachClient(func(c *gatewayClient) {
		g.mu.Lock()
		c.closed = true
		g.mu.Unlock()
		_ = c.conn.Close(websocket.StatusCode(code), "as the test says")
	})
}

// Forget forgets all sessions, so that none can be resumed. Those with a connection get nothing any more.
func (g *Gateway) Forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.sessions)
}

// Reconnect asks all clients to open a new connection.
func (g *Gateway) Reconnect() { g.Send(map[string]any{"op": opReconnect, "d": nil}) }

// Invalidate tells all clients that their session is gone; resumable says that it can be resumed all the same.
func (g *Gateway) Invalidate(resumable bool) {
	if !resumable {
		g.Forget()
	}
	g.Send(map[string]any{"op": opInvalidSession, "d": resumable})
}

// AskForHeartbeat asks all clients for a heartbeat.
func (g *Gateway) AskForHeartbeat() { g.Send(map[string]any{"op": opHeartbeat, "d": nil}) }

// Send sends any payload to all clients, beside their sessions.
func (g *Gateway) Send(payload any) {
	encoded, err := json.Marshal(payload)
	if err != nil {
		return // of a test's own value
	}
	g.eachClient(func(c *gatewayClient) { c.postRaw(outgoing{data: encoded}) })
}

// SendFrame sends bytes to all clients as they are, without compression.
func (g *Gateway) SendFrame(frame []byte) {
	g.eachClient(func(c *gatewayClient) { c.postRaw(outgoing{frame, true}) })
}

func (g *Gateway) eachClient(f func(*gatewayClient)) {
	g.mu.Lock()
	clients := slices.Collect(maps.Keys(g.connected))
	g.mu.Unlock()
	for _, c := range clients {
		f(c)
	}
}

// shut ends all connections.
func (g *Gateway) shut() {
	g.Drop()
	g.clients.Wait()
}

// flags are the "Application Flags" for the privileged intents.
func (g *Gateway) flags() int64 {
	var flags int64
	for intent, flag := range map[int64]int64{1 << 8: 1 << 13, 1 << 1: 1 << 15, intentContent: 1 << 19} {
		if g.config.Privileged&intent != 0 {
			flags |= flag
		}
	}
	return flags
}

func (g *Gateway) violated(format string, args ...any) {
	g.counts.Violations = append(g.counts.Violations, fmt.Sprintf(format, args...))
}

func (g *Gateway) applicationFlags() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.flags()
}

// getGateway is "Get Gateway Bot".
func (g *Gateway) getGateway(r *fakeapi.Request) Response {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts.Asked++
	return fakeapi.JSON(http.StatusOK, map[string]any{
		"url": "ws://" + r.Host + gatewayPath, "shards": g.config.Shards, "session_start_limit": map[string]any{
			"total": 1000, "remaining": max(g.config.Starts, 0), "reset_after": g.config.ResetAfter.Milliseconds(),
			"max_concurrency": g.config.MaxConcurrency,
		},
	})
}
