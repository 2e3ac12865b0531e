// Package inflight bounds the bytes that running requests hold.
package inflight

import "sync/atomic"

// Bytes counts held bytes up to a limit. It never blocks. Safe for concurrent use.
type Bytes struct {
	limit int64
	held  atomic.Int64
}

// New makes a Bytes with a limit in bytes.
func New(limit int64) *Bytes { return &Bytes{limit: limit} }

// Limit returns how many bytes may be held.
func (b *Bytes) Limit() int64 { return b.limit }

// Held returns how many bytes are held now.
func (b *Bytes) Held() int64 { return b.held.Load() }

// Take adds n bytes. It returns false, and adds nothing, if that exceeds the limit.
func (b *Bytes) Take(n int64) bool { return b.TakeUpTo(n, b.limit) }

// TakeUpTo is Take with a lower limit, to leave room for other requests.
func (b *Bytes) TakeUpTo(n, limit int64) bool {
	if b.held.Add(n) <= limit {
		return true
	}
	b.held.Add(-n)
	return false
}

// Give returns n bytes.
func (b *Bytes) Give(n int64) { b.held.Add(-n) }
