//go:build slow || chaos

package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/test/chaos"
)

// pusher is the fake of a platform that sends over connections.
type pusher interface {
	// channels are the lines of channels.yaml. url is the fake's, by the cable.
	channels(url string) string
	url() string
	// isReady says whether somebody listens: what some platforms say before that is lost.
	isReady() bool
	// push sends a message of a conversation.
	push(conversation int, text string)
	// violations says which of the platform's limits were exceeded.
	violations() []string
}

// connectionTrial is a run of the suite for connections.
type connectionTrial struct {
	seed   uint64
	nodes  int
	rate   int // messages a second, of all platforms
	faults []string
	rounds int // how often each fault comes
	grace  time.Duration
}

// connectionWorld is all that takes part.
type connectionWorld struct {
	*world
	dir     string // with apply.yaml, a configuration for commands
	pushers map[string]pusher
	cables  map[string]*cable // to the platforms
	pushes  chaos.Pushes
	fault   atomic.Pointer[string]
	resumed map[string]resumption // by the node's id
	mu      sync.Mutex
}

// resumption is a node that went on after it had been stopped.
type resumption struct {
	at   time.Time
	tape *tape
}

// pushConversations is how many conversations each platform has.
const pushConversations = 12

func (tr connectionTrial) run(t *testing.T) *chaos.ConnectionReport {
	t.Helper()
	w := startConnectionWorld(t, tr.nodes, newPushers(t))
	w.setFault(chaos.NoFault)
	w.awaitFirst(t)

	pushing, endPushing := context.WithCancel(t.Context())
	var pushes sync.WaitGroup
	defer func() { endPushing(); pushes.Wait() }()
	for name, p := range w.pushers {
		pushes.Go(func() { w.push(pushing, name, p, tr.rate/len(w.pushers)) })
	}
	random := rand.New(rand.NewPCG(tr.seed, 0))
	for range tr.rounds {
		for _, i := range random.Perm(len(tr.faults)) {
			w.rest(pushing, random)
			t.Log(time.Now().Format("15:04:05.000"), tr.faults[i])
			w.setFault(tr.faults[i])
			w.breakAndMend(t, pushing, tr.faults[i], random)
			w.setFault(chaos.NoFault)
		}
	}
	w.rest(pushing, random)
	endPushing()
	pushes.Wait()
	for _, node := range w.nodes {
		require.False(t, node.Exited(), "%s ended by itself:\n%s", node.id, tail(node.Log()))
	}
	report := w.judgeConnections(t, tr.grace)
	t.Logf("seed %d, %d nodes, %d messages/s\n%s", tr.seed, tr.nodes, tr.rate, report)
	return report
}

func (w *connectionWorld) setFault(name string) { w.fault.Store(&name) }

func (w *connectionWorld) rest(ctx context.Context, random *rand.Rand) {
	wait(ctx, between(random, 2*time.Second, 4*time.Second))
}

func startConnectionWorld(t *testing.T, nodes int, pushers map[string]pusher) *connectionWorld {
	t.Helper()
	dir := t.TempDir()
	w := &connectionWorld{
		world: &world{nats: startNATS(t), postgres: testserver.StartPostgres(t), seen: map[string]string{}},
		dir:   dir, pushers: pushers, cables: map[string]*cable{}, resumed: map[string]resumption{},
	}
	key, err := channelstore.GenerateKey("k1")
	require.NoError(t, err)
	config := fmt.Sprintf("channels: {store: postgres, dsn: %q, keys: [%q]}\n"+
		"services: [telegram, discord, slack, channels]\nmedia: {allowPrivate: true}\n", w.postgres.URL(), key)
	var channels bytes.Buffer
	channels.WriteString("channels:\n")
	for name, p := range w.pushers {
		var url string
		w.cables[name], url = layCable(t, p.url())
		channels.WriteString(p.channels(url))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "channels.yaml"), channels.Bytes(), 0o600))
	apply := []byte(config + nodePart("apply", w.nats.URL(), ""))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "apply.yaml"), apply, 0o600))
	program := filepath.Join(programs, "chaosnode")
	require.NoError(t, run(dir, program, "channels", "apply", "-f", "channels.yaml", "--config", "apply.yaml"))
	for i := range nodes {
		w.nodes = append(w.nodes, w.startNode(t, dir, fmt.Sprintf("node-%c", 'a'+i), "", config))
	}
	w.watch(t)
	return w
}

// awaitFirst waits until a message of every conversation gets through.
func (w *connectionWorld) awaitFirst(t *testing.T) {
	t.Helper()
	for name, p := range w.pushers {
		require.Eventually(t, p.isReady, 2*time.Minute, 50*time.Millisecond, "nobody listens to %s", name)
		for c := range pushConversations {
			w.pushOne(name, p, c, 0)
		}
	}
	require.Eventually(t, func() bool {
		kept, err := w.kept(t.Context())
		return err == nil && !chaos.CheckConnections(w.pushes.All(), kept).Missing()
	}, 2*time.Minute, 200*time.Millisecond, "the connections are not there")
}

func (w *connectionWorld) pushOne(name string, p pusher, conversation, n int) {
	text := fmt.Sprintf("%s-%d-%d", name, conversation, n)
	w.pushes.Add(chaos.Pushed{
		Text: text, Conversation: fmt.Sprintf("%s-%d", name, conversation), Platform: name, Fault: *w.fault.Load(),
		At: time.Now(), Unordered: name == "slack", // which spreads its messages over two sockets
	})
	p.push(conversation, text)
}

// push sends rate messages a second, conversation after conversation, until ctx ends.
func (w *connectionWorld) push(ctx context.Context, name string, p pusher, rate int) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for n := pushConversations; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.pushOne(name, p, n%pushConversations, n/pushConversations)
		}
	}
}

// The faults of connections.
const (
	faultKill     = "owner killed"
	faultStop     = "owner stopped for 40 s"
	faultNATS     = "NATS restarted"
	faultPlatform = "platforms restarted"
	faultRolling  = "all nodes restarted in turn"
)

var connectionFaults = []string{faultKill, faultStop, faultNATS, faultPlatform, faultRolling}

// breakAndMend breaks something and mends it.
func (w *connectionWorld) breakAndMend(t *testing.T, ctx context.Context, name string, random *rand.Rand) {
	t.Helper()
	node := w.anyNode(random)
	switch name {
	case faultKill:
		node.Stop()
		wait(ctx, between(random, 14*time.Second, 18*time.Second)) // until others have taken over
		node.Start()
	case faultStop:
		node.Pause()
		wait(ctx, 40*time.Second)
		w.mu.Lock()
		w.resumed[node.id] = resumption{time.Now(), node.cable.record()}
		w.mu.Unlock()
		node.Resume()
		wait(ctx, 3*time.Second)
	case faultNATS:
		w.nats.Stop()
		wait(ctx, between(random, 100*time.Millisecond, 4*time.Second))
		w.nats.Start()
	case faultPlatform:
		for _, c := range w.cables {
			c.set(cut)
		}
		wait(ctx, between(random, 500*time.Millisecond, 3*time.Second))
		for _, c := range w.cables {
			c.set(whole)
		}
	case faultRolling:
		for _, n := range w.nodes {
			n.Terminate()
			n.Start()
			wait(ctx, time.Second)
		}
	default:
		t.Fatalf("there is no fault %q", name)
	}
}

// kept reads what is stored, in its order.
func (w *connectionWorld) kept(ctx context.Context) ([]chaos.Kept, error) {
	js, err := jetstream.New(w.nc)
	if err != nil {
		return nil, err
	}
	var kept []chaos.Kept
	err = readMessages(ctx, js, receivedStream, func(msg jetstream.Msg) error {
		var e event
		if err := json.Unmarshal(msg.Data(), &e); err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if e.Message.Content.Text != "" {
			kept = append(kept, chaos.Kept{Text: e.Message.Content.Text, At: meta.Timestamp})
		}
		return nil
	})
	return kept, err
}

// judgeConnections checks what is stored until all is there, or until nothing more can be expected to come.
func (w *connectionWorld) judgeConnections(t *testing.T, grace time.Duration) *chaos.ConnectionReport {
	t.Helper()
	deadline := time.Now().Add(grace)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		kept, err := w.kept(ctx)
		cancel()
		require.NoError(t, err)
		report := chaos.CheckConnections(w.pushes.All(), kept)
		if report.Missing() && time.Now().Before(deadline) && wait(t.Context(), time.Second) {
			continue
		}
		w.checkFence(report, kept)
		for name, p := range w.pushers {
			for _, v := range p.violations() {
				report.Violated(chaos.PromiseLimits, name, "%s", v)
			}
		}
		return report
	}
}

// checkFence looks for messages that a node published after it had been stopped, and that were stored before it went
// on: those it had when it was stopped.
func (w *connectionWorld) checkFence(report *chaos.ConnectionReport, kept []chaos.Kept) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, r := range w.resumed {
		sent := r.tape.bytes()
		for _, k := range kept {
			if k.At.Before(r.at.Add(-time.Second)) && bytes.Contains(sent, []byte(`"`+k.Text+`"`)) {
				report.Violated(chaos.PromiseFenced, faultStop, "%s published %s again", id, k.Text)
			}
		}
	}
}

// TestConnectionsShort is the short form, for every change.
func TestConnectionsShort(t *testing.T) {
	report := connectionTrial{
		seed: 1, nodes: 2, rate: 100, rounds: 1, grace: 2 * time.Minute,
		faults: []string{faultKill, faultNATS, faultPlatform},
	}.run(t)
	require.Empty(t, report.Violations)
}

// owners returns which node keeps the connection of each channel, as `channels list` tells it.
func (w *connectionWorld) owners(t *testing.T) map[string]string {
	t.Helper()
	list := exec.CommandContext(
		t.Context(), filepath.Join(programs, "chaosnode"), "channels", "list", "--output", "json", "--config", "apply.yaml",
	)
	list.Dir = w.dir
	out, err := list.Output()
	require.NoError(t, err)
	var channels []struct {
		ID          string                   `json:"id"`
		Connections []integration.Connection `json:"connections"`
	}
	require.NoError(t, json.Unmarshal(out, &channels))
	owners := map[string]string{}
	for _, ch := range channels {
		for _, c := range ch.Connections {
			if c.State == integration.ConnectionReady {
				owners[ch.ID] = c.Node
			}
		}
	}
	return owners
}

// TestConnectionsAreSpread shows a thousand channels on three nodes: each has its share, and where one dies only its
// connections move.
func TestConnectionsAreSpread(t *testing.T) {
	const channels = 1000
	telegram := newTelegramPusher(t, channels)
	w := startConnectionWorld(t, 3, map[string]pusher{"telegram": telegram})
	var before map[string]string
	count := map[string]int{}
	require.Eventually(t, func() bool {
		before = w.owners(t)
		clear(count)
		for _, node := range before {
			count[node]++
		}
		return len(before) == channels && count["node-a"] >= 300 && count["node-b"] >= 300 && count["node-c"] >= 300
	}, 2*time.Minute, time.Second, "%v", count)
	t.Log("connections of each node:", count)
	for node, n := range count {
		require.InDelta(t, channels/3, n, channels/3/10, node)
	}
	w.nodes[0].Stop()
	var after map[string]string
	require.Eventually(t, func() bool {
		after = w.owners(t)
		return len(after) == channels && !slices.Contains(slices.Collect(maps.Values(after)), "node-a")
	}, 2*time.Minute, time.Second)
	for id, node := range before {
		if node != "node-a" {
			require.Equal(t, node, after[id], "%s moved without a need", id)
		}
	}
}
