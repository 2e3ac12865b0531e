// Package overdue has contexts whose deadline comes when a test says so.
package overdue

import (
	"context"
	"sync"
)

type overdue struct {
	context.Context //nolint:containedctx // it is one

	over chan struct{}
}

// Context returns a context and what makes its deadline come, which may be called from anywhere and more than once.
// Before that, the context does not end.
func Context(parent context.Context) (ctx context.Context, expire func()) {
	o := overdue{context.WithoutCancel(parent), make(chan struct{})}
	return o, sync.OnceFunc(func() { close(o.over) })
}

// Done implements context.Context.
func (o overdue) Done() <-chan struct{} { return o.over }

// Err implements context.Context.
func (o overdue) Err() error {
	select {
	case <-o.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}
