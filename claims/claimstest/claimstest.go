// Package claimstest is the conformance suite of [claims.Store]. It tests what the interface promises and has
// benchmarks.
package claimstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/claims"
)

// Harness opens stores of one kind.
type Harness struct {
	// New prepares an empty storage and returns a function that opens a store on it, as each node does. Stores are closed
	// when the test ends.
	New func(tb testing.TB) (open func() claims.Store)
	// Breakable opens a store whose server can be stopped and started again. It is nil for stores without a server.
	Breakable func(tb testing.TB) (store claims.Store, stop, start func())
}

const (
	// maxWait bounds every wait.
	maxWait = time.Minute
	tick    = 5 * time.Millisecond
	// shortLease is a lease or a TTL whose end a test waits for.
	shortLease = 50 * time.Millisecond
)

var terms = claims.Terms{Lease: time.Hour, TTL: 8 * 24 * time.Hour}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	tests := map[string]func(*testing.T, Harness){
		"a key is one claimer's, and held for all others": once,
		"batches that overlap share their keys out":       overlap,
		"a batch keeps the order of its keys":             order,
		"a key given twice is claimed once":               twice,
		"a released key is claimed anew":                  release,
		"a result is everybody's":                         result,
		"what is done stays done":                         stays,
		"after its lease a claim is abandoned":            abandoned,
		"work that was not taken over may be done late":   late,
		"abandoned work is taken over by one":             takeOver,
		"after its TTL a key is claimed anew":             expiry,
		"keys are any text":                               keys,
		"terms that make no sense are refused":            nonsense,
		"no keys are no work":                             nothing,
		"an ended context is an error that says so":       ended,
	}
	if h.Breakable != nil {
		tests["without its server a store is an error, in time"] = outage
		tests["after an outage all is as it was"] = recovery
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

// one claims a single key.
func one(t *testing.T, store claims.Store, terms claims.Terms, key string) claims.Claim {
	t.Helper()
	list, err := store.Claim(t.Context(), terms, key)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, key, list[0].Key)
	return list[0]
}

func mine(t *testing.T, store claims.Store, terms claims.Terms, key string) claims.Claim {
	t.Helper()
	claim := one(t, store, terms, key)
	require.Equal(t, claims.Mine, claim.State)
	return claim
}

func requireState(t *testing.T, want claims.State, store claims.Store, key string) {
	t.Helper()
	require.Equal(t, want.String(), one(t, store, terms, key).State.String())
}

// await claims a key until it has the state, and returns the claim.
func await(t *testing.T, want claims.State, store claims.Store, terms claims.Terms, key string) claims.Claim {
	t.Helper()
	var claim claims.Claim
	require.Eventually(t, func() bool {
		list, err := store.Claim(t.Context(), terms, key)
		if err != nil || list[0].State != want {
			return false
		}
		claim = list[0]
		return true
	}, maxWait, tick)
	return claim
}

// everybody runs n callers in parallel, half of them on each of two stores, and returns their claims.
func everybody(
	t *testing.T, h Harness, n int, claim func(store claims.Store) ([]claims.Claim, error),
) [][]claims.Claim {
	t.Helper()
	open := h.New(t)
	stores := []claims.Store{open(), open()}
	return race(t, n, func(i int) ([]claims.Claim, error) { return claim(stores[i%len(stores)]) })
}

func race(t *testing.T, n int, claim func(i int) ([]claims.Claim, error)) [][]claims.Claim {
	t.Helper()
	lists, errs := make([][]claims.Claim, n), make([]error, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			lists[i], errs[i] = claim(i)
		})
	}
	close(start)
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	return lists
}

// winners counts the callers that got each key. For all others it must be held.
func winners(t *testing.T, lists [][]claims.Claim) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, list := range lists {
		for _, claim := range list {
			if claim.State == claims.Mine {
				got[claim.Key]++
				continue
			}
			require.Equal(t, claims.Held.String(), claim.State.String())
			require.WithinDuration(t, time.Now().Add(terms.Lease), claim.Until, time.Minute)
		}
	}
	return got
}

func once(t *testing.T, h Harness) {
	t.Helper()
	lists := everybody(t, h, 100, func(store claims.Store) ([]claims.Claim, error) {
		return store.Claim(t.Context(), terms, "k")
	})
	require.Equal(t, map[string]int{"k": 1}, winners(t, lists))
}

func numbered(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("whatsapp:15550001:wamid.%d", i)
	}
	return list
}

func overlap(t *testing.T, h Harness) {
	t.Helper()
	const keys = 40
	lists := everybody(t, h, 10, func(store claims.Store) ([]claims.Claim, error) {
		return store.Claim(t.Context(), terms, numbered(keys)...)
	})
	got := winners(t, lists)
	require.Len(t, got, keys)
	for key, n := range got {
		require.Equal(t, 1, n, key)
	}
}

func order(t *testing.T, h Harness) {
	t.Helper()
	const n = 1000
	open := h.New(t)
	first, second := open(), open()
	all := numbered(n)
	var even []string
	for i := 0; i < n; i += 2 {
		even = append(even, all[i])
	}
	list, err := first.Claim(t.Context(), terms, even...)
	require.NoError(t, err)
	require.NoError(t, first.Done(t.Context(), []byte("even"), list...))

	list, err = second.Claim(t.Context(), terms, all...)
	require.NoError(t, err)
	require.Len(t, list, n)
	var odd []claims.Claim
	for i, claim := range list {
		require.Equal(t, all[i], claim.Key)
		if i%2 == 0 {
			require.Equal(t, claims.Done, claim.State)
			require.Equal(t, "even", string(claim.Result))
			continue
		}
		require.Equal(t, claims.Mine, claim.State)
		odd = append(odd, claim)
	}
	require.NoError(t, second.Release(t.Context(), list...), "all that are not the caller's are left alone")
	requireState(t, claims.Done, first, all[0])
	mine(t, first, terms, odd[0].Key)
}

func twice(t *testing.T, h Harness) {
	t.Helper()
	list, err := h.New(t)().Claim(t.Context(), terms, "a", "b", "a")
	require.NoError(t, err)
	require.Equal(t, claims.Mine, list[0].State)
	require.Equal(t, claims.Mine, list[1].State)
	require.Equal(t, claims.Held, list[2].State)
}

func release(t *testing.T, h Harness) {
	t.Helper()
	open := h.New(t)
	first, second := open(), open()
	old := mine(t, first, terms, "k")
	requireState(t, claims.Held, second, "k")
	require.NoError(t, first.Release(t.Context(), old))
	require.NoError(t, first.Release(t.Context(), old), "it may be repeated")
	requireLost(t, first.Done(t.Context(), nil, old))

	next := mine(t, second, terms, "k")
	requireState(t, claims.Held, first, "k")
	requireLost(t, first.Release(t.Context(), old))
	requireLost(t, first.Done(t.Context(), nil, old))
	requireState(t, claims.Held, first, "k")
	require.NoError(t, second.Done(t.Context(), nil, next))
}

func requireLost(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, claims.ErrLost)
	var fault *claims.Error
	require.ErrorAs(t, err, &fault)
	require.True(t, fault.Permanent())
}

func result(t *testing.T, h Harness) {
	t.Helper()
	for _, want := range []string{"", `{"id":"1"}`, "two\nlines\x00\xff", strings.Repeat("long ", 20_000)} {
		open := h.New(t)
		first, second := open(), open()
		claim := mine(t, first, terms, "k")
		require.NoError(t, first.Done(t.Context(), []byte(want), claim))
		for _, store := range []claims.Store{first, second} {
			got := one(t, store, terms, "k")
			require.Equal(t, claims.Done, got.State)
			require.Equal(t, want, string(got.Result))
		}
	}
}

func stays(t *testing.T, h Harness) {
	t.Helper()
	open := h.New(t)
	first, second := open(), open()
	claim := mine(t, first, terms, "k")
	require.NoError(t, first.Done(t.Context(), []byte("1"), claim))
	require.NoError(t, first.Done(t.Context(), []byte("1"), claim), "it may be repeated")
	requireLost(t, first.Release(t.Context(), claim))

	seen := one(t, second, claims.Terms{Lease: terms.Lease, TTL: terms.TTL, TakeOver: true}, "k")
	require.Equal(t, claims.Done, seen.State)
	requireLost(t, second.Done(t.Context(), []byte("2"), seen))
	require.Equal(t, "1", string(one(t, second, terms, "k").Result))
}

var (
	briefly = claims.Terms{Lease: shortLease, TTL: time.Hour}
	eagerly = claims.Terms{Lease: time.Hour, TTL: 2 * time.Hour, TakeOver: true}
)

func abandoned(t *testing.T, h Harness) {
	t.Helper()
	open := h.New(t)
	first, second := open(), open()
	began := time.Now()
	mine(t, first, briefly, "k")
	seen := await(t, claims.Abandoned, second, terms, "k")
	require.GreaterOrEqual(t, time.Since(began), shortLease-time.Millisecond)
	require.WithinDuration(t, began.Add(shortLease), seen.Until, maxWait)
	require.False(t, seen.Until.After(time.Now()))
	requireState(t, claims.Abandoned, first, "k")
	requireLost(t, second.Done(t.Context(), nil, seen))
	require.NoError(t, second.Release(t.Context(), seen))
	requireState(t, claims.Abandoned, second, "k")
}

func late(t *testing.T, h Harness) {
	t.Helper()
	open := h.New(t)
	first, second := open(), open()
	claim := mine(t, first, briefly, "k")
	await(t, claims.Abandoned, second, terms, "k")
	require.NoError(t, first.Done(t.Context(), []byte("late"), claim))
	require.Equal(t, "late", string(await(t, claims.Done, second, eagerly, "k").Result))
}

func takeOver(t *testing.T, h Harness) {
	t.Helper()
	open := h.New(t)
	first, second := open(), open()
	old := mine(t, first, briefly, "k")
	await(t, claims.Abandoned, second, terms, "k")
	stores := []claims.Store{first, second}
	var next claims.Claim
	for _, list := range race(t, 50, func(i int) ([]claims.Claim, error) {
		return stores[i%2].Claim(t.Context(), eagerly, "k")
	}) {
		if list[0].State == claims.Mine {
			require.Empty(t, next.Key, "two have taken it over")
			next = list[0]
			continue
		}
		require.Equal(t, claims.Held, list[0].State)
	}
	require.Equal(t, "k", next.Key)
	requireLost(t, first.Done(t.Context(), []byte("old"), old))
	requireLost(t, first.Release(t.Context(), old))
	require.NoError(t, second.Done(t.Context(), []byte("next"), next))
	require.Equal(t, "next", string(one(t, first, terms, "k").Result))
}

func expiry(t *testing.T, h Harness) {
	t.Helper()
	open := h.New(t)
	first, second := open(), open()
	short := claims.Terms{Lease: shortLease, TTL: shortLease}
	held, done := mine(t, first, short, "held"), mine(t, first, short, "done")
	if err := first.Done(t.Context(), nil, done); err != nil {
		requireLost(t, err) // a busy machine was too late
	}
	await(t, claims.Mine, second, terms, "held")
	await(t, claims.Mine, second, terms, "done")
	requireLost(t, first.Done(t.Context(), nil, held))
	requireLost(t, first.Done(t.Context(), nil, done))
	requireState(t, claims.Held, first, "held")
	requireState(t, claims.Held, first, "done")
}

func keys(t *testing.T, h Harness) {
	t.Helper()
	store := h.New(t)()
	list := []string{
		"", " ", "a", "A", "a ", "a.b", "a.*", ">", "a:b/c|d", "a\x00b", "\xff\xfe", "ключ", "🗝", "+15550001", "a\r\nb",
		strings.Repeat("k", 100_000), strings.Repeat("k", 100_001),
	}
	for i, key := range list {
		claim := mine(t, store, terms, key)
		require.NoError(t, store.Done(t.Context(), fmt.Append(nil, i), claim))
	}
	for i, key := range list {
		require.Equal(t, fmt.Sprint(i), string(one(t, store, terms, key).Result))
	}
}

func nonsense(t *testing.T, h Harness) {
	t.Helper()
	store := h.New(t)()
	for want, terms := range map[string]claims.Terms{
		"the lease is shorter than a millisecond": {TTL: time.Hour},
		"the TTL is shorter than the lease":       {Lease: time.Hour, TTL: time.Minute},
	} {
		_, err := store.Claim(t.Context(), terms, "k")
		require.EqualError(t, err, "claims: claim: "+want)
		requirePermanent(t, true, err)
	}
}

func requirePermanent(t *testing.T, want bool, err error) {
	t.Helper()
	var fault *claims.Error
	require.ErrorAs(t, err, &fault)
	require.Equal(t, want, fault.Permanent(), "%v", err)
}

func nothing(t *testing.T, h Harness) {
	t.Helper()
	store := h.New(t)()
	list, err := store.Claim(t.Context(), terms)
	require.NoError(t, err)
	require.Empty(t, list)
	require.NoError(t, store.Done(t.Context(), nil))
	require.NoError(t, store.Release(t.Context()))
	require.NoError(t, store.Check(t.Context()))
}

func ended(t *testing.T, h Harness) {
	t.Helper()
	store := h.New(t)()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	list, err := store.Claim(ctx, terms, "k")
	require.ErrorIs(t, err, context.Canceled)
	requirePermanent(t, false, err)
	require.Equal(t, claims.Unknown, list[0].State)
	mine(t, store, terms, "k")
}

func outage(t *testing.T, h Harness) {
	t.Helper()
	store, stop, _ := h.Breakable(t)
	held, err := store.Claim(t.Context(), terms, numbered(3)...)
	require.NoError(t, err)
	stop()
	const deadline = 300 * time.Millisecond
	for op, run := range map[string]func(context.Context) error{
		"claim": func(ctx context.Context) error {
			list, err := store.Claim(ctx, terms, "a", "b")
			for _, claim := range list {
				require.Equal(t, claims.Unknown, claim.State)
			}
			return err
		},
		"done":    func(ctx context.Context) error { return store.Done(ctx, nil, held...) },
		"release": func(ctx context.Context) error { return store.Release(ctx, held...) },
		"check":   func(ctx context.Context) error { return store.Check(ctx) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		began := time.Now()
		err := run(ctx)
		cancel()
		require.ErrorContains(t, err, "claims: "+op+": ")
		requirePermanent(t, false, err)
		require.Less(t, time.Since(began), maxWait/2, op)
	}
}

func recovery(t *testing.T, h Harness) {
	t.Helper()
	store, stop, start := h.Breakable(t)
	held := mine(t, store, terms, "held")
	done := mine(t, store, terms, "done")
	require.NoError(t, store.Done(t.Context(), []byte("result"), done))
	stop()
	ctx, cancel := context.WithTimeout(t.Context(), 2*shortLease)
	defer cancel()
	cut, err := store.Claim(ctx, terms, "cut")
	require.Error(t, err)
	start()
	require.Eventually(t, func() bool { return store.Check(t.Context()) == nil }, maxWait, tick)
	require.NoError(t, store.Release(t.Context(), cut...))
	mine(t, store, terms, "cut")
	require.Equal(t, "result", string(one(t, store, terms, "done").Result))
	requireState(t, claims.Held, store, "held")
	require.NoError(t, store.Done(t.Context(), nil, held))
}
