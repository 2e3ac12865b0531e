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
	// Rejected says that the event itself is at fault and will never be accepted. If false, the same event may be
	// stored later.
	Rejected bool
	Err      error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("publish to %s: %v", e.Subject, e.Unwrap()) }

// Unwrap returns the cause. It is [ErrStorageFull] if JetStream had no room.
func (e *Error) Unwrap() error { return explained(e.Err) }

// Permanent is [Error.Rejected], for callers that know the error by its methods only.
func (e *Error) Permanent() bool { return e.Rejected }

// Publish queues an event and returns at once. Inside its duplicate window the stream acknowledges a second event of
// the same id as a duplicate and does not store it.
//
// Events are stored in the order of the calls, also when a connection is lost and they are sent again. The exception
// are the first events of a name that [Publisher.Ensure] was not called for, because their stream has to be created.
// Events of one [order.Event.Key] stay in order also when some are given up.
//
// An event whose ack is lost is sent again until [Options.Timeout] is over or ctx ends. Both are checked from time to
// time.
//
// onAck is called once, when the event is durable or given up. The caller is usually the goroutine that reads the acks,
// so onAck must not block. It may be called before Publish returns. Its errors are *Error. The header and the payload
// must not change until then. Publish does not change the header.
func (p *Publisher) Publish(ctx context.Context, e order.Event, onAck AckFunc) {
	p.publish(ctx, p.routeOf(e.Name), e, onAck)
}

// Store is [Publisher.Publish] for a caller that waits for the ack, until ctx ends.
func (p *Publisher) Store(ctx context.Context, e order.Event) error {
	return p.store(ctx, p.routeOf(e.Name), e)
}

func (p *Publisher) store(ctx context.Context, r *route, e order.Event) error {
	done := make(chan error, 1)
	token := p.publish(ctx, r, e, func(_ bool, err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		p.cancel(token, ctx.Err())
		return <-done
	}
}

// publish queues an event of a route, whatever its name. It returns the event's token in the queue, 0 if it is not
// there.
func (p *Publisher) publish(ctx context.Context, r *route, event order.Event, onAck AckFunc) (token uint64) {
	now := time.Now()
	p.metrics.Sent(event.Name)
	e := &pendingPublish{
		route: r, msgID: event.MsgID, header: event.Header, payload: event.Payload, key: event.Key, held: event.Held,
		fence: event.Fence,
		onAck: onAck, ctx: ctx, deadline: now.Add(p.opts.Timeout),
	}
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(e.deadline) {
		e.deadline = deadline
	}
	if reason := e.expired(now); reason != nil {
		onAck(false, e.failure(reason))
		return 0
	}
	token, ok := p.enqueue(e, now)
	if !ok {
		onAck(false, e.failure(nil))
	}
	return token
}

// isRejection says whether an error means that the event can never be stored as it is: it is larger than the server or
// the stream takes, or its subject or a header is malformed.
func isRejection(err error) bool {
	const messageTooLarge = 10054 // JSStreamMessageExceedsMaximumErr of nats-server
	var api *jetstream.APIError
	return errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrBadHeaderMsg) ||
		errors.Is(err, nats.ErrBadSubject) || errors.As(err, &api) && api.ErrorCode == messageTooLarge
}
