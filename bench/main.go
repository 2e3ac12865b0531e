// Command bench measures Switchboard beside a Node.js peer and beside what NATS and the machine allow, all in one
// run, and says which targets are met. Figures are ratios of that run: CPU per request, throughput, latencies.
//
//	go run ./bench            the short form, some three minutes
//	go run ./bench -full      five rounds, half an hour; what docs/benchmarks.md holds
//
// Everything runs on 127.0.0.1, on free ports, in a temporary folder, and is bounded in count and time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status, err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		status = 1
	}
	os.Exit(status)
}

// plan is how much is measured.
type plan struct {
	rounds    int
	scale     float64 // of the requests of a cell, 1 being three seconds of the faster peers
	cs        []int
	scenarios []string
	growth    bool
	out       string // the report's file
	keep      string // a file for the raw results
}

func run(ctx context.Context) (status int, err error) {
	full := flag.Bool("full", false, "five rounds of three seconds a cell, instead of one of one second")
	rounds := flag.Int("rounds", 0, "rounds (default 1, with -full 5)")
	cs := flag.String("c", "16,64,256", "requests outstanding")
	scenarios := flag.String("scenarios", "echo,telegram,whatsapp,whatsapp20,send0,send50,gateway", "what to measure")
	growth := flag.Bool("growth", true, "measure a large cluster and many channels too")
	out := flag.String("out", "", "write the report to this file")
	keep := flag.String("results", "", "write the raw results to this file, a line of JSON each")
	flag.Parse()
	p := plan{rounds: 1, scale: 0.3, growth: *growth, out: *out, keep: *keep, scenarios: strings.Split(*scenarios, ",")}
	if *full {
		p.rounds, p.scale = 5, 1
	}
	if *rounds > 0 {
		p.rounds = *rounds
	}
	for text := range strings.SplitSeq(*cs, ",") {
		c, err := strconv.Atoi(text)
		if err != nil || c < 1 {
			return 0, fmt.Errorf("-c %s: %q is no number of requests", *cs, text)
		}
		p.cs = append(p.cs, c)
	}
	dir, err := os.MkdirTemp("", "switchboard-bench-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := newStage(ctx, dir)
	if s != nil {
		defer s.close()
	}
	if err != nil {
		return 0, err
	}
	if err := s.measure(ctx, p); err != nil {
		return 0, err
	}
	targets := judge(s.results, p)
	report := render(s.results, p, targets)
	fmt.Println(report)
	passed, failed := 0, 0
	for _, target := range targets {
		fmt.Println(target)
		if target.met {
			passed++
		} else {
			failed++
		}
	}
	if p.out != "" {
		if err := os.WriteFile(p.out, []byte(report+list(targets)), 0o600); err != nil {
			return 0, err
		}
	}
	fmt.Printf("\n%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		status = 1
	}
	return status, s.flaws()
}

// build makes the programs of the benchmark in dir.
func build(ctx context.Context, dir string) error {
	for _, name := range []string{"natsd", "load", "limit", "platform", "bigcluster", "node"} {
		program := filepath.Join(dir, name)
		cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "./bench/"+name) // #nosec G204 -- names above
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build ./bench/%s: %w\n%s", name, err, output)
		}
	}
	return nil
}

// installPeer installs the Node.js peer's packages where its lock file is newer than they are.
func installPeer(ctx context.Context) error {
	lock, err := os.Stat("bench/peer/package-lock.json")
	if err != nil {
		return errors.New("run it from the project's folder: go run ./bench")
	}
	if done, err := os.Stat("bench/peer/node_modules/.package-lock.json"); err == nil &&
		done.ModTime().After(lock.ModTime()) {
		return nil
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
	cmd.Dir, cmd.Stdout, cmd.Stderr = "bench/peer", io.Discard, os.Stderr
	return cmd.Run()
}
