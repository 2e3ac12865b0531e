package events

import "github.com/nats-io/nats.go/jetstream"

// ParseAck reads a stream's ack.
var ParseAck = parseAck

// UsualAck reads the form that a server writes.
var UsualAck = usualAck

// MaxPending is how many events may wait for an ack at once.
const MaxPending = maxPending

// Pending is how many events are under way.
func (p *Publisher) Pending() int {
	p.flights.mu.Lock()
	defer p.flights.mu.Unlock()
	return len(p.flights.byToken)
}

// Aloft is how many of them wait for an ack.
func (p *Publisher) Aloft() int {
	p.flights.mu.Lock()
	defer p.flights.mu.Unlock()
	return p.flights.aloft
}

// Watched says whether another look is due.
func (p *Publisher) Watched() bool {
	p.flights.mu.Lock()
	defer p.flights.mu.Unlock()
	return p.flights.armed
}

// Acks begins the subjects of acks.
func (p *Publisher) Acks() string { return p.acks }

// Floor is up to where all of the stream has been dealt with, as far as the consumer knows.
func (c *Consumer) Floor() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.floor
}

// Take is called for each event.
func (c *Consumer) Take(msg jetstream.Msg) { c.take(msg) }
