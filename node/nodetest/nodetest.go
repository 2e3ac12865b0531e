// Package nodetest runs nodes in tests of one's own services and platforms: each with an embedded NATS server, SQLite
// files in a temporary folder, and free ports.
package nodetest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/node"
	"github.com/hiliosai/switchboard/node/internal/config"
)

// Node is a node that runs until its test ends.
type Node struct {
	*node.Node

	tb testing.TB
}

var started atomic.Int64

// Start starts a node and closes it when the test ends. What it logs goes to the test's output. Calls and channels may
// name addresses of this machine, where a test's servers are. Options come on top: node.Config("services: [parrot]")
// says what the node hosts.
func Start(tb testing.TB, options ...node.Option) *Node {
	tb.Helper()
	own := fmt.Sprintf(`
node: {id: "nodetest-%d-%d", tuning: false}
http: {listen: "127.0.0.1:0"}
media: {allowPrivate: true}
log: {level: debug}
`, os.Getpid(), started.Add(1))
	running, err := node.Start(
		tb.Context(),
		append(
			[]node.Option{node.Config(config.Temporary(tb.TempDir())), node.Config(own), node.LogTo(tb.Output())}, options...,
		)...,
	)
	require.NoError(tb, err)
	tb.Cleanup(running.Close)
	return &Node{running, tb}
}

// MustCall calls an action, which must succeed, and gives its result as JSON.
func (n *Node) MustCall(name string, params any, opts action.CallOptions) json.RawMessage {
	n.tb.Helper()
	result, err := n.Call(n.tb.Context(), name, params, opts)
	require.NoError(n.tb, err)
	return result
}

// MustApply creates or replaces channels.
func (n *Node) MustApply(channels ...*integration.Channel) {
	n.tb.Helper()
	require.NoError(n.tb, n.ApplyChannels(context.WithoutCancel(n.tb.Context()), channels...))
}
