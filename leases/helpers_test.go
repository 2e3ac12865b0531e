package leases_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/leases"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness is a cluster of nodes on one store.
type harness struct {
	t     *testing.T
	store leases.Store
	log   *test.Hook
	puts  atomic.Int64
	now   atomic.Int64 // puts that run
	most  atomic.Int64 // of them at once

	mu     sync.Mutex
	moves  map[string][]string // nodes by key, in the order in which they took it
	epochs map[string]uint64
	runs   map[string]int // that run now, by key
	faults []string
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	return &harness{
		t: t, log: new(test.Hook), store: leases.NewMemory(), moves: map[string][]string{}, epochs: map[string]uint64{},
		runs: map[string]int{},
	}
}

// node is one member with one group.
type node struct {
	*leases.Member
	*leases.Group
	name  string
	h     *harness
	away  atomic.Bool  // the store answers with errors
	hangs atomic.Bool  // the store does not answer
	deaf  atomic.Bool  // every third change is made, but the answer is lost
	calls atomic.Int64 // of changes while it is deaf
	shift atomic.Int64 // of the node's clock, ns

	mu   sync.Mutex
	held map[string]*leases.Lease // whose Run runs
}

// nodeStore is the store as a node reaches it.
type nodeStore struct {
	leases.Store
	n *node
}

var errAway = errors.New("the store is away")

func (s nodeStore) reach(ctx context.Context) error {
	if s.n.away.Load() {
		return errAway
	}
	if s.n.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (s nodeStore) Get(ctx context.Context, key string) (leases.Entry, error) {
	if err := s.reach(ctx); err != nil {
		return leases.Entry{}, err
	}
	return s.Store.Get(ctx, key)
}

func (s nodeStore) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if err := s.reach(ctx); err != nil {
		return 0, err
	}
	h := s.n.h
	h.puts.Add(1)
	now := h.now.Add(1)
	defer h.now.Add(-1)
	for most := h.most.Load(); now > most && !h.most.CompareAndSwap(most, now); most = h.most.Load() {
	}
	<-time.After(time.Millisecond) // of a bubble of synctest
	written, err := s.Store.Put(ctx, key, value, revision)
	return written, s.lose(err)
}

// Watch tells of nothing while the store hangs, and then of all.
func (s nodeStore) Watch(ctx context.Context, changed func(leases.Entry)) error {
	return s.Store.Watch(ctx, func(e leases.Entry) {
		for s.n.hangs.Load() && ctx.Err() == nil {
			<-time.After(100 * time.Millisecond) // of a bubble of synctest
		}
		changed(e)
	})
}

func (s nodeStore) lose(err error) error {
	if s.n.deaf.Load() && s.n.calls.Add(1)%3 == 0 {
		return errAway
	}
	return err
}

func (s nodeStore) Delete(ctx context.Context, key string, revision uint64) error {
	if err := s.reach(ctx); err != nil {
		return err
	}
	return s.lose(s.Store.Delete(ctx, key, revision))
}

func (h *harness) start(name string, work func(context.Context, *leases.Lease)) *node {
	h.t.Helper()
	n := &node{name: name, h: h, held: map[string]*leases.Lease{}}
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.AddHook(h.log)
	n.Member = leases.NewMember(nodeStore{h.store, n}, leases.Options{
		Node: name, Log: logrus.NewEntry(log), Now: func() time.Time { return time.Now().Add(time.Duration(n.shift.Load())) },
	})
	var err error
	n.Group, err = n.Member.Group("telegram", leases.GroupOptions{Run: func(ctx context.Context, l *leases.Lease) {
		n.begin(l)
		defer n.end(l)
		if work != nil {
			work(ctx, l)
			return
		}
		<-ctx.Done()
	}})
	require.NoError(h.t, err)
	h.t.Cleanup(func() { _ = n.Member.Close(context.Background()) })
	return n
}

func (n *node) begin(l *leases.Lease) {
	n.mu.Lock()
	n.held[l.Key()] = l
	n.mu.Unlock()
	h := n.h
	h.mu.Lock()
	defer h.mu.Unlock()
	h.moves[l.Key()] = append(h.moves[l.Key()], n.name)
	if l.Epoch() < h.epochs[l.Key()] {
		h.faults = append(h.faults, "an epoch went back: "+l.Key())
	}
	h.epochs[l.Key()] = l.Epoch()
	if h.runs[l.Key()]++; h.runs[l.Key()] > 1 {
		h.faults = append(h.faults, "two owners of "+l.Key())
	}
}

func (n *node) end(l *leases.Lease) {
	n.h.mu.Lock()
	n.h.runs[l.Key()]--
	n.h.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held[l.Key()] == l {
		delete(n.held, l.Key())
	}
}

// owned returns the leases whose Run runs.
func (n *node) owned() map[string]*leases.Lease {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.held)
}

func (n *node) close() {
	n.h.t.Helper()
	require.NoError(n.h.t, n.Member.Close(context.Background()))
	n.h.mu.Lock()
	defer n.h.mu.Unlock()
	require.Empty(n.h.t, n.h.faults)
}

// moved returns how often keys were taken since the moves before.
func (h *harness) moved(before map[string]int) (keys, most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, list := range h.moves {
		if n := len(list) - before[key]; n > 0 {
			keys, most = keys+1, max(most, n)
		}
	}
	return keys, most
}

func (h *harness) moveCounts() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	counts := map[string]int{}
	for key, list := range h.moves {
		counts[key] = len(list)
	}
	return counts
}

func wanted(n int) []leases.Wanted {
	list := make([]leases.Wanted, n)
	for i := range list {
		list[i].Key = fmt.Sprintf("channel-%04d", i)
	}
	return list
}

// after lets time pass in a bubble of synctest.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
