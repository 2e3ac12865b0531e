// Package order has the event that publishers take. It is a package of its own so that its users need no NATS client.
package order

import "errors"

// ErrFenced is why an event was given up whose Fence let it through no more.
var ErrFenced = errors.New("the event may not be published any more")

// Event is a reliable event to be published.
type Event struct {
	Name    string
	MsgID   string              // the stream stores one event of an id within its duplicate window
	Header  map[string][]string // without the id
	Payload []byte

	// Key is set for an event that is kept elsewhere, such as in a spool, when the publisher gives it up. Events with
	// the same key stay in order: when one is given up, the later ones are given up too, in order. May be empty.
	Key string
	// Held says whether earlier events of the key are kept elsewhere already. Then the event is given up at once. Held
	// may be nil. It must not block, and must not call the publisher.
	Held func(key string) bool
	// Fence says whether the event may still be published. The publisher asks it right before each time that it sends the
	// event, and gives the event up when it may not. It may be nil. It must not block.
	Fence func() bool
}
