// Package cache keeps results in memory or in Redis. Keys and values have the format of Moleculer's Node cachers, so Go
// and Node instances of one service share their entries.
//
// [Memoize] keeps the results of a function. [Cache.GetOrCompute] keeps those of whole actions, whose keys come from a
// [Keygen]. Both call the function once for concurrent callers, and both work without a store that does not answer.
//
// The package knows neither the cluster nor services. Package mixins wraps actions with it.
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
	"github.com/hiliosai/switchboard/action/codes"
)

// Options configure a [Cache].
type Options struct {
	// TTL is the default lifetime of entries; 0 never expires.
	TTL time.Duration
	// Dialect says whether a cached null is a result.
	Dialect Dialect
	// Log logs when the store stops or begins to answer, and values that cannot be kept; nil logs nothing.
	Log *logrus.Entry
}

// Cache keeps values as JSON under keys. A nil Cache keeps and finds nothing, so functions are called each time. Safe
// for concurrent use.
type Cache struct {
	*core
	prefix string
	ttl    time.Duration
}

// core is shared by a cache and its namespaces.
type core struct {
	store      Store
	dialect    Dialect
	log        *logrus.Entry
	health     health
	inProgress singleflight // calls of functions that compute results
	refresh    refreshes
	warned     sync.Map // names that warnUncacheable has warned of
}

// New returns a cache that keeps its entries in store. [Cache.Close] closes the store.
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

// Namespace returns a part of the cache: its keys and patterns have name and a colon as prefix.
func (c *Cache) Namespace(name string) *Cache {
	if c == nil {
		return nil
	}
	return &Cache{core: c.core, prefix: c.prefix + name + ":", ttl: c.ttl}
}

// WithTTL returns the same cache with another default lifetime of entries.
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

// From returns the cache that a context carries. Without one it returns nil, which keeps nothing.
func From(ctx context.Context) *Cache {
	c, _ := ctx.Value(cacheKey{}).(*Cache)
	return c
}

// Get decodes the value of a key into target and says whether there was one. If the store does not answer, the error is
// a retryable [action.Error].
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

// Set keeps a value for ttl: 0 is the cache's TTL, and a negative ttl never expires. If the store does not answer, the
// error is a retryable [action.Error].
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

// Delete deletes entries. Missing ones are no error. The error is a retryable [action.Error].
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

// Clean deletes the entries whose keys match a pattern of Moleculer, such as "posts.list:**". ** matches any text. *
// matches text without a dot in memory, and any text in Redis. The error is a retryable [action.Error]; some entries
// may be deleted then.
func (c *Cache) Clean(ctx context.Context, pattern string) error {
	if c == nil {
		return nil
	}
	began := time.Now()
	err := c.store.Clean(ctx, c.prefix+pattern)
	c.health.report(ctx, began, err)
	return c.failure(ctx, err)
}

// Check returns a retryable [action.Error] if the store does not answer.
func (c *Cache) Check(ctx context.Context) error {
	if c == nil {
		return nil
	}
	began := time.Now()
	err := c.store.Check(ctx)
	c.health.report(ctx, began, err)
	return c.failure(ctx, err)
}

// Close cancels the computations in the background and closes the store. It closes the namespaces, too.
func (c *Cache) Close() error {
	if c == nil {
		return nil
	}
	c.refresh.close()
	return c.store.Close()
}

// lifetime converts the ttl of a caller to that of a store, where 0 never expires.
func (c *Cache) lifetime(ttl time.Duration) time.Duration {
	if ttl == 0 {
		ttl = c.ttl
	}
	return max(ttl, 0)
}

// read looks up a full key. The value is stale if it expires in less than stale.
func (c *Cache) read(ctx context.Context, key string, stale time.Duration) (
	value json.RawMessage, isStale, found bool, err error,
) {
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

// failure converts an error of the store to the error for a caller.
func (c *Cache) failure(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return action.Retryable(http.StatusServiceUnavailable, codes.CacheUnavailable, "the cache does not answer").
			Because(err)
	}
}

// nameOf returns the part of a key that may be logged: the rest are the params of a caller.
func nameOf(key string) string {
	name, _, _ := strings.Cut(key, ":")
	return name
}
