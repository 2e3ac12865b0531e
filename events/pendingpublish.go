package events

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hiliosai/switchboard/events/order"
)

// AckFunc is called once with the fate of an event: it is stored (duplicate says that it was stored before), or err
// says why it is not. It may be called from any goroutine and must not block.
type AckFunc = func(duplicate bool, err error)

// publishState is the state of an event in the [publishQueue]. All changes, with who makes them:
//
//	from      cause                                            to        by
//	(new)     Publish                                          queued    enqueue
//	queued    the client took it                               inFlight  send
//	queued    the client will never take it, it is too large   rejected  send
//	inFlight  the connection was lost                          queued    requeueAfterDisconnect
//	inFlight  no ack within ackWait                            queued    sweep
//	inFlight  no stream answered, or the stream refused it     queued    applyAck
//	queued    a late ack of an earlier attempt                 (removed) applyAck
//	inFlight  ack, or the stream will never take it            (removed) applyAck
//	rejected  the next check                                   (removed) sweep, or at once by enqueue
//	any       its time is over, or an earlier event of its     (removed) sweep
//	          key was given up
//	any       its publisher stopped waiting                    (removed) cancel
//
// An event is removed once; whoever removes it sees to it that onAck is called.
type publishState uint8

const (
	queued   publishState = iota // waits to be sent, for the first time or again; pendingPublish.err says why
	inFlight                     // sent, waits for its ack
	rejected                     // can never be stored; pendingPublish.err says why
)

// pendingPublish is an event that is not known to be stored.
type pendingPublish struct {
	route    *route
	msgID    string
	header   map[string][]string
	payload  []byte
	onAck    AckFunc
	ctx      context.Context
	deadline time.Time
	key      string            // see order.Event
	held     func(string) bool // likewise
	fence    func() bool       // likewise

	// The rest is guarded by publishQueue.mu.

	state      publishState
	err        error     // why it is queued or rejected; nil in flight
	sentAt     time.Time // the last time
	retryAt    time.Time // it is not sent again before
	token      uint64    // ends the subject of its acks
	prev, next *pendingPublish

	// refused says that the stream has refused the event for the moment. It stays true until the event is removed, also
	// while it is in flight again: until then no later event of its key is sent.
	refused bool
}

// expired says why an event is not tried any longer; nil while it is.
func (e *pendingPublish) expired(now time.Time) error {
	if err := e.ctx.Err(); err != nil {
		return err
	}
	if e.fence != nil && !e.fence() {
		return order.ErrFenced
	}
	if !now.Before(e.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// failure is the error for the publisher of an event that is given up. reason is why it is given up; nil stands for the
// event's own error.
func (e *pendingPublish) failure(reason error) error {
	switch {
	case e.state == rejected:
		return &Error{Subject: e.route.subject, Rejected: true, Err: e.err}
	case reason == nil:
		return &Error{Subject: e.route.subject, Err: e.err}
	case e.err == nil || errors.Is(e.err, reason):
		return &Error{Subject: e.route.subject, Err: reason}
	default:
		return &Error{Subject: e.route.subject, Err: fmt.Errorf("%w: %w", reason, e.err)}
	}
}

// route is the subject that events of one name go to, and what is known of its stream.
type route struct {
	subject     string
	lastFailure atomic.Pointer[publishFailure] // nil when the last event was stored

	// The rest is guarded by publishQueue.mu.

	hadStream  bool      // a stream was found or created before
	ready      bool      // events may be sent: as far as is known there is a stream
	lookingUp  bool      // the stream is being looked up or created
	nextLookup time.Time // it is not looked up before
}

// publishFailure is why the last event of a route was not stored at once.
type publishFailure struct {
	err error
	at  time.Time
}
