// Command node is the node under measurement: the link, the factory and the platforms as the product
// has them, with channels in memory and an action i_echo that shows what the link alone costs.
// It takes its settings from the environment, as the harness gives them: BENCH_NATS, BENCH_NAMESPACE,
// BENCH_NODE, BENCH_FAST and BENCH_SLOW. BENCH_PPROF is an address to serve profiles at.
package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/services/telegram"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

// channels are the two that the harness sends through.
type channels map[string]*integration.Channel

func (c channels) Channel(_ context.Context, id string) (*integration.Channel, error) {
	if ch, ok := c[id]; ok {
		return ch, nil
	}
	return nil, integration.ErrChannelNotFound
}

func channel(id, apiBase string) *integration.Channel {
	return &integration.Channel{
		ID: id, TenantID: "tenant-1", Platform: "telegram", Status: integration.StatusActive,
		Credentials: map[string]string{"token": "123456:BENCH", "secretToken": "bench-telegram-token"},
		Settings:    map[string]string{"apiBase": apiBase},
	}
}

func run(ctx context.Context) error {
	url := cmp.Or(os.Getenv("BENCH_NATS"), "nats://127.0.0.1:24222")
	namespace := cmp.Or(os.Getenv("BENCH_NAMESPACE"), "hios")
	nodeID := cmp.Or(os.Getenv("BENCH_NODE"), "go-hios")
	if address := os.Getenv("BENCH_PPROF"); address != "" {
		mux := http.NewServeMux()
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: time.Second}
		go func() { _ = server.ListenAndServe() }()
		defer func() { _ = server.Close() }()
	}
	log := logrus.New()
	log.SetLevel(logrus.WarnLevel)
	debug.SetGCPercent(400) // as the node's run command does
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectBufSize(-1))
	if err != nil {
		return err
	}
	defer nc.Close()
	publisher, err := events.New(nc, events.Options{Replicas: 1, Timeout: 5 * time.Second, Log: logrus.NewEntry(log)})
	if err != nil {
		return err
	}
	if err := publisher.Ensure(ctx, integration.EventNames(namespace)...); err != nil {
		return err
	}
	def := telegram.Definition(httpapi.New(httpapi.Options{}))
	def.Actions = []moleculer.Action{action.New("i_echo", action.Spec{
		Handle: func(_ context.Context, req *action.Request) (any, error) { return req.Params, nil },
	})}
	service, err := integration.Define(def, integration.Runtime{
		Channels: channels{
			"ch-fast": channel("ch-fast", cmp.Or(os.Getenv("BENCH_FAST"), "http://127.0.0.1:24280")),
			"ch-slow": channel("ch-slow", cmp.Or(os.Getenv("BENCH_SLOW"), "http://127.0.0.1:24281")),
		},
		Events: publisher, Secrets: &redact.Secrets{}, Namespace: namespace, Log: logrus.NewEntry(log),
	})
	if err != nil {
		return err
	}
	link := cluster.New(nc, cluster.Options{
		NodeID: nodeID, Namespace: namespace, Version: "bench", Concurrency: 1024, Queue: 16384, DrainTimeout: time.Second,
		Log: logrus.NewEntry(log),
	})
	broker := link.NewBroker()
	broker.Publish(service.Schema())
	broker.Start()
	fmt.Printf("ready %s pid %d\n", nodeID, os.Getpid())
	<-ctx.Done()
	broker.Stop()
	return nil
}
