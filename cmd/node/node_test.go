package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/testserver/nowhere"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// binary is the node, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "switchboard-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "node")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the node: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

const patience = time.Minute

type result struct {
	stdout, stderr string
	exit           int
}

// lines of standard error.
func (r result) lines() []string { return strings.Split(strings.TrimSuffix(r.stderr, "\n"), "\n") }

// node runs a command of the node to its end, in dir.
func node(t *testing.T, dir string, args ...string) result {
	t.Helper()
	return nodeTyping(t, dir, "", args...)
}

// nodeTyping is node with something on standard input.
func nodeTyping(t *testing.T, dir, input string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
}

// takenAddress is an address that somebody else listens on.
func takenAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l.Addr().String()
}

// freeAddress is an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func TestRunSaysInOneLineWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken := takenAddress(t)
	for name, test := range map[string]struct{ config, want string }{
		"an unknown key": {"nats:\n  servrs: []\n", `config.yaml:2: nats.servrs: unknown key, did you mean "servers"?`},
		"a wrong type": {"events:\n  replicas: many\n", `config.yaml:2: events.replicas: expects a whole number, ` +
			`found "many"`},
		"a wrong value": {"log: {level: loud}\n", `config.yaml:1: log.level: `},
		"broken YAML":   {"nats: [\n", `config.yaml:`},
		"an unknown service": {"\nservices: [telegram, pigeon]\n", `config.yaml:2: services[1]: no such service ` +
			`"pigeon"; there are: channels, discord, `},
		"a taken HTTP port": {embedded(freeAddress(t)) + fmt.Sprintf(
			"http: {listen: %q}\n", taken,
		), "http.listen " + taken + ": bind: address already in use"},
		"a taken port for NATS": {embedded(taken), "nats.servers: the embedded server cannot listen on " + taken +
			": bind: address already in use"},
		"an unusable data store": {
			embedded(freeAddress(t)) + "channels: {dsn: /dev/null/x.db}\n", "open the channel store /dev/null/x.db: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "config.yaml", test.config)
			r := node(t, dir, "run")
			require.Equal(t, 1, r.exit, r.stderr)
			require.Empty(t, r.stdout)
			last := r.lines()[len(r.lines())-1]
			require.Contains(t, last, test.want)
			require.NotContains(t, r.stderr, "goroutine")
			for _, line := range r.lines()[:len(r.lines())-1] {
				require.Contains(t, line, "level=info", "no more than the usual log before it")
			}
		})
	}
	t.Run("a wrong command line", func(t *testing.T) {
		t.Parallel()
		for args, want := range map[string]string{
			"nope":         "switchboard: unexpected argument nope; switchboard --help tells more\n",
			"call":         "switchboard: expected \"<action>\"; switchboard call --help tells more\n",
			"run --port 1": "switchboard: unknown flag --port; switchboard run --help tells more\n",
			"channels aply -f": "switchboard: unexpected argument aply, did you mean \"apply\"?; switchboard channels " +
				"--help tells more\n",
		} {
			r := node(t, t.TempDir(), strings.Fields(args)...)
			require.Equal(t, result{"", want, 2}, r)
		}
	})
	t.Run("the version", func(t *testing.T) {
		t.Parallel()
		require.Regexp(
			t, `^switchboard +\S+\ncommit +\S.*\ndate +\S.*\ngo +go\S+\nplatform +\w+/\w+\n$`,
			node(t, t.TempDir(), "version").stdout,
		)
		require.NotEmpty(t, node(t, t.TempDir(), "--version").stdout)
	})
	t.Run("a missing file", func(t *testing.T) {
		t.Parallel()
		r := node(t, t.TempDir(), "run", "--config", "nowhere.yaml")
		require.Equal(t, 1, r.exit)
		require.Equal(t, "cannot read the configuration: open nowhere.yaml: no such file or directory\n", r.stderr)
	})
}

func embedded(address string) string {
	return fmt.Sprintf("nats: {servers: [\"nats://%s\"], embedded: true}\n", address)
}

func TestRunTriesAnUnreachableNATSUntilItsTimeIsOver(t *testing.T) {
	t.Parallel()
	dir, address := t.TempDir(), strings.TrimPrefix(nowhere.URL(t), "http://")
	write(
		t, dir, "config.yaml",
		fmt.Sprintf("nats: {servers: [\"nats://joe:canary-password@%s\"], startTimeout: 5s}\n", address),
	)
	r := node(t, dir, "run")
	require.Equal(t, 1, r.exit)
	last := len(r.lines()) - 1 // how many attempts there were before depends on the machine
	for i, line := range r.lines()[:last] {
		require.Contains(t, line, "cannot reach NATS at nats://[redacted]@"+address+", trying again in 2s: ")
		require.Contains(t, line, fmt.Sprint("attempt=", i+1))
	}
	require.Contains(
		t, r.lines()[last], "cannot reach NATS at nats://[redacted]@"+address+" within 5s (nats.startTimeout): ",
	)
	require.NotContains(t, r.stderr, "canary")
	require.NotContains(t, r.stderr, "joe")
}

func TestChannelsApplySaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	const head = "channels:\n  - id: shop\n    tenantId: acme\n"
	for name, test := range map[string]struct {
		yaml string
		want []string
	}{
		"an unknown platform": {head + "    platform: pigeon\n", []string{
			`channels.yaml:4: channels[0].platform: no such platform "pigeon"; there are: `,
		}},
		"a missing credential": {head + "    platform: telegram\n    credentials:\n      token: " +
			"123456:canary-token\n", []string{`channels.yaml:5: channels[0].credentials.secretToken: is required: `}},
		"a credential of no such field": {
			head + "    platform: telegram\n    credentials:\n      token: " +
				"123456:canary-token\n      secretToken: canary-secret\n      tokn: canary\n",
			[]string{`channels.yaml:8: channels[0].credentials.tokn: platform telegram has no such field`},
		},
		"a malformed token": {head + "    platform: telegram\n    credentials:\n      token: canary\n      " +
			"secretToken: canary-secret\n", []string{`channels.yaml:6: channels[0].credentials.token: does not look right: `}},
		"two channels of one id": {head + "    platform: telegram\n    credentials: {token: 1:canary, " +
			"secretToken: canary}\n  - id: shop\n    tenantId: acme\n    platform: telegram\n    credentials: {token: " +
			"1:canary, secretToken: canary}\n", []string{`channels.yaml:6: channels[1].id: there is another channel "shop" ` +
			`in this file`}},
		"no channels": {"channels: []\n", []string{"channels.yaml:1: channels: is missing or empty"}},
		"an unset variable": {head + "    platform: telegram\n    credentials: " +
			"{token: \"${NO_SUCH_VARIABLE}\"}\n", []string{
			"channels.yaml:5: channels[0].credentials.token: ",
			"NO_SUCH_VARIABLE",
		}},
		"an unknown key": {head + "    platfrom: telegram\n", []string{
			`channels.yaml:4: channels[0].platfrom: unknown key, did you mean "platform"?`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "config.yaml", "")
			write(t, dir, "channels.yaml", test.yaml)
			r := node(t, dir, "channels", "apply", "-f", "channels.yaml")
			require.Equal(t, 1, r.exit, r.stdout)
			for _, want := range test.want {
				require.Contains(t, r.stderr, want)
			}
			require.NotContains(t, r.stderr, "canary", "values of credentials are not shown")
			require.Contains(t, node(t, dir, "channels", "list", "--output", "json").stdout, "[]", "nothing was applied")
		})
	}
}

func TestChannelsAreManaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "config.yaml", "")
	write(t, dir, "channels.yaml", `
channels:
  - {id: a, tenantId: t1, platform: telegram, credentials: {token: "123456:canary-token", secretToken: file:secret.txt}}
  - {id: b, tenantId: t2, platform: telegram, status: inactive, credentials: {token: "123456:canary-token", secretToken: canary-other}, settings: {apiBase: "http://127.0.0.1:8081"}}
`)
	write(t, dir, "secret.txt", "canary-secret\n")

	r := node(t, dir, "channels", "apply", "-f", "channels.yaml")
	require.Equal(t, 0, r.exit, r.stderr)
	require.Equal(t, "2 channel(s) applied\n", r.stdout)
	require.Equal(t, 0, node(t, dir, "channels", "apply", "-f", "channels.yaml").exit, "again changes nothing")

	r = node(t, dir, "channels", "list")
	require.Equal(t, 0, r.exit, r.stderr)
	require.NotContains(t, r.stdout, "canary")
	require.Regexp(t, `(?m)^a +t1 +telegram +ACTIVE +secretToken=\*\*\*\*et token=\*\*\*\*en`, r.stdout)
	require.Regexp(t, `(?m)^b +t2 +telegram +INACTIVE +.*apiBase=http://127.0.0.1:8081`, r.stdout)

	r = node(t, dir, "channels", "remove", "a")
	require.Equal(t, "channel a removed\n", r.stdout)
	r = node(t, dir, "channels", "remove", "a")
	require.Equal(t, 1, r.exit)
	require.Equal(t, "there is no channel \"a\"\n", r.stderr)
}

// running is a node that runs in the background.
type running struct {
	cmd     *exec.Cmd
	httpURL string
	log     chan string // closed at its end
}

// start runs a node in dir, with env beside the environment of the tests.
func start(t *testing.T, dir string, env ...string) *running {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "run")
	cmd.Env = append(os.Environ(), env...)
	return startCommand(t, dir, cmd)
}

// startCommand is start with a command that runs a node.
func startCommand(t *testing.T, dir string, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{cmd: cmd, log: make(chan string, 1000)}
	r.cmd.Dir = dir
	stderr, err := r.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, r.cmd.Start())
	go func() {
		defer close(r.log)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			r.log <- lines.Text()
		}
	}()
	if m := regexp.MustCompile(`taken in at (http://[^/]+)/`).FindStringSubmatch(r.await(t, "taken in at")); m != nil {
		r.httpURL = m[1]
	}
	r.await(t, "node is ready")
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // does nothing where the test has stopped it
		for range r.log {        // its pipe is read to the end before Wait
		}
		_ = r.cmd.Wait()
	})
	return r
}

func (r *running) await(t *testing.T, text string) string {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-r.log:
			require.True(t, ok, "the node ended before it said %q", text)
			if strings.Contains(line, text) {
				return line
			}
		case <-timeout:
			require.Fail(t, "the node never said "+text)
		}
	}
}

func TestNodeRunsIsCalledAndStops(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "config.yaml", "node: {id: sb-1}\n"+embedded(freeAddress(t))+"http: {listen: \"127.0.0.1:0\"}\n")
			r := start(t, dir)

			require.NoError(
				t, r.cmd.Process.Signal(syscall.SIGHUP), "a closed terminal, or a wish to read the configuration again",
			)
			r.await(t, "the configuration was read again: nothing has changed")
			list := node(t, dir, "services")
			require.Equal(t, 0, list.exit, list.stderr)
			require.Regexp(t, `(?m)^telegram +\S+ +.*telegram\.i_receiveWebhook`, list.stdout)

			status := node(t, dir, "call", "telegram.i_status")
			require.Equal(t, 0, status.exit, status.stderr)
			var spec struct {
				Platform string `json:"platform"`
			}
			require.NoError(t, json.Unmarshal([]byte(status.stdout), &spec))
			require.Equal(t, "telegram", spec.Platform)

			failed := node(t, dir, "call", "telegram.i_sendMessage", `{"channelId":"nobody","message":{}}`)
			require.Equal(t, 1, failed.exit)
			require.Equal(
				t,
				"MoleculerClientError 404 CHANNEL_NOT_FOUND: there is no telegram channel \"nobody\"\n{\"kind\":\"not_found\"}\n",
				failed.stderr,
			)

			unknown := node(t, dir, "call", "nobody.home", "--timeout", "100ms")
			require.Equal(t, 1, unknown.exit)
			require.Equal(
				t,
				"ServiceNotFoundError 404 SERVICE_NOT_FOUND: Service 'nobody.home' is not found.\n{\"action\":\"nobody.home\"}\n",
				unknown.stderr,
			)

			health := node(t, dir, "call", "$node.health", "--node", "sb-1")
			require.Equal(t, 0, health.exit, health.stderr)
			require.Contains(t, health.stdout, `"datasources"`)
			require.Contains(t, node(t, dir, "call", "$node.health").stderr, "name it with --node")
			require.Equal(
				t, "there is no node \"sb-2\"; there are: sb-1\n",
				node(t, dir, "call", "telegram.i_status", "--node", "sb-2").stderr,
			)

			// A channel that is applied while the node runs is there at once.
			write(t, dir, "channels.yaml", "channels: [{id: shop, tenantId: acme, platform: telegram, credentials: "+
				"{token: \"1:canary-token\", secretToken: canary-secret}}]")
			require.Equal(t, http.StatusNotFound, webhook(t, r.httpURL, "canary-secret"))
			require.Equal(t, 0, node(t, dir, "channels", "apply", "-f", "channels.yaml").exit)
			require.Equal(t, http.StatusOK, webhook(t, r.httpURL, "canary-secret"))
			require.Equal(t, http.StatusUnauthorized, webhook(t, r.httpURL, "canary-wrong"))

			// A script sees by the status alone that a message was refused.
			bot := telegramtest.NewServer("1:canary-token")
			t.Cleanup(bot.Close)
			require.Equal(t, 0, node(t, dir, "channels", "update", "shop", "--set", "apiBase="+bot.URL()).exit)
			bot.Script("sendMessage", telegramtest.Failure(http.StatusForbidden, "Forbidden: bot was blocked by the user", nil))
			const message = `{"channelId":"shop","message":{"to":{"id":"42"},"content":{"type":"TEXT","text":"hi"}}}`
			refused := node(t, dir, "call", "telegram.i_sendMessage", message)
			require.Equal(t, 1, refused.exit)
			require.Contains(t, refused.stdout, `"success": false`)
			require.Equal(t, "telegram.i_sendMessage answered that it was not done\n", refused.stderr)
			require.Equal(t, 0, node(t, dir, "call", "telegram.i_sendMessage", message).exit)

			require.NoError(t, r.cmd.Process.Signal(signal))
			var rest []string
			for line := range r.log {
				rest = append(rest, line)
			}
			require.NoError(t, r.cmd.Wait())
			require.Contains(t, rest[len(rest)-1], "msg=stopped")
			require.NotContains(t, strings.Join(rest, "\n"), "canary")
		})
	}
}

func TestSecondNodeOfTheSameIDDoesNotStart(t *testing.T) {
	t.Parallel()
	dir, address := t.TempDir(), freeAddress(t)
	write(t, dir, "config.yaml", "node: {id: twin}\n"+embedded(address)+"http: {listen: \"127.0.0.1:0\"}\n")
	start(t, dir)
	write(
		t, dir, "second.yaml",
		fmt.Sprintf("node: {id: twin}\nnats: {servers: [\"nats://%s\"]}\nchannels: {dsn: second.db}\n", address),
	)

	second := node(t, dir, "run", "--config", "second.yaml")
	require.Equal(t, 1, second.exit, second.stderr)
	require.Equal(
		t, "another node of the cluster has the id \"twin\" too; give this one another (node.id)",
		second.lines()[len(second.lines())-1],
	)
	require.Equal(t, 0, node(t, dir, "call", "telegram.i_status").exit, "the first one goes on")
}

func webhook(t *testing.T, url, secret string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/telegram/shop",
		strings.NewReader(
			`{"update_id":1,"message":{"message_id":1,"date":1700000000,"chat":{"id":5,"type":"private"},"text":"hi"}}`,
		))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", secret)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}
