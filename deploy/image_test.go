package deploy_test

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/testserver"
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m).Run()) }

// container runs what the image holds as a container does: its root read-only, its state in a volume, as a user
// without rights.
type container struct {
	*testing.T
	root string
	env  []string
	node *exec.Cmd
	log  bytes.Buffer
}

const inContainer = `mount --bind "$1" "$1"
mount --bind "$2" "$1/var/lib/switchboard"
mount -o remount,ro,bind "$1"
exec chroot --userspec=65532:65532 "$1" /switchboard run --config /etc/switchboard/config.yaml`

// build assembles the root file system as deploy/Dockerfile does.
func build(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "rootfs")
	cmd := exec.CommandContext(t.Context(), "make", "-C", "..", "rootfs", "ROOTFS="+root, "VERSION=v1.2.3")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return root
}

func (c *container) run(volume string) {
	c.Helper()
	c.node = exec.Command("unshare", "--mount", "sh", "-ec", inContainer, "-", c.root, volume)
	c.node.Env, c.node.Stdout, c.node.Stderr = c.env, &c.log, &c.log
	require.NoError(c, c.node.Start())
	c.Cleanup(func() {
		if c.node.ProcessState == nil {
			_ = c.node.Process.Kill()
			_ = c.node.Wait()
		}
	})
}

// exec runs a command of the program in the container, as docker exec does.
func (c *container) exec(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(c.Context(), time.Minute)
	defer cancel()
	enter := []string{
		"--mount", "--target", strconv.Itoa(c.node.Process.Pid), "chroot", "--userspec=65532:65532", c.root, "/switchboard",
	}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *container) succeeds(args ...string) string {
	c.Helper()
	out, err := c.exec(append(args, "--config", "/etc/switchboard/config.yaml")...)
	require.NoError(c, err, out)
	return out
}

func TestImageRunsAsNobodyOnAReadOnlyRoot(t *testing.T) {
	t.Parallel()
	probe := t.TempDir()
	try := exec.CommandContext(t.Context(), "unshare", "--mount", "mount", "--bind", probe, probe)
	if out, err := try.CombinedOutput(); err != nil {
		t.Skipf("the image runs in a chroot of its own, and nothing can be mounted here: %v\n%s", err, out)
	}
	root := build(t)
	program, err := elf.Open(filepath.Join(root, "switchboard"))
	require.NoError(t, err)
	libraries, err := program.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libraries)
	require.NoError(t, program.Close())

	keys, err := exec.CommandContext(
		t.Context(), filepath.Join(root, "switchboard"), "channels", "keys", "generate", "k1",
	).Output()
	require.NoError(t, err)
	listen := freeAddress(t)
	nats := testserver.NATS(t)
	c := &container{T: t, root: root, env: []string{
		"PATH=" + os.Getenv("PATH"), "NATS_URL=" + nats.ClientURL(), "NATS_PASSWORD=none", "LISTEN=" + listen,
		"ADMIN_LISTEN=" + freeAddress(t),
		"DATABASE_URL=" + testserver.Postgres(t), "REDIS_URL=" + testserver.Redis(t),
		"CHANNELS_KEY=" + strings.TrimSpace(string(keys)),
	}}
	volume := t.TempDir()
	require.NoError(t, os.Chown(volume, 65532, 65532))
	c.run(volume)
	require.Eventually(t, func() bool {
		out, err := c.exec("health", "--config", "/etc/switchboard/config.yaml")
		return err == nil && out == "ready\n"
	}, 2*time.Minute, 100*time.Millisecond)

	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.node.Process.Pid))
	require.NoError(t, err)
	require.Contains(t, string(status), "Uid:\t65532\t65532\t65532\t65532\n")
	out, err := exec.CommandContext(
		t.Context(), "nsenter", "--mount", "--target", strconv.Itoa(c.node.Process.Pid), "touch", filepath.Join(root, "new"),
	).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "Read-only file system")
	require.FileExists(t, filepath.Join(volume, "spool.db"))

	// The cluster sees it, and a webhook becomes an event.
	require.Contains(t, c.succeeds("services"), "telegram")
	require.Contains(t, c.succeeds("call", "telegram.i_status"), "telegram")
	c.succeeds(
		"channels", "create", "shop", "--platform", "telegram", "--tenant", "acme", "--set", "token=123456:canary-token",
		"--set",
		"secretToken=canary-secret",
	)
	update := `{"update_id":1,"message":{"message_id":1,"date":1700000000,"text":"Hello",` +
		`"chat":{"id":42,"type":"private","first_name":"Ada"},"from":{"id":42,"is_bot":false,"first_name":"Ada"}}}`
	req, err := http.NewRequestWithContext(
		t.Context(), http.MethodPost, "http://"+listen+"/telegram/shop", strings.NewReader(update),
	)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", "canary-secret")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Regexp(t, `hios\.processing\.message\.received +1 `, c.succeeds("events", "list"))

	require.NoError(t, c.node.Process.Signal(syscall.SIGTERM))
	require.NoError(t, c.node.Wait(), c.log.String())
	require.Contains(t, c.log.String(), `"msg":"stopped"`)
	require.NotContains(t, c.log.String(), "canary")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}
