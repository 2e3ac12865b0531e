// Package cache keeps results, in memory or in Redis, with keys and values as Moleculer's Node cachers
// write them: Go and Node instances of one service share their entries.
//
// [Memoize] keeps what a function returns, [Cache.Once] does so for whole actions, whose keys come
// from a [Keygen]. Both call the function once for all who ask at the same time, and both do without
// a store that does not answer.
//
// The package knows neither the cluster nor services: package mixins puts it before actions.
package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
)

// Options configure a [Cache].
type Options struct {
	// TTL is how long entries live that are kept without a time of their own; 0 is for good.
	TTL time.Duration
	// Dialect says whether a null that was kept is a result.
	Dialect Dialect
	// Log hears of a store that stops or begins to answer, and of values that cannot be kept; nil logs nothing.
	Log *logrus.Entry
}

// Cache keeps values as JSON under keys. A nil Cache keeps nothing and finds nothing: functions are
// called each time. Safe for concurrent use.
type Cache struct {
	*core
	prefix string
	ttl    time.Duration
}

// core is what a cache shares with those of its namespaces.
type core struct {
	store   Store
	dialect Dialect
	log     *logrus.Entry
	health  health
	flights flights
	refresh refreshes
	refused sync.Map // names of values that could not be kept, which was said
}

// New makes a cache that keeps its entries in store, and closes it in the end.
func New(store Store, opts Options) *Cache {
	if opts.Log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		opts.Log = logrus.NewEntry(silent)
	}
	c := &core{store: store, dialect: opts.Dialect, log: opts.Log}
	c.health.log = opts.Log
	return &Cache{core: c, ttl: opts.TTL}
}

// Namespace is a part of the cache: name and a colon stand before its keys and patterns.
func (c *Cache) Namespace(name string) *Cache {
	if c == nil {
		return nil
	}
	return &Cache{core: c.core, prefix: c.prefix + name + ":", ttl: c.ttl}
}

// WithTTL is the same cache with another time for entries that are kept without one of their own.
func (c *Cache) WithTTL(ttl time.Duration) *Cache {
	if c == nil {
		return nil
	}
	return &Cache{core: c.core, prefix: c.prefix, ttl: ttl}
}

type cacheKey struct{}

// With returns a context that carries a cache.
func With(ctx context.Context, c *Cache) context.Context {
	return context.WithValue(ctx, cacheKey{}, c)
}

// From returns the cache that a context carries, nil, which keeps nothing, when there is none.
func From(ctx context.Context) *Cache {
	c, _ := ctx.Value(cacheKey{}).(*Cache)
	return c
}

// Get decodes the value of a key into target and says whether there was one. The error is a retryable
// [action.Error] when the store does not answer, another when the value does not fit.
func (c *Cache) Get(ctx context.Context, key string, target any) (bool, error) {
	if c == nil {
		return false, nil
	}
	value, _, found, err := c.read(ctx, c.prefix+key, 0)
	if err != nil {
		return false, c.failure(ctx, err)
	}
	if !found {
		return false, nil
	}
	if err := json.Unmarshal(value, target); err != nil {
		return false, fmt.Errorf("decode the cached %s: %w", nameOf(key), err)
	}
	return true, nil
}

// Set keeps a value for ttl: 0 is the cache's own, a negative one is for good. The error is a retryable
// [action.Error] when the store does not answer, another when the value cannot be encoded.
func (c *Cache) Set(ctx context.Context, key string, value any, ttl time.Duration) error {
	if c == nil {
		return nil
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s for the cache: %w", nameOf(key), err)
	}
	return c.failure(ctx, c.write(ctx, c.prefix+key, encoded, c.lifetime(ttl)))
}

// Delete removes entries; missing ones are no error. Without an error they are gone for sure. The error
// is a retryable [action.Error].
func (c *Cache) Delete(ctx context.Context, keys ...string) error {
	if c == nil {
		return nil
	}
	full := make([]string, len(keys))
	for i, key := range keys {
		full[i] = c.prefix + key
	}
	began := time.Now()
	err := c.store.Delete(ctx, full...)
	c.health.report(ctx, began, err)
	return c.failure(ctx, err)
}

// Clean removes the entries whose keys match a pattern of Moleculer's, such as "posts.list:**": ** is
// any text, * is text without a dot in memory and any text in Redis. The error is a retryable
// [action.Error]; some entries may be gone then.
func (c *Cache) Clean(ctx context.Context, pattern string) error {
	if c == nil {
		return nil
	}
	began := time.Now()
	err := c.store.Clean(ctx, c.prefix+pattern)
	c.health.report(ctx, began, err)
	return c.failure(ctx, err)
}

// Check says whether the store answers. The error is a retryable [action.Error].
func (c *Cache) Check(ctx context.Context) error {
	if c == nil {
		return nil
	}
	began := time.Now()
	err := c.store.Check(ctx)
	c.health.report(ctx, began, err)
	return c.failure(ctx, err)
}

// Close ends the refreshes in the background and closes the store. Caches of namespaces end with it.
func (c *Cache) Close() error {
	if c == nil {
		return nil
	}
	c.refresh.close()
	return c.store.Close()
}

// lifetime turns a ttl as callers give it into one as stores take it.
func (c *Cache) lifetime(ttl time.Duration) time.Duration {
	if ttl == 0 {
		ttl = c.ttl
	}
	return max(ttl, 0)
}

// read looks a full key up. It is stale when it has less than that to live.
func (c *Cache) read(ctx context.Context, key string, stale time.Duration) (value json.RawMessage, isStale, found bool, err error) {
	if !c.health.admits() {
		return nil, false, false, errStoreDown
	}
	began := time.Now()
	var left time.Duration
	if stale > 0 {
		value, left, found, err = c.store.GetWithTTL(ctx, key)
	} else {
		value, found, err = c.store.Get(ctx, key)
	}
	c.health.report(ctx, began, err)
	if c.dialect == Node014 && string(value) == "null" {
		found = false
	}
	return value, left > 0 && left < stale, found && err == nil, err
}

// write keeps JSON under a full key.
func (c *Cache) write(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if !c.health.admits() {
		return errStoreDown
	}
	began := time.Now()
	err := c.store.Set(ctx, key, value, ttl)
	c.health.report(ctx, began, err)
	return err
}

// failure is a store's error as callers get it.
func (c *Cache) failure(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return action.Retryable(http.StatusServiceUnavailable, "CACHE_UNAVAILABLE", "the cache does not answer").Because(err)
	}
}

// nameOf is the part of a key that may be logged: what follows are a caller's params.
func nameOf(key string) string {
	name, _, _ := strings.Cut(key, ":")
	return name
}
