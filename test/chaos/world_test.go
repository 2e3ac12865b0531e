//go:build slow || chaos

package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/test/chaos/batchplatform"
)

const (
	namespace  = "hios"
	peerDir    = "../interop/peer" // whose modules the Node consumer shares
	gatewayDir = "../../examples/gateway"

	botToken, botSecret = "123456:chaos-bot-token", "chaos-secret"
)

// The channels: on one a repetition is told by the stream, on the others by the claims, too.
const (
	channelWindow  = "window"
	channelHorizon = "horizon"
	channelBatch   = "batch"
)

// programs is the folder with what was built for the tests.
var programs string

func TestMain(m *testing.M) { os.Exit(prepareAndRun(m)) }

func prepareAndRun(m *testing.M) int {
	var err error
	if programs, err = os.MkdirTemp("", "switchboard-chaos-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(programs) }()
	for _, prepare := range []func() error{
		func() error {
			return run(
				"../..", "go", "build", "-o", programs, "./test/chaos/chaosnode", "./test/chaos/faultynode", "./test/chaos/natsd",
			)
		},
		func() error { return testserver.NodeModules(peerDir) },
		func() error { return testserver.NodeModules(gatewayDir) },
	} {
		if err := prepare(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return testserver.Main(m).Run()
}

func run(dir, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, out)
	}
	return nil
}

// member is a Go node with its own way to NATS.
type member struct {
	*testserver.Server
	id    string
	cable *cable
}

// world is all that takes part, each in a process of its own but for the bot and who judges.
type world struct {
	nats, postgres, redis *testserver.Server
	nodes                 []*member
	gateway, archive      *testserver.Server
	bot                   *bot
	nc                    *nats.Conn // of who judges, to NATS without detours
	seen                  map[string]string
}

// startNATS starts a server of its own, which can be paused and killed.
func startNATS(t *testing.T) *testserver.Server {
	t.Helper()
	return testserver.StartProgram(t, testserver.Program{
		Name: "nats",
		Command: func(dir string, port int) (string, []string, error) {
			return filepath.Join(programs, "natsd"), []string{
				"-port", strconv.Itoa(port), "-store", filepath.Join(dir, "store"),
			}, nil
		},
		URL: func(port int) string { return fmt.Sprintf("nats://127.0.0.1:%d", port) },
		Ping: func(_ context.Context, url string) error {
			nc, err := nats.Connect(url)
			if err == nil {
				nc.Close()
			}
			return err
		},
	})
}

// startWorld starts it, with nodes as users have them or, for a plant, with the ones of faultynode.
func startWorld(t *testing.T, plant string) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{bot: newBot(t), seen: map[string]string{}}
	w.nats = startNATS(t)
	w.redis = testserver.StartRedis(t)
	config := ""
	if plant == "" {
		w.postgres = testserver.StartPostgres(t)
		config = w.config(t, dir)
	}
	for _, id := range []string{"node-a", "node-b"} {
		w.nodes = append(w.nodes, w.startNode(t, dir, id, plant, config))
	}
	w.gateway = startGateway(t, w.nats.URL())
	if plant == "" {
		w.archive = w.startArchive(t, dir)
		w.seen["ledger"], w.seen["archive"] = filepath.Join(dir, "ledger"), filepath.Join(dir, "archive")
	}
	w.watch(t)
	return w
}

// watch connects who judges, and keeps the logs of what fails.
func (w *world) watch(t *testing.T) {
	t.Helper()
	var err error
	w.nc, err = nats.Connect(
		w.nats.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.ReconnectBufSize(-1),
	)
	require.NoError(t, err)
	t.Cleanup(w.nc.Close)
	t.Cleanup(func() {
		if t.Failed() {
			w.keepLogs(t)
		}
	})
}

// keepLogs leaves what all said, where CHAOS_LOGS names a folder for it.
func (w *world) keepLogs(t *testing.T) {
	t.Helper()
	dir := os.Getenv("CHAOS_LOGS")
	if dir == "" {
		t.Log("set CHAOS_LOGS to a folder to keep the logs of all processes")
		return
	}
	logs := map[string]*testserver.Server{"nats": w.nats, "gateway": w.gateway, "archive": w.archive}
	for _, n := range w.nodes {
		logs[n.id] = n.Server
	}
	for name, server := range logs {
		if server != nil {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name+".log"), []byte(server.Log()), 0o600))
		}
	}
}

// config is the configuration of both nodes but for what differs, and puts the channels into the database.
func (w *world) config(t *testing.T, dir string) string {
	t.Helper()
	key, err := channelstore.GenerateKey("k1")
	require.NoError(t, err)
	config := fmt.Sprintf(`channels: {store: postgres, dsn: %q, keys: [%q]}
cache: {driver: redis, url: %q}
claims: {driver: redis}
services: [telegram, batch, ledger]
media: {allowPrivate: true}
`, w.postgres.URL(), key, w.redis.URL())
	account := fmt.Sprintf(
		`platform: telegram, tenantId: acme, credentials: {token: %q, secretToken: %q}, settings: {apiBase: %q`, botToken,
		botSecret, w.bot.http.URL,
	)
	channels := fmt.Sprintf(`channels:
  - {id: %s, %s, dedup: window}}
  - {id: %s, %s, dedup: horizon}}
  - {id: %s, platform: batch, tenantId: acme, credentials: {key: x}, settings: {dedup: horizon, spool: on}}
`, channelWindow, account, channelHorizon, account, channelBatch)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "channels.yaml"), []byte(channels), 0o600))
	require.NoError(
		t, os.WriteFile(filepath.Join(dir, "apply.yaml"), []byte(config+nodePart("apply", w.nats.URL(), "")), 0o600),
	)
	require.NoError(
		t,
		run(dir, filepath.Join(programs, "chaosnode"), "channels", "apply", "-f", "channels.yaml", "--config", "apply.yaml"),
	)
	return config
}

func nodePart(id, natsURL, listen string) string {
	return fmt.Sprintf(
		"node: {id: %s, namespace: %s}\nnats: {servers: [%q]}\nhttp: {listen: %q}\n", id, namespace, natsURL, listen,
	)
}

func (w *world) startNode(t *testing.T, shared, id, plant, config string) *member {
	t.Helper()
	m := &member{id: id}
	var natsURL string
	m.cable, natsURL = layCable(t, w.nats.URL())
	m.Server = testserver.StartProgram(t, testserver.Program{
		Name: id,
		Command: func(dir string, port int) (string, []string, error) {
			listen := fmt.Sprintf("127.0.0.1:%d", port)
			if plant != "" {
				return filepath.Join(programs, "faultynode"), []string{
					"-id", id, "-nats", natsURL, "-redis", w.redis.URL(), "-bot", w.bot.http.URL, "-listen", listen, "-plant", plant,
				}, nil
			}
			err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config+nodePart(id, natsURL, listen)), 0o600)
			return filepath.Join(programs, "chaosnode"), []string{"run", "--config", "config.yaml"}, err
		},
		Env: []string{"GOTRACEBACK=all", batchplatform.SeenFile + "=" + filepath.Join(shared, "ledger")},
		URL: func(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) },
		Ping: func(ctx context.Context, url string) error {
			status, err := get(ctx, url+"/-/ready")
			if err == nil && status == 0 {
				err = errors.New("no answer")
			}
			return err
		},
	})
	return m
}

// get gives the status of an answer.
func get(ctx context.Context, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

func startGateway(t *testing.T, natsURL string) *testserver.Server {
	t.Helper()
	script, err := filepath.Abs(filepath.Join(gatewayDir, "index.js"))
	require.NoError(t, err)
	url := func(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }
	port := 0
	return testserver.StartProgram(t, testserver.Program{
		Name: "gateway",
		Command: func(dir string, p int) (string, []string, error) {
			port = p
			// A program's port is not known before it is started.
			wrapper := filepath.Join(dir, "gateway.js")
			return "node", []string{wrapper}, os.WriteFile(
				wrapper, fmt.Appendf(nil, "process.env.PORT = '%d'; require(%q);\n", port, script), 0o600,
			)
		},
		Env: []string{
			"NATS_URL=" + natsURL, "NAMESPACE=" + namespace, "LOG_LEVEL=warn", "REQUEST_TIMEOUT=4000", "RETRIES=1",
		},
		URL:  url,
		Ping: func(ctx context.Context, url string) error { _, err := get(ctx, url); return err },
	})
}

func (w *world) startArchive(t *testing.T, dir string) *testserver.Server {
	t.Helper()
	script, err := filepath.Abs("consumer.js")
	require.NoError(t, err)
	modules, err := filepath.Abs(peerDir)
	require.NoError(t, err)
	ready := filepath.Join(dir, "archive-ready")
	return testserver.StartProgram(t, testserver.Program{
		Name:    "archive",
		Command: func(string, int) (string, []string, error) { return "node", []string{script}, nil },
		Env: []string{
			"NATS_URL=" + w.nats.URL(), "NAMESPACE=" + namespace, "NODE_ID=archive", "MODULES=" + modules,
			"SEEN=" + filepath.Join(dir, "archive"), "READY=" + ready,
		},
		URL: func(int) string { return ready },
		Ping: func(_ context.Context, ready string) error {
			_, err := os.Stat(ready)
			return err
		},
	})
}
