package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/moleculer-go/moleculer"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

// heard is an event that a listener of this node got.
type heard struct {
	by string
	action.Event
}

// listener is a service that tells of the events it gets.
func listener(name, group string, to chan<- heard, patterns ...string) moleculer.ServiceSchema {
	s := moleculer.ServiceSchema{Name: name}
	for _, pattern := range patterns {
		s.Events = append(s.Events, action.NewEvent(pattern, group, func(_ context.Context, e *action.Event) error {
			to <- heard{name + " " + pattern, *e}
			return nil
		}))
	}
	return s
}

// hear receives from n listeners and names them in order.
func hear(t *testing.T, from <-chan heard, n int) (names []string) {
	t.Helper()
	for range n {
		names = append(names, receive(t, from).by)
	}
	slices.Sort(names)
	return names
}

// events are the EVENT packets that a peer saw up to now, whomever they were for.
func (p *peer) events() (list []packet) {
	p.t.Helper()
	for _, got := range p.sync() {
		if got.command == "EVENT" {
			list = append(list, got)
		}
	}
	p.unread = nil
	return list
}

func (p packet) groups() []string {
	list, _ := p.fields["groups"].([]any)
	groups := make([]string, 0, len(list))
	for _, g := range list {
		groups = append(groups, g.(string))
	}
	slices.Sort(groups)
	return groups
}

func emit(t *testing.T, n *node, name string, opts action.EmitOptions) {
	t.Helper()
	require.NoError(t, n.Emit(context.Background(), name, fields{"id": 1}, opts))
}

func TestEventIsSentAsNodeSendsIt(t *testing.T) {
	b := newHarness(t)
	n := b.serve()
	p := b.peer("a")
	p.announce(listening("mail", "user.*"))
	emit(t, n, "user.created", action.EmitOptions{})
	got := p.events()
	require.Len(t, got, 1)
	require.Equal(t, "a", got[0].target)
	require.Regexp(t, `^[0-9a-f-]{36}$`, got[0].fields["id"])
	require.Equal(t, fields{
		"id": got[0].fields["id"], "requestID": got[0].fields["id"], "event": "user.created", "data": fields{"id": 1.0},
		"groups":    []any{"mail"},
		"broadcast": false, "meta": fields{}, "level": 1.0, "tracing": nil, "parentID": nil, "caller": nil, "needAck": nil,
		"ver": "4", "sender": nodeID,
	}, got[0].fields)
}

func TestBalancedEventGoesToOneNodeOfEachGroupInTurn(t *testing.T) {
	const rounds = 6
	b := newHarness(t)
	n := b.serve()
	a, c, d := b.peer("a"), b.peer("c"), b.peer("d")
	audit := listening("audit", "user.**")
	audit["events"].(fields)["user.**"].(fields)["group"] = "log"
	a.announce(listening("mail", "user.created", "user.*"), audit, listening("deaf", "order.*"))
	c.announce(listening("mail", "user.created", "user.*"), audit)
	d.announce(listening("mail", "user.created"))
	got := map[string]int{}
	for range rounds {
		emit(t, n, "user.created", action.EmitOptions{})
		reached := []string{}
		for _, e := range a.events() {
			require.NotEmpty(t, e.groups(), "that would be all groups there are")
			for _, group := range e.groups() {
				reached = append(reached, group)
				got[group+"@"+e.target]++
			}
		}
		require.ElementsMatch(t, []string{"mail", "log"}, reached, "each group once, though some have two patterns")
	}
	require.Equal(t, map[string]int{"mail@a": 2, "mail@c": 2, "mail@d": 2, "log@a": 3, "log@c": 3}, got)
}

func TestEventsTakeTurnsIndependently(t *testing.T) {
	b := newHarness(t)
	n := b.serve()
	a, c := b.peer("a"), b.peer("c")
	a.announce(listening("mail", "user.created", "user.removed"))
	c.announce(listening("mail", "user.created", "user.removed"))
	got := map[string]int{}
	for range 4 {
		for _, name := range []string{"user.created", "user.removed"} {
			emit(t, n, name, action.EmitOptions{})
		}
	}
	for _, e := range a.events() {
		got[fmt.Sprint(e.fields["event"], "@", e.target)]++
	}
	require.Equal(
		t, map[string]int{"user.created@a": 2, "user.created@c": 2, "user.removed@a": 2, "user.removed@c": 2}, got,
	)
}

func TestEventIsOnePacketForAllGroupsOfANode(t *testing.T) {
	b := newHarness(t)
	n := b.serve()
	p := b.peer("a")
	p.announce(listening("mail", "user.created"), listening("audit", "user.*"))
	emit(t, n, "user.created", action.EmitOptions{})
	got := p.events()
	require.Len(t, got, 1)
	require.Equal(t, []string{"audit", "mail"}, got[0].groups())

	emit(t, n, "user.created", action.EmitOptions{Groups: []string{"mail", "nobody"}})
	got = p.events()
	require.Len(t, got, 1)
	require.Equal(t, []string{"mail"}, got[0].groups())

	emit(t, n, "user.created", action.EmitOptions{Groups: []string{"nobody"}})
	require.Empty(t, p.events())
}

func TestBalancedEventStaysHereWhereItCan(t *testing.T) {
	b := newHarness(t)
	events := make(chan heard, 10)
	n := b.start(b.prepare(), listener("mail", "", events, "user.created"))
	p := b.peer("a")
	p.announce(listening("mail", "user.created"), listening("audit", "user.created"))
	for range 3 {
		emit(t, n, "user.created", action.EmitOptions{})
		got := p.events()
		require.Len(t, got, 1)
		require.Equal(t, []string{"audit"}, got[0].groups())
		require.Equal(t, []string{"mail user.created"}, hear(t, events, 1))
	}
}

func TestBroadcastReachesEveryNodeOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		groups []string
		nodes  []string
		here   []string
	}{
		"to all":           {nil, []string{"a", "c"}, []string{"audit user.*", "mail user.created"}},
		"to some groups":   {[]string{"audit", "mail"}, []string{"a", "c"}, []string{"audit user.*", "mail user.created"}},
		"to a group":       {[]string{"audit"}, []string{"a"}, []string{"audit user.*"}},
		"to an odd group":  {[]string{"nobody"}, nil, nil},
		"to a group there": {[]string{"far"}, []string{"c"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			events := make(chan heard, 10)
			n := b.start(b.prepare(), listener("mail", "", events, "user.created"), listener("audit", "", events, "user.*"))
			a, c := b.peer("a"), b.peer("c")
			a.announce(listening("mail", "user.created", "user.*"), listening("audit", "user.created"))
			c.announce(listening("mail", "user.created"), listening("far", "user.**"))
			emit(t, n, "user.created", action.EmitOptions{Broadcast: true, Groups: tc.groups})
			require.Equal(t, tc.here, hear(t, events, len(tc.here)))
			var nodes []string
			for _, e := range a.events() {
				nodes = append(nodes, e.target)
				require.Equal(t, true, e.fields["broadcast"])
				require.ElementsMatch(t, tc.groups, e.groups())
				require.Equal(t, tc.groups != nil, e.fields["groups"] != nil)
			}
			slices.Sort(nodes)
			require.Equal(t, tc.nodes, nodes)
			require.Empty(t, events)
		})
	}
}

func TestEventReachesListenersOfItsGroups(t *testing.T) {
	for name, tc := range map[string]struct {
		event string
		more  fields
		want  []string
	}{
		"all groups where it names none": {"user.created", nil, []string{"audit user.*", "mail user.created"}},
		"all groups where its list is empty": {"user.created", fields{"groups": []string{}}, []string{
			"audit user.*", "mail user.created",
		}},
		"all groups where its list is no list": {
			"user.created", fields{"groups": "mail"}, []string{"audit user.*", "mail user.created"},
		},
		"the groups it names": {"user.created", fields{
			"groups": []string{"mail"},
		}, []string{"mail user.created"}},
		"all groups it names": {"user.created", fields{
			"groups": []string{"mail", "log", "other"},
		}, []string{"audit user.*", "mail user.created"}},
		"patterns alone": {"user.removed", fields{
			"groups": []string{"mail", "log"},
		}, []string{"audit user.*"}},
		"internal names of others": {"$api.aliases.regenerated", nil, []string{"audit $api.**"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			events := make(chan heard, 10)
			b.start(
				b.prepare(), listener("mail", "", events, "user.created"),
				listener("audit", "log", events, "user.*", "$api.**", "end"),
			)
			p := b.peer("a")
			more := fields{"event": tc.event, "data": fields{}, "meta": fields{}}
			for k, v := range tc.more {
				more[k] = v
			}
			p.send("EVENT."+nodeID, more)
			require.Equal(t, tc.want, hear(t, events, len(tc.want)))
			p.send("EVENT."+nodeID, fields{"event": "end"})
			require.Equal(t, []string{"audit end"}, hear(t, events, 1), "and no others")
		})
	}
}

func TestListenersOfOneGroupOnOneNode(t *testing.T) {
	b := newHarness(t)
	events := make(chan heard, 10)
	b.start(b.prepare(), listener("one", "mail", events, "user.created"), listener("two", "mail", events, "user.created"))
	p := b.peer("a")
	for _, groups := range []any{[]string{"mail"}, nil} {
		p.send("EVENT."+nodeID, fields{"event": "user.created", "groups": groups})
		p.send("EVENT."+nodeID, fields{"event": "user.created", "groups": groups})
		require.Equal(t, []string{"one user.created", "two user.created"}, hear(t, events, 2), "balanced, they take turns")
	}
	p.send("EVENT."+nodeID, fields{"event": "user.created", "broadcast": true})
	require.Equal(t, []string{"one user.created", "two user.created"}, hear(t, events, 2), "a broadcast is for both")
	require.Empty(t, events)
}

func TestListenerGetsTheWholeEvent(t *testing.T) {
	b := newHarness(t)
	events := make(chan heard, 10)
	b.start(b.prepare(), listener("mail", "", events, "user.*"))
	p := b.peer("a")
	tracing := true
	p.send("EVENT."+nodeID, fields{
		"id": "1", "event": "user.created", "data": fields{"id": 1}, "groups": []string{"mail"}, "broadcast": true,
		"meta": fields{"user": 3}, "level": 2,
		"tracing": true, "parentID": "0", "requestID": "trace", "caller": "api", "needAck": nil,
	})
	got := receive(t, events).Event
	require.NotNil(t, got.Cluster)
	got.Cluster = nil
	require.Equal(t, action.Event{
		Request: action.Request{
			ID: "1", Service: "mail", RequestID: "trace", ParentID: "0", Caller: "api", Sender: "a", Level: 2, Tracing: &tracing,
			Params: json.RawMessage(`{"id":1}`), Meta: action.NewMeta(json.RawMessage(`{"user":3}`)),
		},
		Name: "user.created", Groups: []string{"mail"}, IsBroadcast: true,
	}, got)

	p.send("EVENT."+nodeID, fields{"event": "user.bare"})
	got = receive(t, events).Event
	require.Equal(t, "user.bare", got.Name)
	require.NotEmpty(t, got.ID)
	require.Equal(t, got.ID, got.RequestID)
}

func TestListenersCallsAndEventsContinueItsChain(t *testing.T) {
	b := newHarness(t)
	s := moleculer.ServiceSchema{Name: "mail", Version: "2", Events: []moleculer.Event{
		action.NewEvent("user.created", "", func(ctx context.Context, e *action.Event) error {
			if err := e.Emit(ctx, "mail.sent", e.Params); err != nil {
				return err
			}
			if err := e.Broadcast(ctx, "mail.done", nil, "far"); err != nil {
				return err
			}
			_, err := e.Call(ctx, "peer.do", e.Params, action.CallOptions{})
			return err
		}),
	}}
	b.start(b.prepare(), s)
	p := b.peer("a")
	p.announce(offering(fields{}), listening("far", "mail.*"))
	p.send(
		"EVENT."+nodeID,
		fields{
			"id": "1", "event": "user.created", "data": 5, "meta": fields{"user": 3}, "level": 2, "tracing": false,
			"requestID": "trace",
		},
	)
	for _, want := range []struct{ command, name, nameField string }{
		{"EVENT", "mail.sent", "event"}, {"EVENT", "mail.done", "event"}, {"REQ", "peer.do", "action"},
	} {
		got := p.expect(want.command, "a").fields
		require.Equal(t, []any{want.name, 3.0, "trace", "1", "v2.mail", false, fields{"user": 3.0}},
			[]any{
				got[want.nameField], got["level"], got["requestID"], got["parentID"], got["caller"], got["tracing"], got["meta"],
			})
		if want.command == "REQ" {
			p.respond(packet{fields: got}, fields{"success": true})
		}
	}
}

func TestListenerThatFailsHarmsNobody(t *testing.T) {
	b := newHarness(t)
	done := make(chan heard, 10)
	failing := moleculer.ServiceSchema{Name: "failing", Events: []moleculer.Event{
		action.NewEvent("x", "", func(context.Context, *action.Event) error { return errors.New("hunter2 failed") }),
		action.NewEvent("x*", "", func(context.Context, *action.Event) error { panic("hunter2 panicked") }),
		{Name: "x**"}, // without a handler
	}}
	n := b.start(b.prepare(), failing, listener("good", "", done, "x"))
	p := b.peer("a")
	for range 3 {
		p.send("EVENT."+nodeID, fields{"event": "x"})
	}
	require.Len(t, hear(t, done, 3), 3)
	logged := func(text string) func() bool {
		return func() bool {
			return slices.ContainsFunc(n.logs.AllEntries(), func(e *logrus.Entry) bool {
				return e.Level == logrus.ErrorLevel && strings.Contains(e.Message+fmt.Sprint(e.Data["error"]), text)
			})
		}
	}
	require.Eventually(t, logged("hunter2 failed"), patience, 1e6)
	require.Eventually(t, logged("hunter2 panicked"), patience, 1e6)
}

func TestClusterChangesAreEventsOfThisNode(t *testing.T) {
	b := newHarness(t)
	events := make(chan heard, 100)
	n := b.start(b.prepare(), listener("watch", "", events, "$node.*", "$services.changed"))
	p, other := b.peer("a"), b.peer("b")
	type told struct{ Name, Data string }
	listen := func() told {
		e := receive(t, events)
		require.True(t, e.IsBroadcast)
		return told{e.Name, string(e.Params)}
	}
	other.announce(listening("nosy", "$**"))
	require.ElementsMatch(t, []told{
		{"$node.connected", `{"node":{"id":"b"},"reconnected":false}`}, {"$services.changed", `{"localService":false}`},
	}, []told{listen(), listen()})
	p.announce(offering(fields{}))
	require.ElementsMatch(t, []told{
		{"$node.connected", `{"node":{"id":"a"},"reconnected":false}`}, {"$services.changed", `{"localService":false}`},
	}, []told{listen(), listen()})
	p.announce()
	require.ElementsMatch(
		t, []told{{"$node.updated", `{"node":{"id":"a"}}`}, {"$services.changed", `{"localService":false}`}},
		[]told{listen(), listen()},
	)
	p.send("DISCONNECT", nil)
	require.Equal(t, told{"$node.disconnected", `{"node":{"id":"a"},"unexpected":false}`}, listen())
	p.announce()
	require.ElementsMatch(t, []told{
		{"$node.connected", `{"node":{"id":"a"},"reconnected":true}`}, {"$services.changed", `{"localService":false}`},
	}, []told{listen(), listen()})
	require.Empty(t, other.events(), "they stay here, whoever listens elsewhere")

	emit(t, n, "$mine", action.EmitOptions{})
	require.Len(t, other.events(), 1, "what a service emits itself does not")
}

func TestEventsAreAnnounced(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	b.start(b.prepare(), listener("mail", "", nil, "user.*"), listener("audit", "log", nil, "user.**"))
	services := p.expect("INFO", "").fields["services"].([]any)
	require.Equal(t, fields{"user.*": fields{"name": "user.*"}}, services[1].(fields)["events"])
	require.Equal(t, fields{"user.**": fields{"name": "user.**", "group": "log"}}, services[2].(fields)["events"])
}

func TestEventsThatCannotBeSent(t *testing.T) {
	b := newHarness(t)
	n := b.serve()
	p := b.peer("a")
	p.announce(listening("mail", "x"))
	for name, tc := range map[string]struct {
		data any
		want string
	}{
		"data that is no JSON":        {func() {}, "INVALID_PARAMS"},
		"raw data that is no JSON":    {json.RawMessage("{"), "INVALID_PARAMS"},
		"data larger than NATS takes": {strings.Repeat("x", 2<<20), "MAX_PAYLOAD_EXCEEDED"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, typeOf(t, n.Emit(context.Background(), "x", tc.data, action.EmitOptions{})))
		})
	}
	require.NoError(t, n.Emit(context.Background(), "nobody.listens", nil, action.EmitOptions{}))
}

func TestEventDuringAnOutageIsAnError(t *testing.T) {
	o := newOutage(t)
	n := o.serve()
	p := o.peer("a")
	p.announce(listening("mail", "x"))
	o.begin(n)
	require.Equal(t, "BAD_GATEWAY", typeOf(t, n.Emit(context.Background(), "x", nil, action.EmitOptions{})))
}

func TestNodeThatLeftGetsNoEvents(t *testing.T) {
	b := newHarness(t)
	n := b.serve()
	a, c := b.peer("a"), b.peer("c")
	a.announce(listening("mail", "x"))
	c.announce(listening("mail", "x"))
	a.send("DISCONNECT", nil)
	a.sync()
	for range 3 {
		emit(t, n, "x", action.EmitOptions{})
	}
	for _, e := range a.events() {
		require.Equal(t, "c", e.target)
	}
}
