package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Names of the peers in results and tables.
const (
	ours  = "switchboard"
	fetch = "node"       // the Node.js peer, whose HTTP is Node's fetch
	agent = "node-agent" // the same with node:http and an agent that keeps connections
	limit = "limit"      // what NATS and the machine allow, without Moleculer and JSON
)

// nodeID of a peer in the cluster.
func nodeID(peer string) string { return "bench-" + peer }

// startPeer starts one and waits until it is ready.
func (s *stage) startPeer(ctx context.Context, peer string) (*process, error) {
	env := []string{
		"BENCH_NATS=" + s.nats, "BENCH_NAMESPACE=hios", "BENCH_SECRET=bench-app-secret", "BENCH_FAST=" + s.fast,
		"BENCH_SLOW=" + s.slow,
		"BENCH_NODE=" + nodeID(peer),
	}
	var p *process
	var err error
	switch peer {
	case limit:
		p, err = s.start(ctx, peer, env, filepath.Join(s.dir, "limit"), "-nats", s.nats, "-mode", "responder")
	case ours:
		return s.startOurs(ctx)
	case agent:
		p, err = s.start(ctx, peer, append(env, "BENCH_HTTP=agent"), "node", "bench/peer/node.js")
	default:
		p, err = s.start(ctx, peer, env, "node", "bench/peer/node.js")
	}
	if err != nil {
		return nil, err
	}
	return p, p.ready()
}

// startOurs starts the node with its own configuration; load waits until it has joined the cluster.
func (s *stage) startOurs(ctx context.Context) (*process, error) {
	config := s.configFile()
	if _, err := os.Stat(config); errors.Is(err, os.ErrNotExist) {
		if err := s.configure(ctx, config); err != nil {
			return nil, err
		}
	}
	return s.start(ctx, ours, nil, filepath.Join(s.dir, "node"), "run", "--config", config)
}

func (s *stage) configFile() string { return filepath.Join(s.dir, "config.yaml") }

// manyChannels is how many there are beside those of the other scenarios, as command load has them.
const manyChannels = 10_000

// configure writes the node's configuration, which leaves all but the addresses at its defaults, and its channels.
func (s *stage) configure(ctx context.Context, config string) error {
	text := fmt.Sprintf(`
node: {id: %s}
nats: {servers: [%q]}
events: {prefix: ""}
channels: {dsn: %q}
services: [telegram, whatsapp, bench]
log: {level: warn}
`, nodeID(ours), s.nats, filepath.Join(s.dir, "channels.db"))
	var channels strings.Builder
	channels.WriteString("channels:\n")
	telegram := func(id, base string) {
		fmt.Fprintf(&channels, "  - {id: %s, tenantId: tenant-1, platform: telegram, "+
			"credentials: {token: \"123456:BENCH\", secretToken: bench-telegram-token}, settings: {apiBase: %q}}\n", id, base)
	}
	telegram("ch-fast", s.fast)
	telegram("ch-slow", s.slow)
	fmt.Fprintf(&channels, "  - {id: ch-whatsapp, tenantId: tenant-1, platform: whatsapp, "+
		"credentials: {accessToken: bench-access-token, phoneNumberId: \"106540352242922\", "+
		"appSecret: bench-app-secret, verifyToken: bench-verify-token}, settings: {apiBase: %q}}\n", s.fast)
	for n := range manyChannels {
		telegram(fmt.Sprintf("ch-%05d", n), s.fast)
	}
	list := filepath.Join(s.dir, "channels.yaml")
	if err := errors.Join(
		os.WriteFile(config, []byte(text), 0o600), os.WriteFile(list, []byte(channels.String()), 0o600),
	); err != nil {
		return err
	}
	args := []string{"channels", "apply", "-f", list, "--config", config}
	apply := exec.CommandContext(ctx, filepath.Join(s.dir, "node"), args...) // #nosec G204 -- our own program
	if output, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("channels apply: %w\n%.2000s", err, output)
	}
	return nil
}
