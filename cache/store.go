package cache

import (
	"context"
	"time"
)

// Store is where a [Cache] keeps its entries: [Memory], or a store of package rediscache. Values are JSON. They must
// not be changed after Set or Get. Safe for concurrent use.
type Store interface {
	// Get returns the value of a key, and whether there is one.
	Get(ctx context.Context, key string) (value []byte, found bool, err error)
	// GetWithTTL is Get and returns the remaining lifetime of the entry, 0 if it never expires.
	GetWithTTL(ctx context.Context, key string) (value []byte, ttl time.Duration, found bool, err error)
	// Set keeps a value for ttl; 0 never expires.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete deletes entries. Missing ones are no error.
	Delete(ctx context.Context, keys ...string) error
	// Clean deletes the entries whose keys match a pattern of Moleculer; see [Cache.Clean].
	Clean(ctx context.Context, pattern string) error
	// TryLock takes the lock of a name if it is free. The lock expires after ttl. unlock releases it earlier, if the
	// caller still has it; unlock is nil if acquired is false.
	TryLock(ctx context.Context, name string, ttl time.Duration) (
		unlock func(context.Context) error, acquired bool, err error,
	)
	// Check returns an error if the store does not answer.
	Check(ctx context.Context) error
	// Close releases the resources of the store.
	Close() error
}
