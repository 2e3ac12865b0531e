package cluster_test

import (
	"context"
	"sync"
	"testing"

	"github.com/moleculer-go/moleculer"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cluster"
)

// lifecycle is a service whose start the test holds up.
func lifecycle(entered, goOn chan struct{}) moleculer.ServiceSchema {
	s := service("slow", echo)
	s.Started = func(moleculer.BrokerContext, moleculer.ServiceSchema) {
		close(entered)
		<-goOn
	}
	return s
}

// starting is a node in the middle of its start.
func starting(b *harness) (n *node, finish func()) {
	n = b.prepare()
	entered, goOn, started := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(started)
		b.start(n, lifecycle(entered, goOn))
	}()
	finish = sync.OnceFunc(func() {
		close(goOn)
		receive(b, started)
	})
	b.Cleanup(finish)
	receive(b, entered)
	return n, finish
}

func TestNodeIsSubscribedBeforeItAsksWhoIsThere(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	b.serve(echo)
	require.Equal(t, "DISCOVER", p.next().command)
	require.Equal(t, true, p.call("svc.echo", 1, nil)["success"])
}

func TestInfoThatAnswersTheFirstDiscoverIsNotMissed(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	n, _ := starting(b)
	p.expect("DISCOVER", "")
	p.send(
		"INFO."+nodeID,
		fields{"seq": 2, "instanceID": "i", "services": []fields{{"name": "peer", "actions": fields{"peer.do": fields{}}}}},
	)
	require.NoError(t, n.WaitFor(within(t), "peer.do"))
}

func TestNodeIsNotAnnouncedBeforeItsServicesHaveStarted(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	_, finish := starting(b)
	p.send("DISCOVER", nil)
	p.send("DISCOVER."+nodeID, nil)
	for _, early := range p.sync() {
		require.NotEqual(t, "INFO", early.command)
	}
	finish()
	require.Equal(t, []string{"$node", "slow"}, offered(p.expect("INFO", "")))
}

func TestStartingNodeDoesNotServe(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	_, finish := starting(b)
	require.Equal(t, "SERVICE_NOT_AVAILABLE", errorOf(t, p.call("slow.echo", 1, nil))["type"])
	finish()
	require.Equal(t, true, p.call("slow.echo", 1, nil)["success"])
}

func TestFirstInfoIsAsInNode(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	b.serve(echo)
	info := p.expect("INFO", "").fields
	require.IsType(t, "", info["hostname"])
	require.Regexp(t, `^\d+\.\d+\.\d+\.\d+$`, info["ipList"].([]any)[0])
	require.Regexp(t, `^[0-9a-f-]{36}$`, info["instanceID"])
	require.Equal(t, []any{"go", "1.2.3"}, []any{info["client"].(fields)["type"], info["client"].(fields)["version"]})
	require.Equal(t, fields{"region": "eu"}, info["metadata"])
	require.Equal(t, fields{}, info["config"])
	require.Equal(t, 2.0, info["seq"])
	require.Equal(t, []any{"4", nodeID}, []any{info["ver"], info["sender"]})
	require.ElementsMatch(
		t, []string{"ver", "sender", "services", "ipList", "hostname", "client", "config", "instanceID", "metadata", "seq"},
		keys(info),
	)
}

// offered lists the services of an INFO.
func offered(info packet) (names []string) {
	for _, s := range info.fields["services"].([]any) {
		names = append(names, s.(fields)["fullName"].(string))
	}
	return names
}

func keys(m fields) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	return list
}

func TestInfoDoesNotTellHowTheNodeIsConnected(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	b.serve(echo)
	info := string(p.expect("INFO", "").raw)
	for _, secret := range []string{user, password, b.server.ClientURL()} {
		require.NotContains(t, info, secret)
	}
}

func TestDiscoverIsAnsweredToItsSender(t *testing.T) {
	for name, subject := range map[string]string{"targeted": "DISCOVER." + nodeID, "broadcast": "DISCOVER"} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			p := b.peer("a")
			b.serve(echo)
			broadcast := p.expect("INFO", "")
			p.send(subject, nil)
			require.Equal(t, broadcast.fields, p.expect("INFO", "a").fields)
		})
	}
}

func TestServicePublishedLaterRaisesSeq(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	n := b.serve(echo)
	first := p.expect("INFO", "").fields
	n.broker.Publish(service("later", echo))
	second := p.expect("INFO", "")
	require.Equal(t, []string{"$node", "svc", "later"}, offered(second))
	require.Greater(t, second.fields["seq"], first["seq"])
	require.Equal(t, true, p.call("later.echo", 1, nil)["success"])
}

// listened is a context that tells when somebody begins to wait for its end.
type listened struct {
	context.Context
	begun func()
}

func (l listened) Done() <-chan struct{} {
	l.begun()
	return l.Context.Done()
}

func TestServiceWaitEndsWhenItIsPublishedHere(t *testing.T) {
	b := newHarness(t)
	n := b.serve()
	waited, waiting := make(chan error, 1), make(chan struct{})
	ctx := listened{within(t), sync.OnceFunc(func() { close(waiting) })}
	go func() { waited <- n.WaitFor(ctx, "later.echo") }()
	receive(t, waiting)
	n.broker.Publish(service("later", echo))
	require.NoError(t, receive(t, waited))
}

func TestServiceWaitEndsWithItsContext(t *testing.T) {
	b := newHarness(t)
	n := b.serve()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, n.WaitFor(ctx, "nobody.home"), context.Canceled)
}

func TestMemberMayJoinWithoutABroker(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	visitor := b.prepare(func(o *cluster.Options) { o.NodeID = "visitor" })
	require.NoError(t, visitor.Join())
	require.Equal(t, []string{"$node"}, offered(p.expect("INFO", "")))
	visitor.Leave()
	require.Equal(t, "visitor", p.expect("DISCONNECT", "").fields["sender"])
}

func TestListOfServicesNamesLocalAndRemoteOnes(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	n := b.serve(echo)
	p.introduce(n, "peer.b", "peer.a")
	require.Equal(t, []cluster.ServiceStatus{
		{FullName: "svc", NodeID: nodeID, Local: true, Actions: []string{"svc.echo"}},
		{FullName: "peer", NodeID: "a", Actions: []string{"peer.a", "peer.b"}},
	}, n.Services())
}
