package cache

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Option is an option of [Memoize].
type Option func(*Policy)

// Stale returns a result that is past its ttl by up to d at once, and computes it again in the background; see
// [Policy].
func Stale(d time.Duration) Option { return func(p *Policy) { p.Stale = d } }

// Locked lets only one node at a time compute a missing result; see [Policy].
func Locked() Option { return func(p *Policy) { p.Lock = true } }

// Memoize returns the result that fn returned before for the same name and params, and calls fn if there is none; see
// [Cache.GetOrCompute]. A result is kept for ttl: 0 is the cache's TTL, and a negative ttl never expires. The cache is
// the one in ctx. The key is the name, a colon and the params as JSON, or a hash of it. So [Cache.Clean] of "name:**"
// deletes all results of a name.
//
// Results are kept as JSON, and each caller gets its own value. Params and results that are not JSON are not kept,
// which is logged once for each name.
func Memoize[T any](
	ctx context.Context, name string, params any, ttl time.Duration, fn func(ctx context.Context) (T, error),
	opts ...Option,
) (T, error) {
	c := From(ctx)
	if c == nil {
		return fn(ctx)
	}
	key, err := memoizeKey(name, params)
	if err != nil {
		c.warnUncacheable(name, err)
		return fn(ctx)
	}
	p := Policy{TTL: ttl}
	for _, opt := range opts {
		opt(&p)
	}
	var own T
	var computed bool
	raw, err := c.GetOrCompute(ctx, key, p, func(ctx context.Context) (json.RawMessage, error) {
		v, err := fn(ctx)
		if err != nil {
			return nil, err
		}
		raw, err := json.Marshal(v)
		if err == nil {
			err = json.Unmarshal(raw, new(T)) // it must be possible to read it back
		}
		if err != nil {
			own, computed = v, true
			return nil, &notJSONError{err}
		}
		return raw, nil
	})
	if e, ok := errors.AsType[*notJSONError](err); ok {
		c.warnUncacheable(name, e.err)
		if computed {
			return own, nil
		}
		return fn(ctx) // the value of another caller must not be shared
	}
	var result T
	if err != nil {
		return result, err
	}
	if json.Unmarshal(raw, &result) != nil {
		// It has another type, written by another version of this program.
		_ = c.Delete(ctx, key)
		return fn(ctx)
	}
	return result, nil
}

// notJSONError is the error of a shared call whose result cannot be shared.
type notJSONError struct{ err error }

func (e *notJSONError) Error() string { return "the result cannot be kept as JSON: " + e.err.Error() }
