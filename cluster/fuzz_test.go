package cluster

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cluster/wire"
)

// Whatever INFOs say, the registry takes them, answers everything that is asked of it, and is as empty as
// before once their nodes are gone.
func FuzzInfoIntoRegistry(f *testing.F) {
	f.Add(
		[]byte(`{"services":[{"name":"posts","version":2,"fullName":"v2.posts","settings":{},"metadata":{},`+
			`"actions":{"v2.posts.list":{"name":"v2.posts.list","timeout":3000,"retryPolicy":{"enabled":true,"retries":3}}},`+
			`"events":{"user.created":{"group":"other"},"user.*":{}}}],"ipList":["192.0.2.2"],"hostname":"vm",`+
			`"client":{"type":"nodejs"},"instanceID":"i","metadata":{},"seq":2,"ver":"4","sender":"b"}`),
		[]byte(`{"services":[],"seq":3,"instanceID":"i","ver":"4","sender":"b"}`))
	f.Add(
		[]byte(`{"services":[{"name":"a","actions":{"x":5,"y":null,"z":{"retryPolicy":[],"timeout":"1"}},`+
			`"events":{"(":[],"[*?":{},"**":{"group":5},"":{}}},null,5],"seq":-1,"ver":"4","sender":"a"}`),
		[]byte(`{"services":[{"name":"a","version":{},"events":{"a?":{"group":"g"}}}],"seq":1e9,"ver":"4","sender":"b"}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		r, m := newRegistry(heartbeatTimeout), &matcher{}
		names := []string{"", "user.created", "$x", "a.b.c"}
		for _, data := range [][]byte{first, second, first} {
			var p wire.InfoPacket
			if wire.Decode(wire.V4, data, &p) != nil {
				continue
			}
			r.info(&p, start)
			for _, name := range append(slices.Collect(maps.Keys(r.actions)), names...) {
				node, err := r.pick(name, "", "a")
				require.Equal(t, r.knows(name), err == nil)
				require.Equal(t, err == nil, r.available(node))
				r.policy(name)
			}
			for _, name := range names {
				listening := r.listeners(name, nil, m)
				groups := map[string]bool{}
				for node, of := range r.balance(name, nil, []string{"served"}, m) {
					require.Contains(t, listening, node)
					require.NotEmpty(t, of)
					for _, group := range of {
						require.False(t, groups[group], "a group has one node")
						groups[group] = true
					}
				}
				require.NotContains(t, groups, "served")
			}
			_, err := wire.Encode(r.services())
			require.NoError(t, err)
			require.Len(t, r.snapshot(), len(r.nodes))
		}
		for _, n := range r.snapshot() {
			r.disconnect(n.id, start)
		}
		require.Empty(t, r.actions)
		require.Empty(t, r.events)
		require.Empty(t, r.services())
	})
}
