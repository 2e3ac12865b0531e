// Package events carries reliable events. They are JetStream messages in the format of @moleculer/channels, so that its
// consumers read them. The name of an event is the name of a channel there. The subject is the name behind the
// adapter's prefix, and the stream's name is the subject with underscores for dots (docs/design/moleculer-wire.md §8).
//
// The package knows neither integrations nor their payloads.
package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/metrics"
)

// Options configure a [Publisher].
type Options struct {
	Prefix   string        // put before every name with a dot, as the adapter's prefix option; "" for none
	Replicas int           // of streams that are created here
	Timeout  time.Duration // how long Publish tries to store one event
	NodeID   string        // part of the deliver subject of consumers that are created here
	// Limits bound the streams that are created here. DeadLetters bound those of dead letters: of Queues, and of the
	// queues that consumers name.
	Limits, DeadLetters Limits
	Queues              []string
	// CheckInterval is how often consumers check their durables; zero is 10s. They also do after each reconnect.
	CheckInterval time.Duration
	// Metrics counts events; nil counts nothing.
	Metrics *metrics.Registry
	Log     *logrus.Entry
}

// Limits bound what a stream keeps, consumed or not: beyond them the oldest events are dropped. Zero is no limit.
type Limits struct {
	MaxAge   time.Duration
	MaxBytes int64
}

// Publisher stores events. Consumers and [Archive] use its connection and its names. Safe for concurrent use.
type Publisher struct {
	nc        *nats.Conn
	js        jetstream.JetStream
	opts      Options
	log       *logrus.Entry
	metrics   *metrics.Events // nil counts nothing
	names     sync.Map        // *route by the name of its events
	routes    sync.Map        // *route by its subject
	inspected sync.Map        // names of streams that inspect has seen
	queues    sync.Map        // subjects of dead letters

	gate       handlerGate // of all handlers in this process
	metadataMu sync.Mutex  // one change of a durable's metadata at a time

	acks  string // begins the subjects of acks; the token of an event follows
	queue publishQueue
}

// New returns a publisher on a connection. It does not close the connection. The connection must not buffer messages
// while it is down (nats.ReconnectBufSize(-1)): an event that was given up must not be delivered later.
func New(nc *nats.Conn, opts Options) (*Publisher, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	opts.CheckInterval = cmp.Or(opts.CheckInterval, 10*time.Second)
	p := &Publisher{nc: nc, js: js, opts: opts, log: opts.Log, metrics: opts.Metrics.Events(), acks: nc.NewInbox() + "."}
	for _, queue := range opts.Queues {
		p.queues.Store(p.Subject(queue), true)
	}
	p.queue.init(nc.StatusChanged(nats.RECONNECTING))
	sub, err := nc.Subscribe(p.acks+"*", p.receiveAck)
	if err == nil {
		err = sub.SetPendingLimits(-1, -1) // maxPending bounds their number
	}
	if err != nil {
		return nil, fmt.Errorf("listen for acks: %w", err)
	}
	return p, nil
}

// Subject returns the subject that events of a name are published to.
func (p *Publisher) Subject(name string) string { return subject(p.opts.Prefix, name) }

func subject(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// routeOf returns the route of a name.
func (p *Publisher) routeOf(name string) *route {
	if r, ok := p.names.Load(name); ok {
		return r.(*route)
	}
	r := p.route(p.Subject(name))
	p.names.Store(name, r)
	return r
}

func (p *Publisher) route(subject string) *route {
	r, _ := p.routes.LoadOrStore(subject, &route{subject: subject})
	return r.(*route)
}

func streamName(subject string) string { return strings.ReplaceAll(subject, ".", "_") }

// Ensure makes sure that every name has a stream. It creates missing streams with the configuration that
// @moleculer/channels asks for, so that a Node consumer finds the stream it expects. It uses existing streams as they
// are.
func (p *Publisher) Ensure(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := p.ensure(ctx, p.Subject(name)); err != nil {
			return err
		}
	}
	return nil
}

func (p *Publisher) ensure(ctx context.Context, subject string) error {
	if err := p.findOrCreateStream(ctx, subject); err != nil {
		return err
	}
	r := p.route(subject)
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	r.hadStream, r.ready = true, true
	p.sendQueued(time.Now()) // at once: events that waited go before new ones
	return nil
}

// limits returns the limits for a stream that is created here.
func (p *Publisher) limits(subject string) Limits {
	if _, dead := p.queues.Load(subject); dead {
		return p.opts.DeadLetters
	}
	return p.opts.Limits
}

func (p *Publisher) findOrCreateStream(ctx context.Context, subject string) error {
	name, err := p.js.StreamNameBySubject(ctx, subject)
	if err == nil {
		return p.inspect(ctx, name, subject)
	}
	if errors.Is(err, nats.ErrNoResponders) {
		err = jetstream.ErrJetStreamNotEnabled // a server without JetStream does not answer
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("look for the stream of %s: %w", subject, err)
	}
	limits := p.limits(subject)
	config := jetstream.StreamConfig{
		Name: streamName(subject), Subjects: []string{subject}, Replicas: p.opts.Replicas,
		MaxAge: limits.MaxAge, MaxBytes: limits.MaxBytes,
	}
	if _, err := p.js.CreateStream(ctx, config); err != nil {
		return notCreated(config.Name, subject, err)
	}
	p.log.WithField("stream", config.Name).Debug("stream created")
	return nil
}

// notCreated wraps an error with the stream that cannot be created, and explains errors of the server that do not say
// why.
func notCreated(name, subject string, err error) error {
	api, ok := errors.AsType[*jetstream.APIError](err)
	switch {
	case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse):
		err = fmt.Errorf(
			"there is a stream of this name, and it does not take the subject: add %s to its subjects, or delete it: %w",
			subject, err,
		)
	case ok && api.ErrorCode == noCluster:
		err = fmt.Errorf("%w: %w", ErrNoCluster, err)
	case ok && api.ErrorCode == maxBytesRequired:
		err = fmt.Errorf("%w: %w", ErrMaxBytesRequired, err)
	}
	return fmt.Errorf("create the stream of %s, %s: %w", subject, name, explained(err))
}
