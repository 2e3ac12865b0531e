package leases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Lease is the right of this node to do the work of a key. Safe for concurrent use.
type Lease struct {
	g        *Group
	s        *session
	key      string
	ctx      context.Context // of Run
	cancel   context.CancelFunc
	over     atomic.Bool // it is not valid any more
	lost     atomic.Bool // it is another's: nothing is written any more
	revision atomic.Uint64
	writing  chan struct{} // holds a token while an entry is written

	// Under Member.mu:
	sticky  bool   // another node should have taken it but did not: it is not given up for balance
	givenUp bool   // after Run it is released
	target  string // the node that should take it

	mu        sync.Mutex
	saved     keyRecord
	version   uint64 // counts the changes of saved
	written   uint64 // the version that the store has
	lastWrite time.Time
	timer     *time.Timer // nil where no write is planned
	finished  bool        // nothing is planned any more
}

// writeEvery is the shortest time between two writes of a lease.
const writeEvery = time.Second

func newLease(g *Group, s *session, key string, record keyRecord, revision uint64) *Lease {
	l := &Lease{g: g, s: s, key: key, writing: make(chan struct{}, 1), saved: record}
	l.ctx, l.cancel = context.WithCancel(s.ctx)
	l.revision.Store(revision)
	return l
}

// Key returns the key.
func (l *Lease) Key() string { return l.key }

// Epoch counts the owners of the key. It grows with each.
func (l *Lease) Epoch() uint64 { return l.record().Epoch }

// Valid says whether the lease is this node's at this moment. It is cheap and never waits.
func (l *Lease) Valid() bool { return !l.over.Load() && l.s.valid() }

// Cursor returns what was saved last, by this owner or by one before, nil if nothing was.
func (l *Lease) Cursor() []byte { return slices.Clone(l.record().Cursor) }

// Shared returns what was shared last, by this owner or by one before, nil if nothing was.
func (l *Lease) Shared() []byte { return slices.Clone(l.record().Shared) }

// writable says whether the entry is this node's, also after the lease ended.
func (l *Lease) writable() bool { return !l.lost.Load() && l.s.valid() }

func (l *Lease) record() keyRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saved
}

// Save keeps a cursor for the next owner. It does not wait: the store is written at most once a second, and when the
// lease is given up; see [Lease.Flush]. It is never written once the lease is not valid. The error is [ErrTooLarge] for
// more than [MaxCursor] bytes.
func (l *Lease) Save(cursor []byte) error {
	return l.set(cursor, MaxCursor, func(r *keyRecord) *[]byte { return &r.Cursor })
}

// SetState sets what others see in [Owner].State, as Save does. It ends with the lease. The error is [ErrTooLarge] for
// more than [MaxState] bytes.
func (l *Lease) SetState(state []byte) error {
	return l.set(state, MaxState, func(r *keyRecord) *[]byte { return &r.State })
}

// SetShared sets what others see in [Owner].Shared, as Save does. The next owner finds it. The error is [ErrTooLarge]
// for more than [MaxShared] bytes.
func (l *Lease) SetShared(shared []byte) error {
	return l.set(shared, MaxShared, func(r *keyRecord) *[]byte { return &r.Shared })
}

func (l *Lease) set(value []byte, most int, field func(*keyRecord) *[]byte) error {
	if len(value) > most {
		err := fmt.Errorf("%w: %d bytes of at most %d", ErrTooLarge, len(value), most)
		return &Error{Op: "save", Rejected: true, Err: err}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if there := field(&l.saved); !slices.Equal(*there, value) {
		*there = slices.Clone(value)
		l.version++
		l.planWrite(writeEvery)
	}
	return nil
}

// planWrite plans a write when the last one is long enough ago. The caller holds l.mu.
func (l *Lease) planWrite(every time.Duration) {
	if l.finished || l.timer != nil {
		return
	}
	wait := max(0, l.lastWrite.Add(every).Sub(l.g.m.now()))
	l.g.runs.Add(1)
	l.timer = time.AfterFunc(wait, func() {
		defer l.g.runs.Done()
		l.plannedWrite()
	})
}

func (l *Lease) plannedWrite() {
	err := l.write(l.s.ctx, nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = nil
	if l.written != l.version && !errors.Is(err, ErrLost) {
		l.planWrite(writeEvery)
	}
}

// Flush writes now what was not written yet, and waits for it. The error is [ErrLost] where the lease is not this
// node's any more.
func (l *Lease) Flush(ctx context.Context) error { return l.write(ctx, nil) }

// dirty says whether the store does not have all yet.
func (l *Lease) dirty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written != l.version
}

// release writes that the key is free, with the node that should take it, and with what was not written yet.
func (l *Lease) release(ctx context.Context) error {
	l.g.m.mu.Lock()
	target := l.target
	l.g.m.mu.Unlock()
	return l.write(ctx, func(r *keyRecord) {
		r.Node, r.Session, r.Number, r.State, r.Since = target, "", 0, nil, 0
	})
}

// write writes the entry, if there is something to write or it is to be changed. The change ends the lease.
func (l *Lease) write(ctx context.Context, change func(*keyRecord)) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	defer context.AfterFunc(l.s.ctx, cancel)()
	for _, slot := range []chan struct{}{l.writing, l.g.m.writes} { // one write a lease, and some at once in all
		select {
		case slot <- struct{}{}:
			defer func() { <-slot }()
		case <-ctx.Done():
			return l.writeError(ctx.Err())
		}
	}
	for {
		err := l.writeOnce(ctx, change)
		if errors.Is(err, ErrConflict) {
			err = l.reread(ctx)
			if err == nil {
				continue
			}
		}
		return l.writeError(err)
	}
}

func (l *Lease) writeOnce(ctx context.Context, change func(*keyRecord)) error {
	l.mu.Lock()
	record, version, clean := l.saved, l.version, l.written == l.version
	l.lastWrite = l.g.m.now()
	l.mu.Unlock()
	switch {
	case change != nil && l.writable():
		l.over.Store(true) // before another node can take it
		change(&record)
	case change != nil || !l.Valid():
		return ErrLost
	case clean:
		return nil
	}
	revision, err := l.g.m.store.Put(ctx, l.storeKey(), encode(record), l.revision.Load())
	if err == nil {
		l.wrote(record, revision, version)
	}
	return err
}

// writeError is [ErrLost] for an error after which nothing is written any more.
func (l *Lease) writeError(err error) error {
	var fault *Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrLost), !l.writable():
		return &Error{Op: "save", Rejected: true, Err: ErrLost}
	case errors.As(err, &fault):
		return fault
	}
	return &Error{Op: "save", Err: err}
}

func (l *Lease) storeKey() string { return l.g.name + "/" + l.key }

func (l *Lease) wrote(record keyRecord, revision, version uint64) {
	l.mu.Lock()
	l.written = version
	l.mu.Unlock()
	l.revision.Store(revision)
	m := l.g.m
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remember(l.g.name, l.key, record, revision)
}

// reread finds out why the entry has another revision. If the owner is still this lease, an earlier write came through
// whose answer was lost. Otherwise the lease is lost.
func (l *Lease) reread(ctx context.Context) error {
	e, err := l.g.m.store.Get(ctx, l.storeKey())
	if err != nil {
		return err
	}
	if e.Value != nil && decode[keyRecord](e.Value).sameOwner(l.record()) {
		l.revision.Store(e.Revision)
		return nil
	}
	if l.Valid() {
		l.g.log.WithField("connection", l.key).
			Warn("Somebody else has changed the entry of a lease; its connection is closed")
	}
	l.lose()
	return ErrLost
}

// lose ends the lease without a write: it is another's.
func (l *Lease) lose() {
	l.over.Store(true)
	l.lost.Store(true)
	l.cancel()
}

// giveUp ends Run and then releases the key. The caller holds Member.mu.
func (l *Lease) giveUp(target string) {
	if !l.givenUp {
		l.givenUp, l.target = true, target
		l.cancel()
	}
}

// run calls Run until the lease ends, and then gives it up.
func (l *Lease) run() {
	for l.ctx.Err() == nil {
		l.g.opts.Run(l.ctx, l)
		pause(l.ctx, runPause)
	}
	l.finish()
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// finish writes what is to be written after Run.
func (l *Lease) finish() {
	l.mu.Lock()
	l.finished = true
	if l.timer != nil && l.timer.Stop() {
		l.g.runs.Done()
	}
	l.mu.Unlock()
	kept := false
	for l.writable() {
		if kept = l.keep(); kept {
			break
		}
		if err := l.release(l.s.ctx); err == nil || errors.Is(err, ErrLost) {
			break
		}
		pause(l.s.ctx, retryWait)
	}
	m := l.g.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if !kept {
		l.over.Store(true)
	}
	if l.g.leases[l.key] == l {
		delete(l.g.leases, l.key)
	}
	signal(l.g.wake)
	signal(l.g.changed)
}

// keep keeps the lease until the whole group is closed, if the group closes and the lease has nothing to write. Then
// one write gives all of them up.
func (l *Lease) keep() bool {
	dirty := l.dirty()
	m := l.g.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.givenUp || !l.g.closing || l.g.slow || dirty {
		return false
	}
	l.g.returned = append(l.g.returned, l)
	return true
}
