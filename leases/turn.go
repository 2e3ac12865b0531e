package leases

import (
	"context"
	"errors"
	"time"
)

// turnRecord is the value of "turn/<name>".
type turnRecord struct {
	Node string `json:"node"`
}

// Turn waits until no node has had the turn of that name for an interval, and takes it. It is for limits such as "one
// login in 5 s". The interval lies between the writes to the store: who then does at once what the turn is for should
// add what a write may take. The error wraps that of ctx, or [ErrClosed].
func (m *Member) Turn(ctx context.Context, name string, interval time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.ctx, func() { cancel(ErrClosed) })()
	m.mu.Lock()
	if m.ctx.Err() == nil {
		m.takePart()
	}
	m.mu.Unlock()
	for m.ctx.Err() == nil {
		revision, wait, changed := m.nextTurn(name, interval)
		if wait <= 0 {
			taken, err := m.takeTurn(ctx, name, revision)
			if taken {
				return nil
			}
			if err != nil {
				wait = retryWait
			} else {
				continue
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return &Error{Op: "turn", Err: context.Cause(ctx)}
		}
	}
	return &Error{Op: "turn", Rejected: true, Err: ErrClosed}
}

// nextTurn returns the revision of a turn, how long it is not free, and what is closed when that changes.
func (m *Member) nextTurn(name string, interval time.Duration) (uint64, time.Duration, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.turns[name]
	switch {
	case !m.synced:
		return 0, interval + retryWait, m.changed // the watch says when it has read all
	case t == nil:
		return 0, 0, m.changed
	}
	return t.revision, t.changed.Add(interval).Sub(m.now()), m.changed
}

// takeTurn writes the entry of a turn. If another node was faster it sees to it that its turn is known.
func (m *Member) takeTurn(ctx context.Context, name string, revision uint64) (taken bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	key, value := turnPrefix+name, encode(turnRecord{m.node})
	written, err := m.store.Put(ctx, key, value, revision)
	e := Entry{key, value, written}
	if errors.Is(err, ErrConflict) {
		e, err = m.store.Get(ctx, key)
		if err != nil {
			return false, err
		}
		if e.Value == nil {
			return false, ErrConflict // somebody has deleted it; the watch will say so
		}
		m.observe(e)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	m.observe(e)
	return true, nil
}

func (m *Member) observeTurn(name string, e Entry) {
	there := m.turns[name]
	if there != nil && e.Revision < there.revision {
		return
	}
	if e.Value == nil {
		delete(m.turns, name)
	} else if there == nil || there.revision != e.Revision {
		m.turns[name] = &turn{e.Revision, m.now()}
	}
	m.broadcast()
}
