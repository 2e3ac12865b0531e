package integration

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/events/order"
)

// Spool keeps events on this machine while the stream does not take them. Safe for concurrent use.
type Spool interface {
	// Put keeps an event for good, in order of the calls and without waiting: it is published when that is possible again,
	// after those before it. kept is called once, when it is on the disk or with the reason why not. It must not block.
	Put(e order.Event, kept func(error))
	// Holds says whether events of a key are waiting: later ones must be put behind them. It must not block.
	Holds(key string) bool
}

// defaultWebhookTimeout is how long a platform waits if its definition does not say.
const defaultWebhookTimeout = 10 * time.Second

// usesSpool says whether an event that the stream does not take is kept on this machine, not refused. The outcome of a
// send always is: its message cannot be taken back. A webhook's messages are kept if nobody would send them again.
func (s *platformService) usesSpool(ch *Channel, outcome string) bool {
	switch setting := ch.Settings[settingSpool]; {
	case s.runtime.Spool == nil:
		return false
	case outcome != received:
		return true
	case setting != "":
		return setting == spoolOn
	default:
		return s.def.NoRedelivery
	}
}

// publishOrSpool hands an event to the stream, or to this machine's disk if the stream does not take it.
func (s *platformService) publishOrSpool(
	ctx context.Context, req *action.Request, ch *Channel, e order.Event, onAck AckFunc,
) {
	if s.runtime.Spool.Holds(e.Key) {
		s.spoolEvent(s.logFor(req, ch), e, nil, onAck)
		return
	}
	// The other half is for the disk and the way back.
	short, cancel := context.WithTimeout(ctx, cmp.Or(s.def.WebhookTimeout, defaultWebhookTimeout)/2)
	inOrder := e
	inOrder.Held = s.runtime.Spool.Holds
	s.runtime.Events.Publish(short, inOrder, func(duplicate bool, err error) {
		cancel()
		if err == nil || isPermanent(err) {
			onAck(duplicate, err)
			return
		}
		s.spoolEvent(s.logFor(req, ch), e, err, onAck)
	})
}

// spoolKeys gives the keys of the run's events that the spool holds now.
func (r *webhookRun) spoolKeys() []string {
	if r.channel == nil || !r.s.usesSpool(r.channel, received) {
		return nil
	}
	var keys []string
	for i := range r.messages {
		key := keyOf(received, r.channel, r.messages[i].ConversationID)
		if r.s.runtime.Spool.Holds(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// spoolEvent keeps an event on the disk, also after the caller has gone. cause is why the stream does not have it.
func (s *platformService) spoolEvent(log *logrus.Entry, e order.Event, cause error, onAck AckFunc) {
	if e.Fence != nil && !e.Fence() {
		onAck(false, cmp.Or(cause, order.ErrFenced))
		return
	}
	s.runtime.Spool.Put(e, func(err error) {
		if err != nil {
			log.WithError(err).Error("an event can be stored neither in the stream nor in the spool")
			err = errors.Join(cause, err)
		}
		onAck(false, err)
	})
}
