package events

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// flights are the events that are not known to be stored, in the order in which they were handed over. What is lost with a
// connection is handed over again on the next one before anything new is: else a later event would be stored first.
// Within a connection nothing overtakes.
type flights struct {
	mu         sync.Mutex
	list       list.List // of *flight
	connection uint64    // the one that they are on, by number
	grounded   bool      // some have to be handed over
	triedAt    time.Time // when that failed last
}

// flight is an event on its way.
type flight struct {
	msg      *nats.Msg
	deadline time.Time
	place    *list.Element

	// Of flights.mu:
	future jetstream.PubAckFuture
	err    error // why it has to be handed over, nil where it has been
}

var errWaiting = errors.New("events before this one could not be handed over")

// depart takes an event up and hands it over, behind those that have to be handed over again.
func (p *Publisher) depart(msg *nats.Msg, deadline time.Time) *flight {
	f := &flight{msg: msg, deadline: deadline, err: errWaiting}
	_, known := p.known.Load(msg.Subject)
	fs := &p.flights
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.place = fs.list.PushBack(f)
	switch {
	case !known:
		// Without a stream nobody may answer, where others listen to the subject: it is not tried in vain.
		f.err = jetstream.ErrNoStreamResponse
	case fs.grounded || p.nc.Stats().Reconnects != fs.connection:
		fs.grounded = true
		p.handOver()
	default:
		p.send(f)
	}
	return f
}

// send hands an event over.
func (p *Publisher) send(f *flight) {
	// A message that has been handed over belongs to the client: it gets one of its own each time.
	msg := *f.msg
	if f.future, f.err = p.js.PublishMsgAsync(&msg); f.err != nil && !rejected(f.err) {
		p.flights.grounded, p.flights.triedAt = true, time.Now()
	}
}

// land takes an event off: it is stored, or given up.
func (p *Publisher) land(f *flight) {
	p.flights.mu.Lock()
	defer p.flights.mu.Unlock()
	p.flights.list.Remove(f.place)
}

// state is how an event was last handed over.
func (p *Publisher) state(f *flight) (jetstream.PubAckFuture, error) {
	p.flights.mu.Lock()
	defer p.flights.mu.Unlock()
	return f.future, f.err
}

// repeat hands an event over again that failed in a way, unless that has been done meanwhile.
func (p *Publisher) repeat(f *flight, failed jetstream.PubAckFuture, err error) {
	p.flights.mu.Lock()
	defer p.flights.mu.Unlock()
	if f.future == failed {
		f.future, f.err = nil, err
	}
	p.flights.grounded = true
	p.handOver()
}

// handOver hands over, in order, all events that have to be, until one cannot: those behind it wait. Only what has no
// stream yet, or will never be taken, holds up no other.
func (p *Publisher) handOver() {
	fs := &p.flights
	if time.Since(fs.triedAt) < retryWait/2 {
		return
	}
	now := p.nc.Stats().Reconnects
	lost := now != fs.connection
	fs.connection, fs.grounded = now, false
	for e, next := fs.list.Front(), (*list.Element)(nil); e != nil; e = next {
		next = e.Next()
		f := e.Value.(*flight)
		if !time.Now().Before(f.deadline) {
			fs.list.Remove(e)
			continue
		}
		if lost && f.err == nil { // or stored, and only the ack was lost: then its id tells
			f.future, f.err = nil, nats.ErrDisconnected
		}
		_, known := p.known.Load(f.msg.Subject)
		if known && f.err != nil && !fs.grounded && !rejected(f.err) {
			p.send(f)
		}
	}
}

// await waits until an event is stored, handing it over again as often as that takes.
func (p *Publisher) await(ctx context.Context, f *flight) (duplicate bool, _ error) {
	defer p.land(f)
	for {
		future, err := p.state(f)
		if err == nil {
			if duplicate, err = acked(ctx, future); err == nil {
				return duplicate, nil
			}
		}
		subject := f.msg.Subject
		switch {
		case rejected(err):
			return false, &Error{Subject: subject, Rejected: true, Err: err}
		case ctx.Err() != nil, !p.recovered(ctx, subject, err):
			if end := ctx.Err(); !errors.Is(err, end) {
				err = fmt.Errorf("%w: %w", end, err)
			}
			return false, &Error{Subject: subject, Err: err}
		}
		p.repeat(f, future, err)
	}
}
