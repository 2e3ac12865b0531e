package cluster_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
)

// streamLimit is the test nodes' limit of a stream.
const streamLimit = 1000

// withUpload is a node whose "svc.upload" tells what stream it got, and a peer.
func withUpload(t *testing.T) (*node, *peer) {
	t.Helper()
	b := newHarness(t)
	upload := action.New("upload", action.Spec{Stream: true, Handle: func(
		_ context.Context, req *action.Request,
	) (any, error) {
		if req.Stream == nil {
			return "no stream", nil
		}
		return fields{"bytes": string(req.Stream.Bytes), "objects": req.Stream.Objects, "params": req.Params}, nil
	}})
	n := b.start(b.prepare(func(o *cluster.Options) { o.StreamLimit = streamLimit }), service("svc", upload, echo))
	return n, b.peer("a")
}

// part is one packet of a stream of "svc.upload".
func (p *peer) part(id string, seq int, more fields) {
	p.t.Helper()
	f := fields{
		"id": id, "action": "svc.upload", "params": nil, "meta": fields{}, "level": 1, "requestID": id, "stream": true,
		"seq": seq,
	}
	for k, v := range more {
		f[k] = v
	}
	p.send("REQ."+nodeID, f)
}

// upload sends a whole stream, its packets in the given order, and gives its id.
func (p *peer) upload(first fields, order []int, chunks ...any) (id string) {
	p.t.Helper()
	id = uuid.NewString()
	for _, seq := range order {
		switch {
		case seq == 0:
			p.part(id, 0, first)
		case seq <= len(chunks):
			p.part(id, seq, fields{"params": chunks[seq-1]})
		default:
			p.part(id, seq, fields{"stream": false})
		}
	}
	return id
}

func buffer(bytes ...int) fields { return fields{"type": "Buffer", "data": bytes} }

func TestStreamReachesItsActionWhole(t *testing.T) {
	object := fields{"meta": fields{"$streamObjectMode": true}}
	for name, tc := range map[string]struct {
		first  fields
		order  []int
		chunks []any
		want   fields
	}{
		"buffers":      {nil, []int{0, 1, 2, 3}, []any{buffer(104, 105), buffer(33)}, fields{"bytes": "hi!"}},
		"strings":      {nil, []int{0, 1, 2, 3}, []any{"hällo ", "you"}, fields{"bytes": "hällo you"}},
		"an empty one": {nil, []int{0, 1}, nil, fields{"bytes": ""}},
		"what is no chunk at all": {
			nil, []int{0, 1, 2, 3, 4, 5}, []any{nil, 5, fields{}, buffer(104, 300, -1)}, fields{"bytes": ""},
		},
		"out of order": {nil, []int{3, 1, 4, 0, 2}, []any{"a", "b", "c"}, fields{"bytes": "abc"}},
		"repeated":     {nil, []int{0, 0, 1, 1, 3, 3, 2, 1, 4}, []any{"a", "b", "c"}, fields{"bytes": "abc"}},
		"with params, as in 0.15": {
			fields{"params": fields{"to": "x"}}, []int{0, 1, 2}, []any{"a"}, fields{"bytes": "a", "params": fields{"to": "x"}},
		},
		"objects": {object, []int{0, 2, 1, 3}, []any{fields{"a": 1}, "b"}, fields{
			"bytes": "", "objects": []any{fields{"a": 1.0}, "b"},
		}},
		"objects, as in 0.15": {
			fields{"headers": fields{"$streamObjectMode": true}},
			[]int{0, 1, 2},
			[]any{buffer(1)},
			fields{"bytes": "", "objects": []any{fields{"type": "Buffer", "data": []any{1.0}}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, p := withUpload(t)
			for _, key := range []string{"objects", "params"} {
				if _, ok := tc.want[key]; !ok {
					tc.want[key] = nil
				}
			}
			res := p.answer(p.upload(tc.first, tc.order, tc.chunks...))
			require.Equal(t, true, res["success"], "%v", res)
			require.Equal(t, tc.want, res["data"])
		})
	}
}

func TestActionThatTakesStreamsMayBeCalledWithoutOne(t *testing.T) {
	_, p := withUpload(t)
	require.Equal(t, "no stream", p.call("svc.upload", nil, nil)["data"])
}

func TestStreamsOfOneIDFromTwoSendersAreTwo(t *testing.T) {
	_, p := withUpload(t)
	for _, sender := range []string{"x", "y"} {
		p.part("same", 0, fields{"sender": sender})
		p.part("same", 1, fields{"sender": sender, "params": sender})
	}
	for _, sender := range []string{"x", "y"} {
		p.part("same", 2, fields{"sender": sender, "stream": false})
		res := p.await(func(got packet) bool { return got.is("RES", sender) }).fields
		require.Equal(t, sender, res["data"].(fields)["bytes"])
	}
}

func TestStreamsThatAreRefused(t *testing.T) {
	big := strings.Repeat("x", streamLimit/2)
	for name, tc := range map[string]struct {
		first  fields
		order  []int
		chunks []any
		want   string
	}{
		"an action that takes none": {
			fields{"action": "svc.echo"}, []int{0, 1, 2, 3}, []any{"a", "b"}, "STREAM_NOT_SUPPORTED",
		},
		"an action that takes none, the end first": {
			fields{"action": "svc.echo"}, []int{2, 1, 0}, []any{"a"}, "STREAM_NOT_SUPPORTED",
		},
		"an unknown action":       {fields{"action": "svc.none"}, []int{0, 1, 2}, []any{"a"}, "SERVICE_NOT_FOUND"},
		"too large":               {nil, []int{0, 1, 2, 3, 4, 5}, []any{big, big, "x", "y"}, "STREAM_TOO_LARGE"},
		"too large, out of order": {nil, []int{0, 3, 2, 1, 4}, []any{big, big, "x"}, "STREAM_TOO_LARGE"},
		"too large before it begins": {nil, []int{
			14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 15,
		}, slices.Repeat([]any{big}, 14), "STREAM_TOO_LARGE"},
		"too large in objects": {fields{
			"meta": fields{"$streamObjectMode": true},
		}, []int{0, 1, 2, 3, 4}, []any{big, big, "x"}, "STREAM_TOO_LARGE"},
	} {
		t.Run(name, func(t *testing.T) {
			_, p := withUpload(t)
			id := p.upload(tc.first, tc.order, tc.chunks...)
			require.Equal(t, tc.want, errorOf(t, p.answer(id))["type"])
			next := p.upload(nil, []int{0, 1, 2}, "next")
			require.Equal(t, "next", p.answer(next)["data"].(fields)["bytes"])
			for _, got := range p.unread {
				require.NotEqual(t, "RES", got.command, "it is answered once")
			}
		})
	}
}

func TestStreamAtItsLimitIsTaken(t *testing.T) {
	_, p := withUpload(t)
	whole := strings.Repeat("\x01", streamLimit) // which JSON writes six times as long
	chunks := []any{whole[:streamLimit/2], whole[:streamLimit/2]}
	require.Equal(t, true, p.answer(p.upload(nil, []int{0, 2, 1, 3}, chunks...))["success"])
	drops := make([]any, streamLimit/2) // each of which has much around it
	order := make([]int, len(drops)+2)
	for i := range order {
		order[i] = i
	}
	for i := range drops {
		drops[i] = buffer(255, 255)
	}
	require.Equal(t, true, p.answer(p.upload(nil, order, drops...))["success"])
}

func TestStreamThatItsCallerBreaksOff(t *testing.T) {
	broken := fields{"name": "Error", "message": "disk on fire"}
	for name, end := range map[string]fields{
		"in 0.14": {"stream": false, "meta": fields{"$streamError": broken}},
		"in 0.15": {"stream": false, "headers": fields{"$streamError": broken}},
	} {
		t.Run(name, func(t *testing.T) {
			_, p := withUpload(t)
			id := p.upload(nil, []int{0, 1}, "a")
			p.part(id, 2, end)
			require.Equal(t, "STREAM_ABORTED", errorOf(t, p.answer(id))["type"])
		})
	}
}

func TestStreamThatRestsForTooLongFails(t *testing.T) {
	n, p := withUpload(t)
	id := p.upload(nil, []int{0, 1}, "a")
	p.upload(nil, []int{1}, "without a beginning")
	refused := p.upload(fields{"action": "svc.echo"}, []int{0, 1}, "a")
	require.Equal(t, "STREAM_NOT_SUPPORTED", errorOf(t, p.answer(refused))["type"])
	n.ExpireAt(time.Now().Add(59 * time.Second))
	n.ExpireAt(time.Now().Add(61 * time.Second))
	require.Equal(t, "REQUEST_TIMEOUT", errorOf(t, p.answer(id))["type"])
	next := p.upload(nil, []int{0, 1, 2}, "next")
	require.Equal(t, true, p.answer(next)["success"])
	for _, got := range p.unread {
		require.NotEqual(t, "RES", got.command, "nothing else is answered")
	}
}

func TestStreamDuringAStopIsRefused(t *testing.T) {
	b := newHarness(t)
	g := newGate()
	upload := action.New(
		"upload", action.Spec{Stream: true, Handle: func(context.Context, *action.Request) (any, error) { return nil, nil }},
	)
	n := b.start(b.prepare(), service("svc", upload, echo, g.action("wait")))
	p := b.peer("a")
	running := p.request("svc.wait", nil, nil)
	receive(t, g.entered)
	id := p.upload(nil, []int{0, 1}, "a")
	stopped := stopping(n)
	p.untilRefused("svc.echo")
	p.part(id, 2, fields{"stream": false})
	require.Equal(t, "SERVICE_NOT_AVAILABLE", errorOf(t, p.answer(id))["type"])
	g.open()
	require.Equal(t, "done", p.answer(running)["data"])
	receive(t, stopped)
}

func TestStreamsFlagsAreInTheHeadersOfProtocol5(t *testing.T) {
	b := newHarness(t)
	upload := action.New("upload", action.Spec{Stream: true, Handle: func(
		_ context.Context, req *action.Request,
	) (any, error) {
		return fields{"objects": req.Stream.Objects, "params": req.Params}, nil
	}})
	b.start(b.prepare(func(o *cluster.Options) { o.Protocol = "5" }), service("svc", upload))
	p := b.peer("a")
	p.ver = "5"
	id := p.upload(
		fields{"params": fields{"to": "x"}, "headers": fields{"$streamObjectMode": true}}, []int{0, 1, 2}, fields{"a": 1},
	)
	require.Equal(t, fields{"objects": []any{fields{"a": 1.0}}, "params": fields{"to": "x"}}, p.answer(id)["data"])
}
