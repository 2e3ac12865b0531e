package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/testserver"
)

// TestNodesSwapWithoutALostWebhook replaces the node behind a socket again and again, as systemd does on a restart and
// as two nodes do that take over from each other, while senders with connections that stay open post webhooks.
func TestNodesSwapWithoutALostWebhook(t *testing.T) {
	t.Parallel()
	natsURL, shared := testserver.NATS(t).ClientURL(), t.TempDir()
	url, fd := inheritable(t)

	folder := func(id string) string {
		dir := t.TempDir()
		write(t, dir, "config.yaml", fmt.Sprintf(
			"node: {id: %s}\nnats: {servers: [%q]}\nchannels: {dsn: %q}\nhttp: {listen: systemd}\n", id, natsURL,
			filepath.Join(shared, "channels.db"),
		))
		return dir
	}
	run := func(dir string) *running {
		const handOver = `exec 3<&"$1"; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" run`
		return startCommand(
			t, dir, exec.CommandContext(t.Context(), "bash", "-c", handOver, binary, strconv.Itoa(fd)), // #nosec G204
		)
	}
	first := folder("swap-0")
	write(t, first, "channels.yaml", "channels: [{id: shop, tenantId: acme, platform: telegram, credentials: "+
		"{token: \"1:canary-token\", secretToken: canary-secret}}]")
	require.Equal(t, 0, node(t, first, "channels", "apply", "-f", "channels.yaml").exit)
	now := run(first)

	ctx, stop := context.WithCancel(t.Context())
	var accepted atomic.Int64
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil && assert.NoError(t, postUpdate(client, url, accepted.Add(1))) {
			}
		})
	}
	for i := range 4 {
		before := accepted.Load()
		next := run(folder(fmt.Sprint("swap-", i+1)))
		require.NoError(t, now.cmd.Process.Signal(syscall.SIGTERM))
		for range now.log { // until it has ended
		}
		require.NoError(t, now.cmd.Wait())
		require.Greater(t, accepted.Load(), before)
		now = next
	}
	stop()
	senders.Wait()

	nc, err := nats.Connect(natsURL)
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	name, err := js.StreamNameBySubject(t.Context(), "hios.hios.processing.message.received")
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), name)
	require.NoError(t, err)
	require.EqualValues(t, accepted.Load(), stream.CachedInfo().State.Msgs, "all are stored, once")
}

// inheritable opens a socket that child processes inherit. It stays one that does not block, as systemd's, which
// [exec.Cmd.ExtraFiles] would change for all processes that have it.
func inheritable(t *testing.T) (url string, fd int) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	raw, err := socket.(*net.TCPListener).SyscallConn()
	require.NoError(t, err)
	var failed error
	require.NoError(t, raw.Control(func(own uintptr) { fd, failed = syscall.Dup(int(own)) }))
	require.NoError(t, failed)
	t.Cleanup(func() { require.NoError(t, syscall.Close(fd)) })
	require.NoError(t, socket.Close(), "its copy stays open")
	return "http://" + socket.Addr().String(), fd
}

// postUpdate posts a text message as Telegram does.
func postUpdate(client *http.Client, url string, id int64) error {
	body := fmt.Appendf(nil, `{"update_id":%d,"message":{"message_id":%[1]d,"date":1700000000,`+
		`"chat":{"id":5,"type":"private"},"text":"hi"}}`, id)
	req, err := http.NewRequest(http.MethodPost, url+"/telegram/shop", io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		return err
	}
	req.ContentLength = int64(len(body)) // and no GetBody: the client must not send it a second time by itself
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", "canary-secret")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("answered with %s", res.Status)
	}
	return nil
}
