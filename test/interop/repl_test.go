package interop_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReplSession does with a node in Go what somebody at a moleculer-repl prompt does: look around, ping, call and
// bench.
func TestReplSession(t *testing.T) {
	t.Parallel()
	for _, line := range lines {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			url := natsServer(t).URL()
			n := startGoNode(t, url, line, canned("go"))
			prompt := startPeer(t, url, peerOptions{Line: line.name})
			prompt.WaitForServices(t, "goprobe")

			for _, step := range []struct {
				command string
				list    string
				params  fields
				key     string
				row     string
				want    fields
			}{
				{"nodes", "$node.list", fields{}, "id", n.ID(), fields{"available": true, "local": false}},
				{"services", "$node.services", fields{"skipInternal": true}, "fullName", "v2.goposts", fields{
					"name": "goposts", "version": 2.0, "available": true,
				}},
				{"actions", "$node.actions", fields{"skipInternal": true}, "name", "goprobe.echo", fields{
					"count": 1.0, "hasLocal": false, "available": true,
				}},
				{"events", "$node.events", fields{}, "name", "gostar.*", fields{
					"group": "gostar", "count": 1.0, "available": true,
				}},
			} {
				res, err := prompt.Call(t.Context(), step.list, step.params, nil)
				require.NoError(t, err, step.command)
				row := find(decode[[]fields](t, res.Data), step.key, step.row)
				for column, value := range step.want {
					require.Equal(t, value, row[column], "%s: %s", step.command, column)
				}
			}

			// info
			there := map[string]any{"nodeID": n.ID()}
			res, err := prompt.Call(t.Context(), "$node.health", nil, there)
			require.NoError(t, err)
			require.NotZero(t, decode[struct{ Process struct{ PID int } }](t, res.Data).Process.PID)

			// ping
			require.Equal(t, n.ID(), decode[fields](t, prompt.Ping(t, n.ID()))["nodeID"])

			// call, by name and to the node
			for _, opts := range []any{nil, there} {
				res, err = prompt.Call(t.Context(), "gomath.add", fields{"a": 2, "b": 3}, opts)
				require.NoError(t, err)
				require.JSONEq(t, `5`, string(res.Data))
			}

			// bench
			const calls = 300
			bench := decode[struct{ OK, Failed int }](t, prompt.require(t, "bench", fields{
				"action": "goprobe.same", "params": fields{"x": 1}, "count": calls, "atOnce": 10,
			}))
			require.Equal(t, calls, bench.OK)
			require.Zero(t, bench.Failed)
		})
	}
}
