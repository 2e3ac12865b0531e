package events

// Pending is how many events wait for an ack.
func (p *Publisher) Pending() int { return p.js.PublishAsyncPending() }
