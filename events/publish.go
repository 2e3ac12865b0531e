package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hiliosai/switchboard/events/order"
)

// Error says why an event is not stored.
type Error struct {
	Subject string
	// Rejected says that the event itself is at fault and will never be accepted; else the same event
	// may be stored later.
	Rejected bool
	Err      error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("publish to %s: %v", e.Subject, e.Unwrap()) }

// Unwrap gives the cause. It is [ErrStorageFull] where JetStream had no room.
func (e *Error) Unwrap() error { return explained(e.Err) }

// Permanent is [Error.Rejected], for those who know the error by its methods only.
func (e *Error) Permanent() bool { return e.Rejected }

// Publish hands an event over and returns at once; events are stored in the order of the calls, also where some are lost
// with a connection and handed over again, but for the first ones of a name that [Publisher.Ensure] has not been called for:
// their stream has to be made. Where the server's ack is lost the event is published again, until [Options.Timeout] or ctx
// is over; that is looked at now and then only. With an *[order.Context], events of its key stay in order also where they are
// given up. msgID names the event: inside the stream's duplicate window a second one of
// the same id is acknowledged as a duplicate and not stored.
//
// settled is called once, when the event is durable or given up, from any goroutine, usually the one that reads the acks: it
// must not block. It may be called before Publish returns. Errors are *Error. header and payload must not change until then;
// header is not changed here either, and does not hold the id.
func (p *Publisher) Publish(ctx context.Context, name, msgID string, header map[string][]string, payload []byte, settled func(duplicate bool, err error)) {
	p.publish(ctx, p.named(name), msgID, header, payload, settled)
}

// Store is [Publisher.Publish] for who waits: not longer than ctx.
func (p *Publisher) Store(ctx context.Context, name, msgID string, header map[string][]string, payload []byte) error {
	return p.store(ctx, p.named(name), msgID, header, payload)
}

func (p *Publisher) store(ctx context.Context, r *route, msgID string, header map[string][]string, payload []byte) error {
	done := make(chan error, 1)
	token := p.publish(ctx, r, msgID, header, payload, func(_ bool, err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		p.abandon(token, ctx.Err())
		return <-done
	}
}

// publish gives the token of what is under way.
func (p *Publisher) publish(ctx context.Context, r *route, msgID string, header map[string][]string, payload []byte, settled func(duplicate bool, err error)) (token uint64) {
	now := time.Now()
	f := &flight{route: r, msgID: msgID, header: header, payload: payload, settled: settled, ctx: ctx, deadline: now.Add(p.opts.Timeout)}
	f.key, f.held = order.Of(ctx)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(f.deadline) {
		f.deadline = deadline
	}
	if end := f.end(now); end != nil {
		settled(false, f.failure(end))
		return 0
	}
	token, ok := p.depart(f, now)
	if !ok {
		settled(false, f.failure(nil))
	}
	return token
}

// rejected says whether an event can never be stored as it is: it is larger than the server or the
// stream takes, or a name in it means nothing to them.
func rejected(err error) bool {
	const messageTooLarge = 10054 // JSStreamMessageExceedsMaximumErr of nats-server
	var api *jetstream.APIError
	return errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrBadHeaderMsg) || errors.Is(err, nats.ErrBadSubject) || errors.As(err, &api) && api.ErrorCode == messageTooLarge
}
