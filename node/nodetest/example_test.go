package nodetest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/node"
	"github.com/hiliosai/switchboard/node/nodetest"
)

// A test of one's own service on a real node. greeter makes the service's definition.
func ExampleStart() {
	_ = func(t *testing.T) { //nolint:thelper // it is a test
		n := nodetest.Start(t, node.Service(greeter()), node.Config("services: [greeter]"))
		answer := n.MustCall("greeter.hello", map[string]any{"Name": "Ada"}, action.CallOptions{})
		require.JSONEq(t, `"hello Ada"`, string(answer))
	}
}
