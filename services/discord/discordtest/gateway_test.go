package discordtest_test

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

// rawClient is a client of the Gateway that does what it is told.
type rawClient struct {
	t      *testing.T
	conn   *websocket.Conn
	packed *bytes.Buffer // nil without compression
	stream io.ReadCloser
}

func connect(t *testing.T, server *discordtest.Server, query string) *rawClient {
	t.Helper()
	address := strings.Replace(server.CDN(), "http", "ws", 1) + "/gateway?" + query
	options := &websocket.DialOptions{HTTPHeader: http.Header{"User-Agent": {"DiscordBot (https://example.org, 1)"}}}
	conn, _, err := websocket.Dial(t.Context(), address, options) //nolint:bodyclose // Dial closes it
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	c := &rawClient{t: t, conn: conn}
	if strings.Contains(query, "zlib") {
		c.packed = &bytes.Buffer{}
	}
	return c
}

func (c *rawClient) send(payload string) {
	c.t.Helper()
	require.NoError(c.t, c.conn.Write(c.t.Context(), websocket.MessageText, []byte(payload)))
}

type received struct {
	Op int
	S  int64
	T  string
	D  json.RawMessage
}

// next reads one payload. A connection that was closed gives its code as the payload's op.
func (c *rawClient) next() received {
	c.t.Helper()
	_, data, err := c.conn.Read(c.t.Context())
	if code := websocket.CloseStatus(err); code >= 0 {
		return received{Op: int(code)}
	}
	require.NoError(c.t, err)
	if c.packed != nil {
		require.True(c.t, bytes.HasSuffix(data, []byte{0, 0, 0xff, 0xff}), "each payload ends with a flush")
		c.packed.Write(data)
		if c.stream == nil {
			c.stream, err = zlib.NewReader(c.packed)
			require.NoError(c.t, err)
		}
		data = make([]byte, 1<<16)
		n, err := c.stream.Read(data)
		require.NoError(c.t, err)
		data = data[:n]
	}
	var r received
	require.NoError(c.t, json.Unmarshal(data, &r))
	return r
}

const plainQuery = "v=10&encoding=json"

func identify(change ...string) string {
	return strings.NewReplacer(change...).Replace(
		`{"op":2,"d":{"token":"TEST.token","intents":37376,"properties":{"os":"a","browser":"b","device":"c"},"shard":[0,` +
			`1]}}`)
}

func newGateway(t *testing.T) *discordtest.Server {
	t.Helper()
	server := newServer(t)
	server.Gateway.Configure(func(g *discordtest.GatewayConfig) { g.Uncompressed = true })
	return server
}

func TestGatewaySessionIsResumedFromItsBuffer(t *testing.T) {
	server := newGateway(t)
	server.Gateway.Configure(func(g *discordtest.GatewayConfig) { g.Buffer = 4 })
	c := connect(t, server, plainQuery+"&compress=zlib-stream")
	require.Equal(t, 10, c.next().Op)
	c.send(identify())
	ready := c.next()
	require.Equal(t, "READY", ready.T)
	var d struct {
		ID  string `json:"session_id"`
		URL string `json:"resume_gateway_url"`
	}
	require.NoError(t, json.Unmarshal(ready.D, &d))
	require.NotEmpty(t, d.URL)
	require.Equal(t, 1, server.Gateway.Publish("5", "MESSAGE_CREATE", map[string]any{"id": "1", "content": "a"}))
	require.Equal(t, 0, server.Gateway.Publish("5", "TYPING_START", map[string]any{}), "without its intent")
	require.Contains(t, string(c.next().D), `"content":"a"`)
	require.NoError(t, c.conn.CloseNow())
	server.Gateway.Publish("5", "MESSAGE_CREATE", map[string]any{"id": "2"})

	c = connect(t, server, plainQuery)
	_ = c.next()
	c.send(`{"op":6,"d":{"token":"TEST.token","session_id":"` + d.ID + `","seq":1}}`)
	require.Equal(t, []int64{2, 3}, []int64{c.next().S, c.next().S})
	require.Equal(t, "RESUMED", c.next().T)
	require.Equal(t, 1, server.Gateway.Counts().Resumes)
	for range 4 {
		server.Gateway.Publish("5", "MESSAGE_CREATE", map[string]any{"id": "3"})
	}
	for name, test := range map[string]struct {
		session, seq string
		op           int
	}{
		"of long ago":    {d.ID, "1", 9},
		"of the future":  {d.ID, "99", 4007},
		"of nobody":      {"other", "1", 9},
		"without number": {d.ID, "null", 4002},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, server, plainQuery)
			_ = c.next()
			c.send(`{"op":6,"d":{"token":"TEST.token","session_id":"` + test.session + `","seq":` + test.seq + `}}`)
			require.Equal(t, test.op, c.next().Op)
		})
	}
}

func TestGatewayRefusesWhatDiscordRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		query, send string
		op          int
		violates    bool
	}{
		"a good one":             {plainQuery, identify(), 0, false},
		"another version":        {"v=9&encoding=json", "", 4012, false},
		"another token":          {plainQuery, identify("TEST.token", "x"), 4004, false},
		"a shard of none":        {plainQuery, identify("[0,1]", "[1,1]"), 4010, false},
		"too few shards":         {plainQuery, identify("[0,1]", "[0,2]"), 4011, false},
		"an unknown intent":      {plainQuery, identify("37376", "131072"), 4013, false},
		"an intent not approved": {plainQuery, identify("37376", "2"), 4014, false},
		"no properties":          {plainQuery, identify("browser", "x"), 4002, true},
		"an unknown opcode":      {plainQuery, `{"op":99}`, 4001, true},
		"no JSON":                {plainQuery, `{`, 4002, true},
		"a presence too early":   {plainQuery, `{"op":3,"d":{}}`, 4003, false},
		"a heartbeat":            {plainQuery, `{"op":1,"d":null}`, 11, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := newGateway(t)
			server.Gateway.Configure(func(g *discordtest.GatewayConfig) { g.MinShards = strings.Count(name, "few") * 3 })
			c := connect(t, server, test.query)
			if test.send != "" {
				require.Equal(t, 10, c.next().Op)
				c.send(test.send)
			}
			require.Equal(t, test.op, c.next().Op)
			require.Equal(t, test.violates, len(server.Gateway.Counts().Violations) > 0, server.Gateway.Counts().Violations)
		})
	}
}

func TestGatewayCountsSessionsThatBeginTooFast(t *testing.T) {
	server := newGateway(t)
	server.Gateway.Configure(func(g *discordtest.GatewayConfig) { g.MaxConcurrency, g.Starts = 2, 3 })
	for i, test := range []struct {
		shard string
		op    int
	}{{"[0,4]", 0}, {"[1,4]", 0}, {"[2,4]", 9}} {
		c := connect(t, server, plainQuery)
		_ = c.next()
		c.send(identify("[0,1]", test.shard))
		require.Equal(t, test.op, c.next().Op, i)
	}
	violations := server.Gateway.Counts().Violations
	require.Len(t, violations, 1)
	require.Contains(t, violations[0], "key 0")
	server.Gateway.Configure(func(g *discordtest.GatewayConfig) { g.IdentifyEvery = 0 })
	c := connect(t, server, plainQuery)
	_ = c.next()
	c.send(identify())
	require.Equal(t, 4004, c.next().Op, "the day's sessions are used up")
	require.Len(t, server.Gateway.Counts().Violations, 2)
}

func TestGatewayClosesWhoSendsTooMuch(t *testing.T) {
	server := newGateway(t)
	c := connect(t, server, plainQuery)
	_ = c.next()
	for range 120 {
		c.send(`{"op":1,"d":null}`)
		require.Equal(t, 11, c.next().Op)
	}
	c.send(`{"op":1,"d":null}`)
	require.Equal(t, 4008, c.next().Op)
}

func TestGatewayInteractionIsAnsweredOnceAndInTime(t *testing.T) {
	server := newGateway(t)
	server.PublishInteraction("", "7", "fresh", map[string]any{"type": 2})
	answer := func(id, token string) (int, string) {
		status, body, err := do(t.Context(), "POST", server.URL()+"/interactions/"+id+"/"+token+"/callback",
			"application/json", `{"type":5}`, func(r *http.Request) { r.Header.Del("Authorization") })
		require.NoError(t, err)
		return status, body
	}
	status, body := answer("8", "fresh")
	require.Equal(t, "404 true", fmt.Sprint(status, " ", strings.Contains(body, "10062")))
	status, _ = answer("7", "fresh")
	require.Equal(t, 204, status)
	require.Equal(t, 5, server.Answer("fresh"))
	status, body = answer("7", "fresh")
	require.Equal(t, "400 true", fmt.Sprint(status, " ", strings.Contains(body, "40060")))
}
