package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stage is everything that a benchmark needs beside the peers: a NATS server, a platform, the programs.
type stage struct {
	dir        string
	nats       string // its URL
	fast, slow string // URLs of the platform
	running    []*process
	natsd      *process
	platform   *process
	results    []result
	failed     []string // cells
}

// process is a program that runs beside.
type process struct {
	name  string
	cmd   *exec.Cmd
	lines chan string // of its output
	began time.Time
}

func newStage(ctx context.Context, dir string) (*stage, error) {
	fmt.Fprintln(os.Stderr, "bench: building")
	if err := errors.Join(build(ctx, dir), installPeer(ctx)); err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, nats: "nats://" + ports[0], fast: "http://" + ports[1], slow: "http://" + ports[2]}
	if s.natsd, err = s.start(
		ctx, "natsd", nil, filepath.Join(dir, "natsd"), ports[0], filepath.Join(dir, "streams"),
	); err != nil {
		return s, err
	}
	if err := s.natsd.ready(); err != nil {
		return s, err
	}
	if s.platform, err = s.start(
		ctx, "platform", nil, filepath.Join(dir, "platform"), "-fast", ports[1], "-slow", ports[2],
	); err != nil {
		return s, err
	}
	for _, at := range ports[1:] {
		if err := reachable(ctx, at); err != nil {
			return s, err
		}
	}
	// The streams are made by @moleculer/channels, as they are in a cluster that Switchboard joins.
	consumer, err := s.start(ctx, "consumer", []string{"BENCH_NATS=" + s.nats}, "node", "bench/peer/consumer.js", "--once")
	if err != nil {
		return s, err
	}
	return s, errors.Join(consumer.ready(), s.wait(consumer))
}

// freePorts finds addresses that nobody listens at.
func freePorts(n int) ([]string, error) {
	var list []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
		if err != nil {
			return nil, err
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list, nil
}

func reachable(ctx context.Context, address string) error {
	var d net.Dialer
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		conn, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", address, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// start runs a program beside, whose errors go to ours.
func (s *stage) start(
	ctx context.Context, name string, env []string, command string, args ...string,
) (*process, error) {
	cmd := exec.CommandContext(ctx, command, args...) // #nosec G204 -- our own programs
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &process{name: name, cmd: cmd, lines: make(chan string, 64), began: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s.running = append(s.running, p)
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	return p, nil
}

// ready waits for the line with which a program says that it is.
func (p *process) ready() error {
	_, err := p.line("ready")
	return err
}

// line waits for a line of output that begins so.
func (p *process) line(prefix string) (string, error) {
	end := time.NewTimer(time.Minute)
	defer end.Stop()
	for {
		select {
		case text, ok := <-p.lines:
			if !ok {
				return "", fmt.Errorf("%s ended without saying %q", p.name, prefix)
			}
			if strings.HasPrefix(text, prefix) {
				return text, nil
			}
		case <-end.C:
			return "", fmt.Errorf("%s does not say %q", p.name, prefix)
		}
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// wait waits for a program that ends by itself.
func (s *stage) wait(p *process) error {
	for range p.lines { // until its end
	}
	for i, r := range s.running {
		if r == p {
			s.running = append(s.running[:i], s.running[i+1:]...)
			break
		}
	}
	return p.cmd.Wait()
}

// stop ends a program, by force where it does not want to.
func (s *stage) stop(p *process) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	force := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer force.Stop()
	_ = s.wait(p) // how it ended is of no interest
}

func (s *stage) close() {
	for len(s.running) > 0 {
		s.stop(s.running[len(s.running)-1])
	}
}

// flaws says what could not be measured as it should be.
func (s *stage) flaws() error {
	if len(s.failed) > 0 {
		return fmt.Errorf("cells that failed: %s", strings.Join(s.failed, "; "))
	}
	return nil
}

// rss is what a process takes at the moment, in MB.
func rss(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kb / 1024, err
		}
	}
	return 0, errors.New("no VmRSS")
}
