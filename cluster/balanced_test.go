package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/moleculer-go/moleculer"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
)

// queues lists the queue groups of a test's cluster as "subject [queue]".
func (b *harness) queues() (list []string) {
	b.Helper()
	subs, err := b.server.Subsz(&server.SubszOptions{Subscriptions: true, Limit: 100_000})
	require.NoError(b, err)
	for _, s := range subs.Subs {
		if subject, ok := strings.CutPrefix(s.Subject, "MOL-"+b.namespace+"."); ok && s.Queue != "" {
			list = append(list, subject+" ["+s.Queue+"]")
		}
	}
	slices.Sort(list)
	return list
}

func (b *harness) expectQueues(want ...string) {
	b.Helper()
	slices.Sort(want)
	require.Eventually(b, func() bool { return slices.Equal(want, b.queues()) }, patience, time.Millisecond, "%v", want)
}

func TestCallsAndEventsBalancedByNATSUseNodesQueues(t *testing.T) {
	b := newHarness(t)
	private := handler("private", nil)
	private.Settings = map[string]any{"visibility": "private"}
	s := moleculer.ServiceSchema{Name: "svc", Version: "2", Actions: []moleculer.Action{echo, private}}
	for pattern, group := range map[string]string{
		"user.created": "", "user.**": "mail", "**": "all", "user.*": "", "x**": "", "$node.*": "",
	} {
		s.Events = append(
			s.Events, action.NewEvent(pattern, group, func(context.Context, *action.Event) error { return nil }),
		)
	}
	n := b.start(b.prepare(), s)
	want := []string{
		"EVENTB.all.> [all]", "EVENTB.mail.user.> [mail]", "EVENTB.svc.user.* [svc]", "EVENTB.svc.user.created [svc]",
		"EVENTB.svc.x> [svc]",
		"REQB.v2.svc.echo [v2.svc.echo]",
	}
	b.expectQueues(want...)
	n.broker.Publish(service("later", echo))
	b.expectQueues(append(want, "REQB.later.echo [later.echo]")...)
}

// balanced publishes to a queue group.
func (p *peer) balanced(subject string, f fields) {
	p.t.Helper()
	f["id"] = uuid.NewString()
	p.send(subject, f)
}

func TestCallBalancedByNATSIsServedByOneNode(t *testing.T) {
	const calls = 40
	b := newHarness(t)
	for _, id := range []string{nodeID, "second"} {
		b.start(b.prepare(func(o *cluster.Options) { o.NodeID, o.Queue = id, calls }), service("svc", echo))
	}
	b.expectQueues("REQB.svc.echo [svc.echo]", "REQB.svc.echo [svc.echo]")
	p := b.peer("a")
	for i := range calls {
		p.balanced("REQB.svc.echo", fields{"action": "svc.echo", "params": i})
	}
	answers, by := map[any]int{}, map[any]bool{}
	for range calls {
		res := p.await(func(got packet) bool { return got.is("RES", "a") }).fields
		answers[res["data"]]++
		by[res["sender"]] = true
	}
	require.Len(t, answers, calls)
	require.Len(t, by, 2, "both take part")
}

// NATS hands a message to one member of a queue group, whichever of its patterns they subscribed with.
func TestEventBalancedByNATSRunsEachListenerOfItsGroupOnce(t *testing.T) {
	b := newHarness(t)
	events := make(chan heard, 100)
	b.start(
		b.prepare(), listener("mail", "", events, "user.created", "user.*", "end.mail"),
		listener("audit", "", events, "user.**", "end.audit"),
		listener("mail2", "mail", events, "user.created"))
	b.expectQueues(
		"EVENTB.audit.end.audit [audit]", "EVENTB.audit.user.> [audit]", "EVENTB.mail.end.mail [mail]",
		"EVENTB.mail.user.* [mail]",
		"EVENTB.mail.user.created [mail]")
	p := b.peer("a")
	for round := range 10 {
		for _, group := range []string{"mail", "audit"} {
			p.balanced(
				"EVENTB."+group+".user.created", fields{"event": "user.created", "groups": []string{group}, "data": round},
			)
		}
		got := hear(t, events, 3)
		require.Equal(t, "audit user.**", got[0])
		require.Equal(
			t, []string{"mail user.*"},
			slices.DeleteFunc(got[1:], func(s string) bool { return strings.HasSuffix(s, " user.created") }),
		)
	}
	for _, group := range []string{"mail", "audit"} {
		p.balanced("EVENTB."+group+".end."+group, fields{"event": "end." + group})
	}
	require.Equal(t, []string{"audit end.audit", "mail end.mail"}, hear(t, events, 2), "and no others")
}

func TestNodeThatStopsLeavesTheQueuesFirst(t *testing.T) {
	b := newHarness(t)
	g := newGate()
	n := b.serve(echo, g.action("wait"))
	p := b.peer("a")
	b.expectQueues("REQB.svc.echo [svc.echo]", "REQB.svc.wait [svc.wait]")
	for range 5 {
		p.balanced("REQB.svc.wait", fields{"action": "svc.wait"})
	}
	for range 5 {
		receive(t, g.entered)
	}
	stopped := stopping(n)
	p.untilRefused("svc.echo")
	require.Empty(t, b.queues())
	g.open()
	for range 5 {
		require.Equal(
			t, "done", p.await(func(got packet) bool { return got.is("RES", "a") }).fields["data"],
			"what was routed here is served",
		)
	}
	receive(t, stopped)
}

func TestQueuesReturnAfterOutage(t *testing.T) {
	o := newOutage(t)
	p := o.peer("a")
	n := o.serve(echo)
	o.begin(n, p)
	o.end(p)
	o.expectQueues("REQB.svc.echo [svc.echo]")
	p.balanced("REQB.svc.echo", fields{"action": "svc.echo", "params": 5})
	require.Equal(t, "5", fmt.Sprint(p.expect("RES", "a").fields["data"]))
}
