package claims

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"
)

// MemoryOptions configure a [Memory].
type MemoryOptions struct {
	// MaxBytes bounds keys and results together; 0 means 64 MB, about 300,000 claims. A full memory drops the claims that
	// expire next, but none that is held.
	MaxBytes int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Memory keeps claims in this process, for a single node and for tests. Safe for concurrent use.
type Memory struct{ core }

const (
	defaultMaxBytes = 64 << 20
	// entryBytes is the size of an entry without its key and its value.
	entryBytes = 160
)

var (
	errFull     = errors.New("the memory is full of claims that are held")
	errTooLarge = refusal{errors.New("the result is larger than the memory")}
)

// NewMemory returns an empty store.
func NewMemory(opts MemoryOptions) *Memory {
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = defaultMaxBytes
	}
	backend := &memory{max: opts.MaxBytes, free: opts.MaxBytes, now: clock(opts.Now), entries: map[string]*kept{}}
	return &Memory{newCore(backend, 0, opts.Now)}
}

type memory struct {
	max int // bytes
	now func() time.Time

	mu      sync.Mutex
	entries map[string]*kept
	ends    byEnd
	free    int // of max
}

type kept struct {
	Entry
	key  string
	end  time.Time
	slot int // in ends
}

func (k *kept) size() int { return entryBytes + len(k.key) + len(k.Value) }

func (m *memory) Apply(_ context.Context, changes []*Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for _, c := range changes {
		m.expire(now)
		if there := m.entries[c.Key]; there != nil {
			c.Found = there.Entry
		}
		if bytes.Equal(c.Found.Value, c.Old.Value) {
			m.put(c, now)
		}
	}
}

func (m *memory) put(c *Change, now time.Time) {
	k := &kept{Entry{Value: c.Value, Written: now}, c.Key, now.Add(c.TTL), 0}
	if k.size() > m.max {
		c.Err = errTooLarge
		return
	}
	there := m.entries[c.Key]
	if there != nil {
		m.remove(there)
	}
	if c.Value == nil {
		c.Made, c.Found = true, Entry{}
		return
	}
	if !m.makeRoom(k.size(), now) {
		if there != nil {
			m.add(there)
		}
		c.Err = errFull
		return
	}
	m.add(k)
	c.Made, c.Found = true, k.Entry
}

func (m *memory) add(k *kept) {
	m.entries[k.key] = k
	heap.Push(&m.ends, k)
	m.free -= k.size()
}

func (m *memory) remove(k *kept) {
	delete(m.entries, k.key)
	heap.Remove(&m.ends, k.slot)
	m.free += k.size()
}

func (m *memory) expire(now time.Time) {
	for len(m.ends) > 0 && !now.Before(m.ends[0].end) {
		m.remove(m.ends[0])
	}
}

// makeRoom drops the claims that expire first, but none that is held. It returns false if that is not enough.
func (m *memory) makeRoom(size int, now time.Time) bool {
	var held []*kept
	for m.free < size && len(m.ends) > 0 {
		next := m.ends[0]
		if r, err := decode(next.Value); err == nil && now.Before(next.Written.Add(r.lease)) { // a done claim has no lease
			held = append(held, next)
			heap.Remove(&m.ends, 0)
			continue
		}
		m.remove(next)
	}
	for _, k := range held {
		heap.Push(&m.ends, k)
	}
	return m.free >= size
}

func (m *memory) Check(context.Context) error { return nil }
func (m *memory) Close() error                { return nil }

// byEnd is a heap of entries. The one that expires first is on top.
type byEnd []*kept

func (h byEnd) Len() int           { return len(h) }
func (h byEnd) Less(i, j int) bool { return h[i].end.Before(h[j].end) }

func (h byEnd) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i, j
}

// Push implements [heap.Interface].
func (h *byEnd) Push(x any) {
	k := x.(*kept)
	k.slot = len(*h)
	*h = append(*h, k)
}

// Pop implements [heap.Interface].
func (h *byEnd) Pop() any {
	last := len(*h) - 1
	k := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return k
}
