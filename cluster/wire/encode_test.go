package wire_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cluster/wire"
)

var header = wire.Header{Ver: wire.V4, Sender: "b"}

func TestPacketsHaveTheBytesOfNode(t *testing.T) {
	cpu, timeout := 2, 898.946134
	caller := "v2.posts"
	for name, tc := range map[string]struct {
		packet any
		want   string
	}{
		"a DISCOVER or DISCONNECT is a header alone": {
			&wire.BarePacket{Header: header},
			`{"ver":"4","sender":"b"}`,
		},
		"a HEARTBEAT carries percent": {
			&wire.HeartbeatPacket{Header: header, CPU: &cpu},
			`{"ver":"4","sender":"b","cpu":2}`,
		},
		"a HEARTBEAT without a reading carries null": {
			&wire.HeartbeatPacket{Header: header},
			`{"ver":"4","sender":"b","cpu":null}`,
		},
		"a PING": {
			&wire.PingPacket{Header: header, Time: json.RawMessage("1795431745501"), ID: json.RawMessage(`"uuid"`)},
			`{"ver":"4","sender":"b","time":1795431745501,"id":"uuid"}`,
		},
		"a PONG adds its arrival": {
			&wire.PingPacket{
				Header: header, Time: json.RawMessage("1795431745501"), ID: json.RawMessage(`"uuid"`), Arrived: 1795431745502,
			},
			`{"ver":"4","sender":"b","time":1795431745501,"id":"uuid","arrived":1795431745502}`,
		},
		"a REQ at the root of a chain": {
			&wire.RequestPacket{
				Header: header, ID: "1", Action: "v2.posts.list", Params: json.RawMessage(`{"limit":5}`),
				Meta: json.RawMessage("{}"), Level: 1, RequestID: "1",
			},
			`{"ver":"4","sender":"b","id":"1","action":"v2.posts.list","params":{"limit":5},"meta":{},"level":1,` +
				`"tracing":null,"parentID":null,"requestID":"1","caller":null,"stream":false}`,
		},
		"a REQ with a fractional timeout": {
			&wire.RequestPacket{
				Header: header, ID: "1", Action: "a.b", Meta: json.RawMessage("{}"), Timeout: &timeout, Level: 2, RequestID: "0",
				Caller: &caller,
			},
			`{"ver":"4","sender":"b","id":"1","action":"a.b","meta":{},"timeout":898.946134,"level":2,"tracing":null,` +
				`"parentID":null,"requestID":"0","caller":"v2.posts","stream":false}`,
		},
		"a REQ of version 5": {
			&wire.RequestPacket{
				Header: wire.Header{Ver: wire.V5, Sender: "b"}, ID: "1", Action: "a.b", Meta: json.RawMessage("{}"),
				Headers: json.RawMessage("{}"), Level: 1,
			},
			`{"ver":"5","sender":"b","id":"1","action":"a.b","meta":{},"headers":{},"level":1,"tracing":null,` +
				`"parentID":null,"caller":null,"stream":false}`,
		},
		"an EVENT for some groups": {
			&wire.EventPacket{
				Header: header, ID: "1", Event: "user.created", Data: json.RawMessage(`{"id":1}`),
				Groups: []string{"other", "posts"}, Meta: json.RawMessage("{}"), Level: 1, RequestID: "1",
			},
			`{"ver":"4","sender":"b","id":"1","event":"user.created","data":{"id":1},"groups":["other","posts"],` +
				`"broadcast":false,"meta":{},"level":1,"tracing":null,"parentID":null,"requestID":"1","caller":null,` +
				`"needAck":null}`,
		},
		"an EVENT for all": {
			&wire.EventPacket{
				Header: header, ID: "1", Event: "x", Broadcast: true, Meta: json.RawMessage("{}"), Level: 1, RequestID: "1",
			},
			`{"ver":"4","sender":"b","id":"1","event":"x","broadcast":true,"meta":{},"level":1,"tracing":null,` +
				`"parentID":null,"requestID":"1","caller":null,"needAck":null}`,
		},
		"an INFO of a node that leaves": {
			&wire.Announcement{
				Header: header, Services: []any{}, IPList: []string{"192.0.2.2"}, Hostname: "vm",
				Client: wire.Client{Type: "go", Version: "1", LangVersion: "go1.26"}, InstanceID: "uuid",
				Metadata: map[string]any{"region": "eu"}, Seq: 3,
			},
			`{"ver":"4","sender":"b","services":[],"ipList":["192.0.2.2"],"hostname":"vm","client":{"type":"go",` +
				`"version":"1","langVersion":"go1.26"},"config":{},"instanceID":"uuid","metadata":{"region":"eu"},"seq":3}`,
		},
		"HTML stays readable": {
			map[string]string{"text": "<a & b>"},
			`{"text":"<a & b>"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := wire.Encode(tc.packet)
			require.NoError(t, err)
			require.Equal(t, tc.want, string(data))
		})
	}
}

func TestEncodeFailsForValuesThatJSONCannotHold(t *testing.T) {
	_, err := wire.Encode(func() {})
	require.Error(t, err)
}

func TestResponsesHaveTheBytesOfNode(t *testing.T) {
	const failure = `{"name":"MoleculerClientError","message":"bad","nodeID":"b","code":409,"type":"BAD",` +
		`"retryable":false,"data":{"x":1}}`
	for name, tc := range map[string]struct {
		packet []byte
		want   string
	}{
		"success": {
			(&wire.Answer{Header: header, ID: "1", Meta: []byte(`{"user":{"id":3}}`), Data: []byte(`{"ok":1}`)}).Encode(),
			`{"id":"1","meta":{"user":{"id":3}},"success":true,"data":{"ok":1},"ver":"4","sender":"b"}`,
		},
		"success with neither meta nor data": {
			(&wire.Answer{Header: header, ID: "1"}).Encode(),
			`{"id":"1","meta":{},"success":true,"data":null,"ver":"4","sender":"b"}`,
		},
		"failure": {
			(&wire.Answer{Header: header, ID: "1", Error: []byte(failure)}).Encode(),
			`{"id":"1","meta":{},"success":false,"data":null,"error":` + failure + `,"ver":"4","sender":"b"}`,
		},
		"version 5 has headers": {
			(&wire.Answer{Header: wire.Header{Ver: wire.V5, Sender: "b"}, ID: "1"}).Encode(),
			`{"id":"1","meta":{},"headers":{},"success":true,"data":null,"ver":"5","sender":"b"}`,
		},
		"a failure in version 5, too": {
			(&wire.Answer{Header: wire.Header{Ver: wire.V5, Sender: "b"}, ID: "1", Error: []byte(failure)}).Encode(),
			`{"id":"1","meta":{},"headers":{},"success":false,"data":null,"error":` + failure + `,"ver":"5","sender":"b"}`,
		},
		"an id beyond ASCII": {
			(&wire.Answer{Header: header, ID: "ä\u2028"}).Encode(),
			`{"id":"ä\u2028","meta":{},"success":true,"data":null,"ver":"4","sender":"b"}`,
		},
		"an id that needs quoting": {
			(&wire.Answer{Header: header, ID: `a"b`}).Encode(),
			`{"id":"a\"b","meta":{},"success":true,"data":null,"ver":"4","sender":"b"}`,
		},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, string(tc.packet)) })
	}
}

func TestSubjects(t *testing.T) {
	for want, got := range map[string]string{
		"MOL.DISCOVER":           wire.Subject(wire.Prefix(""), wire.Discover, ""),
		"MOL.REQ.node-1":         wire.Subject(wire.Prefix(""), wire.Request, "node-1"),
		"MOL.REQB.v1.users.get":  wire.Subject(wire.Prefix(""), wire.BalancedRequest, "v1.users.get"),
		"MOL.EVENTB.mail":        wire.Subject(wire.Prefix(""), wire.BalancedEvent, "mail"),
		"MOL-prod.INFO":          wire.Subject(wire.Prefix("prod"), wire.Info, ""),
		"MOL-prod.PONG.host.lan": wire.Subject(wire.Prefix("prod"), wire.Pong, "host.lan"),
	} {
		t.Run(want, func(t *testing.T) { require.Equal(t, want, got) })
	}
}
