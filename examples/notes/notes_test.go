package notes_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/examples/notes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/node/bridge/app"
	"github.com/hiliosai/switchboard/node/bridge/config"
)

// How long, and how often, is looked for what must happen.
const (
	patience = time.Minute
	tick     = 5 * time.Millisecond
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tenant is the meta of a call that a user of a tenant makes.
func tenant(id, permission string) action.CallOptions {
	meta, err := json.Marshal(map[string]any{"tenantId": id, "user": map[string]any{"id": "u1", "permissions": []string{permission}}})
	if err != nil {
		panic(err)
	}
	return action.CallOptions{Meta: meta}
}

func TestTheExampleServiceRunsOnANode(t *testing.T) {
	dir := t.TempDir()
	srv := testserver.NATS(t)
	c := config.Default()
	c.Node.ID, c.NATS.Servers = "notes-test", []config.URL{config.URL(srv.ClientURL())}
	c.Channels.DSN, c.Events.Spool.Path = config.URL(filepath.Join(dir, "channels.db")), filepath.Join(dir, "spool.db")
	c.Services = []string{"notes"}
	log, secrets := logrus.New(), &redact.Secrets{}
	app.ConfigureLog(log, t.Output(), config.Log{Level: "debug"}, secrets)
	def := notes.Definition(filepath.Join(dir, "notes.db"))
	running, err := app.Start(t.Context(), c, app.Offer{Services: []integration.ServiceDefinition{def}}, log, secrets)
	require.NoError(t, err)
	defer running.Stop()

	nc, err := nats.Connect(srv.ClientURL(), nats.ReconnectBufSize(-1))
	require.NoError(t, err)
	defer nc.Close()
	added, err := nc.SubscribeSync("hios.notes.added")
	require.NoError(t, err)
	caller := cluster.New(nc, cluster.Options{NodeID: "caller", Namespace: c.Node.Namespace, Concurrency: 1, Log: logrus.NewEntry(log)})
	require.NoError(t, caller.Join())
	defer caller.Leave()
	require.NoError(t, caller.WaitForServices(t.Context(), "v1.notes"))

	call := func(name, params string, opts action.CallOptions) string {
		t.Helper()
		result, err := caller.Call(t.Context(), name, json.RawMessage(params), opts)
		if err != nil {
			return action.AsError(err, name, "").Type
		}
		return string(result.Data)
	}
	writer, reader, stranger := tenant("acme", "notes.write"), tenant("acme", "notes.read"), tenant("other", "notes.*")
	require.Equal(t, `[]`, call("v1.notes.list", `{}`, reader))
	require.Equal(t, `{"id":1,"text":"milk"}`, call("v1.notes.add", `{"text":" milk "}`, writer))
	require.Equal(t, "FORBIDDEN", call("v1.notes.add", `{"text":"x"}`, reader))
	require.Equal(t, "UNAUTHORIZED", call("v1.notes.list", `{}`, action.CallOptions{}))
	require.Equal(t, "VALIDATION_ERROR", call("v1.notes.add", `{"text":"  "}`, writer))
	require.Eventually(t, func() bool { return call("v1.notes.list", `{"limit":"5"}`, reader) == `[{"id":1,"text":"milk"}]` },
		patience, tick, "the cached empty list is dropped")
	require.Equal(t, `[]`, call("v1.notes.list", `{}`, stranger))
	require.Equal(t, `{"id":1,"text":"milk"}`, call("v1.notes.get", `{"id":"1"}`, reader))
	require.Equal(t, "NOTE_NOT_FOUND", call("v1.notes.get", `{"id":1}`, stranger))
	event, err := added.NextMsg(patience)
	require.NoError(t, err)
	require.JSONEq(t, `{"id":1,"text":"milk"}`, string(event.Data))

	require.NoError(t, caller.Emit(t.Context(), "tenant.removed", map[string]string{"id": "acme"}, action.EmitOptions{}))
	require.Eventually(t, func() bool { return call("v1.notes.get", `{"id":1}`, reader) == "NOTE_NOT_FOUND" }, patience, tick)
}

func TestThePageHoldsTheWholeExample(t *testing.T) {
	page, err := os.ReadFile("../../docs/writing-a-service.md")
	require.NoError(t, err)
	for _, file := range []string{"notes.go", "cmd/notes/main.go"} {
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(page), "```go\n"+string(code)+"```", file)
	}
}
