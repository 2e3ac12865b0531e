package claims_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/claims/claimstest"
)

func TestClaimWhoseAnswerIsLostIsRecognized(t *testing.T) {
	t.Parallel()
	store := claims.NewMemory(claims.MemoryOptions{})
	store.LoseAnswers(1)
	list := claimstest.Claim(t, store, claimstest.Terms, "a", "b", "c")
	for _, c := range list {
		require.Equal(t, claims.Mine, c.State)
	}
	store.LoseAnswers(1)
	require.NoError(t, store.Done(t.Context(), []byte("result"), list[0]))
	claimstest.RequireState(t, claims.Done, store, "a")
	store.LoseAnswers(1)
	require.NoError(t, store.Release(t.Context(), list[1]))
	claimstest.RequireState(t, claims.Mine, store, "b")
}

func TestClaimThatIsUnknownMayBeReleased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := claims.NewMemory(claims.MemoryOptions{})
		store.LoseAnswers(1)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		list, err := store.Claim(ctx, claimstest.Terms, "k")
		require.ErrorContains(t, err, "the answer is lost")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, claims.Unknown, list[0].State)
		claimstest.RequireState(t, claims.Held, store, "k")
		require.NoError(t, store.Release(t.Context(), list...))
		claimstest.RequireState(t, claims.Mine, store, "k")
	})
}

func TestMemoryLeaseAndTTLFollowTheClock(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	store := claims.NewMemory(claims.MemoryOptions{Now: func() time.Time { return now }})
	held := claimstest.Claim(t, store, claimstest.Terms, "held", "done")
	require.Equal(t, now.Add(claimstest.Terms.Lease), held[0].Until)

	now = now.Add(claimstest.Terms.Lease - time.Nanosecond)
	claimstest.RequireState(t, claims.Held, store, "held")
	require.NoError(t, store.Done(t.Context(), nil, held[1]))
	now = now.Add(time.Nanosecond)
	claimstest.RequireState(t, claims.Abandoned, store, "held")

	now = now.Add(claimstest.Terms.TTL - claimstest.Terms.Lease - time.Nanosecond)
	claimstest.RequireState(t, claims.Abandoned, store, "held")
	now = now.Add(time.Nanosecond)
	claimstest.RequireState(t, claims.Mine, store, "held")
	claimstest.RequireState(t, claims.Done, store, "done") // its TTL began with its being done
	now = now.Add(claimstest.Terms.Lease)
	claimstest.RequireState(t, claims.Mine, store, "done")
}

func TestMemoryThatIsFullDropsDoneClaimsAndNotHeldOnes(t *testing.T) {
	t.Parallel()
	store := claims.NewMemory(claims.MemoryOptions{MaxBytes: 100_000})
	held := claimstest.Claim(t, store, claims.Terms{Lease: time.Hour, TTL: time.Hour}, "held")
	for i := range 2000 {
		require.NoError(t, store.Done(t.Context(), nil, claimstest.Claim(t, store, claimstest.Terms, fmt.Sprint(i))...))
	}
	claimstest.RequireState(t, claims.Mine, store, "0")
	claimstest.RequireState(t, claims.Done, store, "1999")
	claimstest.RequireState(t, claims.Held, store, "held")
	require.NoError(t, store.Done(t.Context(), make([]byte, 90_000), held...))
	require.Len(t, claimstest.Claim(t, store, claimstest.Terms, "held")[0].Result, 90_000)
}

func TestMemoryThatIsFullDropsDoneClaimsAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0) // and no time passes
	store := claims.NewMemory(claims.MemoryOptions{MaxBytes: 1000, Now: func() time.Time { return now }})
	for i := range 20 {
		key := fmt.Sprint(i)
		require.NoError(
			t, store.Done(t.Context(), nil, claimstest.Claim(t, store, claimstest.Terms, key)...), "within its lease, too",
		)
		claimstest.RequireState(t, claims.Done, store, key)
	}
	claimstest.RequireState(t, claims.Mine, store, "0")
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
		list, err := store.Claim(ctx, claimstest.Terms, keys...)
		claimstest.RequireFault(t, err, false, "the memory is full")
		require.Equal(t, claims.Mine, list[0].State)
		require.Equal(t, claims.Unknown, list[99].State)
		claimstest.RequireState(t, claims.Held, store, "0")

		err = store.Done(t.Context(), make([]byte, 10_000), list[0])
		claimstest.RequireFault(t, err, true, "larger than the memory")
		require.NoError(t, store.Release(t.Context(), list...))
		claimstest.RequireState(t, claims.Mine, store, "99")
	})
}
