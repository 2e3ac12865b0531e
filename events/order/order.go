// Package order has a context tell a publisher which events must stay in their order when some of them are given up.
package order

import "context"

// Context is the context of an event that is kept elsewhere when its publisher gives it up. Events with the same key stay in
// their order then: when one is given up, those behind it are given up too, one after the other.
type Context struct {
	context.Context
	Key string
	// Held says whether earlier events of the key are kept elsewhere already. Such an event is given up at once. It may be
	// nil. It must not block, nor call the publisher.
	Held func(key string) bool
}

// Of gives the key of a context, and what says that earlier events are kept elsewhere. The key is "" for any other context
// than a *Context itself.
func Of(ctx context.Context) (key string, held func(key string) bool) {
	if c, ok := ctx.(*Context); ok { // not by Value: this is asked for each event
		return c.Key, c.Held
	}
	return "", nil
}
