package cluster_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
)

// withV5 is a node and a peer "a" of protocol 5.
func withV5(t *testing.T) (*node, *peer) {
	t.Helper()
	b := newHarness(t)
	headers := handler("headers", func(_ context.Context, req *action.Request) (any, error) { return req.Headers, nil })
	fail := handler(
		"fail", func(context.Context, *action.Request) (any, error) { return nil, action.Client(400, "BAD", "bad") },
	)
	n := b.start(b.prepare(func(o *cluster.Options) { o.Protocol = "5" }), service("svc", headers, fail))
	p := b.peer("a")
	p.ver = "5"
	return n, p
}

func TestPacketsOfProtocol5HaveItsVersionAndHeaders(t *testing.T) {
	n, p := withV5(t)
	p.announce(offering(fields{}), listening("mail", "x"))
	p.send("DISCOVER", nil)
	require.Equal(t, "5", p.expect("INFO", "a").fields["ver"])
	p.send("HEARTBEAT", fields{"sender": "unknown"})
	require.Equal(t, "5", p.expect("DISCOVER", "unknown").fields["ver"])

	done := calling(within(t), n, "peer.do", nil, action.CallOptions{})
	req := p.expect("REQ", "a")
	require.Equal(t, []any{"5", fields{}}, []any{req.fields["ver"], req.fields["headers"]})
	p.respond(req, fields{"success": true, "headers": fields{"x": 1}})
	require.NoError(t, receive(t, done).err)

	emit(t, n, "x", action.EmitOptions{})
	e := p.expect("EVENT", "a")
	require.Equal(t, []any{"5", fields{}}, []any{e.fields["ver"], e.fields["headers"]})

	for _, name := range []string{"svc.headers", "svc.fail", "svc.none"} {
		res := p.call(name, nil, nil)
		require.Equal(t, []any{"5", fields{}}, []any{res["ver"], res["headers"]})
	}
}

func TestHandlerSeesTheHeadersOfProtocol5(t *testing.T) {
	_, p := withV5(t)
	require.Equal(t, fields{"x": 1.0}, p.call("svc.headers", nil, fields{"headers": fields{"x": 1}})["data"])
}

func TestProtocol4IsDroppedByProtocol5AndLoggedOnce(t *testing.T) {
	n, p := withV5(t)
	for range 3 {
		for _, stranger := range []string{"x", "y"} {
			p.send("HEARTBEAT", fields{"ver": "4", "sender": stranger})
			p.send("PING", fields{"ver": 5, "sender": stranger})
			p.send("REQ."+nodeID, fields{"ver": "4", "sender": stranger, "id": "1", "action": "svc.headers"})
		}
	}
	p.call("svc.headers", nil, nil) // after the REQs before it
	for _, got := range p.sync() {
		require.NotContains(t, []string{"x", "y"}, got.target)
	}
	warnings := 0
	for _, e := range n.logs.AllEntries() {
		if e.Message == "packets of a node with another protocol version are dropped" {
			warnings++
		}
	}
	require.Equal(t, 2, warnings)
}

func TestPacketsOfProtocol4HaveNoHeaders(t *testing.T) {
	n, p := withPeer(t)
	p.announce(offering(fields{}), listening("mail", "x"))
	require.NotContains(t, p.call("svc.echo", nil, nil), "headers")
	emit(t, n, "x", action.EmitOptions{})
	require.NotContains(t, p.expect("EVENT", "a").fields, "headers")
	done := calling(within(t), n, "peer.do", nil, action.CallOptions{})
	req := p.expect("REQ", "a")
	require.NotContains(t, req.fields, "headers")
	p.respond(req, fields{"success": true})
	require.NoError(t, receive(t, done).err)
}
