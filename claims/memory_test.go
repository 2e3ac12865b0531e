package claims_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/claims"
)

var terms = claims.Terms{Lease: time.Minute, TTL: 8 * 24 * time.Hour}

func claim(t *testing.T, store claims.Store, terms claims.Terms, keys ...string) []claims.Claim {
	t.Helper()
	list, err := store.Claim(t.Context(), terms, keys...)
	require.NoError(t, err)
	return list
}

func requireState(t *testing.T, want claims.State, store claims.Store, key string) {
	t.Helper()
	require.Equal(t, want.String(), claim(t, store, terms, key)[0].State.String())
}

func TestClaimWhoseAnswerIsLostIsRecognized(t *testing.T) {
	t.Parallel()
	store := claims.NewMemory(claims.MemoryOptions{})
	store.LoseAnswers(1)
	list := claim(t, store, terms, "a", "b", "c")
	for _, c := range list {
		require.Equal(t, claims.Mine, c.State)
	}
	store.LoseAnswers(1)
	require.NoError(t, store.Done(t.Context(), []byte("result"), list[0]))
	requireState(t, claims.Done, store, "a")
	store.LoseAnswers(1)
	require.NoError(t, store.Release(t.Context(), list[1]))
	requireState(t, claims.Mine, store, "b")
}

func TestClaimThatIsUnknownMayBeReleased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := claims.NewMemory(claims.MemoryOptions{})
		store.LoseAnswers(1)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		list, err := store.Claim(ctx, terms, "k")
		require.ErrorContains(t, err, "the answer is lost")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, claims.Unknown, list[0].State)
		requireState(t, claims.Held, store, "k")
		require.NoError(t, store.Release(t.Context(), list...))
		requireState(t, claims.Mine, store, "k")
	})
}

func TestMemoryLeaseAndTTLFollowTheClock(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	store := claims.NewMemory(claims.MemoryOptions{Now: func() time.Time { return now }})
	held := claim(t, store, terms, "held", "done")
	require.Equal(t, now.Add(terms.Lease), held[0].Until)

	now = now.Add(terms.Lease - time.Nanosecond)
	requireState(t, claims.Held, store, "held")
	require.NoError(t, store.Done(t.Context(), nil, held[1]))
	now = now.Add(time.Nanosecond)
	requireState(t, claims.Abandoned, store, "held")

	now = now.Add(terms.TTL - terms.Lease - time.Nanosecond)
	requireState(t, claims.Abandoned, store, "held")
	now = now.Add(time.Nanosecond)
	requireState(t, claims.Mine, store, "held")
	requireState(t, claims.Done, store, "done") // its TTL began with its being done
	now = now.Add(terms.Lease)
	requireState(t, claims.Mine, store, "done")
}

func TestMemoryThatIsFullDropsDoneClaimsAndNotHeldOnes(t *testing.T) {
	t.Parallel()
	store := claims.NewMemory(claims.MemoryOptions{MaxBytes: 100_000})
	held := claim(t, store, claims.Terms{Lease: time.Hour, TTL: time.Hour}, "held")
	for i := range 2000 {
		require.NoError(t, store.Done(t.Context(), nil, claim(t, store, terms, fmt.Sprint(i))...))
	}
	requireState(t, claims.Mine, store, "0")
	requireState(t, claims.Done, store, "1999")
	requireState(t, claims.Held, store, "held")
	require.NoError(t, store.Done(t.Context(), make([]byte, 90_000), held...))
	require.Len(t, claim(t, store, terms, "held")[0].Result, 90_000)
}

func TestMemoryThatIsFullDropsDoneClaimsAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0) // and no time passes
	store := claims.NewMemory(claims.MemoryOptions{MaxBytes: 1000, Now: func() time.Time { return now }})
	for i := range 20 {
		key := fmt.Sprint(i)
		require.NoError(t, store.Done(t.Context(), nil, claim(t, store, terms, key)...), "within its lease, too")
		requireState(t, claims.Done, store, key)
	}
	requireState(t, claims.Mine, store, "0")
}

func TestMemoryFullOfHeldClaimsRefusesMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := claims.NewMemory(claims.MemoryOptions{MaxBytes: 10_000})
		keys := make([]string, 100)
		for i := range keys {
			keys[i] = fmt.Sprint(i)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		list, err := store.Claim(ctx, terms, keys...)
		requireFault(t, err, false, "the memory is full")
		require.Equal(t, claims.Mine, list[0].State)
		require.Equal(t, claims.Unknown, list[99].State)
		requireState(t, claims.Held, store, "0")

		err = store.Done(t.Context(), make([]byte, 10_000), list[0])
		requireFault(t, err, true, "larger than the memory")
		require.NoError(t, store.Release(t.Context(), list...))
		requireState(t, claims.Mine, store, "99")
	})
}

func requireFault(t *testing.T, err error, permanent bool, text string) {
	t.Helper()
	var fault *claims.Error
	require.ErrorAs(t, err, &fault)
	require.Equal(t, permanent, fault.Permanent(), "%v", err)
	require.ErrorContains(t, err, text)
}
