package cache

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"
)

// Policy says how long a result is kept and who computes it.
type Policy struct {
	// TTL is how long the result is fresh. 0 is the cache's TTL; a negative TTL never expires.
	TTL time.Duration
	// Stale is how much longer a stale result is returned at once, while one node at a time computes a new one in the
	// background, within 15 s. The entry lives for TTL+Stale. A Node service sets ttl = TTL+Stale and lock.staleTime =
	// Stale.
	Stale time.Duration
	// Lock lets only one node at a time compute a missing result, as Node's cache.lock does, for up to 15 s. A node
	// that has waited for 2 s computes it, too.
	Lock bool
}

const (
	lockTTL = 15 * time.Second
	// lockTries is the number of attempts to take a lock. Between them is a pause of lockPause ± lockJitter.
	lockTries  = 11
	lockPause  = 200 * time.Millisecond
	lockJitter = 100 * time.Millisecond
	lockSuffix = "-lock"
)

// GetOrCompute returns the result under a key. If there is none, it returns the result of fn and keeps it; errors are
// not kept.
//
// Concurrent callers with the same key share one call of fn (singleflight) and the bytes of its result, which must not
// be changed. fn gets the values of the first caller's context. It runs while any caller waits, or in the background,
// so it may outlast the call that started it. Errors of the store are logged and not returned.
func (c *Cache) GetOrCompute(
	ctx context.Context, key string, p Policy, fn func(ctx context.Context) (json.RawMessage, error),
) (json.RawMessage, error) {
	if c == nil {
		return fn(ctx)
	}
	full := c.prefix + key
	value, stale, found, _ := c.read(ctx, full, p.Stale)
	switch {
	case !found:
		return c.inProgress.do(ctx, full, func(ctx context.Context) (json.RawMessage, error) {
			return c.computeAndKeep(ctx, full, p, fn)
		})
	case stale:
		c.refresh.start(ctx, full, lockTTL, func(ctx context.Context) { c.recompute(ctx, full, p, fn) })
	}
	return value, nil
}

// computeAndKeep computes a missing result and keeps it.
func (c *Cache) computeAndKeep(ctx context.Context, key string, p Policy, fn computeFunc) (json.RawMessage, error) {
	if p.Lock {
		defer c.lock(ctx, key)()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	// Another node may have computed it meanwhile.
	if value, _, found, _ := c.read(ctx, key, 0); found {
		return value, nil
	}
	value, err := fn(ctx)
	if err == nil {
		c.keep(ctx, key, value, p)
	}
	return value, err
}

// recompute computes a stale result again and keeps it, unless another node does so or has done so.
func (c *Cache) recompute(ctx context.Context, key string, p Policy, fn computeFunc) {
	unlock, acquired := c.tryLock(ctx, key)
	if !acquired {
		return
	}
	defer unlock()
	if _, stale, found, _ := c.read(ctx, key, p.Stale); found && !stale {
		return
	}
	value, err := callRecovered(ctx, fn)
	if err != nil {
		c.log.WithError(err).WithField("name", nameOf(key)).Warn("an old result in the cache could not be renewed")
		return
	}
	c.keep(ctx, key, value, p)
}

// keep writes a result, also if no caller waits any longer. Errors of the store are logged by health.
func (c *Cache) keep(ctx context.Context, key string, value json.RawMessage, p Policy) {
	if !json.Valid(value) {
		c.warnUncacheable(nameOf(key), errors.New("it is not JSON"))
		return
	}
	ttl := c.lifetime(p.TTL)
	if ttl > 0 {
		ttl += max(p.Stale, 0)
	}
	_ = c.write(context.WithoutCancel(ctx), key, value, ttl)
}

// warnUncacheable warns once for each name that its results cannot be kept.
func (c *Cache) warnUncacheable(name string, err error) {
	if _, warned := c.warned.LoadOrStore(name, true); !warned {
		c.log.WithError(err).WithField("name", name).Warn("a result cannot be cached")
	}
}

// lock waits for a key's lock for a bounded time. A caller without the lock may go on: then the result is computed
// twice.
func (c *Cache) lock(ctx context.Context, key string) (unlock func()) {
	for range lockTries {
		unlock, acquired := c.tryLock(ctx, key)
		if acquired || !c.health.answers() {
			return unlock
		}
		pause := time.NewTimer(lockPause - lockJitter + rand.N(2*lockJitter))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return unlock
		}
	}
	return func() {}
}

// tryLock takes a key's lock if it is free. unlock is never nil.
func (c *Cache) tryLock(ctx context.Context, key string) (unlock func(), acquired bool) {
	if !c.health.admits() {
		return func() {}, false
	}
	began := time.Now()
	free, acquired, err := c.store.TryLock(ctx, key+lockSuffix, lockTTL)
	c.health.report(ctx, began, err)
	if err != nil || !acquired {
		return func() {}, false
	}
	return func() { _ = free(context.WithoutCancel(ctx)) }, true // after an error the lock expires by itself
}
