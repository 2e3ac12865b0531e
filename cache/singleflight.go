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

// computeFunc computes a result.
type computeFunc func(ctx context.Context) (json.RawMessage, error)

// singleflight lets concurrent callers with the same key share one call of a function. It is like
// golang.org/x/sync/singleflight, but each caller can stop waiting with its own context. The zero value is ready for
// use.
type singleflight struct {
	mu    sync.Mutex
	byKey map[string]*sharedCall
}

type sharedCall struct {
	done    chan struct{} // closed when value and err are set
	value   json.RawMessage
	err     error
	waiters int // guarded by singleflight.mu
	cancel  context.CancelFunc
}

// do joins the running call of a key or starts one. fn gets the values of the first caller's context. Its context is
// canceled when no caller waits any longer.
func (g *singleflight) do(ctx context.Context, key string, fn computeFunc) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	call, ok := g.byKey[key]
	if !ok {
		call = g.start(ctx, key, fn)
	}
	call.waiters++
	g.mu.Unlock()
	select {
	case <-call.done:
		return call.value, call.err
	case <-ctx.Done():
		g.leave(key, call)
		return nil, ctx.Err()
	}
}

func (g *singleflight) start(ctx context.Context, key string, fn computeFunc) *sharedCall {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	call := &sharedCall{done: make(chan struct{}), err: errNoResult, cancel: cancel}
	if g.byKey == nil {
		g.byKey = map[string]*sharedCall{}
	}
	g.byKey[key] = call
	go func() {
		defer cancel()
		defer g.finish(key, call)
		call.value, call.err = callRecovered(ctx, fn)
	}()
	return call
}

// errNoResult is the result of a function that ends its goroutine.
var errNoResult = errors.New("the function did not return")

func (g *singleflight) finish(key string, call *sharedCall) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(key, call)
	close(call.done)
}

func (g *singleflight) leave(key string, call *sharedCall) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if call.waiters--; call.waiters == 0 {
		call.cancel()
		g.forget(key, call) // a later caller starts a new call
	}
}

func (g *singleflight) forget(key string, call *sharedCall) {
	if g.byKey[key] == call {
		delete(g.byKey, key)
	}
}

// callRecovered calls fn and turns a panic into an error: in this goroutine it would end the process.
func callRecovered(ctx context.Context, fn computeFunc) (value json.RawMessage, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = action.Internal(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	return fn(ctx)
}
