package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hiliosai/switchboard/bench/internal/stats"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

// gateway is the scenario in which messages come over Discord's Gateway: of discord.js, which hands them to
// @moleculer/channels, and of ours.
const gateway = "gateway"

const (
	gatewayRate = 2000 // messages a second
	gatewayWarm = 2 * time.Second
	gatewaySpan = 10 * time.Second // at scale 1
)

var gatewayApp = discordtest.App{
	BotToken: "bench.bot.token", ApplicationID: "1111111111111111111", // #nosec G101 -- of the fake
}

// The place of all messages.
const gatewayGuild, gatewayChannel = "290926798626357999", "290926798626999250"

// measureGateway measures both peers, one after the other: Discord sends each message to every session of a bot.
func (s *stage) measureGateway(ctx context.Context, p plan, round int) {
	for _, peer := range []string{fetch, ours} {
		s.cell(ctx, func() (*result, error) { return s.gatewayCell(ctx, peer, round, p.scale) }, peer, gateway, 1)
	}
}

func (s *stage) gatewayCell(ctx context.Context, peer string, round int, scale float64) (r *result, err error) {
	discord := discordtest.NewServer(gatewayApp)
	defer discord.Close()
	discord.Gateway.Configure(func(c *discordtest.GatewayConfig) { c.Uncompressed = true }) // as discord.js has it
	nc, err := nats.Connect(s.nats)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	name, err := js.StreamNameBySubject(ctx, "hios.processing.message.received")
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := stream.Purge(ctx); err != nil {
		return nil, err
	}
	process, err := s.startGatewayPeer(ctx, peer, discord.URL())
	if err != nil {
		return nil, err
	}
	defer s.stop(process)
	if err := until(ctx, func() (bool, error) { return discord.Gateway.Sessions() == 1, nil }); err != nil {
		return nil, fmt.Errorf("%s does not connect: %w", peer, err)
	}
	discord.Gateway.Publish(gatewayGuild, "GUILD_CREATE", map[string]any{ // discord.js hears known channels only
		"id": gatewayGuild, "name": "bench", "members": []any{}, "roles": []any{}, "emojis": []any{}, "member_count": 1,
		"channels": []any{map[string]any{"id": gatewayChannel, "type": 0, "name": "general"}},
	})
	sent := 0
	push := func(span time.Duration) int {
		n := int(span.Seconds() * gatewayRate)
		pace(ctx, n, func() {
			sent++
			discord.Gateway.Publish(gatewayGuild, "MESSAGE_CREATE", gatewayMessage(sent))
		})
		return n
	}
	stored := func() (bool, error) {
		info, err := stream.Info(ctx)
		return err == nil && info.State.Msgs == uint64(sent), err
	}
	push(gatewayWarm)
	if err := until(ctx, stored); err != nil {
		return nil, fmt.Errorf("%s does not store what it hears: %w", peer, err)
	}
	meter := stats.NewMeter(fmt.Sprintf("service=%d", process.pid()) + "," + s.others())
	meter.Start()
	began := time.Now()
	n := push(time.Duration(float64(gatewaySpan) * scale))
	err = until(ctx, stored)
	took := time.Since(began)
	usage, machine := meter.Stop(n)
	if err != nil {
		return nil, fmt.Errorf("%s does not store what it hears: %w", peer, err)
	}
	return &result{
		Peer: peer, Scenario: gateway, C: 1, N: n, Round: round, RPS: float64(n) / took.Seconds(), Messages: n,
		StreamOK: true,
		Usage:    usage, Machine: machine,
	}, nil
}

// gatewayMessage is one as people write it in a server.
func gatewayMessage(n int) map[string]any {
	return map[string]any{
		"id": strconv.FormatInt(1_450_000_138_412_032_000+time.Now().UnixNano()%1e12<<8+int64(n), 10), "type": 0,
		"channel_id": gatewayChannel, "content": fmt.Sprintf("message %d, **bold** and a link https://example.org/%d", n, n),
		"timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000000+00:00"), "edited_timestamp": nil, "tts": false,
		"mention_everyone": false, "mentions": []any{}, "mention_roles": []any{}, "attachments": []any{}, "embeds": []any{},
		"components": []any{}, "pinned": false, "flags": 0, "channel_type": 0,
		"author": map[string]any{
			"id": "700000000000000007", "username": "ada_b", "global_name": "Ada", "discriminator": "0", "avatar": nil,
		},
		"member": map[string]any{
			"roles": []any{}, "joined_at": "2023-02-01T10:00:00.000000+00:00", "deaf": false, "mute": false, "flags": 0,
		},
	}
}

// pace calls do n times, gatewayRate times a second.
func pace(ctx context.Context, n int, do func()) {
	const step = 5 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	began := time.Now()
	for done := 0; done < n; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := min(n, int(time.Since(began).Seconds()*gatewayRate)); done < due; done++ {
			do()
		}
	}
}

// until waits until ok, for half a minute at most.
func until(ctx context.Context, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if done, err := ok(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *stage) startGatewayPeer(ctx context.Context, peer, apiBase string) (*process, error) {
	if peer == fetch {
		env := []string{
			"BENCH_NATS=" + s.nats, "BENCH_NAMESPACE=hios", "BENCH_NODE=" + nodeID("discord"),
			"BENCH_DISCORD=" + strings.TrimSuffix(apiBase, "/v10"), "BENCH_DISCORD_TOKEN=" + gatewayApp.BotToken,
		}
		p, err := s.start(ctx, peer, env, "node", "bench/peer/discord.js")
		if err != nil {
			return nil, err
		}
		return p, p.ready()
	}
	dir, err := os.MkdirTemp(s.dir, "gateway-")
	if err != nil {
		return nil, err
	}
	config, list := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "channels.yaml")
	text := fmt.Sprintf("node: {id: %s}\nnats: {servers: [%q]}\nevents: {prefix: \"\"}\nchannels: {dsn: %q}\n"+
		"services: [discord]\nlog: {level: warn}\n", nodeID("gateway"), s.nats, filepath.Join(dir, "channels.db"))
	channels := fmt.Sprintf("channels:\n  - {id: ch-discord, tenantId: tenant-1, platform: discord, "+
		"credentials: {botToken: %q, applicationId: %q}, settings: {apiBase: %q}}\n", gatewayApp.BotToken,
		gatewayApp.ApplicationID, apiBase)
	if err := errors.Join(
		os.WriteFile(config, []byte(text), 0o600), os.WriteFile(list, []byte(channels), 0o600),
	); err != nil {
		return nil, err
	}
	args := []string{"channels", "apply", "-f", list, "--config", config}
	apply := exec.CommandContext(ctx, filepath.Join(s.dir, "node"), args...) // #nosec G204 -- our own program
	if output, err := apply.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("channels apply: %w\n%.2000s", err, output)
	}
	return s.start(ctx, ours, nil, filepath.Join(s.dir, "node"), "run", "--config", config)
}
