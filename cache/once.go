package cache

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"
)

// Policy says how a result is kept.
type Policy struct {
	// TTL is how long the result is good: 0 is the cache's own, a negative one is for good.
	TTL time.Duration
	// Stale is how much longer an old result is given at once, while a new one is made in the background:
	// by one node at a time, within 15 s. The entry lives for both together: a Node service agrees with
	// ttl = TTL+Stale and lock.staleTime = Stale.
	Stale time.Duration
	// Lock makes one node at a time compute a missing result, as Node's cache.lock does, as long as it
	// takes no more than 15 s. Who has waited for 2 s in vain computes it, too.
	Lock bool
}

const (
	lockTTL = 15 * time.Second
	// lockTries are made with pauses of lockPause, more or less lockJitter.
	lockTries  = 11
	lockPause  = 200 * time.Millisecond
	lockJitter = 100 * time.Millisecond
	lockSuffix = "-lock"
)

// Once returns the result under a key, or else what fn returns, which it keeps; errors are not kept.
// All who ask for a key at the same time share one call of fn, and a result's bytes, which must not be
// changed. fn has the values of the first one's context. It goes on while anybody waits, or in the
// background, and so it may outlast the Once that it was given to. What is wrong with the store is
// logged and fails nobody.
func (c *Cache) Once(ctx context.Context, key string, p Policy, fn func(ctx context.Context) (json.RawMessage, error)) (json.RawMessage, error) {
	if c == nil {
		return fn(ctx)
	}
	full := c.prefix + key
	value, stale, found, _ := c.read(ctx, full, p.Stale)
	switch {
	case !found:
		return c.flights.do(ctx, full, func(ctx context.Context) (json.RawMessage, error) { return c.fill(ctx, full, p, fn) })
	case stale:
		c.refresh.start(ctx, full, lockTTL, func(ctx context.Context) { c.renew(ctx, full, p, fn) })
	}
	return value, nil
}

// fill makes a missing result and keeps it.
func (c *Cache) fill(ctx context.Context, key string, p Policy, fn compute) (json.RawMessage, error) {
	if p.Lock {
		defer c.lock(ctx, key)()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	// Another may have made it since it was found missing.
	if value, _, found, _ := c.read(ctx, key, 0); found {
		return value, nil
	}
	value, err := fn(ctx)
	if err == nil {
		c.keep(ctx, key, value, p)
	}
	return value, err
}

// renew makes a stale result anew and keeps it, unless somebody else is doing so or has done.
func (c *Cache) renew(ctx context.Context, key string, p Policy, fn compute) {
	unlock, acquired := c.tryLock(ctx, key)
	if !acquired {
		return
	}
	defer unlock()
	if _, stale, found, _ := c.read(ctx, key, p.Stale); found && !stale {
		return
	}
	value, err := guarded(ctx, fn)
	if err != nil {
		c.log.WithError(err).WithField("name", nameOf(key)).Warn("an old result in the cache could not be renewed")
		return
	}
	c.keep(ctx, key, value, p)
}

// keep writes a result, also when nobody waits for it any longer. A store's trouble is logged already.
func (c *Cache) keep(ctx context.Context, key string, value json.RawMessage, p Policy) {
	if !json.Valid(value) {
		c.refuse(nameOf(key), errors.New("it is not JSON"))
		return
	}
	ttl := c.lifetime(p.TTL)
	if ttl > 0 {
		ttl += max(p.Stale, 0)
	}
	_ = c.write(context.WithoutCancel(ctx), key, value, ttl)
}

// refuse says once of each name that its values cannot be kept.
func (c *Cache) refuse(name string, err error) {
	if _, said := c.refused.LoadOrStore(name, true); !said {
		c.log.WithError(err).WithField("name", name).Warn("a result cannot be cached")
	}
}

// lock waits for a key's lock, but not for ever: without it the result is computed more often than need be.
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

// tryLock takes a key's lock unless somebody has it. unlock is never nil.
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
	return func() { _ = free(context.WithoutCancel(ctx)) }, true // it frees itself in the end
}
