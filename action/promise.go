package action

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// Promise is a result that is not there yet. A handler returns one instead of waiting, when it only has to wait for
// something, such as an ack of NATS: no goroutine is held meanwhile. The handler's ctx and req stay valid until the
// promise is resolved. The zero value is ready to use; a Promise must not be copied. Safe for concurrent use.
//
// Middlewares that look at results do so by [Then] or [Wait], which take plain results and promises alike.
type Promise struct {
	mu       sync.Mutex
	resolved bool
	result   any
	err      error
	onDone   func(result any, err error)
}

// Resolve gives the promise its result or its error. Only the first call counts.
func (p *Promise) Resolve(result any, err error) {
	p.mu.Lock()
	if p.resolved {
		p.mu.Unlock()
		return
	}
	p.resolved, p.result, p.err = true, result, err
	onDone := p.onDone
	p.onDone = nil
	p.mu.Unlock()
	if onDone != nil {
		onDone(result, err)
	}
}

// Go runs f in a goroutine of its own and resolves the promise with what f returns. A panic of f becomes an internal
// error.
func (p *Promise) Go(f func() (any, error)) {
	go func() {
		defer func() {
			if r := recover(); r != nil {
				p.Resolve(nil, Internal(fmt.Errorf("panic: %v\n%s", r, debug.Stack())))
			}
		}()
		p.Resolve(f())
	}()
}

// OnDone has f called once with the result: by the goroutine that resolves the promise, or at once if it is resolved
// already. Several functions are called in the order in which they were given. f must not block.
func (p *Promise) OnDone(f func(result any, err error)) {
	p.mu.Lock()
	resolved := p.resolved
	if before := p.onDone; before != nil {
		p.onDone = func(result any, err error) {
			before(result, err)
			f(result, err)
		}
	} else if !resolved {
		p.onDone = f
	}
	p.mu.Unlock()
	if resolved {
		f(p.result, p.err)
	}
}

// Then applies f to what a handler returned: at once, or when its promise is resolved.
func Then(result any, err error, f func(result any, err error) (any, error)) (any, error) {
	promise, ok := result.(*Promise)
	if err != nil || !ok {
		return f(result, err)
	}
	after := &Promise{}
	promise.OnDone(func(result any, err error) { after.Resolve(f(result, err)) })
	return after, nil
}

// Wait returns what a handler returned. If that is a promise, Wait blocks until it is resolved or ctx ends; then the
// error is that of ctx.
func Wait(ctx context.Context, result any, err error) (any, error) {
	promise, ok := result.(*Promise)
	if err != nil || !ok {
		return result, err
	}
	done := make(chan struct{})
	promise.OnDone(func(r any, e error) {
		result, err = r, e
		close(done)
	})
	select {
	case <-done:
		return result, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
