package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
)

// hold stops whoever logs a warning about a packet of a subject, which is the one who reads that, until released.
type hold struct {
	subject string
	entered chan struct{}
	opened  chan struct{}
	release func()
}

func (h *hold) Levels() []logrus.Level { return []logrus.Level{logrus.WarnLevel} }

func (h *hold) Fire(e *logrus.Entry) error {
	if subject, _ := e.Data["subject"].(string); strings.HasSuffix(subject, "."+h.subject) {
		close(h.entered)
		<-h.opened
	}
	return nil
}

// holdAt makes the packets that come for a subject from now on wait to be read.
func holdAt(n *node, p *peer, subject string) *hold {
	p.t.Helper()
	h := &hold{subject: subject, entered: make(chan struct{}), opened: make(chan struct{})}
	h.release = sync.OnceFunc(func() { close(h.opened) })
	p.t.Cleanup(h.release)
	n.log.AddHook(h)
	p.raw(subject, []byte("not JSON"))
	receive(p.t, h.entered)
	return h
}

func TestAnswerThatCameBeforeItsNodeWasGoneCounts(t *testing.T) {
	for name, gone := range map[string]func(*node, *peer){
		"it says goodbye": func(_ *node, p *peer) { p.send("DISCONNECT", nil) },
		"another instance takes its place": func(_ *node, p *peer) {
			p.send("INFO", fields{"seq": 1, "instanceID": "another", "services": []fields{}})
		},
		"it falls silent": func(n *node, p *peer) {
			require.NoError(p.t, p.nc.FlushTimeout(patience))
			require.NoError(p.t, n.nc.FlushTimeout(patience)) // what the peer has sent has arrived
			go n.ExpireAt(time.Now().Add(time.Minute))
		},
	} {
		t.Run(name, func(t *testing.T) {
			n, p := withPeer(t)
			done := calling(within(t), n, "peer.do", nil, action.CallOptions{})
			req := p.expect("REQ", "a")
			h := holdAt(n, p, "RES."+nodeID)
			p.respond(req, fields{"success": true, "data": "carried out"})
			gone(n, p)
			require.Eventually(
				t, func() bool { return len(n.Services()) == 1 }, patience, time.Millisecond, "it is known to be gone",
			)
			h.release()
			got := receive(t, done)
			require.NoError(t, got.err)
			require.JSONEq(t, `"carried out"`, string(got.Data))
		})
	}
}

func TestAnswerThatCameBeforeTheConnectionWasLostCounts(t *testing.T) {
	o := newOutage(t)
	n := o.serve(echo)
	p := o.peer("a")
	p.introduce(n, "peer.do")
	done := calling(within(t), n, "peer.do", nil, action.CallOptions{})
	unanswered := calling(within(t), n, "peer.do", nil, action.CallOptions{})
	first, second := p.expect("REQ", "a"), p.expect("REQ", "a")
	h := holdAt(n, p, "RES."+nodeID)
	p.respond(first, fields{"success": true, "data": first.fields["id"]})
	p.respond(second, fields{"success": true, "data": second.fields["id"]})
	require.NoError(t, p.nc.FlushTimeout(patience))
	require.NoError(t, n.nc.FlushTimeout(patience))
	o.begin(n)
	h.release()
	require.NoError(t, receive(t, done).err)
	require.NoError(t, receive(t, unanswered).err)
}

func TestCallsThatRunWhenTheConnectionIsLostFailAtOnce(t *testing.T) {
	o := newOutage(t)
	n := o.serve(echo)
	p := o.peer("a")
	p.introduce(n, "peer.do")
	done := calling(context.Background(), n, "peer.do", nil, action.CallOptions{})
	p.expect("REQ", "a")
	o.begin(n)
	require.Equal(t, "BAD_GATEWAY", typeOf(t, receive(t, done).err))
}

// A stream whose last packets are still to be read when its node is known to be gone is whole.
func TestStreamOfANodeThatIsGoneLeavesNothing(t *testing.T) {
	n, p := withPeer(t)
	p.request("svc.echo", nil, fields{"stream": true, "seq": 0})
	for _, seq := range []int{3, 2} {
		p.request("svc.echo", "early", fields{"stream": true, "seq": seq})
	}
	p.call("svc.echo", "after these", nil)
	require.Positive(t, n.OpenStreams())
	p.send("DISCONNECT", nil)
	require.Eventually(t, func() bool { return n.OpenStreams() == 0 }, patience, time.Millisecond)
}

func TestLeaveDisconnectsAfterItsAnswersAreRead(t *testing.T) {
	b := newHarness(t)
	g := newGate()
	n := b.serve(g.action("wait"))
	p := b.peer("a")
	p.introduce(n, "peer.do")
	p.holdPongs()
	id := p.request("svc.wait", nil, nil)
	receive(t, g.entered)
	stopped := stopping(n)
	p.pongTo(p.expect("PING", ""))
	g.open()
	again := p.expect("PING", "")
	require.Equal(t, "done", p.answer(id)["data"])
	require.Empty(t, p.sent("DISCONNECT"), "the answer may not have been read yet")
	p.pongTo(again)
	p.expect("DISCONNECT", "")
	receive(t, stopped)
}

// holdPongs leaves PINGs to the test.
func (p *peer) holdPongs() { p.mute.Store(true) }

// pongTo answers a PING.
func (p *peer) pongTo(ping packet) { p.answerPing(ping.raw) }

// sent lists the packets of a command that have come so far.
func (p *peer) sent(command string) (list []packet) {
	p.t.Helper()
	p.send("PING."+nodeID, fields{"id": "sent", "time": 1})
	p.await(func(got packet) bool { return got.is("PONG", p.id) && got.fields["id"] == "sent" })
	for _, got := range p.unread {
		if got.command == command {
			list = append(list, got)
		}
	}
	return list
}

func TestLeaveServesUntilAllNodesKnow(t *testing.T) {
	b := newHarness(t)
	n := b.prepare()
	n.LeaveWithin(0, patience)
	b.start(n, service("svc", echo))
	p := b.peer("a")
	p.introduce(n, "peer.do")
	p.holdPongs()
	stopped := stopping(n)
	ping := p.expect("PING", "")
	for i := range 50 {
		require.Equal(t, true, p.call("svc.echo", i, nil)["success"], "the peer does not know yet")
	}
	p.pongTo(ping)
	p.untilRefused("svc.echo")
	p.pongTo(p.expect("PING", ""))
	receive(t, stopped)
}

func TestLeaveDoesNotWaitForNodesThatAreGone(t *testing.T) {
	b := newHarness(t)
	n := b.prepare()
	n.LeaveWithin(0, 10*patience)
	b.start(n, service("svc", echo))
	p, other := b.peer("a"), b.peer("b")
	p.introduce(n, "peer.do")
	other.introduce(n, "peer.do")
	p.holdPongs()
	stopped := stopping(n)
	p.expect("PING", "")
	p.send("DISCONNECT", nil)
	receive(t, stopped)
}

func TestLeaveServesWhatHasArrived(t *testing.T) {
	const calls = 300
	params := strings.Repeat("x", 100)
	for subject, packet := range map[string]fields{
		"REQ." + nodeID:   {"action": "svc.echo", "params": params},
		"REQB.svc.echo":   {"action": "svc.echo", "params": params},
		"EVENT." + nodeID: {"event": "x", "groups": []string{"ear"}, "data": params},
		"EVENTB.ear.x":    {"event": "x", "data": params},
	} {
		t.Run(subject, func(t *testing.T) {
			b := newHarness(t)
			n := b.prepare(func(o *cluster.Options) { o.Queue = calls })
			n.LeaveWithin(0, patience)
			events := make(chan heard, calls)
			b.start(n, service("svc", echo), listener("ear", "", events, "x"))
			p := b.peer("a")
			p.introduce(n, "peer.do")
			p.holdPongs()
			h := holdAt(n, p, subject)
			for range calls {
				p.balanced(subject, packet)
			}
			require.NoError(t, p.nc.FlushTimeout(patience))
			require.NoError(t, n.nc.FlushTimeout(patience)) // they have arrived
			stopped := stopping(n)
			p.pongTo(p.expect("PING", ""))
			p.sync() // the node has read the PONG
			h.release()
			if strings.HasPrefix(subject, "EVENT") {
				hear(t, events, calls)
			} else {
				for range calls {
					require.Equal(t, true, p.expect("RES", "a").fields["success"])
				}
			}
			p.pongTo(p.expect("PING", ""))
			receive(t, stopped)
		})
	}
}

func TestLeaveAnswersRequestsThatItCancels(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(context.Context) error
		want   []any
	}{
		"with what became of it": {
			func(context.Context) error {
				return action.Server(500, "OUTCOME_UNKNOWN", "it may have been carried out")
			},
			[]any{"OUTCOME_UNKNOWN", false},
		},
		"with what became of it, and why": {
			func(ctx context.Context) error {
				return action.Server(500, "OUTCOME_UNKNOWN", "it may").Because(ctx.Err())
			},
			[]any{"OUTCOME_UNKNOWN", false},
		},
		"with no more than that": {func(ctx context.Context) error { return ctx.Err() }, []any{"REQUEST_REJECTED", true}},
		"with an error of its own": {
			func(context.Context) error { return errors.New("boom") }, []any{"INTERNAL_ERROR", false},
		},
		"with a wrapped end of ctx": {
			func(ctx context.Context) error { return fmt.Errorf("ask: %w", ctx.Err()) }, []any{"REQUEST_REJECTED", true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			p := b.peer("a")
			entered := make(chan struct{})
			n := b.start(b.prepare(func(o *cluster.Options) { o.DrainTimeout = time.Nanosecond }),
				service("svc", handler("send", func(ctx context.Context, _ *action.Request) (any, error) {
					close(entered)
					<-ctx.Done()
					return nil, tc.answer(ctx)
				})))
			id := p.request("svc.send", nil, nil)
			receive(t, entered)
			stopped := stopping(n)
			last := func(got packet) bool { return got.fields["id"] == id || got.command == "DISCONNECT" }
			got := errorOf(t, p.await(last).fields)
			require.Equal(t, tc.want, []any{got["type"], got["retryable"]})
			require.Equal(t, "DISCONNECT", p.await(last).command)
			receive(t, stopped)
		})
	}
}

func TestIDConflictLeavesTheFirstNodeAlone(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	first := b.serve(echo)
	p.introduce(first, "peer.do")
	for range 3 { // as in a crash loop
		second := b.prepare()
		opened := make(chan error, 1)
		go func() { opened <- second.Open(within(t)) }()
		for i := range 20 {
			require.Equal(t, float64(i), p.call("svc.echo", i, nil)["data"], "no request is the second one's")
		}
		require.ErrorContains(t, receive(t, opened), nodeID)
		require.NoError(t, second.Close())
	}
	require.Empty(t, first.Fatal())
	require.Empty(t, p.sent("DISCONNECT"))
	for _, info := range p.sent("INFO") {
		require.NotEmpty(t, info.fields["services"])
	}
	require.Equal(t, true, p.call("svc.echo", 1, nil)["success"])
}

func TestIDConflictLeavesQuietly(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	g := newGate()
	n := b.serve(echo, g.action("wait"))
	p.introduce(n, "peer.do")
	id := p.request("svc.wait", nil, nil)
	receive(t, g.entered)
	p.sync()
	p.unread = nil
	p.send("INFO", fields{"sender": nodeID, "instanceID": "another", "seq": 2, "services": []fields{}})
	require.Error(t, receive(t, n.Fatal()))
	stopped := stopping(n)
	g.open()
	require.Equal(t, "done", p.answer(id)["data"], "what it has begun it answers")
	receive(t, stopped)
	require.NoError(t, p.nc.FlushTimeout(patience))
	for {
		msg, err := p.all.NextMsg(time.Millisecond)
		if err != nil {
			require.ErrorIs(t, err, nats.ErrTimeout)
			break
		}
		var f fields
		require.NoError(t, json.Unmarshal(msg.Data, &f))
		p.unread = append(p.unread, packet{command: strings.Split(msg.Subject, ".")[1], fields: f})
	}
	for _, got := range p.unread {
		require.NotContains(t, []string{"DISCONNECT", "INFO", "PING"}, got.command, fmt.Sprint(got.fields))
	}
}

func TestStartThatIsGivenUpSendsNothing(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	first := b.serve(echo)
	p.introduce(first, "peer.do")
	second := b.prepare()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = second.Open(ctx) // by its context or by the other node
	require.NoError(t, second.Close())
	require.NoError(t, second.nc.FlushTimeout(patience))
	require.Empty(t, p.sent("DISCONNECT"))
}
