package events

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
