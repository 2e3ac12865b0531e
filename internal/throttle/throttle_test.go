package throttle_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/internal/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const maxWait = time.Minute

// pass lets time go by, of which there is as much as wanted within a synctest.
func pass(d time.Duration) { <-time.After(d) }

func TestKeyThatIsNotPausedHoldsNobodyBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p throttle.Keyed
		started := time.Now()
		for range 100 { // all at once
			_, _, err := p.Acquire(t.Context(), "a", p.NewTicket(), maxWait)
			require.NoError(t, err)
		}
		require.Zero(t, time.Since(started))
	})
}

func TestCallsAfterAPauseGoOneAtATimeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p throttle.Keyed
		started := time.Now()
		early := p.NewTicket() // a call that is under way when the pause begins, and is repeated
		p.Block("a", 5*time.Second)
		var order []int
		var wg sync.WaitGroup
		call := func(n int, ticket throttle.Ticket) {
			wg.Go(func() {
				leave, _, err := p.Acquire(t.Context(), "a", ticket, maxWait)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, n) // alone, or the race detector says so
				pass(time.Second)        // the call
				leave()
			})
		}
		for n := 1; n <= 3; n++ {
			call(n, p.NewTicket())
			synctest.Wait()
		}
		call(0, early)
		wg.Wait()
		require.Equal(t, []int{0, 1, 2, 3}, order)
		require.Equal(t, 9*time.Second, time.Since(started))

		leave, _, err := p.Acquire(t.Context(), "a", p.NewTicket(), maxWait)
		require.NoError(t, err)
		_, _, err = p.Acquire(t.Context(), "a", p.NewTicket(), maxWait)
		require.NoError(t, err, "the key is free again: nobody waits for anybody")
		leave()
	})
}

func TestOtherKeysGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p throttle.Keyed
		p.Block("a", time.Hour)
		_, _, err := p.Acquire(t.Context(), "b", p.NewTicket(), 0)
		require.NoError(t, err)
		pass(time.Hour)
		synctest.Wait()
	})
}

func TestPauseWithinAPauseCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p throttle.Keyed
		started := time.Now()
		p.Block("a", time.Second)
		leave, _, err := p.Acquire(t.Context(), "a", p.NewTicket(), maxWait)
		require.NoError(t, err)
		p.Block("a", 3*time.Second)
		p.Block("a", time.Second) // shorter than what is left
		leave()
		_, _, err = p.Acquire(t.Context(), "a", p.NewTicket(), maxWait)
		require.NoError(t, err)
		require.Equal(t, 4*time.Second, time.Since(started))
	})
}

func TestCallThatWouldWaitTooLongFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p throttle.Keyed
		p.Block("a", 10*time.Second)
		started := time.Now()
		_, after, err := p.Acquire(t.Context(), "a", p.NewTicket(), time.Second)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Second, after)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, _, err = p.Acquire(ctx, "a", p.NewTicket(), maxWait)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, time.Since(started))
		pass(10 * time.Second)
		synctest.Wait()
	})
}

func TestCallThatGivesUpMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p throttle.Keyed
		p.Block("a", time.Second)
		leave, _, err := p.Acquire(t.Context(), "a", p.NewTicket(), maxWait)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := p.Acquire(ctx, "a", p.NewTicket(), maxWait); !errors.Is(err, context.Canceled) {
				t.Errorf("it was admitted, or refused for another reason: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		leave()
		_, _, err = p.Acquire(t.Context(), "a", p.NewTicket(), 0)
		require.NoError(t, err)
	})
}

func TestRateSpacesCallsAfterItsBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p throttle.Keyed
		r, err := throttle.ParseRate("2/s")
		require.NoError(t, err)
		started := time.Now()
		for _, want := range []time.Duration{0, 0, 500 * time.Millisecond, time.Second} {
			_, err := p.Reserve(t.Context(), "a", r, maxWait)
			require.NoError(t, err)
			require.Equal(t, want, time.Since(started))
		}
		after, err := p.Reserve(t.Context(), "a", r, time.Millisecond)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 500*time.Millisecond, after)
		_, err = p.Reserve(t.Context(), "b", r, 0)
		require.NoError(t, err, "each key has its own")
		_, err = p.Reserve(t.Context(), "a", throttle.Rate{}, 0)
		require.NoError(t, err, "no rate is no limit")
	})
}

func TestRefusedCallTakesNothingOfTheRate(t *testing.T) {
	refusals := map[string]func(ctx context.Context, p *throttle.Keyed, r throttle.Rate) (time.Duration, error){
		"by its maxWait": func(ctx context.Context, p *throttle.Keyed, r throttle.Rate) (time.Duration, error) {
			return p.Reserve(ctx, "a", r, time.Millisecond)
		},
		"by its deadline": func(ctx context.Context, p *throttle.Keyed, r throttle.Rate) (time.Duration, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			return p.Reserve(ctx, "a", r, maxWait)
		},
	}
	for name, refused := range refusals {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p throttle.Keyed
				r := throttle.Rate{Calls: 1, Per: time.Second}
				_, err := p.Reserve(t.Context(), "a", r, 0)
				require.NoError(t, err)
				for range 5 {
					after, err := refused(t.Context(), &p, r)
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Equal(t, time.Second, after)
				}
				started := time.Now()
				_, err = p.Reserve(t.Context(), "a", r, maxWait)
				require.NoError(t, err)
				require.Equal(t, time.Second, time.Since(started))
			})
		})
	}
}

func TestCallThatGivesUpTakesNothingOfTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p throttle.Keyed
		r := throttle.Rate{Calls: 1, Per: time.Second}
		_, err := p.Reserve(t.Context(), "a", r, 0)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err = p.Reserve(ctx, "a", r, maxWait)
		require.ErrorIs(t, err, context.Canceled)
		started := time.Now()
		_, err = p.Reserve(t.Context(), "a", r, maxWait)
		require.NoError(t, err)
		require.Equal(t, 900*time.Millisecond, time.Since(started))
	})
}

func TestRateIsReadOrRefused(t *testing.T) {
	for text, want := range map[string]throttle.Rate{
		"": {}, "30/s": {30, time.Second}, "20/m": {20, time.Minute}, "1000/h": {1000, time.Hour},
	} {
		r, err := throttle.ParseRate(text)
		require.NoError(t, err)
		require.Equal(t, want, r, text)
	}
	for _, text := range []string{"30", "0/s", "30/d", "-1/s", "1.5/s", "30/s "} {
		_, err := throttle.ParseRate(text)
		require.Error(t, err, text)
	}
}

func BenchmarkEnterFree(b *testing.B) {
	var p throttle.Keyed
	b.ReportAllocs()
	for b.Loop() {
		leave, _, _ := p.Acquire(b.Context(), "a", p.NewTicket(), maxWait)
		leave()
	}
}
