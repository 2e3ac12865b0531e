package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDoctorCommandTellsFaultsByItsStatus(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	require.Equal(t, 0, o.create().exit)
	o.succeeds("", "update", "shop", "--set", "receive=polling")
	doctor := func(args ...string) result {
		t.Helper()
		r := node(t, o.dir, append([]string{"doctor"}, args...)...)
		require.NotContains(t, r.stdout+r.stderr, "canary")
		return r
	}
	r := doctor()
	require.Equal(t, 1, r.exit)
	require.Regexp(t, `(?m)^FAULT +nats +cannot reach NATS at `, r.stdout)
	require.Regexp(t, `(?m)^ +→ start the node`, r.stdout)
	require.Regexp(t, `(?m)^FAULT +shop receiving +no node keeps the channel's connection$`, r.stdout)
	require.Regexp(t, `(?m)^\d+ ok, 0 warning\(s\), 2 fault\(s\)$`, r.stdout)
	require.Equal(t, "2 fault(s)\n", r.stderr)

	conf, err := os.ReadFile(filepath.Join(o.dir, "config.yaml"))
	require.NoError(t, err)
	write(t, o.dir, "config.yaml", string(conf)+"http: {listen: \"127.0.0.1:0\"}\nnode: {id: sb-1}\n")
	running := start(t, o.dir)
	require.Eventually(t, func() bool { return o.bot.Waiting() == 1 }, patience, 10*time.Millisecond)
	r = doctor("shop", "--output", "json")
	require.Equal(t, 0, r.exit, r.stdout+r.stderr)
	require.Empty(t, r.stderr)
	var found struct {
		Findings             []struct{ Level, Check, Channel, Message, Fix string }
		OK, Warnings, Faults int
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &found))
	require.Equal(t, len(found.Findings), found.OK, r.stdout)
	require.Contains(t, r.stdout, `"connection 1 of 1 is ready on node `)
	require.NoError(t, running.cmd.Process.Signal(syscall.SIGTERM))
	for line := range running.log {
		require.NotContains(t, line, "packets that are not Moleculer's", "the doctor disturbs no node")
	}

	write(t, o.dir, "config.yaml", "nats: {servrs: []}\n")
	r = doctor()
	require.Equal(t, 1, r.exit)
	require.Regexp(t, `(?m)^FAULT +config +config\.yaml:1: nats\.servrs: unknown key`, r.stdout)
}
