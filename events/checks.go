package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/sirupsen/logrus"
)

// ErrNoCluster says that a stream with replicas was to be created on a server that is in no cluster.
var ErrNoCluster = errors.New("the NATS server is in no cluster")

// ErrMaxBytesRequired says that the account requires max_bytes for each of its streams.
var ErrMaxBytesRequired = errors.New("the account wants max_bytes for each stream")

// Error codes of nats-server.
const (
	noCluster        = 10074 // JSStreamReplicasNotSupportedErr
	maxBytesRequired = 10113 // JSStreamMaxBytesRequired
	streamNotMatch   = 10060 // JSStreamNotMatchErr
)

// inspect warns once per stream if an existing stream is less durable than configured.
func (p *Publisher) inspect(ctx context.Context, name, subject string) error {
	if _, before := p.inspected.Load(name); before {
		return nil
	}
	stream, err := p.js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("look at stream %s: %w", name, err)
	}
	p.inspected.Store(name, true)
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
		entry.Warnf("the stream of %s has %d replica(s), events.replicas asks for %d: change the stream",
			subject, config.Replicas, p.opts.Replicas)
	}
	if drift := drift(config); len(drift) > 0 {
		entry.Warnf("the stream of %s may double or refuse events: %s", subject, strings.Join(drift, ", "))
	}
	p.logLimits(entry, subject, config)
	return nil
}

// logLimits logs the limits of an existing stream. It warns only if this node is configured with others.
func (p *Publisher) logLimits(entry *logrus.Entry, subject string, c jetstream.StreamConfig) {
	asked := p.limits(subject)
	key := "events"
	if _, dead := p.queues.Load(subject); dead {
		key = "events.deadLetters"
	}
	if asked.MaxAge > 0 && asked.MaxAge != c.MaxAge {
		entry.Warnf(
			"the stream of %s was there before and has max_age %v, %s.maxAge is %v: change the stream (nats stream edit %s "+
				"--max-age=%v)",
			subject, c.MaxAge, key, asked.MaxAge, c.Name, asked.MaxAge)
	}
	if asked.MaxBytes > 0 && asked.MaxBytes != c.MaxBytes {
		entry.Warnf(
			"the stream of %s was there before and has max_bytes %d, %s.maxMB is %d: change the stream (nats stream edit %s "+
				"--max-bytes=%d)",
			subject, c.MaxBytes, key, asked.MaxBytes>>20, c.Name, asked.MaxBytes)
	}
	if limits := limitsOf(c); len(limits) > 0 {
		entry.Infof("the stream of %s has limits: %s", subject, strings.Join(limits, ", "))
	}
}

// usualWindow is the default duplicate window of a stream.
const usualWindow = 2 * time.Minute

// settings lists settings of a stream, with their values.
type settings []string

func (s *settings) addIf(differs bool, setting string, value any) {
	if differs {
		*s = append(*s, fmt.Sprintf("%s %v", setting, value))
	}
}

// drift lists the settings, other than limits, by which a stream may lose, refuse or duplicate events that a stream
// created here would keep.
func drift(c jetstream.StreamConfig) (list settings) {
	list.addIf(c.Retention == jetstream.WorkQueuePolicy, "retention", c.Retention)
	list.addIf(c.Duplicates < usualWindow, "duplicate_window", c.Duplicates)
	list.addIf(c.PersistMode != jetstream.DefaultPersistMode, "persist_mode", c.PersistMode)
	list.addIf(c.Sealed, "sealed", true)
	return list
}

// limitsOf lists the limits of a stream.
func limitsOf(c jetstream.StreamConfig) (list settings) {
	list.addIf(c.MaxAge > 0, "max_age", c.MaxAge)
	list.addIf(c.MaxMsgs > 0, "max_msgs", c.MaxMsgs)
	list.addIf(c.MaxBytes > 0, "max_bytes", c.MaxBytes)
	list.addIf(c.MaxMsgsPerSubject > 0, "max_msgs_per_subject", c.MaxMsgsPerSubject)
	list.addIf(c.MaxMsgSize > 0, "max_msg_size", c.MaxMsgSize)
	list.addIf(c.Discard != jetstream.DiscardOld, "discard", c.Discard)
	return list
}

// WarnOfServer warns if NATS is a cluster and streams of these names have only one replica, or replicas that are
// behind. How often a server syncs its disk cannot be checked: the server reports that only to its system account,
// which has no JetStream.
func (p *Publisher) WarnOfServer(ctx context.Context, names ...string) {
	var single, behind []string
	for _, name := range names {
		stream, err := p.js.StreamNameBySubject(ctx, p.Subject(name))
		if err != nil {
			continue // Ensure has reported it
		}
		s, err := p.js.Stream(ctx, stream)
		if err != nil || s.CachedInfo().Cluster == nil || s.CachedInfo().Cluster.Name == "" {
			continue
		}
		info := s.CachedInfo()
		if info.Config.Replicas == 1 {
			single = append(single, stream)
		}
		isBehind := func(peer *jetstream.PeerInfo) bool { return peer.Offline || !peer.Current }
		if slices.ContainsFunc(info.Cluster.Replicas, isBehind) {
			behind = append(behind, stream)
		}
	}
	if len(single) > 0 {
		p.log.Warnf(
			"NATS is a cluster, but each event is on one server of it only, and away or lost with that one: set "+
				"events.replicas to 3, and change the streams %s",
			strings.Join(single, ", "))
	}
	if len(behind) > 0 {
		p.log.Warnf("not all replicas of the streams %s are there and up to date", strings.Join(behind, ", "))
	}
}

// WarnOfOtherPrefix warns of consumers of the same names under another prefix: they would never get an event of this
// node. namespace is the cluster's.
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
	if err != nil || !hasConsumer(ctx, stream, theirs) {
		return
	}
	p.log.WithField("stream", name).
		Warnf("consumers wait for %s, but this node publishes to %s: set events.prefix to what they use",
			theirs, ours)
}

// hasConsumer says whether a stream has a consumer of just this subject: by its filter, or because the stream has no
// other subject.
func hasConsumer(ctx context.Context, stream jetstream.Stream, subject string) bool {
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

// WarnOfOtherPublishers warns if events of the same names are stored under another prefix and none under this one:
// consumers here would never get them. namespace is the cluster's.
func (p *Publisher) WarnOfOtherPublishers(ctx context.Context, namespace string, names ...string) {
	for _, other := range slices.Compact([]string{"", namespace}) {
		if other == p.opts.Prefix {
			continue
		}
		for _, name := range names {
			if p.storedCount(ctx, subject(other, name)) > 0 && p.storedCount(ctx, p.Subject(name)) == 0 {
				p.log.Warnf("events are published to %s, but this node consumes %s: set events.prefix to what their publishers use",
					subject(other, name), p.Subject(name))
			}
		}
	}
}

// storedCount returns the number of stored events of a subject.
func (p *Publisher) storedCount(ctx context.Context, subject string) uint64 {
	name, err := p.js.StreamNameBySubject(ctx, subject)
	if err != nil {
		return 0 // there is none
	}
	stream, err := p.js.Stream(ctx, name)
	if err != nil {
		return 0
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return 0
	}
	return info.State.Subjects[subject]
}
