package events

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// lookEvery is how often what is under way is looked after: when all goes well acks are faster.
	lookEvery = 50 * time.Millisecond
	// ackWait is how long an ack may take before the event is published again, under the same id.
	ackWait = 2 * time.Second
	// retryWait is the pause before that when the stream did not take it, and between two looks for a stream.
	retryWait = 100 * time.Millisecond
	// provideWait bounds one look for a stream, or its making.
	provideWait = 5 * time.Second
)

// flights are the events that are not known to be stored, in the order in which they were handed over. What is lost with a
// connection is handed over again on the next one before anything new is: else a later event would be stored first.
// Within a connection nothing overtakes.
type flights struct {
	mu          sync.Mutex
	first, last *flight
	byToken     map[uint64]*flight
	token       uint64 // the last one
	aloft       int    // those that wait for an ack
	grounded    bool   // some have to be handed over before anything new
	torn        bool   // handing over has failed: what went before may be lost, too
	timer       *time.Timer
	armed       bool // the next look is due

	// losses has something for each lost connection. The client puts it there under its own lock, before anything can go
	// out on the next one: who finds nothing in it is still on the connection of before.
	losses <-chan nats.Status

	refused map[string]int // by key, events that the stream has refused for the moment: until they are off, those behind wait

	over    []outcome           // those that are given up, for their publishers to be told
	fallen  map[string]struct{} // keys of such events, and of those whose publishers are just being told
	telling bool

	inquiries context.Context // of looks for streams: they end with the connection, which has lost their answers
	hangUp    context.CancelFunc

	msg nats.Msg  // what is being handed over: the client copies it, so there is one for all
	id  [1]string // of msg's header
}

// flight is an event on its way.
type flight struct {
	route    *route
	msgID    string
	header   map[string][]string
	payload  []byte
	settled  func(duplicate bool, err error)
	ctx      context.Context
	deadline time.Time
	key      string            // see order.Context
	held     func(string) bool // likewise
	refused  bool              // the stream has refused it for the moment, so it counts in flights.refused until it is off

	// Of flights.mu:
	token      uint64 // ends the subject of its acks
	prev, next *flight
	sent       time.Time // when it was handed over last
	err        error     // why it has to be handed over, nil while it waits for its ack
	rejected   bool      // for good
	rest       time.Time // until when it is left alone
}

// route is where events of a name go.
type route struct {
	subject string
	trouble atomic.Pointer[trouble] // nil when the last answer was that an event is stored

	// Of flights.mu:
	known  bool      // has had a stream
	open   bool      // events may be handed over: as far as is known there is a stream
	asking bool      // its stream is being looked for, or made
	rest   time.Time // until when that is not done again
}

var (
	errWaiting = errors.New("events before this one could not be handed over")
	errTooMany = fmt.Errorf("%d events wait for their acks already", maxPending)
	errBehind  = errors.New("an event of the same conversation before this one was given up")
)

// depart takes an event up and hands it over, behind those that have to be handed over again. False means that it is given up
// and off again: it will never be taken, or events before it are kept elsewhere.
func (p *Publisher) depart(f *flight, now time.Time) (token uint64, ok bool) {
	fs := &p.flights
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.key != "" {
		if _, fallen := fs.fallen[f.key]; fallen {
			fs.over = append(fs.over, outcome{f, f.failure(errBehind)}) // they are just being told, in order
			return 0, true
		}
		if f.held != nil && f.held(f.key) {
			f.err = errBehind
			return 0, false
		}
	}
	fs.add(f)
	p.watch()
	switch {
	case !f.route.open:
		// Without a stream nobody may answer, where others listen to the subject: it is not tried in vain.
		f.err = jetstream.ErrNoStreamResponse
		p.askFor(f.route, now)
	case fs.grounded, fs.refused[f.key] > 0: // a later look hands it over
	case fs.lost():
		p.handOver(now)
	default:
		p.send(f, now)
	}
	if f.rejected {
		fs.remove(f)
	}
	return f.token, !f.rejected
}

func (fs *flights) add(f *flight) {
	fs.token++
	f.token, f.err, f.prev = fs.token, errWaiting, fs.last
	if fs.last == nil {
		fs.first = f
	} else {
		fs.last.next = f
	}
	fs.last = f
	fs.byToken[f.token] = f
}

func (fs *flights) remove(f *flight) {
	delete(fs.byToken, f.token)
	if f.refused {
		if fs.refused[f.key]--; fs.refused[f.key] == 0 {
			delete(fs.refused, f.key)
		}
	}
	if f.err == nil {
		fs.aloft--
	}
	if f.prev == nil {
		fs.first = f.next
	} else {
		f.prev.next = f.next
	}
	if f.next == nil {
		fs.last = f.prev
	} else {
		f.next.prev = f.prev
	}
}

// refuse notes that the stream has refused an event for the moment. It may do so again, so nothing of its key goes out
// beside it from now on.
func (fs *flights) refuse(f *flight) {
	if f.key != "" && !f.refused {
		fs.refused[f.key]++
		f.refused = true
	}
}

// sendNext sends the next event of the key of one that is off and was refused before: it need not wait for a look.
func (p *Publisher) sendNext(off *flight, now time.Time) {
	if p.flights.grounded {
		return
	}
	for f := off.next; f != nil; f = f.next {
		if f.key != off.key {
			continue
		}
		if f.err != nil && !f.rejected && f.route.open && f.end(now) == nil {
			p.send(f, now)
		}
		return
	}
}

// ground makes an event one that has to be handed over again.
func (fs *flights) ground(f *flight, err error) {
	if f.err == nil {
		fs.aloft--
	}
	f.err = err
}

// lost says whether the connection has been lost since the last call, and grounds what was on it: that may be stored, and
// only the ack be lost, but then its id tells.
func (fs *flights) lost() bool {
	lost := fs.torn
	for more := true; more; {
		select {
		case <-fs.losses:
			lost = true
		default:
			more = false
		}
	}
	if !lost {
		return false
	}
	fs.torn = false
	if fs.hangUp != nil {
		fs.hangUp()
		fs.hangUp = nil
	}
	for f := fs.first; f != nil; f = f.next {
		if f.err == nil {
			fs.ground(f, nats.ErrDisconnected)
		}
	}
	return true
}

// handOver hands over, in order, all events that have to be, until one cannot: those behind it wait. Only what has no
// stream yet, rests, or will never be taken, holds up no other, but for those of its key.
func (p *Publisher) handOver(now time.Time) {
	fs := &p.flights
	fs.lost()
	fs.grounded = false
	behind := map[string]struct{}{} // keys of which an earlier event waits
	for f := fs.first; f != nil && !fs.grounded; f = f.next {
		if f.rejected {
			continue
		}
		_, waits := behind[f.key]
		switch {
		case f.err == nil && !f.refused:
			continue
		case f.err == nil:
			behind[f.key] = struct{}{} // it may be refused again
		case !waits && f.route.open && !now.Before(f.rest) && f.end(now) == nil:
			p.send(f, now)
			if f.refused {
				behind[f.key] = struct{}{}
			}
		case f.key != "":
			behind[f.key] = struct{}{}
		}
	}
}

// send hands an event over.
func (p *Publisher) send(f *flight, now time.Time) {
	fs := &p.flights
	if fs.aloft >= maxPending {
		f.err, fs.grounded = errTooMany, true
		return
	}
	clear(fs.msg.Header)
	for k, v := range f.header {
		fs.msg.Header[k] = v // not Set: the adapter's names, such as $requestID, are case-sensitive
	}
	fs.id[0] = f.msgID
	fs.msg.Header[jetstream.MsgIDHeader] = fs.id[:]
	var reply [64]byte
	fs.msg.Reply = string(strconv.AppendUint(append(reply[:0], p.acks...), f.token, tokenBase))
	fs.msg.Subject, fs.msg.Data = f.route.subject, f.payload
	switch err := p.nc.PublishMsg(&fs.msg); {
	case err == nil:
		f.err, f.sent = nil, now
		fs.aloft++
	case rejected(err):
		f.err, f.rejected = err, true
	default:
		f.err, fs.grounded, fs.torn = err, true, true
	}
}

// tokenBase makes tokens short.
const tokenBase = 36

// acknowledged takes the answers to what was handed over. In the good case nothing else sees to an event.
func (p *Publisher) acknowledged(m *nats.Msg) {
	text, ok := strings.CutPrefix(m.Subject, p.acks)
	if !ok {
		return
	}
	token, err := strconv.ParseUint(text, tokenBase, 64)
	if err != nil {
		return
	}
	duplicate, err := answer(m)
	switch f, landed := p.arrive(token, err); {
	case f == nil:
	case !landed:
		f.route.trouble.Store(&trouble{err, time.Now()})
		p.log.WithError(err).WithField("subject", f.route.subject).Debug("event not acknowledged, publishing again")
	case err != nil:
		f.settled(false, &Error{Subject: f.route.subject, Rejected: true, Err: err})
	default:
		if f.route.trouble.Load() != nil {
			f.route.trouble.Store(nil)
		}
		f.settled(duplicate, nil)
	}
}

// arrive takes an event off that a stream has stored or will never store, and grounds any other. It gives nil where the
// answer changes nothing.
func (p *Publisher) arrive(token uint64, err error) (_ *flight, landed bool) {
	fs := &p.flights
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.byToken[token]
	switch {
	case f == nil:
		return nil, false // another answer has been enough
	case err == nil || rejected(err):
		fs.remove(f)
		if f.refused {
			p.sendNext(f, time.Now())
		}
		return f, true
	case f.err != nil:
		return nil, false // it was lost in the meantime, and goes out again anyway
	}
	now := time.Now()
	fs.ground(f, err)
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		// Somebody deleted the stream, or the server is still restoring it.
		f.route.open = false
		p.askFor(f.route, now)
	} else {
		f.rest = now.Add(retryWait)
		fs.refuse(f)
	}
	return f, false
}

// askFor has a stream looked for, and made where there is none.
func (p *Publisher) askFor(r *route, now time.Time) {
	if r.asking || now.Before(r.rest) {
		return
	}
	r.asking, r.rest = true, now.Add(retryWait)
	fs := &p.flights
	if fs.hangUp == nil {
		fs.inquiries, fs.hangUp = context.WithCancel(context.Background())
	}
	go p.provide(fs.inquiries, r)
}

func (p *Publisher) provide(ctx context.Context, r *route) {
	ctx, cancel := context.WithTimeout(ctx, min(provideWait, p.opts.Timeout))
	defer cancel()
	err := p.ensure(ctx, r.subject)
	if err != nil {
		p.log.WithError(err).WithField("subject", r.subject).Debug("events wait for their stream")
	}
	p.flights.mu.Lock()
	defer p.flights.mu.Unlock()
	r.asking = false
	if err != nil {
		r.open = r.known // where one cannot ask, one can still try
		p.handOver(time.Now())
	}
}

// watch has what is under way looked after.
func (p *Publisher) watch() {
	fs := &p.flights
	switch {
	case fs.armed:
		return
	case fs.timer == nil:
		fs.timer = time.AfterFunc(lookEvery, p.look)
	default:
		fs.timer.Reset(lookEvery)
	}
	fs.armed = true
}

// look sees to what does not go well: it hands over what is grounded or overdue, and gives up what is over.
func (p *Publisher) look() {
	if overdue := p.sweep(time.Now()); overdue > 0 {
		p.log.Debugf("%d event(s) not acknowledged, published again", overdue)
	}
	for list := p.flights.given(true); len(list) > 0; list = p.flights.given(false) {
		for _, o := range list {
			o.flight.settled(false, o.err)
		}
	}
}

// given gives the events that are given up and whose publishers have to be told, in order. One look at a time tells them: to
// another that begins meanwhile it gives none.
func (fs *flights) given(begin bool) []outcome {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if begin && fs.telling {
		return nil
	}
	list := fs.over
	fs.over, fs.telling = nil, len(list) > 0
	if !fs.telling {
		clear(fs.fallen)
	}
	return list
}

// outcome is why an event is given up.
type outcome struct {
	flight *flight
	err    error
}

// sweep gives up what is over, and with it what is behind it in order.
func (p *Publisher) sweep(now time.Time) (overdue int) {
	fs := &p.flights
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.lost()
	for f := fs.first; f != nil; f = f.next {
		end := f.end(now)
		if _, fallen := fs.fallen[f.key]; fallen && end == nil {
			end = errBehind
		}
		switch {
		case f.rejected || end != nil:
			fs.remove(f)
			fs.over = append(fs.over, outcome{f, f.failure(end)})
			if f.key != "" && !f.rejected {
				fs.fallen[f.key] = struct{}{}
			}
		case !f.route.open:
			p.askFor(f.route, now)
		case f.err == nil && now.Sub(f.sent) >= ackWait:
			fs.ground(f, jetstream.ErrAsyncPublishTimeout)
			f.route.trouble.Store(&trouble{jetstream.ErrAsyncPublishTimeout, now})
			overdue++
		}
	}
	p.handOver(now)
	fs.armed = false
	if fs.first != nil {
		p.watch()
	}
	return overdue
}

// abandon gives an event up whose publisher does not wait any longer.
func (p *Publisher) abandon(token uint64, end error) {
	fs := &p.flights
	fs.mu.Lock()
	f := fs.byToken[token]
	if f != nil {
		fs.remove(f)
	}
	fs.mu.Unlock()
	if f != nil {
		f.settled(false, f.failure(end))
	}
}

// end says why an event is not tried any longer, if so.
func (f *flight) end(now time.Time) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	if !now.Before(f.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// failure is what its publisher is told of an event that is given up.
func (f *flight) failure(end error) error {
	switch {
	case f.rejected:
		return &Error{Subject: f.route.subject, Rejected: true, Err: f.err}
	case end == nil:
		return &Error{Subject: f.route.subject, Err: f.err}
	case f.err == nil || errors.Is(f.err, end):
		return &Error{Subject: f.route.subject, Err: end}
	default:
		return &Error{Subject: f.route.subject, Err: fmt.Errorf("%w: %w", end, f.err)}
	}
}
