// Package rediscache keeps the entries of a cache in Redis, as Node's Redis cacher does.
package rediscache

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/internal/redisclient"
)

// Options configure a [Store].
type Options struct {
	// URL is redis://[user:password@]host:port[/database], rediss:// for TLS, or unix://.
	URL string
	// Prefix is the prefix of every key. "" means that of a Node broker without a namespace; see [Prefix].
	Prefix string
}

// Prefix returns the prefix of Node's Redis cacher for the keys of a namespace.
func Prefix(namespace string) string {
	if namespace == "" {
		return "MOL-"
	}
	return "MOL-" + namespace + "-"
}

// Store keeps entries in Redis, version 4 or later, as Node's Redis cacher does. Each command takes at most a second,
// and at most half of the time that its caller has left. Safe for concurrent use.
type Store struct {
	client *redis.Client
	prefix string
}

var _ cache.Store = (*Store)(nil)

const (
	redisTimeout = time.Second
	scanCount    = 100
)

// New returns a store in the Redis at a URL. It connects at its first use, and again after a connection breaks. The
// error is about the URL.
func New(opts Options) (*Store, error) {
	// Without its cache a call is slow; waiting for repeated attempts makes it slower.
	client, err := redisclient.New(opts.URL, redisTimeout)
	if err != nil {
		return nil, err
	}
	if opts.Prefix == "" {
		opts.Prefix = Prefix("")
	}
	return &Store{client: client, prefix: opts.Prefix}, nil
}

// bounded returns the context for one command.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := redisTimeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/2)
	}
	return context.WithTimeout(ctx, limit)
}

// Get implements [cache.Store]. A value that is not JSON counts as missing.
func (s *Store) Get(ctx context.Context, key string) ([]byte, bool, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return valueOf(s.client.Get(ctx, s.prefix+key))
}

// GetWithTTL implements [cache.Store]. A value that is not JSON counts as missing.
func (s *Store) GetWithTTL(ctx context.Context, key string) ([]byte, time.Duration, bool, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	pipe := s.client.Pipeline()
	get, left := pipe.Get(ctx, s.prefix+key), pipe.PTTL(ctx, s.prefix+key)
	_, _ = pipe.Exec(ctx) // its error is that of one of the two commands
	value, found, err := valueOf(get)
	if err != nil || !found {
		return nil, 0, false, err
	}
	ttl, err := left.Result()
	if err != nil {
		return nil, 0, false, err
	}
	return value, max(ttl, 0), true, nil // negative: it never expires, or has just expired
}

func valueOf(get *redis.StringCmd) ([]byte, bool, error) {
	value, err := get.Bytes()
	switch {
	case errors.Is(err, redis.Nil), redis.HasErrorPrefix(err, "WRONGTYPE"):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	return value, json.Valid(value), nil
}

// Set implements [cache.Store].
func (s *Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return s.client.Set(ctx, s.prefix+key, value, ttl).Err()
}

// Delete implements [cache.Store].
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	full := make([]string, len(keys))
	for i, key := range keys {
		full[i] = s.prefix + key
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	return s.client.Unlink(ctx, full...).Err()
}

// literal escapes a text, so that a pattern matches it literally.
var literal = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`)

// Clean implements [cache.Store]. As with Node's Redis cacher, a single * matches dots, too.
func (s *Store) Clean(ctx context.Context, pattern string) error {
	pattern = literal.Replace(s.prefix) + strings.ReplaceAll(pattern, "**", "*")
	for cursor := uint64(0); ; {
		next, err := s.cleanSome(ctx, pattern, cursor)
		if err != nil || next == 0 {
			return err
		}
		cursor = next
	}
}

func (s *Store) cleanSome(ctx context.Context, pattern string, cursor uint64) (next uint64, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	keys, next, err := s.client.Scan(ctx, cursor, pattern, scanCount).Result()
	if err != nil || len(keys) == 0 {
		return next, err
	}
	return next, s.client.Unlink(ctx, keys...).Err()
}

// unlockScript releases a lock if it is still the caller's.
var unlockScript = redis.NewScript(
	`if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) end return 0`,
)

// TryLock implements [cache.Store] as redlock does on one server: the lock is a key with a random value.
func (s *Store) TryLock(
	ctx context.Context, name string, ttl time.Duration,
) (func(context.Context) error, bool, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	random := make([]byte, 16)
	_, _ = rand.Read(random) // it never fails
	owner := hex.EncodeToString(random)
	acquired, err := s.client.SetNX(ctx, s.prefix+name, owner, ttl).Result()
	if err != nil || !acquired {
		return nil, false, err
	}
	return func(ctx context.Context) error {
		ctx, cancel := bounded(ctx)
		defer cancel()
		return unlockScript.Run(ctx, s.client, []string{s.prefix + name}, owner).Err()
	}, true, nil
}

// Check implements [cache.Store].
func (s *Store) Check(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return s.client.Ping(ctx).Err()
}

// Close closes the connections.
func (s *Store) Close() error { return s.client.Close() }
