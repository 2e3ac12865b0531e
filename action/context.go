package action

import (
	"context"

	"github.com/moleculer-go/moleculer"
)

type requestKey struct{}

// WithRequest returns a context that carries the call it belongs to.
func WithRequest(ctx context.Context, req *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, req)
}

// RequestFrom returns the call that a context belongs to, nil when it belongs to none, such as that
// of a lifecycle hook.
func RequestFrom(ctx context.Context) *Request {
	req, _ := ctx.Value(requestKey{}).(*Request)
	return req
}

// ContextOf returns the context behind the one that a plain moleculer-go handler is given: it ends at
// the caller's deadline and carries the call, its datasources and its cache.
func ContextOf(ctx moleculer.Context) context.Context {
	if c, ok := ctx.(interface{ Context() context.Context }); ok {
		return c.Context()
	}
	return context.Background()
}
