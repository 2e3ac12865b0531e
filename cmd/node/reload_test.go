package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// replace writes a file as editors do: beside it, and then in its place.
func replace(t *testing.T, dir, name, content string) {
	t.Helper()
	write(t, dir, name+".new", content)
	require.NoError(t, os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name)))
}

func TestNodeTakesOverWhatChangesInItsConfiguration(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first, second := strings.TrimSpace(o.succeeds("", "keys", "generate", "k1")),
		strings.TrimSpace(o.succeeds("", "keys", "generate", "k2"))
	base := embedded(freeAddress(t)) + "http: {listen: \"127.0.0.1:0\"}\n"
	config := func(level, keys, more string) string {
		return base + "log: {level: " + level + "}\nchannels: {keys: [" + keys + "]}\n" + more
	}
	write(t, o.dir, "config.yaml", config("info", first, ""))
	require.Equal(t, 0, o.create().exit)
	r := start(t, o.dir)
	health := func() string {
		return node(t, o.dir, "call", "telegram.i_healthCheck", `{"channelId":"shop"}`).stdout
	}
	require.Contains(t, health(), "botId")

	replace(t, o.dir, "config.yaml", config("debug", second+", "+first, ""))
	require.Contains(t, r.await(t, "the configuration was read again"), `changed="channels.keys, log.level"`)
	require.Equal(t, "1 channel(s) sealed anew, 0 were already, 0 cannot be opened\n", o.succeeds("", "keys", "rotate"))
	replace(t, o.dir, "config.yaml", config("debug", second, ""))
	require.Contains(t, r.await(t, "the configuration was read again"), "changed=channels.keys")
	require.Contains(t, health(), "botId", "the node has the key that the channel is sealed with now")
	require.Contains(t, r.await(t, "level=debug"), "level=debug")

	replace(t, o.dir, "config.yaml", config("debug", first, ""))
	refused := r.await(t, "the new configuration cannot be used; the node goes on with what it has")
	require.Contains(t, refused, `level=error`)
	require.Contains(t, refused, `sealed with key \"k2\", which is not configured`)
	require.Contains(t, health(), "botId")

	replace(t, o.dir, "config.yaml", config("debug", second, "limits: {queue: none}\n"))
	broken := r.await(t, "the configuration cannot be read again; the node goes on with what it has")
	require.Contains(t, broken, "config.yaml")
	require.Contains(t, broken, "limits.queue")

	replace(t, o.dir, "config.yaml", config("info", second, "services: [telegram, slack]\nlimits: {queue: 100}\n"))
	require.Contains(t, r.await(t, "the configuration was read again"), "changed=log.level")
	require.Contains(t, r.await(t, "takes effect when the node is started again"), `changed="services, limits.queue"`)
	require.NoError(t, r.cmd.Process.Signal(syscall.SIGHUP), "is answered each time")
	require.Contains(t, r.await(t, "takes effect when the node is started again"), `changed="services, limits.queue"`)

	replace(t, o.dir, "config.yaml", config("info", second, ""))
	require.NoError(t, r.cmd.Process.Signal(syscall.SIGHUP))
	r.await(t, "the configuration was read again: nothing has changed")
}
