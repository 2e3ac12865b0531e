package interop_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/metrics"
)

// TestMetricsOfNodeAndGoAreTheSame has a Node broker with metrics ask a node in Go for its own, and compares what both
// have: a dashboard for the one must show the other.
func TestMetricsOfNodeAndGoAreTheSame(t *testing.T) {
	t.Parallel()
	for _, line := range lines {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			url := natsServer(t).URL()
			registry := metrics.New(metrics.Options{Namespace: namespace, NodeID: "go"})
			n := startGoNode(t, url, line, canned("go"), func(o *cluster.Options) { o.Metrics = registry })
			peer := startPeer(t, url, peerOptions{
				Line: line.name, Services: canned("node"),
				Broker: map[string]any{"metrics": map[string]any{"enabled": true, "collectProcessMetrics": true}},
			})
			peer.WaitForServices(t, "goprobe")
			n.Knows(t, "nodemath.add")

			_, err := peer.Call(t.Context(), "gomath.add", fields{"a": 2, "b": 3}, nil)
			require.NoError(t, err)
			_, err = n.Call(t.Context(), "nodemath.add", fields{"a": 2, "b": 3}, callOptions{})
			require.NoError(t, err)
			own, err := peer.Call(t.Context(), "$node.metrics", fields{}, nil)
			require.NoError(t, err)
			theirs, err := peer.Call(t.Context(), "$node.metrics", fields{}, map[string]any{"nodeID": n.ID()})
			require.NoError(t, err)
			nodes, gos := decode[[]fields](t, own.Data), decode[[]fields](t, theirs.Data)

			shared := 0
			for _, family := range gos {
				if twin := find(nodes, "name", family["name"].(string)); twin != nil {
					shared++
					for _, what := range []string{"type", "labelNames"} {
						require.Equal(t, twin[what], family[what], "%s of %s", what, family["name"])
					}
				}
			}
			require.Greater(t, shared, 35)

			// The same call, as its two sides count it.
			value := func(list []fields, name, action string) fields {
				for _, v := range find(list, "name", name)["values"].([]any) {
					if v := v.(fields); v["labels"].(fields)["action"] == action {
						return v
					}
				}
				require.Fail(t, "no value", "%s of %s", name, action)
				return nil
			}
			for action, sides := range map[string]struct{ local, remote []fields }{
				"gomath.add": {gos, nodes}, "nodemath.add": {nodes, gos},
			} {
				for kind, list := range map[string][]fields{"local": sides.local, "remote": sides.remote} {
					total := value(list, "moleculer.request.total", action)
					require.Equal(t, []any{1.0, kind, action[:len(action)-len(".add")]}, []any{
						total["value"], total["labels"].(fields)["type"], total["labels"].(fields)["service"],
					})
					buckets := value(list, "moleculer.request.time", action)["buckets"].(fields)
					require.Len(t, buckets, 12)
					require.Equal(t, 1.0, buckets["10000"])
				}
			}
		})
	}
}
