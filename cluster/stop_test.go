package cluster_test

import (
	"context"
	"testing"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
)

// stopping stops a node and says when it has stopped.
func stopping(n *node) <-chan struct{} {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		n.broker.Stop()
	}()
	return stopped
}

// untilRefused calls until the node refuses, which it does in the right words and no other way.
func (p *peer) untilRefused(name string) {
	p.t.Helper()
	for {
		res := p.call(name, nil, nil)
		if res["success"] == true {
			continue
		}
		require.Equal(p.t, fields{
			"name": "ServiceNotAvailableError", "code": 404.0, "type": "SERVICE_NOT_AVAILABLE", "retryable": true,
			"nodeID":  nodeID,
			"message": "Service '" + name + "' is not available on 'go-node' node.",
			"data":    fields{"action": name, "nodeID": nodeID},
		}, errorOf(p.t, res))
		return
	}
}

func TestStopDoesNotLoseRequests(t *testing.T) {
	bothWays(t, func(t *testing.T, g *gate, wait moleculer.Action) {
		t.Helper()
		b := newHarness(t)
		p := b.peer("a")
		n := b.serve(echo, wait)
		announced := p.expect("INFO", "").fields
		running := p.request("svc.wait", nil, nil)
		receive(t, g.entered)

		stopped := stopping(n)
		farewell := p.expect("INFO", "").fields
		require.Equal(t, []any{}, farewell["services"])
		require.Greater(t, farewell["seq"], announced["seq"])

		p.untilRefused("svc.echo")

		p.send("DISCOVER", nil)
		require.Equal(t, []any{}, p.expect("INFO", "a").fields["services"], "it is still there, with nothing to offer")

		g.open()
		last := func(got packet) bool { return got.fields["id"] == running || got.command == "DISCONNECT" }
		require.Equal(t, "done", p.await(last).fields["data"], "what was running finishes before the node is gone")
		require.Equal(t, "DISCONNECT", p.await(last).command)
		receive(t, stopped)
	})
}

func TestCallersGetTimeToNoticeThatANodeLeaves(t *testing.T) {
	require.Equal(t, 100*time.Millisecond, cluster.StopDelay, "as Node gives them")
	b := newHarness(t)
	n := b.prepare()
	n.LeaveWithin(time.Hour, patience)
	b.start(n, service("svc", echo))
	p := b.peer("a")
	p.introduce(n, "peer.do")
	stopped := stopping(n)
	for withdrawn := false; !withdrawn; { // the INFO of its start may come late
		services, ok := p.expect("INFO", "").fields["services"].([]any)
		require.True(t, ok)
		withdrawn = len(services) == 0
	}
	p.sync() // it knows, and the node has heard that it does
	for range 50 {
		require.Equal(t, true, p.call("svc.echo", nil, nil)["success"])
	}
	n.GiveUp()
	receive(t, stopped)
}

func TestServicesStopOnlyWhenTheirRequestsAreDone(t *testing.T) {
	bothWays(t, func(t *testing.T, g *gate, wait moleculer.Action) {
		t.Helper()
		b := newHarness(t)
		p := b.peer("a")
		closed := make(chan struct{})
		s := service("svc", echo, wait)
		s.Stopped = func(moleculer.BrokerContext, moleculer.ServiceSchema) { close(closed) }
		n := b.start(b.prepare(), s)
		id := p.request("svc.wait", nil, nil)
		receive(t, g.entered)
		stopped := stopping(n)
		p.untilRefused("svc.echo")
		select {
		case <-closed:
			require.Fail(t, "the service was stopped under a running request")
		default:
		}
		g.open()
		require.Equal(t, "done", p.answer(id)["data"])
		receive(t, closed)
		receive(t, stopped)
	})
}

func TestRequestThatDoesNotEndIsCutOff(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	entered, ended := make(chan struct{}), make(chan error, 1)
	n := b.start(b.prepare(func(o *cluster.Options) { o.DrainTimeout = time.Nanosecond }),
		service("svc", handler("hang", func(ctx context.Context, _ *action.Request) (any, error) {
			close(entered)
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		})))
	p.request("svc.hang", nil, nil)
	receive(t, entered)
	stopped := stopping(n)
	require.ErrorIs(t, receive(t, ended), context.Canceled)
	p.expect("DISCONNECT", "")
	receive(t, stopped)
}

func TestNodeThatStopsTwiceSaysGoodbyeOnce(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	n := b.prepare()
	require.NoError(t, n.Join())
	n.Leave()
	n.Leave()
	p.expect("DISCONNECT", "")
	require.NoError(t, n.nc.FlushTimeout(patience)) // whatever it sent is at the server
	require.NoError(t, p.nc.FlushTimeout(patience)) // and here
	pending, _, err := p.all.Pending()
	require.NoError(t, err)
	require.Zero(t, pending)
}

func TestLinkThatNeverStartedCanBeLeft(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	n := b.prepare()
	n.Leave()
	require.NoError(t, n.nc.FlushTimeout(patience)) // whatever it sent is at the server
	require.NoError(t, p.nc.FlushTimeout(patience)) // and here
	pending, _, err := p.all.Pending()
	require.NoError(t, err)
	require.Zero(t, pending, "who never joined says nothing")
	require.Zero(t, n.nc.NumSubscriptions())
	_, err = n.Call(context.Background(), "svc.echo", nil, action.CallOptions{})
	require.Equal(t, "SERVICE_NOT_FOUND", typeOf(t, err))
	n.Leave()
}
