package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
)

const (
	hangingSends   = 500  // under way all the time, on a channel whose platform does not answer
	measuredSends  = 1000 // on another channel, through the same service
	measuredAtOnce = 8
	// mostRatio is how much slower the slowest hundredth of the others may get: a node that made them wait for the
	// hanging ones would be slower by a factor of thousands.
	mostRatio = 5
)

// BenchmarkSendsBesideAHangingChannel calls a node over NATS to send through one channel, first alone and then
// while a platform leaves hundreds of another channel's sends unanswered. The slowest hundredth of the first
// must not notice.
func BenchmarkSendsBesideAHangingChannel(b *testing.B) {
	hang := newHangingAPI(b)
	quick := httptest.NewServer(http.HandlerFunc(answerSend))
	b.Cleanup(quick.Close)
	call := startForBenchmark(b, map[string]string{"quick": quick.URL, "hanging": hang.URL})
	send := func(channel string, to int) error {
		params := fmt.Sprintf(
			`{"channelId":%q,"message":{"to":{"id":"%d"},"content":{"type":"TEXT","text":"hi"}}}`, channel, to,
		)
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		defer cancel()
		_, err := call(ctx, "telegram.i_sendMessage", json.RawMessage(params))
		return err
	}
	require.NoError(b, send("quick", 1))

	var alone, beside []time.Duration
	for b.Loop() {
		alone = append(alone, measure(b, send)...)
		release := hang.hold()
		var hanging sync.WaitGroup
		for i := range hangingSends {
			hanging.Go(func() {
				if err := send("hanging", i+1); err != nil {
					b.Errorf("a send that was answered in the end: %v", err)
				}
			})
		}
		hang.wait(b, hangingSends)
		beside = append(beside, measure(b, send)...)
		release()
		hanging.Wait()
	}
	before, after := p99(alone), p99(beside)
	ratio := float64(after) / float64(before)
	b.ReportMetric(float64(before.Microseconds()), "p99-alone-µs")
	b.ReportMetric(float64(after.Microseconds()), "p99-beside-µs")
	b.ReportMetric(ratio, "p99-ratio")
	if ratio > mostRatio {
		b.Errorf(
			"the slowest hundredth takes %s beside a channel that hangs, and %s without: %.1f times as long", after, before,
			ratio,
		)
	}
}

// measure sends through the quick channel and returns how long each took.
func measure(b *testing.B, send func(string, int) error) []time.Duration {
	b.Helper()
	took := make([]time.Duration, measuredSends)
	var senders sync.WaitGroup
	for s := range measuredAtOnce {
		senders.Go(func() {
			for i := s; i < len(took); i += measuredAtOnce {
				started := time.Now()
				if err := send("quick", i+1); err != nil {
					b.Errorf("a send fails: %v", err)
					return
				}
				took[i] = time.Since(started)
			}
		})
	}
	senders.Wait()
	return took
}

func p99(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)*99/100]
}

// startForBenchmark runs a node with a Telegram channel for each API, and returns another node's way to call it.
func startForBenchmark(b *testing.B, apis map[string]string) func(
	ctx context.Context, name string, params json.RawMessage,
) (*action.CallResult, error) {
	b.Helper()
	dir := b.TempDir()
	c := config.Default()
	c.Node.ID, c.NATS.Embedded, c.NATS.Servers = "benched", true, []config.URL{"nats://127.0.0.1:0"}
	c.NATS.StoreDir, c.Channels.DSN = filepath.Join(dir, "nats"), config.URL(filepath.Join(dir, "switchboard.db"))
	c.Events.Spool.Path = filepath.Join(dir, "spool.db")
	list, err := app.OpenChannels(b.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
	require.NoError(b, err)
	for id, api := range apis {
		_, err := list.Create(b.Context(), &integration.Channel{
			ID: id, TenantID: "acme", Platform: "telegram", Settings: map[string]string{"apiBase": api},
			Credentials: map[string]string{"token": "123456:bench", "secretToken": "secret-of-a-webhook"},
		})
		require.NoError(b, err)
	}
	require.NoError(b, list.Close())
	log, secrets := logrus.New(), &redact.Secrets{}
	c.Log.Level = "error"
	app.ConfigureLog(log, io.Discard, c.Log, secrets)
	n, err := app.Start(b.Context(), c, app.Extensions{}, log, secrets)
	require.NoError(b, err)
	b.Cleanup(n.Stop)

	nc, err := nats.Connect(n.NATSURL())
	require.NoError(b, err)
	b.Cleanup(nc.Close)
	caller := cluster.New(
		nc, cluster.Options{NodeID: "caller", Namespace: c.Node.Namespace, Concurrency: 1, Log: logrus.NewEntry(quiet())},
	)
	require.NoError(b, caller.Join())
	b.Cleanup(caller.Leave)
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	require.NoError(b, caller.WaitForServices(ctx, "telegram"))
	return func(ctx context.Context, name string, params json.RawMessage) (*action.CallResult, error) {
		return caller.Call(ctx, name, params, action.CallOptions{})
	}
}

func answerSend(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"ok":true,"result":{"message_id":1,"chat":{"id":5}}}`)
}

// hangingAPI answers nothing before it is released.
type hangingAPI struct {
	*httptest.Server

	mu       sync.Mutex
	released chan struct{}
	arrived  chan struct{}
}

func newHangingAPI(b *testing.B) *hangingAPI {
	b.Helper()
	h := &hangingAPI{arrived: make(chan struct{}, 2*hangingSends)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h.mu.Lock()
		released := h.released
		h.mu.Unlock()
		h.arrived <- struct{}{}
		select {
		case <-released:
			answerSend(w, r)
		case <-r.Context().Done():
		}
	}))
	b.Cleanup(h.Close)
	return h
}

// hold makes the next requests hang until they are released.
func (h *hangingAPI) hold() (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.released = make(chan struct{})
	return sync.OnceFunc(func() { close(h.released) })
}

// wait waits until as many requests hang.
func (h *hangingAPI) wait(b *testing.B, n int) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	for range n {
		select {
		case <-h.arrived:
		case <-ctx.Done():
			b.Fatal("the sends of the hanging channel do not arrive")
		}
	}
}
