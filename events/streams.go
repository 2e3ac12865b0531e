// Package events carries reliable events: JetStream messages on the wire of @moleculer/channels, so
// that its consumers read them. An event is named as a channel is there; the subject is the name
// behind the adapter's prefix, the stream is the subject with underscores (docs/design/moleculer-wire.md §8).
//
// It knows neither integrations nor their payloads.
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
)

// Options configure a [Publisher].
type Options struct {
	Prefix   string        // put before every name with a dot, as the adapter's prefix option; "" for none
	Replicas int           // of streams that are created here
	Timeout  time.Duration // how long one event is tried before its publisher is told that it is not stored
	NodeID   string        // part of where the consumers that are made here deliver to
	// Limits bound the streams that are made here, and DeadLetters those of dead letters: the queues named here and those
	// of the consumers.
	Limits, DeadLetters Limits
	Queues              []string
	// CheckInterval is how often consumers are looked after; zero is 10s. They are too after each reconnect.
	CheckInterval time.Duration
	Log           *logrus.Entry
}

// Limits bound what a stream keeps, consumed or not: beyond them the oldest events are dropped. Zero is no limit.
type Limits struct {
	MaxAge   time.Duration
	MaxBytes int64
}

// Publisher stores events, and is the way to consume and to look at what is stored. Safe for concurrent use.
type Publisher struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	opts   Options
	log    *logrus.Entry
	names  sync.Map // of events, to their *route
	routes sync.Map // the same by their subject
	seen   sync.Map // streams that have been inspected
	queues sync.Map // the subjects of dead letters

	turns  turns      // of all handlers in this process
	noting sync.Mutex // one change of a durable's metadata at a time

	acks    string // begins the subjects of acks; the token of an event follows
	flights flights
}

// maxPending is how many events may wait for their acks at once. Those beyond wait to be handed over.
const maxPending = 32768

// New returns a publisher on a connection that stays the caller's. The connection must not buffer
// what is published while it is down (nats.ReconnectBufSize(-1)): an event that was given up must
// not be delivered later.
func New(nc *nats.Conn, opts Options) (*Publisher, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	opts.CheckInterval = cmp.Or(opts.CheckInterval, 10*time.Second)
	p := &Publisher{nc: nc, js: js, opts: opts, log: opts.Log, acks: nc.NewInbox() + "."}
	for _, queue := range opts.Queues {
		p.queues.Store(p.Subject(queue), true)
	}
	p.flights.byToken, p.flights.fallen, p.flights.refused, p.flights.msg.Header = map[uint64]*flight{}, map[string]struct{}{}, map[string]int{}, nats.Header{}
	p.flights.losses = nc.StatusChanged(nats.RECONNECTING)
	sub, err := nc.Subscribe(p.acks+"*", p.acknowledged)
	if err == nil {
		err = sub.SetPendingLimits(-1, -1) // their number is bounded by what is under way
	}
	if err != nil {
		return nil, fmt.Errorf("listen for acks: %w", err)
	}
	return p, nil
}

// Subject is where events of a name are published.
func (p *Publisher) Subject(name string) string { return subject(p.opts.Prefix, name) }

func subject(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// named is the route of a name.
func (p *Publisher) named(name string) *route {
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

// Ensure makes sure that every name has a stream to be stored in. Missing ones are created with the
// very configuration that @moleculer/channels asks for, so that a Node consumer that comes later finds
// its own; existing ones are used as they are.
func (p *Publisher) Ensure(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := p.ensure(ctx, p.Subject(name)); err != nil {
			return err
		}
	}
	return nil
}

func (p *Publisher) ensure(ctx context.Context, subject string) error {
	if err := p.makeStream(ctx, subject); err != nil {
		return err
	}
	r := p.route(subject)
	p.flights.mu.Lock()
	defer p.flights.mu.Unlock()
	r.known, r.open = true, true
	p.handOver(time.Now()) // at once: what has waited goes before what is new
	return nil
}

// limits are those of a stream that is made here.
func (p *Publisher) limits(subject string) Limits {
	if _, dead := p.queues.Load(subject); dead {
		return p.opts.DeadLetters
	}
	return p.opts.Limits
}

func (p *Publisher) makeStream(ctx context.Context, subject string) error {
	name, err := p.js.StreamNameBySubject(ctx, subject)
	if err == nil {
		return p.inspect(ctx, name, subject)
	}
	if errors.Is(err, nats.ErrNoResponders) {
		err = jetstream.ErrJetStreamNotEnabled // what a server without JetStream has to say of it
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("look for the stream of %s: %w", subject, err)
	}
	limits := p.limits(subject)
	config := jetstream.StreamConfig{
		Name: streamName(subject), Subjects: []string{subject}, Replicas: p.opts.Replicas, MaxAge: limits.MaxAge, MaxBytes: limits.MaxBytes,
	}
	if _, err := p.js.CreateStream(ctx, config); err != nil {
		return notCreated(config.Name, subject, err)
	}
	p.log.WithField("stream", config.Name).Debug("stream created")
	return nil
}

// notCreated says which stream cannot be created, and why where that is not in the server's words.
func notCreated(name, subject string, err error) error {
	api, ok := errors.AsType[*jetstream.APIError](err)
	switch {
	case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse):
		err = fmt.Errorf("there is a stream of this name, and it does not take the subject: add %s to its subjects, or delete it: %w", subject, err)
	case ok && api.ErrorCode == noCluster:
		err = fmt.Errorf("%w: %w", ErrNoCluster, err)
	case ok && api.ErrorCode == maxBytesRequired:
		err = fmt.Errorf("%w: %w", ErrMaxBytesRequired, err)
	}
	return fmt.Errorf("create the stream of %s, %s: %w", subject, name, explained(err))
}
