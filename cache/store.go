package cache

import (
	"context"
	"time"
)

// Store is where a [Cache] keeps its entries: [Memory], or what package rediscache makes. Values are JSON. Nobody changes a
// value that was handed over or given out. Safe for concurrent use.
type Store interface {
	// Get returns the value of a key, and whether there is one.
	Get(ctx context.Context, key string) (value []byte, found bool, err error)
	// GetWithTTL is Get and says how long the entry will live on, 0 when it does not expire.
	GetWithTTL(ctx context.Context, key string) (value []byte, ttl time.Duration, found bool, err error)
	// Set keeps a value for ttl, for good when that is 0.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete removes entries; missing ones are no error.
	Delete(ctx context.Context, keys ...string) error
	// Clean removes the entries whose keys match a pattern of Moleculer's; see [Cache.Clean].
	Clean(ctx context.Context, pattern string) error
	// TryLock takes the lock of that name, unless somebody has it. It frees itself after ttl. unlock
	// frees it before, if it is still the caller's; it is nil when acquired is false.
	TryLock(ctx context.Context, name string, ttl time.Duration) (unlock func(context.Context) error, acquired bool, err error)
	// Check says whether the store answers.
	Check(ctx context.Context) error
	// Close frees what the store holds.
	Close() error
}
