// Package order has a context that tells a publisher which events must stay in order when some of them are given up.
package order

import "context"

// Context is the context of an event that is kept elsewhere, such as in a spool, when the publisher gives it up. Events
// with the same key stay in order: when one is given up, the later ones are given up too, in order.
type Context struct {
	context.Context
	Key string
	// Held says whether earlier events of the key are kept elsewhere already. Then the event is given up at once. Held
	// may be nil. It must not block, and must not call the publisher.
	Held func(key string) bool
}

// Of returns the Key and Held of a *Context. For any other context, also one that is derived from a *Context, it
// returns "" and nil.
func Of(ctx context.Context) (key string, held func(key string) bool) {
	if c, ok := ctx.(*Context); ok { // not by Value: this is asked for each event
		return c.Key, c.Held
	}
	return "", nil
}
