package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// troubleRest is how long a stream that did not take an event counts as one that takes none. Then the next event may try.
const troubleRest = 10 * time.Second

// trouble is why the last event of a route was not stored at once.
type trouble struct {
	err error
	at  time.Time
}

// noStream is a name that no stream has. A message that expects it is refused by any stream, so nothing is stored.
const noStream = "switchboard-readiness-check"

// Takes says why events of a name cannot be stored at the moment, nil where they can. It knows it from the last one that was
// not stored, and else asks the stream with a message that it answers and does not store. It obeys ctx.
func (p *Publisher) Takes(ctx context.Context, name string) error {
	r := p.named(name)
	if last := r.trouble.Load(); last != nil && time.Since(last.at) < troubleRest {
		return fmt.Errorf("the last event to %s was not stored: %w", r.subject, last.err)
	}
	msg := &nats.Msg{Subject: r.subject, Header: nats.Header{jetstream.ExpectedStreamHeader: {noStream}}}
	reply, err := p.nc.RequestMsgWithContext(ctx, msg)
	if err == nil {
		_, err = answer(reply)
	}
	if errors.Is(err, nats.ErrNoResponders) {
		err = jetstream.ErrNoStreamResponse
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == streamNotMatch {
		return p.full(ctx, r.subject) // it is there, and answers
	}
	return fmt.Errorf("the stream of %s does not answer as it should: %w", r.subject, err)
}

// full says whether a stream refuses new events because it holds all that it may.
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
	if limits.MaxBytes > 0 && state.Bytes >= uint64(limits.MaxBytes) || limits.MaxMsgs > 0 && state.Msgs >= uint64(limits.MaxMsgs) {
		return fmt.Errorf("the stream %s is full", name)
	}
	return nil
}
