package node_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/moleculer-go/moleculer"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/node"
)

// A program hosts a service on a node of its own. node.Main does the same with a command line.
func ExampleStart() {
	folder, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	hello := func(_ *integration.Context, in struct {
		Name string `json:"name"`
	},
	) (string, error) {
		return "hello " + in.Name, nil
	}
	greeter := integration.ServiceDefinition{
		Name: "greeter", Actions: []moleculer.Action{integration.NewAction("hello", hello, action.Spec{})},
	}
	config := fmt.Sprintf(`
services: [greeter]
node: {tuning: false}
nats: {servers: ["nats://127.0.0.1:0"], embedded: true, storeDir: %q}
channels: {dsn: %q}
events: {spool: {path: %q}}
`, filepath.Join(folder, "nats"), filepath.Join(folder, "channels.db"), filepath.Join(folder, "spool.db"))

	ctx := context.Background()
	n, err := node.Start(ctx, node.Service(greeter), node.Config(config), node.LogTo(io.Discard))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	answer, err := n.Call(ctx, "greeter.hello", map[string]any{"name": "Ada"}, action.CallOptions{})
	fmt.Println(string(answer), err)
	// Output: "hello Ada" <nil>
}
