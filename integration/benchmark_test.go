package integration_test

import (
	"context"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/leases"
	"github.com/hiliosai/switchboard/metrics"
)

// BenchmarkReceiveWebhook is the factory's own part of a webhook: neither a link, nor a platform, nor a
// server of events takes any time in it.
func BenchmarkReceiveWebhook(b *testing.B) {
	for name, registry := range map[string]*metrics.Registry{
		"uncounted": nil, "counted": metrics.New(metrics.Options{NodeID: "n1"}),
	} {
		b.Run(name, func(b *testing.B) { benchmarkWebhook(b, registry) })
	}
}

func benchmarkWebhook(b *testing.B, registry *metrics.Registry) {
	b.Helper()
	service := defineBenchmark(b, still{}, integration.Runtime{Metrics: registry})
	params, err := json.Marshal(object{
		"channelId": "c1", "payload": object{"n": 1}, "headers": object{"content-type": "application/json"},
		"timestamp": now.UnixMilli(), "rawBody": `{"n":1}`,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		req := &action.Request{Params: params, Meta: action.NewMeta(nil), RequestID: "r"}
		if _, err := service.Call(b.Context(), integration.ActionReceiveWebhook, req); err != nil {
			b.Fatal(err)
		}
	}
}

func defineBenchmark(b *testing.B, platform integration.Platform, runtime integration.Runtime) *integration.Service {
	b.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	def := integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "parrot"}, Fields: fields, Platform: platform,
		Title: "Parrot",
	}
	runtime.Channels, runtime.Events, runtime.Namespace = &store{channel: newChannel()}, discard{}, "hios"
	runtime.Secrets, runtime.Log, runtime.Now = &redact.Secrets{}, logrus.NewEntry(log), func() time.Time { return now }
	service, err := integration.Define(def, runtime)
	if err != nil {
		b.Fatal(err)
	}
	return service
}

// BenchmarkConnection is the factory's own part of an item that comes over a connection.
func BenchmarkConnection(b *testing.B) {
	item := integration.Incoming{
		Payload: json.RawMessage(`{"n":1}`), Cursor: json.RawMessage(`{"session":"0123456789abcdef","seq":1}`),
	}
	ended := make(chan error, 1)
	listening := connectedStill{receive: func(ctx context.Context, session *integration.Session) error {
		b.ReportAllocs()
		for b.Loop() {
			if err := session.Deliver(ctx, item); err != nil {
				ended <- err
			}
		}
		ended <- session.Flush(ctx)
		<-ctx.Done()
		return ctx.Err()
	}}
	member := leases.NewMember(leases.NewMemory(), leases.Options{Node: "node-1", Log: logrus.NewEntry(logrus.New())})
	service := defineBenchmark(b, listening, integration.Runtime{Leases: member})
	if err := service.StartConsuming(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	for _, stop := range []func(context.Context) error{service.StopConsuming, member.Close, service.Stop} {
		if err := stop(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// connectedStill also receives over a connection, and answers webhooks.
type connectedStill struct {
	still
	receive func(context.Context, *integration.Session) error
}

func (connectedStill) Connections(*integration.Channel) int { return 1 }

func (c connectedStill) Receive(ctx context.Context, session *integration.Session) error {
	return c.receive(ctx, session)
}

func (connectedStill) Respond(context.Context, *integration.Webhook) (*integration.Response, error) {
	return &integration.Response{}, nil
}

// still is a platform with one message in every webhook.
type still struct{}

func (still) Normalize(context.Context, *integration.Webhook) ([]integration.Message, error) {
	return []integration.Message{
		{ID: "m1", DedupKey: "1", ConversationID: "c", Content: integration.Content{Type: "TEXT", Text: "hi"}},
	}, nil
}

func (still) Send(context.Context, *integration.Message, *integration.Channel) (*integration.SendResult, error) {
	return &integration.SendResult{Success: true}, nil
}

// discard stores events nowhere.
type discard struct{}

func (discard) Subject(name string) string { return name }

func (discard) Publish(_ context.Context, _ order.Event, onAck func(bool, error)) {
	onAck(false, nil)
}

// BenchmarkSendMessage is the factory's own part of a send.
func BenchmarkSendMessage(b *testing.B) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	def := integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "parrot"}, Fields: fields, Platform: still{},
		Title: "Parrot",
	}
	service, err := integration.Define(def, integration.Runtime{
		Channels: &store{channel: newChannel()}, Events: discard{}, Secrets: &redact.Secrets{}, Namespace: "hios",
		Log: logrus.NewEntry(log),
	})
	if err != nil {
		b.Fatal(err)
	}
	params, err := json.Marshal(object{
		"channelId": "c1", "message": object{"to": object{"id": 42}, "content": object{"type": "TEXT", "text": "hi"}},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		req := &action.Request{Params: params, Meta: action.NewMeta(nil), RequestID: "r"}
		if _, err := service.Call(b.Context(), integration.ActionSendMessage, req); err != nil {
			b.Fatal(err)
		}
	}
}
