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

// Stored says which events of these ids the stream of a name has stored since about a time. It looks only where the stream
// would store them again, because more than its duplicate window has passed, and finds what is still there. Of a stream that
// cannot be read, such as a work queue or one that this user may not read, it says nothing and warns: better is an event that is stored
// twice than one that never is.
func (a *Archive) Stored(ctx context.Context, name string, since time.Time, msgIDs []string) (map[string]bool, error) {
	if until, ok := a.refused.Load(name); ok && time.Now().Before(until.(time.Time)) {
		return nil, nil
	}
	before := a.p.nc.LastError()
	found, err := a.stored(ctx, name, since, msgIDs)
	if err == nil || !a.refuses(err, before) {
		return found, err
	}
	a.refused.Store(name, time.Now().Add(refusal))
	a.p.log.WithError(err).WithField("event", name).Warn("it cannot be looked up which events are stored already: some may be stored twice")
	return nil, nil
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

func (a *Archive) stored(ctx context.Context, name string, since time.Time, msgIDs []string) (map[string]bool, error) {
	subject := a.p.Subject(name)
	stream, err := a.stream(ctx, subject)
	if err != nil || stream == nil {
		return nil, err
	}
	if time.Since(since) < stream.CachedInfo().Config.Duplicates-unsure {
		return nil, nil
	}
	since = since.Add(-unsure)
	asked := make(map[string]bool, len(msgIDs))
	for _, id := range msgIDs {
		asked[id] = true
	}
	reader, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{subject}, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since, HeadersOnly: true,
		InactiveThreshold: unsure, // what is left of a reader whose connection was lost
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", subject, err)
	}
	found := map[string]bool{}
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		batch, err := reader.FetchNoWait(readAhead)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", subject, err)
		}
		more = false
		for msg := range batch.Messages() {
			more = true
			if id := msg.Headers().Get(jetstream.MsgIDHeader); asked[id] {
				found[id] = true
			}
		}
		if err := batch.Error(); err != nil {
			return nil, fmt.Errorf("read %s: %w", subject, err)
		}
	}
	return found, nil
}
