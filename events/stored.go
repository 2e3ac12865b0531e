package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// margin is added to both ends of a time span. It covers the difference between the clocks of a node and its
	// server, the time that an event took to the server, and the time until it is published again.
	margin = time.Minute
	// readAhead is the number of headers in one fetch.
	readAhead = 5000
	// refusalTTL is how long a stream that refused to be read is not read.
	refusalTTL = time.Minute
)

// Stored finds out which events of a name a stream has stored since a time. It reads the stream only if more than the
// duplicate window has passed, because until then the stream does not store an event twice. For one goroutine at a
// time.
type Stored struct {
	a     *Archive
	name  string
	since time.Time

	created time.Time // creation time of the stream that was read
	last    uint64    // the last sequence that was read of it
}

// Stored returns a reader of the events of a name that were stored since a time.
func (a *Archive) Stored(name string, since time.Time) *Stored {
	return &Stored{a: a, name: name, since: since}
}

// Next calls each with the message ids of the events that were stored since the last call, or since the time given to
// [Archive.Stored]. Later events need not be read before until: the stream recognizes them as duplicates. If the stream
// cannot be read, such as a work queue or one that this user may not read, Next reports no event and logs a warning: an
// event that is stored twice is better than one that is never stored. After an error the next call goes on where this
// one ended.
func (s *Stored) Next(ctx context.Context, each func(msgID string)) (until time.Time, err error) {
	if until, ok := s.a.refused.Load(s.name); ok && time.Now().Before(until.(time.Time)) {
		return until.(time.Time), nil
	}
	nc := s.a.p.nc
	before := nc.LastError()
	until, err = s.next(ctx, each)
	if err == nil || !s.a.refuses(err, before) {
		return until, err
	}
	until = time.Now().Add(refusalTTL)
	s.a.refused.Store(s.name, until)
	s.a.p.log.WithError(err).WithField("event", s.name).
		Warn("it cannot be looked up which events are stored already: some may be stored twice")
	return until, nil
}

// refuses says whether another attempt would fail the same way, because the server refuses it. A missing permission is
// no answer to the request: the client reports it as its last error, and the request times out.
func (a *Archive) refuses(err, before error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code < 500
	}
	last := a.p.nc.LastError()
	return errors.Is(last, nats.ErrPermissionViolation) && !errors.Is(before, last)
}

func (s *Stored) next(ctx context.Context, each func(msgID string)) (until time.Time, err error) {
	subject := s.a.p.Subject(s.name)
	stream, err := s.a.stream(ctx, subject)
	if err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	if stream == nil {
		return now, nil // a stream that is created meanwhile may have events of others
	}
	info := stream.CachedInfo()
	window := info.Config.Duplicates - margin
	if !s.created.Equal(info.Created) {
		if now.Sub(s.since) < window {
			return s.since.Add(window), nil
		}
		s.created, s.last = info.Created, 0
	}
	if s.last >= info.State.LastSeq && s.last > 0 {
		return now.Add(window), nil
	}
	if err := s.read(ctx, stream, subject, each); err != nil {
		return time.Time{}, fmt.Errorf("read %s: %w", subject, err)
	}
	return now.Add(window), nil
}

// read reads the events behind the last one that was read.
func (s *Stored) read(ctx context.Context, stream jetstream.Stream, subject string, each func(msgID string)) error {
	config := jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{subject}, HeadersOnly: true,
		InactiveThreshold: margin, // then the server deletes a reader whose connection was lost
	}
	if since := s.since.Add(-margin); s.last == 0 {
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &since
	} else {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, s.last+1
	}
	reader, err := stream.OrderedConsumer(ctx, config)
	if err != nil {
		return err
	}
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch, err := reader.FetchNoWait(readAhead)
		if err != nil {
			return err
		}
		more = false
		for msg := range batch.Messages() {
			more = true
			if id := msg.Headers().Get(jetstream.MsgIDHeader); id != "" {
				each(id)
			}
			if meta, err := msg.Metadata(); err == nil {
				s.last = meta.Sequence.Stream
			}
		}
		if err := batch.Error(); err != nil {
			return err
		}
	}
	return nil
}
