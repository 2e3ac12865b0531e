// Package datasource opens what a service draws on (databases, Redis, HTTP APIs, other services),
// watches over it and closes it: named, typed, in order. It is for a service what datasources and
// ctx.datasources are in the Node SDK.
//
// A service names its datasources with the New of the packages datasource/sqlite, datasource/postgres and
// datasource/redis, with [HTTP] and [Service], or a kind of its own with [New], and puts them into a [Set]. A handler
// asks for one with [Get].
//
// The package knows neither what is stored nor who asks.
package datasource

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Definition names a datasource and says how to open it.
type Definition struct {
	Name string
	// Open returns the instance. It must obey ctx and not keep it. Where the trouble may pass (see
	// [AsError]) it is called again until Timeout is over.
	//
	// The instance is closed by its method Close(context.Context) error, Close() error or Close(), and
	// checked by Check below, else its own Check (see [Checker]), Ping or PingContext, where it has one of these.
	Open func(ctx context.Context) (any, error)
	// Timeout bounds opening, with all repetitions and migrations. Zero leaves it to the deadline of the
	// context that the set is opened with, and means 30 s where that has none.
	Timeout time.Duration
	// Check says whether the instance works at the moment, for instances without a method that does. It must obey ctx; it
	// is never called twice at once. Its error is logged, so it must quote no secrets.
	Check func(ctx context.Context, instance any) error
	// Invalid is what is wrong with the options; [NewSet] reports it.
	Invalid error
}

// New defines a kind of datasource of one's own. The context that open gets carries the datasources
// of the set that stand before this one, so that it can be built on them: see [Get].
func New[T any](name string, open func(ctx context.Context) (T, error)) Definition {
	d := Definition{Name: name}
	if open != nil {
		d.Open = func(ctx context.Context) (any, error) { return open(ctx) }
	}
	return d
}

// Checker is an instance that can tell whether it works at the moment. Check must obey ctx; it is
// never called twice at once. Its error is logged, so it must quote no secrets.
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

// safely calls an instance on a goroutine of ours, where its panic would end the process.
func safely(ctx context.Context, call func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return call(ctx)
}
