package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// failureTTL is how long a stream counts as refusing after it did not store an event. Then it is asked again.
const failureTTL = 10 * time.Second

// noStream is a name that no stream has. Every stream refuses a message that expects it, so nothing is stored.
const noStream = "switchboard-readiness-check"

// Takes returns an error if events of a name cannot be stored at the moment. It remembers the last event that was not
// stored. Without one it sends the stream a message that the stream answers and does not store. It obeys ctx.
func (p *Publisher) Takes(ctx context.Context, name string) error {
	r := p.routeOf(name)
	if last := r.lastFailure.Load(); last != nil && time.Since(last.at) < failureTTL {
		return fmt.Errorf("the last event to %s was not stored: %w", r.subject, last.err)
	}
	msg := &nats.Msg{Subject: r.subject, Header: nats.Header{jetstream.ExpectedStreamHeader: {noStream}}}
	reply, err := p.nc.RequestMsgWithContext(ctx, msg)
	if err == nil {
		_, err = readAnswer(reply)
	}
	if errors.Is(err, nats.ErrNoResponders) {
		err = jetstream.ErrNoStreamResponse
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == streamNotMatch {
		return p.full(ctx, r.subject) // it is there, and answers
	}
	return fmt.Errorf("the stream of %s does not answer as it should: %w", r.subject, err)
}

// full returns an error if a stream refuses new events because it has reached its limits.
func (p *Publisher) full(ctx context.Context, subject string) error {
	name, err := p.js.StreamNameBySubject(ctx, subject)
	if err != nil {
		return fmt.Errorf("look for the stream of %s: %w", subject, err)
	}
	stream, err := p.js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("look at stream %s: %w", name, err)
	}
	info := stream.CachedInfo()
	limits, state := info.Config, info.State
	if limits.Discard != jetstream.DiscardNew {
		return nil
	}
	if limits.MaxBytes > 0 && state.Bytes >= uint64(limits.MaxBytes) ||
		limits.MaxMsgs > 0 && state.Msgs >= uint64(limits.MaxMsgs) {
		return fmt.Errorf("the stream %s is full", name)
	}
	return nil
}
