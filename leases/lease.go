package leases

import "context"

// Lease is the right of this node to do the work of a key. Safe for concurrent use.
type Lease struct {
	key    string
	ctx    context.Context
	cancel context.CancelFunc

	cursor, state, shared []byte
}

// Key returns the key.
func (l *Lease) Key() string { return l.key }

// Epoch counts the owners of the key. It grows with each.
func (l *Lease) Epoch() uint64 { return 1 }

// Valid says whether the lease is this node's at this moment. It is cheap and never waits.
func (l *Lease) Valid() bool { return l.ctx.Err() == nil }

// Cursor returns what was saved last, by this owner or by one before, nil if nothing was.
func (l *Lease) Cursor() []byte { return l.cursor }

// Shared returns what was shared last, by this owner or by one before, nil if nothing was.
func (l *Lease) Shared() []byte { return l.shared }

// Save keeps a cursor for the next owner. It does not wait: the store is written at most once a second, and when the
// lease is given up; see [Lease.Flush]. It is never written once the lease is not valid. The error is [ErrTooLarge] for more
// than [MaxCursor] bytes.
func (l *Lease) Save(cursor []byte) error { l.cursor = cursor; return nil }

// SetState sets what others see in [Owner.State], as Save does. It ends with the lease. The error is [ErrTooLarge] for
// more than [MaxState] bytes.
func (l *Lease) SetState(state []byte) error { l.state = state; return nil }

// SetShared sets what others see in [Owner.Shared], as Save does. The next owner finds it. The error is [ErrTooLarge] for
// more than [MaxShared] bytes.
func (l *Lease) SetShared(shared []byte) error { l.shared = shared; return nil }

// Flush writes now what was not written yet, and waits for it. The error is [ErrLost] where the lease is not this node's any
// more.
func (l *Lease) Flush(ctx context.Context) error { return ctx.Err() }
