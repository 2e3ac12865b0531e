package action

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// Later is a result that is not there yet. A handler that has nothing left to do but to wait returns one instead of
// waiting: nothing is held meanwhile but the request. Its ctx and req last until it is settled. A middleware that looks at
// results does so by [Then] or [Wait]. Safe for concurrent use.
type Later struct {
	mu      sync.Mutex
	settled bool
	result  any
	err     error
	then    func(result any, err error)
}

// Settle gives the result. Only the first call counts.
func (l *Later) Settle(result any, err error) {
	l.mu.Lock()
	if l.settled {
		l.mu.Unlock()
		return
	}
	l.settled, l.result, l.err = true, result, err
	then := l.then
	l.mu.Unlock()
	if then != nil {
		then(result, err)
	}
}

// Work settles with what f returns, in a goroutine of its own. A panic of f is its error.
func (l *Later) Work(f func() (any, error)) {
	go func() {
		defer func() {
			if r := recover(); r != nil {
				l.Settle(nil, Internal(fmt.Errorf("panic: %v\n%s", r, debug.Stack())))
			}
		}()
		l.Settle(f())
	}()
}

// Then has f called once with the result: by who settles it, or at once where that has been done. Of several f only the
// last is called. f must not block.
func (l *Later) Then(f func(result any, err error)) {
	l.mu.Lock()
	l.then = f
	settled := l.settled
	l.mu.Unlock()
	if settled {
		f(l.result, l.err)
	}
}

// Then applies f to what a handler returned: at once, or when it is there.
func Then(result any, err error, f func(result any, err error) (any, error)) (any, error) {
	later, ok := result.(*Later)
	if err != nil || !ok {
		return f(result, err)
	}
	after := &Later{}
	later.Then(func(result any, err error) { after.Settle(f(result, err)) })
	return after, nil
}

// Wait waits for what a handler returned, or for the end of ctx.
func Wait(ctx context.Context, result any, err error) (any, error) {
	later, ok := result.(*Later)
	if err != nil || !ok {
		return result, err
	}
	done := make(chan struct{})
	later.Then(func(r any, e error) {
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
