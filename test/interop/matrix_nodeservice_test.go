package interop_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The service $node, which moleculer-repl and dashboards ask.
func nodeServiceBehaviours() []behaviour {
	var rows []behaviour
	for _, q := range []struct {
		action string
		params fields
	}{
		{"list", fields{}},
		{"services", fields{"skipInternal": true}},
		{"services", fields{"withActions": true, "withEvents": true, "grouping": false}},
		{"actions", fields{"withEndpoints": true, "skipInternal": true}},
		{"events", fields{"withEndpoints": true, "skipInternal": true}},
		{"health", fields{}},
	} {
		params, _ := json.Marshal(q.params) // a map of flags does
		rows = append(rows, behaviour{
			name:   fmt.Sprintf("$node.%s of another node, with %s, tells all that Node's tells", q.action, params),
			faults: []int{33}, ways: both,
			show: func(r *row) {
				theirs := decode[any](r.T, r.call("$node."+q.action, q.params, callOptions{NodeID: r.to.ID()}).Data)
				own, err := r.node.Call(r.within(), "$node."+q.action, q.params, callOptions{})
				require.NoError(r, err)
				require.Subset(r, nodeOnly, missing("", decode[any](r.T, own.Data), theirs))
			},
		})
	}
	return append(rows, []behaviour{
		{name: "$node.list tells which node answers", faults: []int{33}, ways: both, show: func(r *row) {
			list := decode[[]fields](r.T, r.call("$node.list", fields{}, callOptions{NodeID: r.to.ID()}).Data)
			require.Equal(r, true, find(list, "id", r.to.ID())["local"])
			require.Equal(r, false, find(list, "id", r.from.ID())["local"])
		}},
		{name: "$node.list can be limited to who is available", faults: []int{33}, ways: both, show: func(r *row) {
			s := r.joined(1, nil)
			r.disconnect(s)
			list := decode[[]fields](
				r.T, r.call("$node.list", fields{"onlyAvailable": true}, callOptions{NodeID: r.to.ID()}).Data,
			)
			require.Nil(r, find(list, "id", s.id))
		}},
		{name: "$node.services can be limited to the node's own", faults: []int{33}, ways: both, show: func(r *row) {
			list := decode[[]fields](
				r.T, r.call("$node.services", fields{"onlyLocal": true}, callOptions{NodeID: r.to.ID()}).Data,
			)
			require.NotNil(r, find(list, "name", r.to.Own("math")))
			require.Nil(r, find(list, "name", r.from.Own("math")))
		}},
		{name: "$node.actions tells all nodes that serve an action", faults: []int{33}, ways: both, show: func(r *row) {
			list := decode[[]fields](
				r.T, r.call("$node.actions", fields{"withEndpoints": true}, callOptions{NodeID: r.to.ID()}).Data,
			)
			require.Equal(r, []string{r.go2.ID(), r.node2.ID()}, endpoints(find(list, "name", "ring.where")))
		}},
		{name: "$node.events tells all nodes that listen in a group", faults: []int{33}, ways: both, show: func(r *row) {
			list := decode[[]fields](
				r.T, r.call("$node.events", fields{"withEndpoints": true}, callOptions{NodeID: r.to.ID()}).Data,
			)
			require.Equal(r, []string{r.go2.ID(), r.node2.ID()}, endpoints(find(list, "name", "crew.said")))
		}},
		{name: "$node.options tells who the node is and no secret", faults: []int{21, 33}, ways: both, show: func(r *row) {
			result := r.call("$node.options", fields{}, callOptions{NodeID: r.to.ID()})
			options := decode[fields](r.T, result.Data)
			require.Equal(r, []any{r.to.ID(), namespace}, []any{options["nodeID"], options["namespace"]})
			if r.to == member(r.golang) { // Node tells its transporter with the login
				require.NotContains(r, string(result.Data), natsPassword)
			}
		}},
		{name: "$node.metrics says that there are none", faults: []int{33}, ways: both, show: func(r *row) {
			e := r.fails("$node.metrics", fields{}, callOptions{NodeID: r.to.ID()})
			require.Equal(r, []any{"MoleculerClientError", 400.0, "METRICS_DISABLED"}, []any{e.Name, e.Code, e.Type})
		}},
	}...)
}

// nodeOnly is what only Node tells: of other transporters than NATS, of its own runtime, and of its user, which is
// nobody's business.
var nodeOnly = []string{
	"[].cpuSeq", "[].udpAddress", ".process.memory.arrayBuffers", ".process.memory.external", ".process.argv",
	".os.user.gid", ".os.user.homedir", ".os.user.shell", ".os.user.uid",
}

func endpoints(list fields) []string {
	var ids []string
	for _, endpoint := range list["endpoints"].([]any) {
		ids = append(ids, endpoint.(fields)["nodeID"].(string))
	}
	slices.Sort(ids)
	return ids
}

// missing lists what a value lacks of the shape of another: members of objects, and the kinds of values. Of a list,
// what all its objects have in common is required of each one.
func missing(path string, want, got any) []string {
	switch want := want.(type) {
	case fields:
		object, ok := got.(fields)
		if !ok {
			return []string{path}
		}
		var lacks []string
		for key, value := range want {
			if _, ok := object[key]; !ok {
				lacks = append(lacks, path+"."+key)
				continue
			}
			lacks = append(lacks, missing(path+"."+key, value, object[key])...)
		}
		slices.Sort(lacks)
		return lacks
	case []any:
		items, ok := got.([]any)
		if !ok || len(want) > 0 && len(items) == 0 {
			return []string{path}
		}
		if len(want) == 0 {
			return nil
		}
		common := want[0]
		for _, item := range want[1:] {
			common = inCommon(common, item)
		}
		for _, item := range items {
			if lacks := missing(path+"[]", common, item); len(lacks) > 0 {
				return lacks
			}
		}
		return nil
	default:
		if want != nil && got != nil && fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) {
			return []string{path}
		}
		return nil
	}
}

// inCommon is the shape that two values share.
func inCommon(a, b any) any {
	if items, ok := b.([]any); ok && len(items) == 0 {
		return b
	}
	left, ok := a.(fields)
	right, both := b.(fields)
	if !ok || !both {
		if fmt.Sprintf("%T", a) != fmt.Sprintf("%T", b) {
			return nil
		}
		return a
	}
	shared := fields{}
	for key, value := range left {
		if other, ok := right[key]; ok {
			shared[key] = inCommon(value, other)
		}
	}
	return shared
}

func TestMissing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		want, got string
		lacks     []string
	}{
		"nothing":                         {`{"a":1,"b":null}`, `{"a":2,"b":3,"c":4}`, nil},
		"a member":                        {`{"a":{"b":1}}`, `{"a":{}}`, []string{".a.b"}},
		"another kind":                    {`{"a":"x"}`, `{"a":1}`, []string{".a"}},
		"what all objects of a list have": {`[{"a":1,"b":1},{"a":2}]`, `[{"a":1},{"b":1}]`, []string{"[].a"}},
		"all items":                       {`[{"a":1}]`, `[]`, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(
				t, test.lacks, missing("", decode[any](t, json.RawMessage(test.want)), decode[any](t, json.RawMessage(test.got))),
			)
		})
	}
}
