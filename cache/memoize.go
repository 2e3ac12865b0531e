package cache

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Option refines how [Memoize] keeps results.
type Option func(*Policy)

// Stale gives a result that is over its ttl by up to d at once, and renews it in the background; see
// [Policy].
func Stale(d time.Duration) Option { return func(p *Policy) { p.Stale = d } }

// Locked makes one node at a time compute a missing result; see [Policy].
func Locked() Option { return func(p *Policy) { p.Lock = true } }

// Memoize returns what fn returned for the same name and params before, for ttl: 0 is the cache's own,
// a negative one is for good. The cache is the one in ctx, the key is name, a colon and the params as
// JSON (or a hash of it), so that [Cache.Clean] of "name:**" forgets all. fn is called as [Cache.Once] says.
//
// Results travel as JSON: each caller gets a value of its own. Params and results that JSON cannot
// carry are not kept; the log says so once for each name.
func Memoize[T any](ctx context.Context, name string, params any, ttl time.Duration, fn func(ctx context.Context) (T, error), opts ...Option) (T, error) {
	c := From(ctx)
	if c == nil {
		return fn(ctx)
	}
	key, err := memoKey(name, params)
	if err != nil {
		c.refuse(name, err)
		return fn(ctx)
	}
	p := Policy{TTL: ttl}
	for _, opt := range opts {
		opt(&p)
	}
	var own T
	var computed bool
	raw, err := c.Once(ctx, key, p, func(ctx context.Context) (json.RawMessage, error) {
		v, err := fn(ctx)
		if err != nil {
			return nil, err
		}
		raw, err := json.Marshal(v)
		if err == nil {
			err = json.Unmarshal(raw, new(T)) // what cannot be read back is of no use either
		}
		if err != nil {
			own, computed = v, true
			return nil, &notJSONError{err}
		}
		return raw, nil
	})
	if e, ok := errors.AsType[*notJSONError](err); ok {
		c.refuse(name, e.err)
		if computed {
			return own, nil
		}
		return fn(ctx) // another caller's value is not to be shared
	}
	var result T
	if err != nil {
		return result, err
	}
	if json.Unmarshal(raw, &result) != nil {
		// It is of another shape, written by another version of this program.
		_ = c.Delete(ctx, key)
		return fn(ctx)
	}
	return result, nil
}

// notJSONError ends a flight whose result cannot be shared.
type notJSONError struct{ err error }

func (e *notJSONError) Error() string { return "the result cannot be kept as JSON: " + e.err.Error() }
