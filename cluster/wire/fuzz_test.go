package wire_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

func FuzzDecodeRequest(f *testing.F) {
	fuzzDecode[wire.RequestPacket](f,
		`{"id":"1","action":"a.b","params":{"limit":5},"meta":{"user":{"id":3}},"timeout":1500.5,"level":1,`+
			`"tracing":null,"parentID":null,"requestID":"1","caller":null,"stream":false,"ver":"4","sender":"a"}`,
		`{"id":"1","action":"a.b","timeout":"x","level":"1","tracing":5,"stream":"","seq":0,"ver":"4","sender":"a"}`,
		`{"id":7,"requestID":-1.5e3,"parentID":true,"caller":null,"level":2.5,"ver":"4","sender":"a"}`,
		`{"id":{"a":[1]},"ver":"4","sender":"a"}`)
}

// Whatever the id of a request is, the answer carries the same JSON.
func FuzzAnswerInKind(f *testing.F) {
	for _, id := range []string{`"1"`, `7`, `null`, `true`, `{"a":1}`, `[1,"\ud800"]`, `1e400`, `"\u00e9\n"`, "\"\xff\""} {
		f.Add([]byte(id))
	}
	f.Fuzz(func(t *testing.T, id []byte) {
		var p wire.RequestPacket
		if wire.Decode(wire.V5, []byte(`{"ver":"5","sender":"a","id":`+string(id)+`}`), &p) != nil || p.RawID == nil {
			return
		}
		var back json.RawMessage
		answer := (&wire.Answer{Header: wire.Header{Ver: wire.V5, Sender: "b"}, RawID: p.RawID}).Encode()
		require.NoError(t, rawjson.Members(answer, func(name, value []byte) {
			if string(name) == "id" {
				back = value
			}
		}))
		require.Equal(t, string(p.RawID), string(back))
	})
}

func FuzzDecodeResponse(f *testing.F) {
	fuzzDecode[wire.ResponsePacket](f,
		`{"id":"1","meta":{},"success":true,"data":{"ok":1},"ver":"4","sender":"b"}`,
		`{"id":"1","meta":null,"success":false,"data":null,"error":{"name":"NatsError","message":"m",`+
			`"code":"MAX_PAYLOAD_EXCEEDED","data":null},"ver":"4","sender":"b"}`,
		`{"error":"boom","stream":0,"ver":"4","sender":"b"}`)
}

func FuzzDecodeInfo(f *testing.F) {
	fuzzDecode[wire.InfoPacket](f,
		`{"services":[{"name":"posts","version":2,"fullName":"v2.posts","settings":{},"metadata":{},`+
			`"actions":{"v2.posts.list":{"rest":"GET /"}},"events":{"user.*":{}}}],"ipList":["192.0.2.2"],"hostname":"vm",`+
			`"client":{"type":"nodejs"},"config":{},"instanceID":"i","metadata":{},"seq":2,"ver":"4","sender":"b"}`,
		`{"services":[5,null,{"actions":[]}],"seq":"2","client":[],"ver":"4","sender":"b"}`)
}

func FuzzDecodeEvent(f *testing.F) {
	fuzzDecode[wire.EventPacket](f,
		`{"id":"1","event":"user.created","data":{"id":1},"groups":["other","posts"],"broadcast":false,"meta":{"q":1},`+
			`"headers":{},"level":1,"tracing":null,"parentID":null,"requestID":"1","caller":null,"needAck":null,"ver":"4",`+
			`"sender":"a"}`,
		`{"event":5,"groups":["a",5,null],"broadcast":"true","level":"1","needAck":1,"ver":"4","sender":"a"}`,
		`{"event":"x","groups":{},"data":null,"ver":"4","sender":"a"}`)
}

func FuzzDecodePing(f *testing.F) {
	fuzzDecode[wire.PingPacket](f,
		`{"time":1795431745501,"id":"uuid","arrived":1795431745502,"ver":"4","sender":"a"}`,
		`{"time":null,"id":{},"arrived":"x","ver":"4","sender":"a"}`)
}

func FuzzDecodeHeartbeat(f *testing.F) {
	fuzzDecode[wire.HeartbeatPacket](f, `{"cpu":2,"ver":"4","sender":"a"}`, `{"cpu":"2","ver":"4","sender":"a"}`)
}

func FuzzDecodeBare(f *testing.F) {
	fuzzDecode[wire.BarePacket](f, `{"ver":"4","sender":"a"}`, `{"ver":4,"sender":"a"}`, `[]`, "\xff")
}

// fuzzDecode checks what holds for every packet: reading it never panics, says yes only to what can be
// answered, and gives what can be written and read again.
func fuzzDecode[T any, P interface {
	*T
	wire.Packet
}](f *testing.F, seeds ...string) {
	f.Helper()
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		packet := P(new(T))
		if wire.Decode(wire.V4, data, packet) != nil {
			return
		}
		require.True(t, json.Valid(data))
		require.NotContains(t, packet.From(), " ")
		written, err := wire.Encode(packet)
		require.NoError(t, err)
		again := P(new(T))
		require.NoError(t, wire.Decode(wire.V4, written, again), "%s", written)
		require.Equal(t, packet.From(), again.From())
	})
}
