package interop_test

import (
	"github.com/stretchr/testify/require"
)

// Nodes with disableBalancer leave the choice of a node to NATS (docs/design/moleculer-wire.md §1).
func balancedBehaviours() []behaviour {
	rows := []behaviour{
		{name: "a call through a queue group is answered", faults: []int{25}, ways: toGo, show: func(r *row) {
			r.answers(`{"a":1}`, "probe.same", fields{"a": 1})
		}},
		{name: "a call through a queue group goes to no node by name", faults: []int{25}, ways: toGo, show: func(r *row) {
			r.answers(quoted(r.key), "probe.same", r.key)
			p := expect(r.T, r.tap, "request", func(p packet) bool { return p.fields["params"] == r.key })
			require.Equal(r, "REQB", p.Command)
		}},
		{name: "a queue group knows actions by their versions", faults: []int{15, 25}, ways: toGo, show: func(r *row) {
			r.call("v2."+r.to.Own("posts.list"), nil)
		}},
		{name: "calls through a queue group are shared among its nodes", faults: []int{25}, ways: toGo, show: func(r *row) {
			served := map[string]bool{}
			for range 30 {
				served[string(r.call(r.to.Own("twins.where"), nil).Data)] = true
			}
			require.Equal(r, map[string]bool{quoted(r.golang.ID()): true, quoted(r.go2.ID()): true}, served)
		}},
		{name: "of the nodes of a queue group one serves a call", faults: []int{25}, ways: toGo, show: func(r *row) {
			r.call(r.to.Own("twins.where"), nil, callOptions{RequestID: r.key})
			id := expect(r.T, r.tap, "request", func(p packet) bool { return p.fields["requestID"] == r.key }).fields["id"]
			is := func(p packet) bool { return p.Command == "RES" && p.fields["id"] == id }
			expect(r.T, r.tap, "answer", is)
			r.waitHandled(r.golang)
			r.waitHandled(r.go2)
			_, again, _ := r.tap.packets.take(is)
			require.False(r, again)
		}},
		{
			name: "without a balancer a call still goes to the node that it names", faults: []int{25}, ways: toGo,
			show: func(r *row) {
				require.JSONEq(
					r, quoted(r.go2.ID()), string(r.call(r.to.Own("twins.where"), nil, callOptions{NodeID: r.go2.ID()}).Data),
				)
			},
		},
		{name: "an event through a queue group is heard", faults: []int{25}, ways: toGo, show: func(r *row) {
			r.emit("exact")
			r.event(r.to, heard(r.to.Own("exact"), r.to.Own("exact")))
		}},
		{
			name: "an event through a queue group is heard by patterns with *", faults: []int{16, 25}, ways: toGo,
			show: func(r *row) {
				r.emit("star.a")
				r.event(r.to, heard(r.to.Own("star"), r.to.Own("star.a")))
			},
		},
		{
			name: "an event through a queue group is heard by patterns with **", faults: []int{16, 25}, ways: toGo,
			show: func(r *row) {
				r.emit("rest.a.b")
				r.event(r.to, heard(r.to.Own("rest"), r.to.Own("rest.a.b")))
			},
		},
		{
			name: "with two groups on a node each listener hears an event of a queue group once", faults: []int{17, 25},
			ways: toGo, show: func(r *row) {
				r.emit("twice")
				r.twice(1, 1)
			},
		},
		{name: "of the nodes of a queue group one hears an event", faults: []int{17, 25}, ways: toGo, show: func(r *row) {
			r.from.Emit(r.T, "couple.said", nil, emitOptions{})
			first, other := r.either(r.golang, r.go2, calledEvent("couple.said"))
			r.silent(first, calledEvent("couple.said"))
			r.silent(other, calledEvent("couple.said"))
		}},
		{
			name: "without a balancer a broadcast still reaches every node once", faults: []int{18, 25}, ways: toGo,
			show: func(r *row) {
				r.from.Emit(r.T, "everyone.told", nil, emitOptions{Broadcast: true})
				for _, m := range []member{r.node, r.node2, r.golang, r.go2} {
					r.event(m, calledEvent("everyone.told"))
					r.silent(m, calledEvent("everyone.told"))
				}
			},
		},
		{
			name: "a service that starts later is called through its queue group", faults: []int{25}, ways: toGo,
			show: func(r *row) {
				r.to.Host(r.T, named("list", schema("", r.own("late"), nil, nil)))
				r.from.Knows(r.T, r.own("late.list"))
				r.call(r.own("late.list"), nil)
			},
		},
		{
			name: "callers through a queue group lose nothing while one of its nodes leaves", faults: []int{25, 29}, ways: toGo,
			show: func(r *row) {
				r.leavesUnnoticed()
			},
		},
		{name: "a node without a balancer is called", faults: []int{25}, ways: toNode, show: func(r *row) {
			require.JSONEq(r, `5`, string(r.call("lonemath.add", fields{"a": 2, "b": 3}).Data))
		}},
		{name: "a node without a balancer hears an event once", faults: []int{25}, ways: toNode, show: func(r *row) {
			r.from.Emit(r.T, "lone.said", nil, emitOptions{})
			r.event(r.to, calledEvent("lone.said"))
			r.silent(r.to, calledEvent("lone.said"))
		}},
	}
	for i, b := range rows {
		rows[i].show = func(r *row) {
			if r.to == member(r.golang) {
				r.from = r.lone
			} else {
				r.to = r.lone
			}
			b.show(r)
		}
	}
	return rows
}

// either waits for an event that one of two members hears, and gives that one first.
func (r *row) either(a, b member, match func(moleculerEvent) bool) (first, other member) {
	r.Helper()
	require.Eventually(r, func() bool {
		for _, pair := range [][2]member{{a, b}, {b, a}} {
			if _, found, _ := pair[0].(*goNode).events.take(match); found {
				first, other = pair[0], pair[1]
				return true
			}
		}
		return false
	}, rowPatience, tick)
	return first, other
}
