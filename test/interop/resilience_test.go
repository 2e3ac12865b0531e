//go:build slow

package interop_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestResilience shows what callers notice of nodes that die or stop, and of NATS servers that restart, under load. It
// runs alone: what else the machine does would show in its figures.
func TestResilience(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "testnode")
	args := []string{"build", "-o", binary}
	if raceEnabled() {
		args = append(args, "-race")
	}
	out, err := exec.CommandContext(t.Context(), "go", append(args, "./testnode")...).CombinedOutput()
	require.NoError(t, err, string(out))
	b := &bed{binary: binary}

	t.Run("kill -9 costs what was in flight on the node", b.killed)
	t.Run("SIGTERM costs nothing", b.terminated)
	t.Run("requests cut off at the end of the drain time are rejected at once", b.cutOff)
	t.Run("NATS restarts", b.natsRestarts)
}

// raceEnabled says whether this is a test under the race detector.
func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// bed has what the tests of resilience share.
type bed struct{ binary string }

// launch runs testnode and returns when it has started. Of peer's methods those work for which testnode has an op.
func (b *bed) launch(t *testing.T, natsURL, id string, args ...string) *peer {
	t.Helper()
	p := &peer{NodeID: id, pending: map[int]chan reply{}, lines: newInbox[event]()}
	cmd := exec.Command(
		b.binary, append([]string{"-nats", natsURL, "-id", id, "-namespace", namespace, "-heartbeat", "300ms"}, args...)...,
	)
	p.process = &process{name: id, cmd: cmd, exited: make(chan struct{})}
	cmd.Stderr = &p.stderr
	var err error
	p.stdin, err = cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	go func() {
		defer close(p.exited)
		lines := bufio.NewReader(stdout)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				break
			}
			p.receive(line)
		}
		p.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("stderr of %s:\n%s", p.name, p.stderr.String())
		}
	})
	p.NextLine(t, "ready")
	return p
}

// terminate ends a node as an operator does, and requires that it leaves gracefully.
func terminate(t *testing.T, p *peer) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.exited:
		require.NoError(t, p.err, "%s did not stop gracefully", p.name)
	case <-time.After(patience):
		require.Fail(t, "a node does not stop at SIGTERM", p.name)
	}
}

// loadReport is what a load's caller has seen. Times are milliseconds of the epoch.
type loadReport struct {
	Sent, OK, Pending int
	Slowest           int64            // milliseconds of the slowest call, failed ones included
	ByNode            map[string]int   // calls that a node answered
	LastOK            map[string]int64 // when the last of them was sent
	Failed            []loadFailure
	At                int64 // the time of this report
}

// loadFailure counts the failed calls of one kind.
type loadFailure struct {
	Name, Type, NodeID  string
	Code                any
	Retryable           bool
	Count               int
	FirstSent, LastSent int64
}

func (f loadFailure) String() string {
	return fmt.Sprintf(
		"%d × %s (%v %s, retryable %v, node %q, sent within %d ms)", f.Count, f.Name, f.Code, f.Type, f.Retryable, f.NodeID,
		f.LastSent-f.FirstSent,
	)
}

func (r loadReport) failures() (count int) {
	for _, f := range r.Failed {
		count += f.Count
	}
	return count
}

func (r loadReport) String() string {
	failed := []string{"none"}
	if len(r.Failed) > 0 {
		failed = nil
		for _, f := range r.Failed {
			failed = append(failed, f.String())
		}
	}
	return fmt.Sprintf(
		"%d calls sent, %d answered %v, slowest %d ms, failed: %s", r.Sent, r.OK, r.ByNode, r.Slowest,
		strings.Join(failed, ", "),
	)
}

// accounts requires that every call has ended, in an answer or in an error.
func (r loadReport) accounts(t *testing.T) {
	t.Helper()
	require.Zero(t, r.Pending)
	require.Equal(t, r.Sent, r.OK+r.failures())
}

// load has p call an action at a rate per second, until loadStop.
func (p *peer) load(t *testing.T, action string, params any, rate int, opts map[string]any) {
	t.Helper()
	p.require(t, "load", map[string]any{"action": action, "params": params, "rate": rate, "opts": opts})
}

// loadUntil waits for what the op loadUntil waits for.
func (p *peer) loadUntil(t *testing.T, match map[string]any) loadReport {
	t.Helper()
	return loadReported(t, p.require(t, "loadUntil", match))
}

func (p *peer) loadStop(t *testing.T) loadReport {
	t.Helper()
	return loadReported(t, p.require(t, "loadStop", nil))
}

func loadReported(t *testing.T, raw json.RawMessage) (r loadReport) {
	t.Helper()
	require.NoError(t, json.Unmarshal(raw, &r))
	return r
}

// reached waits until a call that is made from now on has been answered by each of the nodes.
func (p *peer) reached(t *testing.T, nodes ...*peer) {
	t.Helper()
	now := time.Now().UnixMilli()
	for _, n := range nodes {
		p.loadUntil(t, map[string]any{"node": n.NodeID, "since": now})
	}
}

// departure is how a Node.js node noticed that another one was gone.
type departure struct {
	At         int64
	Unexpected bool
}

// departed waits until the peer has noticed that a node is gone, and says how.
func (p *peer) departed(t *testing.T, nodeID string) (d departure) {
	t.Helper()
	require.Eventually(t, func() bool {
		raw, err := p.do(t.Context(), "departures", nil)
		var all map[string]departure
		if err != nil || json.Unmarshal(raw, &all) != nil {
			return false
		}
		var ok bool
		d, ok = all[nodeID]
		return ok
	}, patience, 20*time.Millisecond, "%s has not noticed that %s is gone", p.NodeID, nodeID)
	return d
}

// watchful makes a Node.js broker notice within seconds that a node says nothing any more.
func watchful(more map[string]any) map[string]any {
	options := map[string]any{"heartbeatInterval": 1, "heartbeatTimeout": 6}
	maps.Copy(options, more)
	return options
}

// rate is how many calls per second are made on a node that is killed.
const rate = 1000

func (b *bed) killed(t *testing.T) {
	url := natsServer(t).URL()
	here := startPeer(
		t, url, peerOptions{NodeID: "where-node", Services: []service{{Name: "where"}}, Broker: watchful(nil)},
	)
	gos := []*peer{b.launch(t, url, "where-go-1"), b.launch(t, url, "where-go-2"), b.launch(t, url, "where-go-3")}
	// Half of the load has Node's default retry policy, the other half none.
	plain := startPeer(
		t, url, peerOptions{NodeID: "plain", Broker: watchful(map[string]any{"requestTimeout": patience.Milliseconds()})},
	)
	patient := startPeer(t, url, peerOptions{NodeID: "patient", Broker: watchful(map[string]any{
		"requestTimeout": patience.Milliseconds(), "retryPolicy": map[string]any{"enabled": true},
	})})

	for len(gos) > 1 {
		t.Run(fmt.Sprintf("one of %d in Go", len(gos)), func(t *testing.T) {
			all := append(slices.Clone(gos), here)
			callers := []*peer{plain, patient}
			load := func() {
				for _, c := range callers {
					c.load(t, "where.where", nil, rate/len(callers), nil)
				}
				for _, c := range callers {
					c.reached(t, all...)
				}
			}
			for _, c := range callers {
				c.WaitForServices(t, "where")
			}
			load() // until they know all nodes
			for _, c := range callers {
				c.loadStop(t)
			}
			load()
			for _, c := range callers {
				c.loadUntil(t, map[string]any{"sent": rate / 2})
				now := c.loadStop(t) // all are answered: what is still on its way would look unfair
				t.Logf("%s: answered %v", c.NodeID, now.ByNode)
				for _, n := range all {
					require.InEpsilon(
						t, float64(now.OK)/float64(len(all)), now.ByNode[n.NodeID], 0.1, "%s calls %s", c.NodeID, n.NodeID,
					)
				}
				require.Empty(t, now.Failed)
			}
			load()

			dead := gos[len(gos)-1]
			gos = gos[:len(gos)-1]
			killed := time.Now().UnixMilli()
			dead.Kill()
			for _, c := range callers {
				gone := c.departed(t, dead.NodeID)
				require.True(t, gone.Unexpected)
				t.Logf("%s noticed it %d ms later", c.NodeID, gone.At-killed)
				seen := c.loadUntil(t, nil)
				c.loadUntil(t, map[string]any{"sent": seen.Sent + rate/2})
				report := c.loadStop(t)
				t.Logf("%s: %s", c.NodeID, report)
				report.accounts(t)
				for _, f := range report.Failed {
					require.Equal(t, dead.NodeID, f.NodeID, f)
					require.True(t, f.Retryable, f)
					require.LessOrEqual(t, f.LastSent, gone.At, f)
				}
				if c == patient {
					require.Empty(t, report.Failed)
				} else {
					require.NotEmpty(t, report.Failed)
				}
			}
		})
	}
}

func (b *bed) terminated(t *testing.T) {
	const rate, takes = 500, 200
	url := natsServer(t).URL()
	caller := startPeer(
		t, url, peerOptions{NodeID: "caller", Broker: map[string]any{"requestTimeout": patience.Milliseconds()}},
	)
	nodes := []*peer{b.launch(t, url, "later-go-0"), b.launch(t, url, "later-go-1")}
	caller.WaitForServices(t, "where")
	caller.load(t, "where.later", map[string]any{"ms": takes}, rate, nil)

	// A rolling restart, twice.
	for i := range 2 * len(nodes) {
		caller.reached(t, nodes...)
		n := nodes[i%len(nodes)]
		if i >= len(nodes) { // this time the caller learns of it late
			require.NoError(t, caller.send("stall", map[string]any{"ms": 400}, make(chan reply, 1)))
			caller.NextLine(t, "stalled")
		}
		began := time.Now()
		terminate(t, n)
		took := time.Since(began)
		gone := caller.departed(t, n.NodeID)
		require.False(t, gone.Unexpected)
		t.Logf("%s left within %d ms", n.NodeID, took.Milliseconds())
		nodes[i%len(nodes)] = b.launch(t, url, fmt.Sprintf("later-go-%d", i+len(nodes)))
	}
	caller.reached(t, nodes...)
	report := caller.loadStop(t)
	t.Log(report)
	report.accounts(t)
	require.Empty(t, report.Failed)
}

func (b *bed) cutOff(t *testing.T) {
	url := natsServer(t).URL()
	caller := startPeer(t, url, peerOptions{})
	n := b.launch(t, url, "hasty-go", "-drain", "200ms")
	caller.WaitForServices(t, "where")
	failed := make(chan error, 1)
	go func() {
		_, err := caller.Call(t.Context(), "where.later", map[string]any{"ms": patience.Milliseconds()}, nil)
		failed <- err
	}()
	_, err := caller.Call(t.Context(), "where.where", nil, nil) // by now the other one is there
	require.NoError(t, err)
	terminate(t, n)
	select {
	case err := <-failed:
		e := asCallError(t, err)
		require.Equal(t, "REQUEST_REJECTED", e.Type)
		require.True(t, e.Retryable)
	case <-time.After(patience):
		require.Fail(t, "the call does not end")
	}
}

func (b *bed) natsRestarts(t *testing.T) {
	const restarts, rate, takes, timeout, workers = 20, 300, 20, 1000, 64
	nats := natsServer(t)
	host := b.launch(t, nats.URL(), "host-go", "-concurrency", fmt.Sprint(workers))
	caller := b.launch(t, nats.URL(), "caller-go", "-hosts=false")
	node := startPeer(t, nats.URL(), peerOptions{NodeID: "caller-node", Broker: map[string]any{
		"requestTimeout": timeout,
		// By default nats.js waits 2 s before it tries to connect again, which would be most of what is measured.
		"transporter": map[string]any{"type": "NATS", "options": map[string]any{"url": nats.URL(), "reconnectTimeWait": 100}},
	}})
	node.WaitForServices(t, "where")
	// The workers that serve requests stay, so let all there may be come first.
	node.require(
		t, "bench",
		map[string]any{
			"action": "where.later", "params": map[string]any{"ms": 10 * takes}, "count": 2 * workers, "atOnce": workers,
		},
	)

	callers := []*peer{caller, node}
	load := func() {
		for _, c := range callers {
			c.load(t, "where.later", map[string]any{"ms": takes}, rate, map[string]any{"timeout": timeout})
		}
	}
	recoveries := map[*peer][]int64{}
	restart := func(number int) {
		for _, c := range callers {
			c.reached(t, host)
		}
		if number%5 == 0 { // this time the server is away for longer
			nats.Stop()
			sent := caller.loadUntil(t, nil).Sent
			caller.loadUntil(t, map[string]any{"sent": sent + rate})
		}
		nats.Restart(t)
		back := time.Now().UnixMilli()
		for _, c := range callers {
			raw, err := c.do(t.Context(), "loadUntil", map[string]any{"since": back})
			require.NoError(t, err, "no service for %s after restart %d", c.NodeID, number)
			recoveries[c] = append(recoveries[c], loadReported(t, raw).At-back)
		}
	}
	finish := func() {
		for _, c := range callers {
			report := c.loadStop(t)
			t.Logf("%s: %s", c.NodeID, report)
			report.accounts(t)
			for _, f := range report.Failed {
				require.True(t, f.Retryable, f)
			}
		}
	}

	load()
	restart(1)
	finish()
	level := map[*peer]int{host: host.goroutines(t), caller: caller.goroutines(t)}
	load()
	for number := 2; number <= restarts; number++ {
		restart(number)
	}
	finish()

	for c, took := range recoveries {
		slices.Sort(took)
		median, worst := took[len(took)/2], took[len(took)-1]
		t.Logf("%s was served again %d ms after NATS was back (median), %d ms at worst: %v", c.NodeID, median, worst, took)
	}
	for p, before := range level {
		if !eventually(func() bool { return p.goroutines(t) <= before }) {
			require.Fail(
				t, "goroutines are left", "%s has %d after the last restart, %d after the first\n%s", p.NodeID, p.goroutines(t),
				before, p.require(t, "stacks", nil),
			)
		}
		t.Logf("%s: %d goroutines after the first restart, %d after the last", p.NodeID, before, p.goroutines(t))
	}
}

// eventually is require.Eventually for those who have more to say when it fails.
func eventually(condition func() bool) bool {
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for end := time.Now().Add(rowPatience); time.Now().Before(end); <-ticks.C {
		if condition() {
			return true
		}
	}
	return false
}

func (p *peer) goroutines(t *testing.T) (count int) {
	t.Helper()
	require.NoError(t, json.Unmarshal(p.require(t, "goroutines", nil), &count))
	return count
}
