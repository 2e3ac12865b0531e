package leases

import (
	"context"
	"slices"
	"sync"
)

// NewMemory returns an empty store in this process, for a single node and for tests.
func NewMemory() Store { return &memory{entries: map[string]Entry{}, watchers: map[*watcher]bool{}} }

type memory struct {
	mu       sync.Mutex
	entries  map[string]Entry
	revision uint64 // of the last change
	watchers map[*watcher]bool
}

// watcher holds the changes that a Watch has not told of yet.
type watcher struct {
	changes []Entry
	wake    chan struct{} // has room for one
}

func (m *memory) Get(ctx context.Context, key string) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, &Error{Op: "get", Err: err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, found := m.entries[key]; found {
		return e, nil
	}
	return Entry{Key: key}, nil
}

func (m *memory) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, &Error{Op: "put", Err: err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries[key].Revision != revision {
		return 0, &Error{Op: "put", Rejected: true, Err: ErrConflict}
	}
	m.revision++
	e := Entry{Key: key, Value: append([]byte{}, value...), Revision: m.revision}
	m.entries[key] = e
	m.tell(e)
	return e.Revision, nil
}

func (m *memory) Delete(ctx context.Context, key string, revision uint64) error {
	if err := ctx.Err(); err != nil {
		return &Error{Op: "delete", Err: err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	there, found := m.entries[key]
	if !found {
		return nil
	}
	if there.Revision != revision {
		return &Error{Op: "delete", Rejected: true, Err: ErrConflict}
	}
	m.revision++
	delete(m.entries, key)
	m.tell(Entry{Key: key, Revision: m.revision})
	return nil
}

func (m *memory) tell(e Entry) {
	for w := range m.watchers {
		w.changes = append(w.changes, e)
		select {
		case w.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

func (m *memory) Watch(ctx context.Context, changed func(Entry)) error {
	w := &watcher{wake: make(chan struct{}, 1)}
	m.mu.Lock()
	for _, e := range m.entries {
		w.changes = append(w.changes, e)
	}
	slices.SortFunc(w.changes, func(a, b Entry) int { return int(a.Revision) - int(b.Revision) })
	w.changes = append(w.changes, Entry{})
	w.wake <- struct{}{}
	m.watchers[w] = true
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, w)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wake:
		}
		m.mu.Lock()
		changes := w.changes
		w.changes = nil
		m.mu.Unlock()
		for _, e := range changes {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			changed(e)
		}
	}
}

func (m *memory) Check(context.Context) error { return nil }
func (m *memory) Close() error                { return nil }
