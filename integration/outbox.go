package integration

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/events/spool"
)

// Spool keeps events on this machine while the stream does not take them. Safe for concurrent use.
type Spool interface {
	// Put keeps an event for good: it is published when that is possible again, after those before it.
	Put(ctx context.Context, e spool.Event) error
	// Holds says whether events of a key wait: later ones must be put behind them.
	Holds(key string) bool
}

const (
	// spoolTimeout bounds the writing of an event to this machine's disk.
	spoolTimeout = 5 * time.Second
	// defaultAnswerWithin is how long a platform waits that does not say.
	defaultAnswerWithin = 10 * time.Second
)

// spools says whether an event is kept on this machine rather than refused. What became of a send always is: its
// message cannot be taken back. A webhook's messages are where nobody would send them again.
func (s *platformService) spools(ch *Channel, outcome string) bool {
	switch setting := ch.Settings[settingSpool]; {
	case s.runtime.Spool == nil:
		return false
	case outcome != received:
		return true
	case setting != "":
		return setting == spoolOn
	default:
		return s.def.SendsOnce
	}
}

// store hands an event over to the stream, or to this machine's disk where the stream does not take it.
func (s *platformService) store(req *action.Request, ch *Channel, outcome string, e spool.Event) stored {
	if !s.spools(ch, outcome) {
		return s.runtime.Events.Publish(e.Name, e.MsgID, e.Header, e.Payload)
	}
	if s.runtime.Spool.Holds(e.Key) {
		return func(ctx context.Context) (bool, error) { return false, s.put(ctx, req, ch, e, nil) }
	}
	await := s.runtime.Events.Publish(e.Name, e.MsgID, e.Header, e.Payload)
	// The other half is for the disk and the way back.
	deadline := time.Now().Add(cmp.Or(s.def.AnswerWithin, defaultAnswerWithin) / 2)
	return func(ctx context.Context) (bool, error) {
		short, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		duplicate, err := await(short)
		if err == nil || isPermanent(err) {
			return duplicate, err
		}
		return false, s.put(ctx, req, ch, e, err)
	}
}

// put keeps an event on the disk, also for a caller who has gone: the message is there.
func (s *platformService) put(ctx context.Context, req *action.Request, ch *Channel, e spool.Event, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), spoolTimeout)
	defer cancel()
	if err := s.runtime.Spool.Put(ctx, e); err != nil {
		s.logFor(req, ch).WithError(err).Error("an event can be stored neither in the stream nor in the spool")
		return errors.Join(cause, err)
	}
	return nil
}
