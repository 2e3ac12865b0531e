// Package events carries reliable events: JetStream messages on the wire of @moleculer/channels, so
// that its consumers read them. An event is named as a channel is there; the subject is the name
// behind the adapter's prefix, the stream is the subject with underscores (wire note §8).
//
// It knows neither integrations nor their payloads.
package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	Log      *logrus.Entry
}

// Publisher stores events. Safe for concurrent use.
type Publisher struct {
	js    jetstream.JetStream
	opts  Options
	log   *logrus.Entry
	known sync.Map // subjects that have had a stream
}

// maxPending is how many events may wait for their acks at once. Beyond it publishing stalls, and
// then fails for a retry.
const maxPending = 32768

// New returns a publisher on a connection that stays the caller's. The connection must not buffer
// what is published while it is down (nats.ReconnectBufSize(-1)): an event that was given up must
// not be delivered later.
func New(nc *nats.Conn, opts Options) (*Publisher, error) {
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(maxPending), jetstream.WithPublishAsyncTimeout(ackWait))
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return &Publisher{js: js, opts: opts, log: opts.Log}, nil
}

// Subject is where events of a name are published.
func (p *Publisher) Subject(name string) string { return subject(p.opts.Prefix, name) }

func subject(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
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
	err := p.makeStream(ctx, subject)
	if err == nil {
		p.known.Store(subject, true)
	}
	return err
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
	config := jetstream.StreamConfig{Name: streamName(subject), Subjects: []string{subject}, Replicas: p.opts.Replicas}
	if _, err := p.js.CreateStream(ctx, config); err != nil {
		return fmt.Errorf("create the stream of %s: %w", subject, err)
	}
	p.log.WithField("stream", config.Name).Debug("stream created")
	return nil
}

// inspect warns of an existing stream that makes "durable" weaker than configured.
func (p *Publisher) inspect(ctx context.Context, name, subject string) error {
	stream, err := p.js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("look at stream %s: %w", name, err)
	}
	config := stream.CachedInfo().Config
	entry := p.log.WithField("stream", name)
	if config.Storage != jetstream.FileStorage {
		entry.Warnf("the stream of %s is kept in memory: its events do not survive a restart of NATS", subject)
	}
	if config.Retention == jetstream.InterestPolicy {
		entry.Warnf("the stream of %s keeps events for existing consumers only: without any they are dropped", subject)
	}
	if config.NoAck {
		entry.Warnf("the stream of %s does not acknowledge: its events count as not stored, and are sent again", subject)
	}
	if config.Replicas < p.opts.Replicas {
		entry.Warnf("the stream of %s has %d replica(s), events.replicas asks for %d: change the stream", subject, config.Replicas, p.opts.Replicas)
	}
	return nil
}

// WarnOfOtherPrefix warns of consumers that wait for the same names under another prefix: they
// would never see an event of this node. namespace is the cluster's.
func (p *Publisher) WarnOfOtherPrefix(ctx context.Context, namespace string, names ...string) {
	for _, other := range slices.Compact([]string{"", namespace}) {
		if other == p.opts.Prefix {
			continue
		}
		for _, name := range names {
			p.warnOfConsumers(ctx, subject(other, name), p.Subject(name))
		}
	}
}

func (p *Publisher) warnOfConsumers(ctx context.Context, theirs, ours string) {
	name, err := p.js.StreamNameBySubject(ctx, theirs)
	if err != nil {
		return // there is none
	}
	stream, err := p.js.Stream(ctx, name)
	if err != nil || !waitFor(ctx, stream, theirs) {
		return
	}
	p.log.WithField("stream", name).Warnf("consumers wait for %s, but this node publishes to %s: set events.prefix to what they use", theirs, ours)
}

// waitFor says whether a stream has a consumer for just this subject, be it by its filter or because
// the stream has no other. Consumers of a wider stream may wait for anything.
func waitFor(ctx context.Context, stream jetstream.Stream, subject string) bool {
	list := stream.ListConsumers(ctx)
	found := false
	for consumer := range list.Info() { // to its end: a goroutine fills it
		filters := append(consumer.Config.FilterSubjects, consumer.Config.FilterSubject)
		if filters[0] == "" {
			filters = stream.CachedInfo().Config.Subjects
		}
		found = found || slices.Contains(filters, subject)
	}
	return found
}
