// Package inflight counts the bytes that requests under way hold, so that they stay within a bound.
package inflight

import "sync/atomic"

// Bytes are the bytes that are held, up to a limit. Safe for concurrent use; it never blocks.
type Bytes struct {
	limit int64
	held  atomic.Int64
}

// New makes a count with a limit in bytes.
func New(limit int64) *Bytes { return &Bytes{limit: limit} }

// Limit is how many bytes may be held.
func (b *Bytes) Limit() int64 { return b.limit }

// Held is how many bytes are held now.
func (b *Bytes) Held() int64 { return b.held.Load() }

// Take counts n more bytes, unless more than the limit would be held then.
func (b *Bytes) Take(n int64) bool { return b.TakeUpTo(n, b.limit) }

// TakeUpTo is Take with a lower limit, which leaves room for others.
func (b *Bytes) TakeUpTo(n, limit int64) bool {
	if b.held.Add(n) <= limit {
		return true
	}
	b.held.Add(-n)
	return false
}

// Give counts n bytes no more.
func (b *Bytes) Give(n int64) { b.held.Add(-n) }
