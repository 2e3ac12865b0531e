package interop_test

import (
	"fmt"

	"github.com/stretchr/testify/require"
)

// Packets, field by field (docs/design/moleculer-wire.md §2).
func packetBehaviours() []behaviour {
	var rows []behaviour
	for _, p := range []struct {
		command string
		// provoke makes a member send the packet, and gives it.
		provoke func(r *row, sender, receiver member) packet
	}{
		{"REQ", (*row).provokeRequest},
		{"RES", func(r *row, sender, receiver member) packet {
			id := r.provokeRequest(receiver, sender).fields["id"]
			return r.packet("RES", sender, receiver, func(p packet) bool { return p.fields["id"] == id })
		}},
		{"EVENT", func(r *row, sender, receiver member) packet {
			sender.Emit(r.T, receiver.Own("exact"), r.key, emitOptions{})
			r.event(receiver, calledEvent(receiver.Own("exact")))
			return r.packet("EVENT", sender, receiver, func(p packet) bool { return contain(p, r.key) })
		}},
		{"INFO", func(r *row, sender, _ member) packet {
			s := r.stranger()
			s.send("DISCOVER."+sender.ID(), nil)
			return s.expect("INFO", func(p packet) bool {
				return p.Command == "INFO" && p.Target == s.id && p.fields["sender"] == sender.ID()
			})
		}},
		{"PONG", func(r *row, sender, _ member) packet { return r.stranger().ping(sender) }},
	} {
		rows = append(rows, behaviour{
			name: fmt.Sprintf("its %s packets have the fields of Node's", p.command), faults: []int{10, 20}, ways: toNode,
			show: func(r *row) {
				byNode := p.provoke(r, r.node, r.golang)
				byGo := p.provoke(r, r.golang, r.node)
				// A timeout that is left out is none, as is Node's 0, which however takes the action's own away.
				require.Subset(r, []string{".timeout"}, missing("", byNode.fields, byGo.fields))
			},
		})
	}
	return rows
}

func (r *row) provokeRequest(sender, receiver member) packet {
	r.Helper()
	_, err := sender.Call(r.Context(), receiver.Own("probe.same"), nil, callOptions{RequestID: r.key + sender.ID()})
	require.NoError(r, err)
	return r.packet("REQ", sender, receiver, func(p packet) bool { return p.fields["requestID"] == r.key+sender.ID() })
}
