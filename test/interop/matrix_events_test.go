package interop_test

import (
	"github.com/stretchr/testify/require"
)

// Events (docs/design/moleculer-wire.md §5).
func eventBehaviours() []behaviour {
	var rows []behaviour
	for _, p := range []struct {
		what, listener  string
		matches, others []string
	}{
		{"* in a pattern is one segment", "star", []string{"star.a", "star.b-2"}, []string{"star", "star.a.b", "stars.a"}},
		{"** in a pattern is any rest", "rest", []string{"rest.a", "rest.a.b.c"}, []string{"rest", "rests.a"}},
		{"? in a pattern is one character", "mark", []string{"mark.a"}, []string{"mark.", "mark.ab"}},
		{"a name without them is that name only", "exact", []string{"exact"}, []string{"exact.a", "exac"}},
	} {
		rows = append(rows, behaviour{name: p.what, faults: []int{16}, ways: both, show: func(r *row) {
			for _, name := range p.others {
				r.emit(name)
			}
			for _, name := range p.matches {
				r.emit(name)
				r.event(r.to, heard(r.to.Own(p.listener), r.to.Own(name)))
			}
			r.silent(r.to, func(e moleculerEvent) bool { return e.Listener == r.to.Own(p.listener) })
		}})
	}
	return append(rows, []behaviour{
		{name: "an event arrives with its data, its sender and how it was sent", ways: both, show: func(r *row) {
			r.from.Emit(r.T, r.to.Own("exact"), fields{"key": r.key}, emitOptions{})
			e := r.event(r.to, heard(r.to.Own("exact"), r.to.Own("exact")))
			require.JSONEq(r, `{"key":"`+r.key+`"}`, string(e.Data))
			require.Equal(r, []any{r.from.ID(), "emit", []string{r.to.Own("exact")}}, []any{e.Sender, e.Type, e.Groups})
		}},
		{
			name: "a handler's event goes on with its chain: request id, level, caller and meta", faults: []int{10}, ways: both,
			show: func(r *row) {
				r.call(
					r.from.Own("probe.emit"), fields{"name": r.to.Own("exact")},
					callOptions{RequestID: r.key, Meta: fields{"user": 1}},
				)
				e := r.event(r.to, func(e moleculerEvent) bool { return e.RequestID == r.key })
				require.Equal(r, []any{2, r.from.Own("probe")}, []any{e.Level, e.Caller})
				require.JSONEq(r, `{"user":1}`, string(e.Meta))
			},
		},
		{name: "a node gets one packet for all its groups", faults: []int{17}, ways: both, show: func(r *row) {
			r.from.Emit(r.T, r.to.Own("twice"), r.key, emitOptions{})
			r.twice(1, 1)
			is := func(p packet) bool { return p.Command == "EVENT" && contain(p, r.key) }
			require.ElementsMatch(
				r, []any{r.to.Own("mail"), r.to.Own("audit")}, expect(r.T, r.tap, "EVENT", is).fields["groups"],
			)
			_, again, _ := r.tap.packets.take(is)
			require.False(r, again)
		}},
		{name: "with two groups on a node each listener runs once", faults: []int{17}, ways: both, show: func(r *row) {
			r.emit("twice")
			r.twice(1, 1)
		}},
		{name: "an event for some groups reaches these only", faults: []int{17}, ways: both, show: func(r *row) {
			r.from.Emit(r.T, r.to.Own("twice"), nil, emitOptions{Groups: []string{r.to.Own("mail")}})
			r.twice(1, 0)
		}},
		{name: "of the nodes of a group one gets an event, in turn", faults: []int{17, 25}, ways: both, show: func(r *row) {
			for range 10 {
				r.from.Emit(r.T, "crew.said", nil, emitOptions{})
			}
			for _, m := range []member{r.go2, r.node2} {
				for range 5 {
					r.event(m, calledEvent("crew.said"))
				}
				r.silent(m, calledEvent("crew.said"))
			}
		}},
		{name: "an event prefers the listener of its own node", faults: []int{25}, ways: both, show: func(r *row) {
			r.from.Emit(r.T, "common.said", nil, emitOptions{})
			r.event(r.from, calledEvent("common.said"))
			r.silent(r.to, calledEvent("common.said"))
		}},
		{name: "a broadcast reaches every node once", faults: []int{18}, ways: both, show: func(r *row) {
			r.from.Emit(r.T, "everyone.told", nil, emitOptions{Broadcast: true})
			for _, m := range []member{r.node, r.node2, r.golang, r.go2} {
				r.event(m, calledEvent("everyone.told"))
				r.silent(m, calledEvent("everyone.told"))
			}
		}},
		{name: "a broadcast runs all listeners of a node", faults: []int{18}, ways: both, show: func(r *row) {
			r.from.Emit(r.T, r.to.Own("twice"), nil, emitOptions{Broadcast: true})
			r.twice(1, 1)
		}},
		{name: "a broadcast is known as one", ways: both, show: func(r *row) {
			r.from.Emit(r.T, r.to.Own("exact"), nil, emitOptions{Broadcast: true})
			require.Equal(r, "broadcast", r.event(r.to, calledEvent(r.to.Own("exact"))).Type)
		}},
		{name: "a broadcast to some groups reaches these only", faults: []int{18}, ways: both, show: func(r *row) {
			r.from.Emit(r.T, r.to.Own("twice"), nil, emitOptions{Broadcast: true, Groups: []string{r.to.Own("audit")}})
			r.twice(0, 1)
		}},
		{name: "an event without groups is for all groups", faults: []int{17}, ways: both, show: func(r *row) {
			r.stranger().
				send("EVENT."+r.to.ID(), fields{"id": r.key, "event": r.to.Own("twice"), "broadcast": false, "meta": fields{}})
			r.twice(1, 1)
		}},
		{name: "an event for other groups is not heard", faults: []int{17}, ways: both, show: func(r *row) {
			r.stranger().send(
				"EVENT."+r.to.ID(),
				fields{"id": r.key, "event": r.to.Own("twice"), "groups": []string{"others"}, "broadcast": false, "meta": fields{}},
			)
			r.twice(0, 0)
		}},
		{name: "of an event only its name is needed", faults: []int{12}, ways: both, show: func(r *row) {
			s := r.stranger()
			s.send("EVENT."+r.to.ID(), fields{"event": r.to.Own("exact")})
			r.event(r.to, func(e moleculerEvent) bool { return e.Sender == s.id })
		}},
		{name: "events whose names begin with $ reach the others' listeners", ways: both, show: func(r *row) {
			r.from.Emit(r.T, r.to.Own("$dollar.risen"), nil, emitOptions{Broadcast: true})
			r.event(r.to, heard(r.to.Own("dollar"), r.to.Own("$dollar.risen")))
		}},
		{name: "an event that NATS does not take is an error", faults: []int{14}, ways: toNode, show: func(r *row) {
			err := r.golang.emit(r.within(), r.to.Own("exact"), make([]byte, 2<<20), emitOptions{})
			require.Equal(r, "MAX_PAYLOAD_EXCEEDED", asCallError(r.T, seen(err)).Type)
		}},
		{name: "a plain moleculer-go service listens", ways: toGo, show: func(r *row) {
			r.from.Emit(r.T, "goplain.said", r.key, emitOptions{})
			require.JSONEq(r, quoted(r.key), string(r.event(r.to, calledEvent("goplain.said")).Data))
		}},
		{name: "a plain moleculer-go service emits once for each group", faults: []int{17}, ways: toNode, show: func(r *row) {
			r.call(r.from.Own("plain.emit"), fields{"name": r.to.Own("twice")})
			r.twice(1, 1)
		}},
		{
			name: "a plain moleculer-go service broadcasts to every node once", faults: []int{18}, ways: toNode,
			show: func(r *row) {
				r.call(r.from.Own("plain.broadcast"), fields{"name": "everyone.told"})
				for _, m := range []member{r.node, r.node2, r.golang, r.go2} {
					r.event(m, calledEvent("everyone.told"))
					r.silent(m, calledEvent("everyone.told"))
				}
			},
		},
	}...)
}

// emit emits one of the other side's own events.
func (r *row) emit(name string) {
	r.Helper()
	r.from.Emit(r.T, r.to.Own(name), nil, emitOptions{})
}

// twice requires that the two listeners of the event "twice" have heard so many.
func (r *row) twice(mail, audit int) {
	r.Helper()
	for listener, n := range map[string]int{"mail": mail, "audit": audit} {
		is := heard(r.to.Own(listener), r.to.Own("twice"))
		for range n {
			r.event(r.to, is)
		}
		r.silent(r.to, is)
	}
}
