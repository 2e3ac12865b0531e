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
	// unsure is by how much the clocks of a node and its server may differ, and for how long an event may have been on its
	// way when the time was taken, and may be until it is published again.
	unsure = time.Minute
	// readAhead is how many headers are asked for at once.
	readAhead = 5000
	// refusal is for how long a stream is not asked that has refused it.
	refusal = time.Minute
)

// Stored reads which events of a name a stream has stored since about a time. It reads only where the stream would store
// them again, because more than its duplicate window has passed, and what is still there. For one goroutine at a time.
type Stored struct {
	a     *Archive
	name  string
	since time.Time

	made time.Time // when the stream was made that was read
	last uint64    // the last sequence that was read of it
}

// Stored gives what reads which events of a name are stored since a time.
func (a *Archive) Stored(name string, since time.Time) *Stored {
	return &Stored{a: a, name: name, since: since}
}

// Next calls each with the message ids of what was stored since the last call, or the beginning. Until the time that it
// gives, the stream itself knows what it has stored since. Of a stream that cannot be read, such as a work queue or one that
// this user may not read, Next tells nothing and warns: better is an event that is stored twice than one that never is. After an
// error it goes on where it was.
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
	until = time.Now().Add(refusal)
	s.a.refused.Store(s.name, until)
	s.a.p.log.WithError(err).WithField("event", s.name).Warn("it cannot be looked up which events are stored already: some may be stored twice")
	return until, nil
}

// refuses says whether asking again would end the same way: the server has said that this may not be done. What it says
// about permissions is no answer, the request just gets none.
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
		return now, nil // one that is made meanwhile may come from anywhere
	}
	info := stream.CachedInfo()
	remembered := info.Config.Duplicates - unsure
	if !s.made.Equal(info.Created) {
		if now.Sub(s.since) < remembered {
			return s.since.Add(remembered), nil
		}
		s.made, s.last = info.Created, 0
	}
	if s.last >= info.State.LastSeq && s.last > 0 {
		return now.Add(remembered), nil
	}
	if err := s.read(ctx, stream, subject, each); err != nil {
		return time.Time{}, fmt.Errorf("read %s: %w", subject, err)
	}
	return now.Add(remembered), nil
}

// read reads what is behind the last one that was read.
func (s *Stored) read(ctx context.Context, stream jetstream.Stream, subject string, each func(msgID string)) error {
	config := jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{subject}, HeadersOnly: true,
		InactiveThreshold: unsure, // what is left of a reader whose connection was lost
	}
	if since := s.since.Add(-unsure); s.last == 0 {
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
