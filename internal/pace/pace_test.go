package pace_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/internal/pace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

// pass lets time go by, of which there is as much as wanted within a synctest.
func pass(d time.Duration) { <-time.After(d) }

func TestAKeyThatIsNotPausedHoldsNobodyBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace.Pacer
		started := time.Now()
		for range 100 { // all at once
			_, _, err := p.Enter(t.Context(), "a", p.Turn(), patience)
			require.NoError(t, err)
		}
		require.Zero(t, time.Since(started))
	})
}

func TestAfterAPauseCallsGoOneAtATimeInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace.Pacer
		started := time.Now()
		early := p.Turn() // a call that is under way when the pause begins, and is repeated
		p.Pause("a", 5*time.Second)
		var order []int
		var wg sync.WaitGroup
		call := func(n int, turn pace.Turn) {
			wg.Go(func() {
				leave, _, err := p.Enter(t.Context(), "a", turn, patience)
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
			call(n, p.Turn())
			synctest.Wait()
		}
		call(0, early)
		wg.Wait()
		require.Equal(t, []int{0, 1, 2, 3}, order)
		require.Equal(t, 9*time.Second, time.Since(started))

		leave, _, err := p.Enter(t.Context(), "a", p.Turn(), patience)
		require.NoError(t, err)
		_, _, err = p.Enter(t.Context(), "a", p.Turn(), patience)
		require.NoError(t, err, "the key is free again: nobody waits for anybody")
		leave()
	})
}

func TestOtherKeysGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace.Pacer
		p.Pause("a", time.Hour)
		_, _, err := p.Enter(t.Context(), "b", p.Turn(), 0)
		require.NoError(t, err)
		pass(time.Hour)
		synctest.Wait()
	})
}

func TestAPauseWithinAPauseCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace.Pacer
		started := time.Now()
		p.Pause("a", time.Second)
		leave, _, err := p.Enter(t.Context(), "a", p.Turn(), patience)
		require.NoError(t, err)
		p.Pause("a", 3*time.Second)
		p.Pause("a", time.Second) // shorter than what is left
		leave()
		_, _, err = p.Enter(t.Context(), "a", p.Turn(), patience)
		require.NoError(t, err)
		require.Equal(t, 4*time.Second, time.Since(started))
	})
}

func TestWhoWouldWaitTooLongIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace.Pacer
		p.Pause("a", 10*time.Second)
		started := time.Now()
		_, after, err := p.Enter(t.Context(), "a", p.Turn(), time.Second)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Second, after)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, _, err = p.Enter(ctx, "a", p.Turn(), patience)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, time.Since(started))
		pass(10 * time.Second)
		synctest.Wait()
	})
}

func TestWhoGivesUpMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace.Pacer
		p.Pause("a", time.Second)
		leave, _, err := p.Enter(t.Context(), "a", p.Turn(), patience)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := p.Enter(ctx, "a", p.Turn(), patience); !errors.Is(err, context.Canceled) {
				t.Errorf("it was admitted, or refused for another reason: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		leave()
		_, _, err = p.Enter(t.Context(), "a", p.Turn(), 0)
		require.NoError(t, err)
	})
}

func TestARateSpacesCallsAfterItsBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace.Pacer
		r, err := pace.ParseRate("2/s")
		require.NoError(t, err)
		started := time.Now()
		for _, want := range []time.Duration{0, 0, 500 * time.Millisecond, time.Second} {
			_, err := p.Space(t.Context(), "a", r, patience)
			require.NoError(t, err)
			require.Equal(t, want, time.Since(started))
		}
		after, err := p.Space(t.Context(), "a", r, time.Millisecond)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 500*time.Millisecond, after)
		_, err = p.Space(t.Context(), "b", r, 0)
		require.NoError(t, err, "each key has its own")
		_, err = p.Space(t.Context(), "a", pace.Rate{}, 0)
		require.NoError(t, err, "no rate is no limit")
	})
}

func TestARefusedCallTakesNothingOfTheRate(t *testing.T) {
	refusals := map[string]func(ctx context.Context, p *pace.Pacer, r pace.Rate) (time.Duration, error){
		"by its patience": func(ctx context.Context, p *pace.Pacer, r pace.Rate) (time.Duration, error) {
			return p.Space(ctx, "a", r, time.Millisecond)
		},
		"by its deadline": func(ctx context.Context, p *pace.Pacer, r pace.Rate) (time.Duration, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			return p.Space(ctx, "a", r, patience)
		},
	}
	for name, refused := range refusals {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p pace.Pacer
				r := pace.Rate{Calls: 1, Per: time.Second}
				_, err := p.Space(t.Context(), "a", r, 0)
				require.NoError(t, err)
				for range 5 {
					after, err := refused(t.Context(), &p, r)
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Equal(t, time.Second, after)
				}
				started := time.Now()
				_, err = p.Space(t.Context(), "a", r, patience)
				require.NoError(t, err)
				require.Equal(t, time.Second, time.Since(started))
			})
		})
	}
}

func TestACallThatGivesUpWhileItWaitsTakesNothingOfTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace.Pacer
		r := pace.Rate{Calls: 1, Per: time.Second}
		_, err := p.Space(t.Context(), "a", r, 0)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err = p.Space(ctx, "a", r, patience)
		require.ErrorIs(t, err, context.Canceled)
		started := time.Now()
		_, err = p.Space(t.Context(), "a", r, patience)
		require.NoError(t, err)
		require.Equal(t, 900*time.Millisecond, time.Since(started))
	})
}

func TestARateIsReadOrRefused(t *testing.T) {
	for text, want := range map[string]pace.Rate{
		"": {}, "30/s": {30, time.Second}, "20/m": {20, time.Minute}, "1000/h": {1000, time.Hour},
	} {
		r, err := pace.ParseRate(text)
		require.NoError(t, err)
		require.Equal(t, want, r, text)
	}
	for _, text := range []string{"30", "0/s", "30/d", "-1/s", "1.5/s", "30/s "} {
		_, err := pace.ParseRate(text)
		require.Error(t, err, text)
	}
}

func BenchmarkEnterFree(b *testing.B) {
	var p pace.Pacer
	b.ReportAllocs()
	for b.Loop() {
		leave, _, _ := p.Enter(b.Context(), "a", p.Turn(), patience)
		leave()
	}
}
