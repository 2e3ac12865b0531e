package nodetest_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moleculer-go/moleculer"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/node"
	"github.com/hiliosai/switchboard/node/nodetest"
	"github.com/hiliosai/switchboard/test/parrot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func greeter() integration.ServiceDefinition {
	hello := func(_ *integration.Context, in struct{ Name string }) (string, error) { return "hello " + in.Name, nil }
	return integration.ServiceDefinition{
		Name: "greeter", Actions: []moleculer.Action{integration.NewAction("hello", hello, action.Spec{})},
	}
}

func TestServiceOfOnesOwnIsCalled(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t, node.Service(greeter()), node.Config("services: [greeter]"))
	require.JSONEq(
		t, `"hello Ada"`, string(n.MustCall("greeter.hello", map[string]string{"Name": "Ada"}, action.CallOptions{})),
	)
	_, err := n.Call(t.Context(), "greeter.wave", nil, action.CallOptions{})
	require.Equal(t, "SERVICE_NOT_FOUND", action.AsError(err, "", "").Type)
}

func TestRunServesUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	first := nodetest.Start(t)
	heard := make(chan string, 1)
	listener := greeter()
	listener.Events = []moleculer.Event{
		integration.NewEvent("guest.came", "", func(_ *integration.Context, guest struct{ Name string }) error {
			heard <- guest.Name
			return nil
		}),
	}
	config := fmt.Sprintf(`
node: {id: second, tuning: false}
nats: {servers: [%q]}
channels: {dsn: %q}
events: {spool: {path: %q}}
services: [greeter]
`, first.NATSURL(), filepath.Join(t.TempDir(), "channels.db"), filepath.Join(t.TempDir(), "spool.db"))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- node.Run(ctx, node.Config(config), node.LogTo(t.Output()), node.Service(listener))
	}()
	require.NoError(t, first.WaitForServices(t.Context(), "greeter"))
	first.MustCall("greeter.hello", map[string]string{"Name": "Ada"}, action.CallOptions{})
	require.NoError(t, first.Emit(t.Context(), "guest.came", map[string]string{"Name": "Grace"}))
	require.Equal(t, "Grace", <-heard)
	cancel()
	require.NoError(t, <-ended)
	require.ErrorContains(t, node.Run(t.Context(), node.Config("nonsense: 1"), node.LogTo(t.Output())), "nonsense")
}

func TestPlatformOfOnesOwnHasTheNodesClient(t *testing.T) {
	t.Parallel()
	var given *httpapi.Client
	n := nodetest.Start(t, node.Config("services: [parrot]"),
		node.Platform(func(client *httpapi.Client) integration.Definition {
			given = client
			return parrot.Definition(client)
		}))
	require.NotNil(t, given)
	n.MustApply(&integration.Channel{
		ID: "cage", TenantID: "acme", Platform: "parrot", Status: integration.ChannelActive,
		Credentials: map[string]string{
			"apiKey": "canary-key", "webhookSecret": "canary-secret", "verifyToken": "canary-token",
		},
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL()+"/parrot/cage", strings.NewReader(`{}`))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusUnauthorized, res.StatusCode, "it has no signature")
}

func TestOptionsComeOverTheFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte("node: {id: from-file, protocol: \"5\"}\nservices: [nobody]\n"), 0o600))
	n := nodetest.Start(
		t, node.ConfigFile(file), node.Service(greeter()), node.Config("services: [greeter]\nnode: {id: mine}"),
	)
	require.Equal(t, "mine", n.ID())
	_, err := node.Start(t.Context(), node.Config("services: [telegram]\nlimits: {queue: many}"))
	require.ErrorContains(t, err, "config option 1:2: limits.queue")
}
