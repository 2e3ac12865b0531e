package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/hiliosai/switchboard/action"
)

// compute makes a result.
type compute func(ctx context.Context) (json.RawMessage, error)

// flights let all who want one result at the same time wait for one computation. The zero value is
// ready for use.
type flights struct {
	mu    sync.Mutex
	byKey map[string]*flight
}

type flight struct {
	done    chan struct{} // closed when value and err are there
	value   json.RawMessage
	err     error
	waiting int // guarded by flights.mu
	cancel  context.CancelFunc
}

// do joins the flight of a key or starts it. It carries the values of the first one's context, and
// ends when nobody waits any longer.
func (f *flights) do(ctx context.Context, key string, fn compute) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	fl, ok := f.byKey[key]
	if !ok {
		fl = f.start(ctx, key, fn)
	}
	fl.waiting++
	f.mu.Unlock()
	select {
	case <-fl.done:
		return fl.value, fl.err
	case <-ctx.Done():
		f.leave(key, fl)
		return nil, ctx.Err()
	}
}

func (f *flights) start(ctx context.Context, key string, fn compute) *flight {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl := &flight{done: make(chan struct{}), err: errNoResult, cancel: cancel}
	if f.byKey == nil {
		f.byKey = map[string]*flight{}
	}
	f.byKey[key] = fl
	go func() {
		defer cancel()
		defer f.land(key, fl)
		fl.value, fl.err = guarded(ctx, fn)
	}()
	return fl
}

// errNoResult is what a function leaves behind that ends its goroutine.
var errNoResult = errors.New("the function did not return")

func (f *flights) land(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(key, fl)
	close(fl.done)
}

func (f *flights) leave(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl.waiting--; fl.waiting == 0 {
		fl.cancel()
		f.forget(key, fl) // who comes now wants one that goes on
	}
}

func (f *flights) forget(key string, fl *flight) {
	if f.byKey[key] == fl {
		delete(f.byKey, key)
	}
}

// guarded turns a panic into an error: here it would end the process.
func guarded(ctx context.Context, fn compute) (value json.RawMessage, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = action.Internal(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	return fn(ctx)
}
