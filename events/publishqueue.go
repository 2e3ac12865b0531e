package events

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hiliosai/switchboard/events/order"
)

const (
	// checkInterval is how often pending events are checked. When all goes well, acks are faster.
	checkInterval = 50 * time.Millisecond
	// ackWait is how long an ack may take. Then the event is published again, under the same id.
	ackWait = 2 * time.Second
	// retryWait is the pause before an event that the stream refused is sent again, and between two lookups of a
	// stream.
	retryWait = 100 * time.Millisecond
	// lookupTimeout bounds one lookup of a stream, or its creation.
	lookupTimeout = 5 * time.Second
	// maxPending is how many events may be in flight at once. More stay queued.
	maxPending = 32768
	// tokenBase makes tokens short.
	tokenBase = 36
)

var (
	errWaiting = errors.New("events before this one could not be handed over")
	errTooMany = fmt.Errorf("%d events wait for their acks already", maxPending)
	errBehind  = errors.New("an event of the same conversation before this one was given up")
)

// publishQueue holds the events that are not known to be stored, in the order of the calls of Publish. On one
// connection events are sent in that order. After a lost connection the events that were in flight are sent again
// before any new one: else a later event would be stored first. See [publishState] for the states of an event.
type publishQueue struct {
	mu          sync.Mutex
	first, last *pendingPublish
	byToken     map[uint64]*pendingPublish
	lastToken   uint64
	inFlight    int  // number of events in that state
	blocked     bool // some event must be sent again before any new one
	sendFailed  bool // the client did not take an event: the connection may be lost, with what is in flight

	checkTimer     *time.Timer
	checkScheduled bool

	// disconnects has an entry for each lost connection. The client puts it there under its own lock, before anything
	// can go out on the next connection. So while it is empty, an event that is sent goes out on the same connection as
	// the one before.
	disconnects <-chan nats.Status

	refused map[string]int // number of events with pendingPublish.refused, by key

	givenUp     []failedPublish     // whose onAck is still to be called
	givenUpKeys map[string]struct{} // keys of those events, and of those whose onAck is being called
	reporting   bool                // a check calls onAck of events that were given up

	lookupCtx     context.Context // of stream lookups; ends with the connection, which has lost their answers
	cancelLookups context.CancelFunc

	msg   nats.Msg  // the message being sent; the client copies it, so one serves for all
	msgID [1]string // of msg's header
}

// failedPublish is an event that is given up.
type failedPublish struct {
	event *pendingPublish
	err   error
}

func (q *publishQueue) init(disconnects <-chan nats.Status) {
	q.byToken = map[uint64]*pendingPublish{}
	q.refused = map[string]int{}
	q.givenUpKeys = map[string]struct{}{}
	q.msg.Header = nats.Header{}
	q.disconnects = disconnects
}

func (q *publishQueue) add(e *pendingPublish) {
	q.lastToken++
	e.token, e.state, e.err, e.prev = q.lastToken, queued, errWaiting, q.last
	if q.last == nil {
		q.first = e
	} else {
		q.last.next = e
	}
	q.last = e
	q.byToken[e.token] = e
}

func (q *publishQueue) remove(e *pendingPublish) {
	delete(q.byToken, e.token)
	if e.refused {
		if q.refused[e.key]--; q.refused[e.key] == 0 {
			delete(q.refused, e.key)
		}
	}
	if e.state == inFlight {
		q.inFlight--
	}
	if e.prev == nil {
		q.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		q.last = e.prev
	} else {
		e.next.prev = e.prev
	}
}

// requeue makes an event that is in flight one that has to be sent again.
func (q *publishQueue) requeue(e *pendingPublish, reason error) {
	q.inFlight--
	e.state, e.err = queued, reason
}

// holdBack notes that the stream has refused an event for the moment. It may refuse it again, so no later event of its
// key is sent until this one is removed.
func (q *publishQueue) holdBack(e *pendingPublish) {
	if e.key != "" && !e.refused {
		q.refused[e.key]++
		e.refused = true
	}
}

// requeueAfterDisconnect says whether the connection has been lost since the last call. If so it requeues all that was
// in flight. Such an event may be stored and only its ack be lost; then the stream knows its id.
func (q *publishQueue) requeueAfterDisconnect() (lost bool) {
	lost = q.sendFailed
	for more := true; more; {
		select {
		case <-q.disconnects:
			lost = true
		default:
			more = false
		}
	}
	if !lost {
		return false
	}
	q.sendFailed = false
	if q.cancelLookups != nil {
		q.cancelLookups()
		q.cancelLookups = nil
	}
	for e := q.first; e != nil; e = e.next {
		if e.state == inFlight {
			q.requeue(e, nats.ErrDisconnected)
		}
	}
	return true
}

// takeGivenUp gives the events that are given up and whose onAck must be called, in order. One check at a time calls
// them: a second one that begins meanwhile gets none.
func (q *publishQueue) takeGivenUp(begin bool) []failedPublish {
	q.mu.Lock()
	defer q.mu.Unlock()
	if begin && q.reporting {
		return nil
	}
	list := q.givenUp
	q.givenUp, q.reporting = nil, len(list) > 0
	if !q.reporting {
		clear(q.givenUpKeys)
	}
	return list
}

// enqueue adds an event to the queue, and sends it if nothing before it has to be sent first. It returns false if the
// event failed at once and is not in the queue: it can never be stored, or earlier events of its key are kept
// elsewhere.
func (p *Publisher) enqueue(e *pendingPublish, now time.Time) (token uint64, ok bool) {
	q := &p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.key != "" {
		if _, givenUp := q.givenUpKeys[e.key]; givenUp {
			// onAck of an earlier event is being called. This one's follows, in order.
			q.givenUp = append(q.givenUp, failedPublish{e, e.failure(errBehind)})
			return 0, true
		}
		if e.held != nil && e.held(e.key) {
			e.err = errBehind
			return 0, false
		}
		if e.fence != nil && !e.fence() { // closed by onAck of an earlier event since it was asked first
			e.err = order.ErrFenced
			return 0, false
		}
	}
	q.add(e)
	p.scheduleCheck()
	switch {
	case !e.route.ready:
		// Nobody may answer without a stream, where others listen to the subject. So it is not sent.
		e.err = jetstream.ErrNoStreamResponse
		p.lookUpStream(e.route, now)
	case q.blocked, q.refused[e.key] > 0: // a later check sends it
	case q.requeueAfterDisconnect():
		p.sendQueued(now)
	default:
		p.send(e, now)
	}
	if e.state == rejected {
		q.remove(e)
	}
	return e.token, e.state != rejected
}

// sendQueued sends all queued events in order, until the client takes no more. An event that has no stream yet, waits
// for its retry, or is expired, holds up only the events of its key.
func (p *Publisher) sendQueued(now time.Time) {
	q := &p.queue
	q.requeueAfterDisconnect()
	q.blocked = false
	held := map[string]struct{}{} // keys of which an earlier event has to be stored first
	for e := q.first; e != nil && !q.blocked; e = e.next {
		_, behind := held[e.key]
		holds := e.refused && e.state != rejected // it may be refused again
		if e.state == queued {
			if !behind && e.route.ready && !now.Before(e.retryAt) && e.expired(now) == nil {
				p.send(e, now)
			} else {
				holds = e.key != ""
			}
		}
		if holds {
			held[e.key] = struct{}{}
		}
	}
}

// sendNextOfKey sends the event behind a refused one that has just been removed. So it need not wait for the next
// check.
func (p *Publisher) sendNextOfKey(removed *pendingPublish, now time.Time) {
	if p.queue.blocked {
		return
	}
	for e := removed.next; e != nil; e = e.next {
		if e.key != removed.key {
			continue
		}
		if e.state == queued && e.route.ready && e.expired(now) == nil {
			p.send(e, now)
		}
		return
	}
}

// send hands a queued event to the client.
func (p *Publisher) send(e *pendingPublish, now time.Time) {
	q := &p.queue
	if q.inFlight >= maxPending {
		e.err, q.blocked = errTooMany, true
		return
	}
	clear(q.msg.Header)
	for k, v := range e.header {
		q.msg.Header[k] = v // not Set: the adapter's names, such as $requestID, are case-sensitive
	}
	q.msgID[0] = e.msgID
	q.msg.Header[jetstream.MsgIDHeader] = q.msgID[:]
	var reply [64]byte
	q.msg.Reply = string(strconv.AppendUint(append(reply[:0], p.acks...), e.token, tokenBase))
	q.msg.Subject, q.msg.Data = e.route.subject, e.payload
	switch err := p.nc.PublishMsg(&q.msg); {
	case err == nil:
		e.state, e.err, e.sentAt = inFlight, nil, now
		q.inFlight++
	case isRejection(err):
		e.state, e.err = rejected, err
	default:
		e.err, q.blocked, q.sendFailed = err, true, true
	}
}

// receiveAck handles the answers to events. When all goes well nothing else handles an event after it was sent.
func (p *Publisher) receiveAck(m *nats.Msg) {
	text, ok := strings.CutPrefix(m.Subject, p.acks)
	if !ok {
		return
	}
	token, err := strconv.ParseUint(text, tokenBase, 64)
	if err != nil {
		return
	}
	duplicate, err := readAnswer(m)
	switch e, removed := p.applyAck(token, err); {
	case e == nil:
	case !removed:
		e.route.lastFailure.Store(&publishFailure{err, time.Now()})
		p.log.WithError(err).WithField("subject", e.route.subject).Debug("event not acknowledged, publishing again")
	case err != nil:
		e.onAck(false, &Error{Subject: e.route.subject, Rejected: true, Err: err})
	default:
		if e.route.lastFailure.Load() != nil {
			e.route.lastFailure.Store(nil)
		}
		e.onAck(duplicate, nil)
	}
}

// applyAck removes an event that a stream has stored or will never store, and requeues any other. It returns nil if the
// answer changes nothing.
func (p *Publisher) applyAck(token uint64, err error) (_ *pendingPublish, removed bool) {
	q := &p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.byToken[token]
	switch {
	case e == nil:
		return nil, false // an earlier answer was enough
	case err == nil || isRejection(err):
		q.remove(e)
		if e.refused {
			p.sendNextOfKey(e, time.Now())
		}
		return e, true
	case e.state != inFlight:
		return nil, false // it is sent again anyway
	}
	now := time.Now()
	q.requeue(e, err)
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		// Somebody deleted the stream, or the server is still restoring it.
		e.route.ready = false
		p.lookUpStream(e.route, now)
	} else {
		e.retryAt = now.Add(retryWait)
		q.holdBack(e)
	}
	return e, false
}

// lookUpStream starts the lookup of a stream, which is created where there is none.
func (p *Publisher) lookUpStream(r *route, now time.Time) {
	if r.lookingUp || now.Before(r.nextLookup) {
		return
	}
	r.lookingUp, r.nextLookup = true, now.Add(retryWait)
	q := &p.queue
	if q.cancelLookups == nil {
		q.lookupCtx, q.cancelLookups = context.WithCancel(context.Background())
	}
	go p.ensureRoute(q.lookupCtx, r)
}

func (p *Publisher) ensureRoute(ctx context.Context, r *route) {
	ctx, cancel := context.WithTimeout(ctx, min(lookupTimeout, p.opts.Timeout))
	defer cancel()
	err := p.ensure(ctx, r.subject)
	if err != nil {
		p.log.WithError(err).WithField("subject", r.subject).Debug("events wait for their stream")
	}
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	r.lookingUp = false
	if err != nil {
		r.ready = r.hadStream // the lookup may be forbidden, and publishing not
		p.sendQueued(time.Now())
	}
}

// scheduleCheck makes a check due after checkInterval, unless one is due already.
func (p *Publisher) scheduleCheck() {
	q := &p.queue
	switch {
	case q.checkScheduled:
		return
	case q.checkTimer == nil:
		q.checkTimer = time.AfterFunc(checkInterval, p.checkPending)
	default:
		q.checkTimer.Reset(checkInterval)
	}
	q.checkScheduled = true
}

// checkPending sends queued and unacknowledged events again, and gives up expired ones.
func (p *Publisher) checkPending() {
	if unacked := p.sweep(time.Now()); unacked > 0 {
		p.log.Debugf("%d event(s) not acknowledged, published again", unacked)
	}
	for list := p.queue.takeGivenUp(true); len(list) > 0; list = p.queue.takeGivenUp(false) {
		for _, failed := range list {
			failed.event.onAck(false, failed.err)
		}
	}
}

// sweep gives up events that are expired or rejected, and with an expired one those of its key that are behind it. It
// requeues events whose ack takes too long, and sends what is queued.
func (p *Publisher) sweep(now time.Time) (unacked int) {
	q := &p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.requeueAfterDisconnect()
	for e := q.first; e != nil; e = e.next {
		reason := e.expired(now)
		if _, givenUp := q.givenUpKeys[e.key]; givenUp && reason == nil {
			reason = errBehind
		}
		switch {
		case e.state == rejected || reason != nil:
			q.remove(e)
			q.givenUp = append(q.givenUp, failedPublish{e, e.failure(reason)})
			if e.key != "" && e.state != rejected {
				q.givenUpKeys[e.key] = struct{}{}
			}
		case !e.route.ready:
			p.lookUpStream(e.route, now)
		case e.state == inFlight && now.Sub(e.sentAt) >= ackWait:
			q.requeue(e, jetstream.ErrAsyncPublishTimeout)
			e.route.lastFailure.Store(&publishFailure{jetstream.ErrAsyncPublishTimeout, now})
			unacked++
		}
	}
	p.sendQueued(now)
	q.checkScheduled = false
	if q.first != nil {
		p.scheduleCheck()
	}
	return unacked
}

// cancel gives up an event whose publisher does not wait any longer.
func (p *Publisher) cancel(token uint64, reason error) {
	q := &p.queue
	q.mu.Lock()
	e := q.byToken[token]
	if e != nil {
		q.remove(e)
	}
	q.mu.Unlock()
	if e != nil {
		e.onAck(false, e.failure(reason))
	}
}
