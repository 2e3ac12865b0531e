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
	// ackWait is how long an ack may take before the event is published again, under the same id.
	ackWait = 2 * time.Second
	// retryWait is the pause before that when the server could not be reached at all.
	retryWait = 100 * time.Millisecond
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
func (e *Error) Error() string { return fmt.Sprintf("publish to %s: %v", e.Subject, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent is [Error.Rejected], for those who know the error by its methods only.
func (e *Error) Permanent() bool { return e.Rejected }

// Publish hands an event over and returns at once; events are stored in the order of the calls, also where some are lost with a
// connection and handed over again, but for the first ones of a name that [Publisher.Ensure] has not been called for:
// await sees to their stream.
// await waits for the server's ack, and publishes the event again where that is lost, until
// [Options.Timeout] or ctx is over. msgID names the event: inside the stream's duplicate window a
// second one of the same id is acknowledged as a duplicate and not stored. Errors are *Error.
func (p *Publisher) Publish(name, msgID string, header map[string][]string, payload []byte) (await func(ctx context.Context) (duplicate bool, err error)) {
	return p.publish(p.Subject(name), msgID, header, payload)
}

// Store is [Publisher.Publish] for who waits at once.
func (p *Publisher) Store(ctx context.Context, name, msgID string, header map[string][]string, payload []byte) error {
	_, err := p.Publish(name, msgID, header, payload)(ctx)
	return err
}

func (p *Publisher) publish(subject, msgID string, header map[string][]string, payload []byte) (await func(ctx context.Context) (duplicate bool, err error)) {
	msg := nats.NewMsg(subject)
	msg.Data = payload
	for k, v := range header {
		msg.Header[k] = v // not Set: the adapter's names, such as $requestID, are case-sensitive
	}
	msg.Header[jetstream.MsgIDHeader] = []string{msgID}
	f := p.depart(msg, time.Now().Add(p.opts.Timeout))
	return func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithDeadline(ctx, f.deadline)
		defer cancel()
		return p.await(ctx, f)
	}
}

// recovered gets ready for another attempt, and says whether there is time for one.
func (p *Publisher) recovered(ctx context.Context, subject string, err error) bool {
	entry := p.log.WithError(err).WithField("subject", subject)
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		// It is a new name, somebody deleted the stream, or the server is still restoring it.
		e := p.ensure(ctx, subject)
		if e == nil {
			return true
		}
		entry = entry.WithField("stream", e.Error())
	}
	entry.Debug("event not acknowledged, publishing again")
	pause := time.NewTimer(retryWait)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func acked(ctx context.Context, future jetstream.PubAckFuture) (duplicate bool, err error) {
	select {
	case ack := <-future.Ok():
		return ack.Duplicate, nil
	case err := <-future.Err():
		return false, err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// rejected says whether an event can never be stored as it is: it is larger than the server or the
// stream takes.
func rejected(err error) bool {
	const messageTooLarge = 10054 // JSStreamMessageExceedsMaximumErr of nats-server
	var api *jetstream.APIError
	return errors.Is(err, nats.ErrMaxPayload) || errors.As(err, &api) && api.ErrorCode == messageTooLarge
}
