// Package leasestest is the conformance suite of [leases.Store]: it tests what the interface promises, and that members
// keep their laws on it.
package leasestest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/leases"
)

// Harness opens stores of one kind.
type Harness struct {
	// New prepares an empty storage and returns a function that opens a store on it, as each node does. Stores are closed
	// when the test ends.
	New func(tb testing.TB) (open func() leases.Store)
	// Breakable opens a store whose server can be stopped and started again. It is nil for stores without a server.
	Breakable func(tb testing.TB) (store leases.Store, stop, start func())
}

const (
	// maxWait bounds every wait.
	maxWait = time.Minute
	tick    = 5 * time.Millisecond
)

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	tests := map[string]func(*testing.T, Harness){
		"a key has the value of the last put":              put,
		"another revision is a conflict":                   conflict,
		"a deleted key is not there":                       deleted,
		"of many puts at a revision one succeeds":          race,
		"puts that follow each other are no conflicts":     chains,
		"keys are any text":                                keys,
		"a watch tells of all and then of changes":         watch,
		"watches of several nodes see the same at the end": watches,
		"an ended context is an error":                     ended,
		"members share keys and hand them over":            members,
	}
	if h.Breakable != nil {
		tests["without its server a store is an error, in time"] = outage
		tests["a watch goes on after an outage"] = recovery
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

// Put puts a value and returns its revision.
func Put(t *testing.T, store leases.Store, key, value string, revision uint64) uint64 {
	t.Helper()
	written, err := store.Put(t.Context(), key, []byte(value), revision)
	require.NoError(t, err)
	return written
}

// RequireValue requires the value of a key, "" for none, and its revision.
func RequireValue(t *testing.T, store leases.Store, key, value string, revision uint64) {
	t.Helper()
	e, err := store.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, key, e.Key)
	require.Equal(t, value, string(e.Value))
	require.Equal(t, revision, e.Revision)
	require.Equal(t, revision == 0, e.Value == nil)
}

// RequireFault requires a [leases.Error] that is permanent or not and contains a text.
func RequireFault(t *testing.T, err error, permanent bool, text string) {
	t.Helper()
	var fault *leases.Error
	require.ErrorAs(t, err, &fault)
	require.Equal(t, permanent, fault.Permanent(), "%v", err)
	require.ErrorContains(t, err, text)
}

func put(t *testing.T, h Harness) {
	t.Helper()
	store := h.New(t)()
	require.NoError(t, store.Check(t.Context()))
	RequireValue(t, store, "k", "", 0)
	first := Put(t, store, "k", "1", 0)
	require.NotZero(t, first)
	RequireValue(t, store, "k", "1", first)
	second := Put(t, store, "k", "2", first)
	require.Greater(t, second, first)
	RequireValue(t, store, "k", "2", second)
	RequireValue(t, store, "other", "", 0)
	third := Put(t, store, "k", string(make([]byte, 16<<10)), second)
	RequireValue(t, store, "k", string(make([]byte, 16<<10)), third)
}

func conflict(t *testing.T, h Harness) {
	t.Helper()
	open := h.New(t)
	store, other := open(), open()
	first := Put(t, store, "k", "1", 0)
	for _, revision := range []uint64{0, first + 1, first - 1} {
		_, err := other.Put(t.Context(), "k", []byte("x"), revision)
		require.ErrorIs(t, err, leases.ErrConflict)
		RequireFault(t, err, true, "another revision")
		if revision != 0 {
			require.ErrorIs(t, other.Delete(t.Context(), "k", revision), leases.ErrConflict)
		}
	}
	_, err := other.Put(t.Context(), "new", []byte("x"), first)
	require.ErrorIs(t, err, leases.ErrConflict)
	RequireValue(t, store, "k", "1", first)
}

func deleted(t *testing.T, h Harness) {
	t.Helper()
	store := h.New(t)()
	first := Put(t, store, "k", "1", 0)
	require.NoError(t, store.Delete(t.Context(), "k", first))
	RequireValue(t, store, "k", "", 0)
	require.NoError(t, store.Delete(t.Context(), "k", first), "again")
	require.NoError(t, store.Delete(t.Context(), "never", 7))
	_, err := store.Put(t.Context(), "k", []byte("x"), first)
	require.ErrorIs(t, err, leases.ErrConflict)
	second := Put(t, store, "k", "2", 0)
	require.Greater(t, second, first, "a revision does not come back")
	RequireValue(t, store, "k", "2", second)
}

func race(t *testing.T, h Harness) {
	t.Helper()
	open := h.New(t)
	stores := []leases.Store{open(), open(), open()}
	requireReady(t, stores)
	revision := uint64(0)
	for range 20 {
		var racers sync.WaitGroup
		var won atomic.Uint64
		var wins, conflicts atomic.Int64
		for i := range 9 {
			racers.Go(func() {
				written, err := stores[i%3].Put(t.Context(), "k", fmt.Append(nil, i), revision)
				switch {
				case err == nil:
					wins.Add(1)
					won.Store(written)
				case errors.Is(err, leases.ErrConflict):
					conflicts.Add(1)
				default:
					t.Errorf("neither won nor a conflict: %v", err)
				}
			})
		}
		racers.Wait()
		require.EqualValues(t, 1, wins.Load())
		require.EqualValues(t, 8, conflicts.Load())
		revision = won.Load()
	}
}

// requireReady waits until all servers of a cluster know the bucket.
func requireReady(t *testing.T, stores []leases.Store) {
	t.Helper()
	for _, store := range stores {
		require.Eventually(t, func() bool { return store.Check(t.Context()) == nil }, maxWait, tick)
	}
}

func chains(t *testing.T, h Harness) {
	t.Helper()
	open := h.New(t)
	stores := []leases.Store{open(), open()}
	requireReady(t, stores)
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			key, revision := fmt.Sprint("k", i), uint64(0)
			for n := range 200 {
				written, err := stores[n%2].Put(t.Context(), key, fmt.Append(nil, n), revision)
				if err != nil {
					t.Errorf("put %d: %v", n, err)
					return
				}
				revision = written
			}
			assert.NoError(t, stores[0].Delete(t.Context(), key, revision))
		})
	}
	writers.Wait()
}

func keys(t *testing.T, h Harness) {
	t.Helper()
	store := h.New(t)()
	list := []string{
		"a/b", "telegram/bot:42", ".a", "a..b.", "with space", "é", "*", ">", "a=b", "%20", "line\nbreak", "A",
	}
	revisions := map[string]uint64{}
	for _, key := range list {
		revisions[key] = Put(t, store, key, "of "+key, 0)
	}
	for _, key := range list {
		RequireValue(t, store, key, "of "+key, revisions[key])
	}
	r := follow(t, store)
	r.require(t, func(values map[string]string) bool { return len(values) == len(list) })
	for _, key := range list {
		require.Equal(t, "of "+key, r.values()[key])
	}
}

// recorder is a watch that runs.
type recorder struct {
	mu     sync.Mutex
	seen   map[string]string
	last   map[string]uint64
	early  int // entries before the mark that all were there
	marks  int
	faults []string
}

func follow(t *testing.T, store leases.Store) *recorder {
	t.Helper()
	r := &recorder{seen: map[string]string{}, last: map[string]uint64{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- store.Watch(ctx, r.changed) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			require.ErrorIs(t, err, context.Canceled)
		case <-time.After(maxWait):
			require.Fail(t, "the watch does not end")
		}
		require.Empty(t, r.faults)
	})
	return r
}

func (r *recorder) changed(e leases.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case e.Key == "":
		r.marks++
		return
	case e.Revision < r.last[e.Key]:
		r.faults = append(r.faults, "out of order: "+e.Key)
	}
	if r.marks == 0 {
		r.early++
	}
	r.last[e.Key] = e.Revision
	if e.Value == nil {
		delete(r.seen, e.Key)
		return
	}
	r.seen[e.Key] = string(e.Value)
}

func (r *recorder) values() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	values := map[string]string{}
	for key, value := range r.seen {
		values[key] = value
	}
	return values
}

func (r *recorder) revision(key string) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[key]
}

// requireRead requires the mark that all entries were told of.
func (r *recorder) requireRead(t *testing.T) {
	t.Helper()
	marked := func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.marks
	}
	require.Eventually(t, func() bool { return marked() > 0 }, maxWait, tick)
	require.Equal(t, 1, marked())
}

func (r *recorder) require(t *testing.T, holds func(map[string]string) bool) {
	t.Helper()
	require.Eventually(t, func() bool { return holds(r.values()) }, maxWait, tick)
}

func watch(t *testing.T, h Harness) {
	t.Helper()
	open := h.New(t)
	store, other := open(), open()
	empty := follow(t, store)
	empty.requireRead(t)
	for i := range 100 {
		Put(t, store, fmt.Sprint("k", i), "1", 0)
	}
	r := follow(t, store)
	r.requireRead(t)
	require.Equal(t, 100, r.early)
	require.Len(t, r.values(), 100)
	revision := r.revision("k7")
	for i := range 100 {
		revision = Put(t, other, "k7", fmt.Sprint(i), revision)
	}
	require.NoError(t, other.Delete(t.Context(), "k8", r.revision("k8")))
	Put(t, other, "new", "1", 0)
	r.require(t, func(v map[string]string) bool {
		return v["k7"] == "99" && v["k8"] == "" && v["new"] == "1" && len(v) == 100
	})
	empty.require(t, func(v map[string]string) bool { return len(v) == 100 && v["k7"] == "99" })
	r.requireRead(t)
}

func watches(t *testing.T, h Harness) {
	t.Helper()
	open := h.New(t)
	stores := []leases.Store{open(), open(), open()}
	recorders := []*recorder{follow(t, stores[0]), follow(t, stores[1])}
	var writers sync.WaitGroup
	for i, store := range stores {
		writers.Go(func() {
			for n := range 50 {
				key := fmt.Sprint("k", i, "-", n%10)
				e, err := store.Get(t.Context(), key)
				if err == nil && e.Value != nil && n%3 == 0 {
					_ = store.Delete(t.Context(), key, e.Revision)
				} else if err == nil {
					_, _ = store.Put(t.Context(), key, fmt.Append(nil, n), e.Revision)
				}
			}
		})
	}
	writers.Wait()
	Put(t, stores[2], "end", "1", 0)
	late := follow(t, stores[2])
	late.require(t, func(v map[string]string) bool { return v["end"] == "1" })
	late.requireRead(t)
	for _, r := range recorders {
		r.require(t, func(v map[string]string) bool { return v["end"] == "1" })
		require.Equal(t, late.values(), r.values())
	}
}

func ended(t *testing.T, h Harness) {
	t.Helper()
	store := h.New(t)()
	Put(t, store, "k", "1", 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := store.Get(ctx, "k")
	RequireFault(t, err, false, context.Canceled.Error())
	_, err = store.Put(ctx, "k", nil, 0)
	RequireFault(t, err, false, context.Canceled.Error())
	RequireFault(t, store.Delete(ctx, "k", 1), false, context.Canceled.Error())
	require.ErrorIs(t, store.Watch(ctx, func(leases.Entry) {}), context.Canceled)
}

func members(t *testing.T, h Harness) {
	t.Helper()
	open := h.New(t)
	var running sync.Map // nodes by key
	start := func(name string) (*leases.Member, *leases.Group) {
		m := leases.NewMember(open(), leases.Options{Node: name})
		g, err := m.Group("platform", leases.GroupOptions{Run: func(ctx context.Context, l *leases.Lease) {
			if other, twice := running.LoadOrStore(l.Key(), name); twice {
				t.Errorf("%s runs on %s and %s", l.Key(), other, name)
			}
			_ = l.Save([]byte(name + string(l.Cursor())))
			<-ctx.Done()
			running.Delete(l.Key())
		}})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, m.Close(context.Background())) })
		list := make([]leases.Wanted, 60)
		for i := range list {
			list[i].Key = fmt.Sprint("channel-", i)
		}
		g.Want(list)
		return m, g
	}
	count := func(g *leases.Group) int {
		n := 0
		for _, o := range g.Owners() {
			if o.Mine {
				n++
			}
		}
		return n
	}
	a, first := start("a")
	require.Eventually(t, func() bool { return count(first) == 60 }, maxWait, tick)
	_, second := start("b")
	require.Eventually(t, func() bool { return count(first) == 30 && count(second) == 30 }, maxWait, tick)
	require.NoError(t, a.Turn(t.Context(), "login", time.Hour))
	require.NoError(t, a.Close(t.Context()))
	require.Eventually(t, func() bool { return count(second) == 60 }, maxWait, tick)
	for _, o := range second.Owners() {
		require.Equal(t, "b", o.Node)
		require.GreaterOrEqual(t, o.Epoch, uint64(2))
	}
	e, err := open().Get(t.Context(), "platform/channel-0")
	require.NoError(t, err)
	require.NotEmpty(t, e.Value)
}

func outage(t *testing.T, h Harness) {
	t.Helper()
	store, stop, start := h.Breakable(t)
	revision := Put(t, store, "k", "1", 0)
	stop()
	for range 2 {
		_, err := store.Get(t.Context(), "k")
		RequireFault(t, err, false, "")
		_, err = store.Put(t.Context(), "k", nil, revision)
		RequireFault(t, err, false, "")
		RequireFault(t, store.Delete(t.Context(), "k", revision), false, "")
		RequireFault(t, store.Check(t.Context()), false, "")
	}
	start()
	require.Eventually(t, func() bool { return store.Check(t.Context()) == nil }, maxWait, tick)
}

func recovery(t *testing.T, h Harness) {
	t.Helper()
	store, stop, start := h.Breakable(t)
	Put(t, store, "k", "1", 0)
	r := follow(t, store)
	r.require(t, func(v map[string]string) bool { return v["k"] == "1" })
	stop()
	start()
	require.Eventually(t, func() bool {
		_, err := store.Put(t.Context(), "new", []byte("2"), 0)
		return err == nil || errors.Is(err, leases.ErrConflict)
	}, maxWait, tick)
	r.require(t, func(v map[string]string) bool { return v["new"] == "2" })
}
