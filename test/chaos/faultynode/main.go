// Command faultynode is a node made of Switchboard's parts, with a fault between two of them. It shows that the chaos
// suite finds such a fault.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/claims/redisclaims"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/services/telegram"
	"github.com/hiliosai/switchboard/test/chaos/batchplatform"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

const (
	namespace = "hios"
	// lateness is how long after its answer a message is published, with the plant "ack".
	lateness = 200 * time.Millisecond
)

func run(ctx context.Context) error {
	id := flag.String("id", "", "node id")
	natsURL := flag.String("nats", "", "URL of the NATS server")
	redisURL := flag.String("redis", "", "URL of the Redis for the claims")
	bot := flag.String("bot", "", "root of the Bot API")
	listen := flag.String("listen", "", "address that answers once the node is ready")
	plant := flag.String("plant", "none", "the fault: none, msgid, ack or claim")
	flag.Parse()

	log := logrus.New()
	log.SetOutput(os.Stderr)
	nc, err := nats.Connect(
		*natsURL, nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.ReconnectWait(250*time.Millisecond),
	)
	if err != nil {
		return err
	}
	defer nc.Close()
	publisher, err := events.New(
		nc, events.Options{Prefix: namespace, Replicas: 1, Timeout: 5 * time.Second, NodeID: *id, Log: logrus.NewEntry(log)},
	)
	if err != nil {
		return err
	}
	if err := publisher.Ensure(ctx, integration.EventNames(namespace)...); err != nil {
		return err
	}
	store, err := redisclaims.New(redisclaims.Options{URL: *redisURL, Namespace: namespace})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	runtime := integration.Runtime{
		Channels: channels(*bot), Events: publisher, Claims: store, Secrets: &redact.Secrets{}, Namespace: namespace,
		Log: logrus.NewEntry(log),
	}
	switch *plant {
	case "none":
	case "msgid":
		runtime.Events = withoutID{publisher}
	case "ack":
		runtime.Events = tooEarly{publisher}
	case "claim":
		runtime.Claims = keeper{store}
	default:
		return fmt.Errorf("no such plant: %s", *plant)
	}
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	defer client.Close()
	link := cluster.New(nc, cluster.Options{
		NodeID: *id, Namespace: namespace, Version: "chaos", Concurrency: 1024, Queue: 16384, DrainTimeout: time.Second,
		Log: logrus.NewEntry(log),
	})
	broker := link.NewBroker()
	for _, def := range []integration.Definition{telegram.Definition(client), batchplatform.Platform(nil)} {
		service, err := integration.Define(def, runtime)
		if err != nil {
			return err
		}
		if err := service.Start(ctx); err != nil {
			return err
		}
		broker.Publish(service.Schema())
	}
	broker.Start()
	defer broker.Stop()
	server := &http.Server{Addr: *listen, Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close() // which ends the next line
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// channels are those of the suite, by their ids, with a bot at this root.
func channels(bot string) fixed {
	channel := func(id, platform string, credentials map[string]string, dedup string) *integration.Channel {
		return &integration.Channel{
			ID: id, TenantID: "acme", Platform: platform, Status: integration.ChannelActive, Credentials: credentials,
			Settings: map[string]string{"apiBase": bot, "dedup": dedup},
		}
	}
	account := map[string]string{"token": "123456:chaos-bot-token", "secretToken": "chaos-secret"}
	return fixed{
		"window":  channel("window", "telegram", account, "window"),
		"horizon": channel("horizon", "telegram", account, "horizon"),
		"batch":   channel("batch", batchplatform.Name, map[string]string{"key": "x"}, "horizon"),
	}
}

type fixed map[string]*integration.Channel

func (f fixed) Channel(_ context.Context, id string) (*integration.Channel, error) {
	if ch, ok := f[id]; ok {
		return ch, nil
	}
	return nil, integration.ErrChannelNotFound
}

// withoutID publishes each event under an id of its own, as if there were none.
type withoutID struct{ *events.Publisher }

func (p withoutID) Publish(ctx context.Context, e order.Event, onAck func(bool, error)) {
	e.MsgID = uuid.NewString()
	p.Publisher.Publish(ctx, e, onAck)
}

// tooEarly says that an event is durable before it is published.
type tooEarly struct{ *events.Publisher }

func (p tooEarly) Publish(_ context.Context, e order.Event, onAck func(bool, error)) {
	time.AfterFunc(lateness, func() { _ = p.Store(context.Background(), e) })
	onAck(false, nil)
}

// keeper does not give claims back.
type keeper struct{ claims.Store }

func (keeper) Release(context.Context, ...claims.Claim) error { return nil }
