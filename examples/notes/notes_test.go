package notes_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/notes"
	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/node"
	"github.com/hiliosai/switchboard/node/nodetest"
)

// How long, and how often, is looked for what must happen.
const (
	patience = time.Minute
	tick     = 5 * time.Millisecond
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tenant is the meta of a call that a user of a tenant makes.
func tenant(id, permission string) action.CallOptions {
	meta, err := json.Marshal(
		map[string]any{"tenantId": id, "user": map[string]any{"id": "u1", "permissions": []string{permission}}},
	)
	if err != nil {
		panic(err)
	}
	return action.CallOptions{Meta: meta}
}

func TestExampleServiceRunsOnANode(t *testing.T) {
	def := notes.Definition(filepath.Join(t.TempDir(), "notes.db"))
	n := nodetest.Start(t, node.Service(def), node.Config("services: [notes]"))
	nc, err := nats.Connect(n.NATSURL())
	require.NoError(t, err)
	defer nc.Close()
	added, err := nc.SubscribeSync("hios.notes.added")
	require.NoError(t, err)
	require.NoError(t, nc.Flush())

	call := func(name, params string, opts action.CallOptions) string {
		t.Helper()
		result, err := n.Call(t.Context(), name, json.RawMessage(params), opts)
		if err != nil {
			return action.AsError(err, name, "").Type
		}
		return string(result)
	}
	writer, reader, stranger := tenant("acme", "notes.write"), tenant("acme", "notes.read"), tenant("other", "notes.*")
	require.Equal(t, `[]`, call("v1.notes.list", `{}`, reader))
	require.Equal(t, `{"id":1,"text":"milk"}`, call("v1.notes.add", `{"text":" milk "}`, writer))
	require.Equal(t, "FORBIDDEN", call("v1.notes.add", `{"text":"x"}`, reader))
	require.Equal(t, "UNAUTHORIZED", call("v1.notes.list", `{}`, action.CallOptions{}))
	require.Equal(t, "VALIDATION_ERROR", call("v1.notes.add", `{"text":"  "}`, writer))
	require.Eventually(
		t, func() bool { return call("v1.notes.list", `{"limit":"5"}`, reader) == `[{"id":1,"text":"milk"}]` },
		patience, tick, "the cached empty list is dropped")
	require.Equal(t, `[]`, call("v1.notes.list", `{}`, stranger))
	require.Equal(t, `{"id":1,"text":"milk"}`, call("v1.notes.get", `{"id":"1"}`, reader))
	require.Equal(t, "NOTE_NOT_FOUND", call("v1.notes.get", `{"id":1}`, stranger))
	event, err := added.NextMsg(patience)
	require.NoError(t, err)
	require.JSONEq(t, `{"id":1,"text":"milk"}`, string(event.Data))

	require.NoError(t, n.Emit(t.Context(), "tenant.removed", map[string]string{"id": "acme"}))
	require.Eventually(
		t, func() bool { return call("v1.notes.get", `{"id":1}`, reader) == "NOTE_NOT_FOUND" }, patience, tick,
	)
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
