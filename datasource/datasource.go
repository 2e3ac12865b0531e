// Package datasource opens, checks and closes what a service uses: databases, Redis, HTTP APIs, other services. They
// have names and types, and are opened in order. It corresponds to datasources and ctx.datasources of the Node SDK.
//
// A service names its datasources with the New of the packages datasource/sqlite, datasource/postgres and
// datasource/redis, with [HTTP] and [Service], or a kind of its own with [New], and puts them into a [Set]. A handler
// asks for one with [Get].
//
// The package knows neither the data nor the callers.
package datasource

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Definition is the name of a datasource and how to open it.
type Definition struct {
	Name string
	// Open returns the instance. It must obey ctx and not keep it. After an error that may pass (see [AsError]) it is
	// called again until Timeout is over.
	//
	// The instance is closed by its method Close(context.Context) error, Close() error or Close(), and
	// checked by Check below, else its own Check (see [Checker]), Ping or PingContext, where it has one of these.
	Open func(ctx context.Context) (any, error)
	// Timeout bounds the opening with all retries and migrations. 0 means the deadline of the context that the set is
	// opened with, and 30 s if that has none.
	Timeout time.Duration
	// Check returns an error if the instance does not work now. It is for instances without such a method. It must obey
	// ctx, and is never called concurrently. Its error is logged and must quote no secrets.
	Check func(ctx context.Context, instance any) error
	// Invalid is the error of the options, which [NewSet] returns.
	Invalid error
}

// New defines a datasource of your own kind. The context for open has the datasources that are before this one in the
// set, so that it can use them; see [Get].
func New[T any](name string, open func(ctx context.Context) (T, error)) Definition {
	d := Definition{Name: name}
	if open != nil {
		d.Open = func(ctx context.Context) (any, error) { return open(ctx) }
	}
	return d
}

// Checker is an instance with a health check. Check must obey ctx, and is never called concurrently. Its error is
// logged and must quote no secrets.
type Checker interface {
	Check(ctx context.Context) error
}

// checkOf returns how to check an instance.
func (d *Definition) checkOf(instance any) func(context.Context) error {
	if d.Check != nil {
		return func(ctx context.Context) error { return d.Check(ctx, instance) }
	}
	switch i := instance.(type) {
	case Checker:
		return i.Check
	case interface{ Ping(context.Context) error }: // as pgxpool.Pool
		return i.Ping
	case interface{ PingContext(context.Context) error }: // as sql.DB
		return i.PingContext
	default:
		return func(context.Context) error { return nil }
	}
}

// closeOf returns how to close an instance.
func closeOf(instance any) func(context.Context) error {
	switch i := instance.(type) {
	case interface{ Close(context.Context) error }:
		return i.Close
	case io.Closer:
		return func(context.Context) error { return i.Close() }
	case interface{ Close() }:
		return func(context.Context) error { i.Close(); return nil }
	default:
		return func(context.Context) error { return nil }
	}
}

// safely returns a panic of an instance as an error: on this package's goroutines it would end the process.
func safely(ctx context.Context, call func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return call(ctx)
}
