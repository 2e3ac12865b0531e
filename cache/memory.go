package cache

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
)

// MemoryOptions configure a [Memory].
type MemoryOptions struct {
	// MaxBytes bounds the keys and values together; 0 means 32 MB. The least used entries make room.
	MaxBytes int64
}

// Memory keeps entries in this process. Safe for concurrent use.
type Memory struct{ entries *otter.Cache[string, entry] }

type entry struct {
	value []byte
	ttl   time.Duration // 0 means that it never expires
}

const (
	defaultMaxBytes = 32 << 20
	never           = time.Duration(math.MaxInt64)
)

// NewMemory returns an empty store.
func NewMemory(opts MemoryOptions) *Memory {
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = defaultMaxBytes
	}
	return &Memory{entries: otter.Must(&otter.Options[string, entry]{ // it fails only for contradictory options
		MaximumWeight: uint64(opts.MaxBytes),
		Weigher: func(key string, e entry) uint32 {
			return uint32(min(len(key)+len(e.value), math.MaxUint32))
		},
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, entry]) time.Duration {
			if e.Value.ttl == 0 {
				return never
			}
			return e.Value.ttl
		}),
	})}
}

// Get implements [Store].
func (m *Memory) Get(_ context.Context, key string) ([]byte, bool, error) {
	e, found := m.entries.GetIfPresent(key)
	return e.value, found, nil
}

// GetWithTTL implements [Store].
func (m *Memory) GetWithTTL(_ context.Context, key string) ([]byte, time.Duration, bool, error) {
	e, found := m.entries.GetEntry(key)
	if !found || e.Value.ttl == 0 {
		return e.Value.value, 0, found, nil
	}
	return e.Value.value, e.ExpiresAfter(), true, nil
}

// Set implements [Store].
func (m *Memory) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	m.entries.Set(key, entry{value, ttl})
	return nil
}

// Delete implements [Store].
func (m *Memory) Delete(_ context.Context, keys ...string) error {
	for _, key := range keys {
		m.entries.Invalidate(key)
	}
	return nil
}

// Clean implements [Store]. A single * does not match a dot.
func (m *Memory) Clean(_ context.Context, pattern string) error {
	matches := matcher(pattern)
	for key := range m.entries.Keys() {
		if matches(key) {
			m.entries.Invalidate(key)
		}
	}
	return nil
}

// TryLock implements [Store]. The lock is an entry, as in Redis.
func (m *Memory) TryLock(_ context.Context, name string, ttl time.Duration) (func(context.Context) error, bool, error) {
	owner := uuid.NewString()
	if _, acquired := m.entries.SetIfAbsent(name, entry{[]byte(owner), ttl}); !acquired {
		return nil, false, nil
	}
	return func(context.Context) error {
		m.entries.ComputeIfPresent(name, func(e entry) (entry, otter.ComputeOp) {
			if string(e.value) != owner {
				return e, otter.CancelOp
			}
			return e, otter.InvalidateOp
		})
		return nil
	}, true, nil
}

// Check implements [Store].
func (m *Memory) Check(context.Context) error { return nil }

// Close drops all entries and ends the goroutines of the store.
func (m *Memory) Close() error {
	m.entries.InvalidateAll()
	m.entries.StopAllGoroutines()
	return nil
}
