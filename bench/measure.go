package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/bench/internal/stats"
)

// result is one measurement: of a cell, as commands load and limit print it, or of what peers take at rest.
type result struct {
	Peer     string                 `json:"peer"`
	Scenario string                 `json:"scenario"`
	C        int                    `json:"c"`
	N        int                    `json:"n"`
	Round    int                    `json:"round"`
	RPS      float64                `json:"rps"`
	Lat      stats.Lat              `json:"lat"`
	Errors   int                    `json:"errors"`
	Messages int                    `json:"messages"`
	StreamOK bool                   `json:"stream_ok"`
	Usage    map[string]stats.Usage `json:"usage"`
	Machine  stats.Machine          `json:"machine"`

	RestMB  float64 `json:"rest_mb,omitempty"`  // memory before the first request
	StartMS float64 `json:"start_ms,omitempty"` // from the start of the process to its first answer
	IdlePct float64 `json:"idle_pct,omitempty"` // CPU of an idle node, of one core
}

// Scenarios of the results that no load makes.
const (
	atRest       = "at rest"
	start        = "start"
	idle         = "idle in a large cluster"
	largeCluster = "echo in a large cluster"
	manyOf       = "telegram10k"
)

// measure fills the results.
func (s *stage) measure(ctx context.Context, p plan) error {
	loads := p
	loads.scenarios = slices.DeleteFunc(slices.Clone(p.scenarios), func(name string) bool { return name == gateway })
	for round := 1; round <= p.rounds; round++ {
		fmt.Fprintf(os.Stderr, "bench: round %d of %d\n", round, p.rounds)
		if len(loads.scenarios) > 0 {
			if err := s.round(ctx, loads, round); err != nil {
				return err
			}
		}
		if len(loads.scenarios) < len(p.scenarios) {
			s.measureGateway(ctx, p, round)
		}
	}
	if p.growth {
		if err := s.growth(ctx, p); err != nil {
			return err
		}
	}
	if p.keep == "" {
		return nil
	}
	var lines bytes.Buffer
	for _, r := range s.results {
		data, err := json.Marshal(r)
		if err != nil {
			return err
		}
		lines.Write(append(data, '\n'))
	}
	return os.WriteFile(p.keep, lines.Bytes(), 0o600)
}

// round measures every cell once, with fresh peers, those of one cell one after the other.
func (s *stage) round(ctx context.Context, p plan, round int) error {
	peers := map[string]*process{}
	defer func() {
		for _, peer := range peers {
			s.stop(peer)
		}
	}()
	for _, name := range []string{fetch, ours} { // from nothing to the first answer
		if err := s.timeStart(ctx, name, round); err != nil {
			return err
		}
	}
	for _, name := range []string{fetch, agent, ours, limit} {
		peer, err := s.startPeer(ctx, name)
		if err != nil {
			return err
		}
		peers[name] = peer
	}
	if _, err := s.load(ctx, ours, peers[ours], "echo", 1, 0, 10); err != nil { // has it joined?
		return err
	}
	for _, name := range []string{fetch, ours} {
		mb, err := rss(peers[name].pid())
		if err != nil {
			return err
		}
		s.results = append(s.results, result{Peer: name, Scenario: atRest, Round: round, RestMB: mb})
	}
	for _, scenario := range p.scenarios { // warm-up: code that is compiled as it runs, memory that grows
		for _, name := range s.peersOf(scenario) {
			if _, err := s.load(ctx, name, peers[name], scenario, 64, 0, count(name, scenario, 64, p.scale)); err != nil {
				return err
			}
		}
	}
	for _, c := range p.cs {
		for _, scenario := range p.scenarios {
			for _, name := range s.peersOf(scenario) {
				s.cell(ctx, func() (*result, error) {
					return s.load(ctx, name, peers[name], scenario, c, round, count(name, scenario, c, p.scale))
				}, name, scenario, c)
			}
			for _, mode := range floorsOf[scenario] {
				s.cell(ctx, func() (*result, error) { return s.limit(ctx, peers[limit], mode, c, round, p.scale) }, limit, mode, c)
			}
		}
	}
	return ctx.Err()
}

// floorsOf are the modes of command limit that show what is possible at all in a scenario.
var floorsOf = map[string][]string{
	"echo": {"pingpong"}, "telegram": {"relay"}, "whatsapp20": {"jsasync"}, "send0": {"http"},
}

func (s *stage) peersOf(scenario string) []string {
	switch scenario {
	case "send0":
		return []string{fetch, agent, ours}
	case "send50":
		return []string{agent, ours}
	default:
		return []string{fetch, ours}
	}
}

// tries is how often a cell is measured at the most, until the machine is quiet.
const tries = 3

// cell measures one, and again where other work disturbed it.
func (s *stage) cell(ctx context.Context, measure func() (*result, error), peer, scenario string, c int) {
	for try := 1; ctx.Err() == nil; try++ {
		r, err := measure()
		if err != nil {
			s.failed = append(s.failed, fmt.Sprintf("%s %s C=%d: %v", peer, scenario, c, err))
			return
		}
		s.results = append(s.results, *r)
		if !r.Machine.Noisy || try == tries {
			return
		}
	}
}

// perSecond is roughly what a peer does at 16, 64 and 256 requests at once: what a cell's size goes by.
var perSecond = map[string][3]int{
	"echo": {30_000, 50_000, 60_000}, "telegram": {9_000, 14_000, 15_000}, "telegram10k": {9_000, 14_000, 15_000},
	"whatsapp":   {8_000, 13_000, 13_000},
	"whatsapp20": {850, 900, 900}, "send0": {3_000, 4_000, 4_000}, "send50": {310, 1_200, 2_500},
	"pingpong": {60_000, 90_000, 120_000}, "relay": {16_000, 30_000, 40_000}, "jsasync": {60_000, 100_000, 100_000},
	"http": {30_000, 30_000, 30_000},
}

// count is how many requests a cell has: three seconds of them at scale 1.
func count(peer, scenario string, c int, scale float64) int {
	at := 0
	switch {
	case c > 64:
		at = 2
	case c > 16:
		at = 1
	}
	n := float64(3*perSecond[scenario][at]) * scale
	if peer == ours && scenario != "send50" {
		n *= 2 // it is faster
	}
	return max(int(n), 4*c)
}

// load runs command load against a peer.
func (s *stage) load(
	ctx context.Context, peer string, process *process, scenario string, c, round, n int,
) (*result, error) {
	warm := n / 5
	switch scenario {
	case "send50":
		warm = c
	case manyOf:
		warm = manyChannels
	}
	args := []string{
		"-nats", s.nats, "-node", nodeID(peer), "-label", peer, "-scenario", scenario, "-c", strconv.Itoa(c), "-n",
		strconv.Itoa(n),
		"-warm", strconv.Itoa(warm), "-round", strconv.Itoa(round), "-pid", strconv.Itoa(process.pid()), "-pids", s.others(),
		"-purge",
	}
	if peer == ours && (scenario == "echo" || scenario == start) {
		args = append(args, "-service", "bench")
	}
	return s.command(ctx, "load", args)
}

// others are the processes to account for beside a peer.
func (s *stage) others() string {
	return fmt.Sprintf("nats=%d,platform=%d", s.natsd.pid(), s.platform.pid())
}

func (s *stage) limit(
	ctx context.Context, responder *process, mode string, c, round int, scale float64,
) (*result, error) {
	return s.command(ctx, "limit", []string{
		"-nats", s.nats, "-mode", mode, "-c", strconv.Itoa(c), "-n", strconv.Itoa(count(limit, mode, c, scale)), "-url",
		s.fast,
		"-round", strconv.Itoa(round), "-pid", strconv.Itoa(responder.pid()), "-pids", s.others(),
	})
}

// command runs load or limit and reads what it measured. That the machine was busy is told in the result.
func (s *stage) command(ctx context.Context, name string, args []string) (*result, error) {
	out := filepath.Join(s.dir, "result.json")
	if err := os.Remove(out); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	program := filepath.Join(s.dir, name)
	cmd := exec.CommandContext(ctx, program, append(args, "-out", out)...) // #nosec G204 -- our own program
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if noisy := errors.As(err, &exit) && exit.ExitCode() == stats.ExitNoisy; err != nil && !noisy {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(string(output)))
	}
	fmt.Fprint(os.Stderr, string(output))
	data, err := os.ReadFile(out) // #nosec G304 -- ours
	if err != nil {
		return nil, err
	}
	var r result
	return &r, json.Unmarshal(data, &r)
}

// timeStart measures from the start of a peer's process to its first answered call.
func (s *stage) timeStart(ctx context.Context, peer string, round int) error {
	args := []string{"-nats", s.nats, "-node", nodeID(peer), "-scenario", start}
	if peer == ours {
		args = append(args, "-service", "bench")
		if _, err := os.Stat(s.configFile()); errors.Is(err, os.ErrNotExist) {
			if err := s.configure(ctx, s.configFile()); err != nil {
				return err
			}
		}
	}
	caller, err := s.start(ctx, "load", nil, filepath.Join(s.dir, "load"), args...)
	if err != nil {
		return err
	}
	if _, err := caller.line("waiting"); err != nil {
		return err
	}
	p, err := s.startPeer(ctx, peer)
	if err != nil {
		return err
	}
	defer s.stop(p)
	text, err := caller.line("1")
	if err := errors.Join(err, s.wait(caller)); err != nil {
		return err
	}
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return err
	}
	s.results = append(
		s.results,
		result{
			Peer: peer, Scenario: start, Round: round, StartMS: float64(time.Unix(0, at).Sub(p.began).Microseconds()) / 1e3,
		},
	)
	return nil
}

// growth measures what more nodes and more channels cost.
func (s *stage) growth(ctx context.Context, p plan) error {
	fmt.Fprintln(os.Stderr, "bench: a large cluster, many channels")
	peer, err := s.startPeer(ctx, ours)
	if err != nil {
		return err
	}
	defer s.stop(peer)
	for _, scenario := range []string{"telegram", manyOf} {
		for range p.rounds {
			n := max(count(ours, "telegram", 64, p.scale), 2*manyChannels) // each channel is read once before
			s.cell(ctx, func() (*result, error) {
				r, err := s.load(ctx, ours, peer, scenario, 64, 0, n)
				if r != nil && scenario == "telegram" {
					r.Scenario = "telegram1" // beside the other one, and in no table of the rounds
				}
				return r, err
			}, ours, scenario, 64)
		}
	}
	echo := func(scenario string) {
		for range p.rounds {
			s.cell(ctx, func() (*result, error) {
				r, err := s.load(ctx, ours, peer, "echo", 64, 0, count(ours, "echo", 64, p.scale))
				if r != nil {
					r.Scenario = scenario
				}
				return r, err
			}, ours, scenario, 64)
		}
	}
	echo("echo alone")
	others, err := s.start(ctx, "bigcluster", nil, filepath.Join(s.dir, "bigcluster"), "-nats", s.nats)
	if err != nil {
		return err
	}
	defer s.stop(others)
	if err := others.ready(); err != nil {
		return err
	}
	echo(largeCluster) // also lets the node take in all those nodes before it is idle
	for range p.rounds {
		r, err := idleFor(ctx, peer, time.Duration(float64(20*time.Second)*min(1, p.scale+0.3)))
		if err != nil {
			return err
		}
		s.results = append(s.results, *r)
	}
	return ctx.Err()
}

// idleFor measures the CPU that a node takes while nobody calls it.
func idleFor(ctx context.Context, peer *process, span time.Duration) (*result, error) {
	meter := stats.NewMeter(fmt.Sprintf("service=%d", peer.pid()))
	meter.Start()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(span):
	}
	usage, machine := meter.Stop(1)
	// schedstat counts in ns, where /proc/PID/stat has steps of 10 ms.
	return &result{
		Peer: ours, Scenario: idle, Usage: usage, Machine: machine,
		IdlePct: usage["service"].SchedUS / float64(span.Microseconds()) * 100,
	}, nil
}
