package events

import "github.com/nats-io/nats.go/jetstream"

// ParseAck reads a stream's ack.
var ParseAck = parseAck

// UsualAck reads the form that a server writes.
var UsualAck = usualAck

// MaxPending is how many events may be in flight at once.
const MaxPending = maxPending

// Pending is how many events are not known to be stored.
func (p *Publisher) Pending() int {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	return len(p.queue.byToken)
}

// InFlight is how many of them wait for an ack.
func (p *Publisher) InFlight() int {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	return p.queue.inFlight
}

// CheckScheduled says whether a check of pending events is due.
func (p *Publisher) CheckScheduled() bool {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	return p.queue.checkScheduled
}

// Acks begins the subjects of acks.
func (p *Publisher) Acks() string { return p.acks }

// AckFloor is the sequence up to which all events are acknowledged, as far as the consumer knows.
func (c *Consumer) AckFloor() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ackFloor
}

// Receive is called for each event.
func (c *Consumer) Receive(msg jetstream.Msg) { c.receive(msg) }
