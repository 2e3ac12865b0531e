package integration

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/events/order"
)

// SpooledEvent is a reliable event to be published later.
type SpooledEvent struct {
	Key     string // events of one key stay in their order
	Name    string
	MsgID   string // unique: the stream takes an event of an id once
	Header  map[string][]string
	Payload []byte
}

// Spool keeps events on this machine while the stream does not take them. Safe for concurrent use.
type Spool interface {
	// Put keeps an event for good, in order of the calls and without waiting: it is published when that is possible again,
	// after those before it. kept is called once, when it is on the disk or with the reason why not. It must not block.
	Put(e SpooledEvent, kept func(error))
	// Holds says whether events of a key wait: later ones must be put behind them. It must not block.
	Holds(key string) bool
}

// defaultAnswerWithin is how long a platform waits that does not say.
const defaultAnswerWithin = 10 * time.Second

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
func (s *platformService) store(ctx context.Context, req *action.Request, ch *Channel, a about, e SpooledEvent, then settled) {
	if !s.spools(ch, a.outcome) {
		s.runtime.Events.Publish(ctx, e.Name, e.MsgID, e.Header, e.Payload, then)
		return
	}
	e.Key = a.outcome + "\x00" + ch.ID + "\x00" + string(a.conversation) // each outcome has a stream of its own
	if s.runtime.Spool.Holds(e.Key) {
		s.put(req, ch, e, nil, then)
		return
	}
	// The other half is for the disk and the way back.
	short, cancel := context.WithTimeout(ctx, cmp.Or(s.def.AnswerWithin, defaultAnswerWithin)/2)
	inOrder := &order.Context{Context: short, Key: e.Key, Held: s.runtime.Spool.Holds}
	s.runtime.Events.Publish(inOrder, e.Name, e.MsgID, e.Header, e.Payload, func(duplicate bool, err error) {
		cancel()
		if err == nil || isPermanent(err) {
			then(duplicate, err)
			return
		}
		s.put(req, ch, e, err, then)
	})
}

// put keeps an event on the disk, also for a caller who has gone: the message is there.
func (s *platformService) put(req *action.Request, ch *Channel, e SpooledEvent, cause error, then settled) {
	s.runtime.Spool.Put(e, func(err error) {
		if err != nil {
			s.logFor(req, ch).WithError(err).Error("an event can be stored neither in the stream nor in the spool")
			err = errors.Join(cause, err)
		}
		then(false, err)
	})
}
