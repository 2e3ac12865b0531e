package cache_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/internal/testserver"
)

func TestMemoizeComputesOnceForConcurrentCallers(t *testing.T) {
	t.Parallel()
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			c, _ := newCache(t, store, cache.Options{})
			ctx := cache.With(t.Context(), c)
			var calls atomic.Int32
			results := make([]*post, 100)
			var wg sync.WaitGroup
			for i := range results {
				wg.Go(func() {
					p, err := cache.Memoize(ctx, "posts", map[string]int{"id": 7}, 0, func(context.Context) (*post, error) {
						calls.Add(1)
						runtime.Gosched()
						return &post{ID: 7, Tags: []string{"a"}}, nil
					})
					if err == nil {
						p.Tags[0] = fmt.Sprint(i) // it is this caller's own
						results[i] = p
					}
				})
			}
			wg.Wait()
			require.Equal(t, int32(1), calls.Load())
			for i, p := range results {
				require.Equal(t, &post{ID: 7, Tags: []string{fmt.Sprint(i)}}, p)
			}
			p, err := cache.Memoize(
				ctx, "posts", map[string]int{"id": 7}, 0,
				func(context.Context) (*post, error) { return nil, errors.New("unused") },
			)
			require.NoError(t, err)
			require.Equal(t, []string{"a"}, p.Tags)
		})
	}
}

func TestMemoizeTellsNamesAndParamsApart(t *testing.T) {
	t.Parallel()
	c, _ := inMemory(t, cache.Options{})
	ctx := cache.With(t.Context(), c)
	long := strings.Repeat("x", 1000)
	calls := 0
	for _, call := range []struct {
		name   string
		params any
	}{
		{"a", nil},
		{"b", nil},
		{"a", 1},
		{"a", "1"},
		{"a", map[string]any{"x": "1|y|2"}},
		{"a", map[string]any{"x": "1", "y": 2}},
		{"a", long + "1"},
		{"a", long + "2"},
	} {
		calls++
		for range 2 {
			got, err := cache.Memoize(ctx, call.name, call.params, 0, func(context.Context) (int, error) { return calls, nil })
			require.NoError(t, err)
			require.Equal(t, calls, got, "%s %v", call.name, call.params)
		}
	}
	require.NoError(t, c.Clean(ctx, "a:**"))
	got, err := cache.Memoize(ctx, "a", long+"1", 0, func(context.Context) (int, error) { return -1, nil })
	require.NoError(t, err)
	require.Equal(t, -1, got, "they are cleaned by their name")
}

func TestErrorsAreNotKept(t *testing.T) {
	t.Parallel()
	c, _ := inMemory(t, cache.Options{})
	ctx := cache.With(t.Context(), c)
	failure := errors.New("no luck")
	_, err := cache.Memoize(ctx, "n", nil, 0, func(context.Context) (int, error) { return 0, failure })
	require.ErrorIs(t, err, failure)
	_, err = cache.Memoize(ctx, "n", nil, 0, func(context.Context) (int, error) { panic("a fault") })
	require.ErrorContains(t, errors.Unwrap(err), "a fault")
	_, err = cache.Memoize(ctx, "n", nil, 0, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
	require.Error(t, err)
	got, err := cache.Memoize(ctx, "n", nil, 0, func(context.Context) (int, error) { return 5, nil })
	require.NoError(t, err)
	require.Equal(t, 5, got)
}

// inBubble runs a test in a bubble of its own time, with a cache in memory.
func inBubble(t *testing.T, opts cache.Options, test func(b *bubble)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, log := inMemory(t, opts)
		test(&bubble{T: t, cache: c, ctx: cache.With(t.Context(), c), logged: func() []string { return lines(log) }})
	})
}

type bubble struct {
	*testing.T
	cache  *cache.Cache
	ctx    context.Context
	calls  int
	logged func() []string
}

// get memoizes the number of the call that computed it.
func (b *bubble) get(ttl time.Duration, opts ...cache.Option) int {
	b.Helper()
	got, err := cache.Memoize(
		b.ctx, "n", nil, ttl, func(context.Context) (int, error) { b.calls++; return b.calls, nil }, opts...,
	)
	require.NoError(b, err)
	synctest.Wait() // for what runs in the background
	return got
}

func (b *bubble) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestMemoizeKeepsResultsForTheirTTL(t *testing.T) {
	for name, tc := range map[string]struct{ own, ofCache, lives time.Duration }{
		"of the call":                       {own: time.Minute, ofCache: time.Hour, lives: time.Minute},
		"of the cache":                      {ofCache: time.Hour, lives: time.Hour},
		"for good, says the call":           {own: -1, ofCache: time.Hour},
		"for good, as nobody says anything": {},
		"for good, says the cache":          {ofCache: -1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, cache.Options{TTL: tc.ofCache}, func(b *bubble) {
				require.Equal(b, 1, b.get(tc.own))
				if tc.lives == 0 {
					b.pass(3 * time.Hour)
					require.Equal(b, 1, b.get(tc.own))
					return
				}
				b.pass(tc.lives - time.Second)
				require.Equal(b, 1, b.get(tc.own))
				b.pass(time.Second)
				require.Equal(b, 2, b.get(tc.own))
			})
		})
	}
}

func TestStaleResultIsReturnedWhileANewOneIsComputed(t *testing.T) {
	inBubble(t, cache.Options{}, func(b *bubble) {
		get := func() int { return b.get(time.Minute, cache.Stale(time.Hour)) }
		require.Equal(b, 1, get())
		b.pass(time.Minute - time.Second)
		require.Equal(b, 1, get())
		require.Equal(b, 1, b.calls, "it is good yet")
		b.pass(2 * time.Second)
		require.Equal(b, 1, get(), "at once")
		require.Equal(b, 2, b.calls)
		require.Equal(b, 2, get())
		require.Equal(b, 2, b.calls, "the new one is good")
		b.pass(time.Minute + time.Hour)
		require.Equal(b, 3, get(), "too old to be given")
	})
}

func TestStaleResultIsRecomputedOnceAtATime(t *testing.T) {
	inBubble(t, cache.Options{}, func(b *bubble) {
		opt := cache.Stale(time.Hour)
		require.Equal(b, 1, b.get(time.Minute, opt))
		b.pass(2 * time.Minute)
		release := make(chan struct{})
		renewals := 0
		type key struct{}
		for i := range 10 {
			ctx, cancel := context.WithCancel(context.WithValue(b.ctx, key{}, i))
			got, err := cache.Memoize(ctx, "n", nil, time.Minute, func(ctx context.Context) (int, error) {
				renewals++
				<-release
				value, _ := ctx.Value(key{}).(int)
				return 100 + value, ctx.Err()
			}, opt)
			cancel() // it goes on without its caller
			require.NoError(b, err)
			require.Equal(b, 1, got)
			synctest.Wait()
		}
		require.Equal(b, 1, renewals)
		close(release)
		synctest.Wait()
		require.Equal(b, 100, b.get(time.Minute, opt), "with the values of the first")
	})
}

func TestStaleResultSurvivesFailedRecomputation(t *testing.T) {
	inBubble(t, cache.Options{}, func(b *bubble) {
		fail := func() int {
			got, err := cache.Memoize(b.ctx, "n", "canary", time.Minute, func(context.Context) (int, error) {
				if b.calls++; b.calls > 1 {
					panic("a fault")
				}
				return b.calls, nil
			}, cache.Stale(time.Hour))
			require.NoError(b, err)
			synctest.Wait()
			return got
		}
		require.Equal(b, 1, fail())
		b.pass(2 * time.Minute)
		require.Equal(b, 1, fail())
		require.Equal(b, 1, fail())
		require.Equal(b, 3, b.calls)
		require.Equal(
			b,
			[]string{
				"warning: an old result in the cache could not be renewed",
				"warning: an old result in the cache could not be renewed",
			},
			b.logged(),
		)
	})
}

func TestCloseCancelsRecomputations(t *testing.T) {
	inBubble(t, cache.Options{}, func(b *bubble) {
		require.Equal(b, 1, b.get(time.Minute, cache.Stale(time.Hour)))
		b.pass(2 * time.Minute)
		ended := false
		_, err := cache.Memoize(b.ctx, "n", nil, time.Minute, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			ended = true
			return 0, ctx.Err()
		}, cache.Stale(time.Hour))
		require.NoError(b, err)
		require.NoError(b, b.cache.Close())
		require.True(b, ended)
	})
}

func TestRecomputationHasATimeLimit(t *testing.T) {
	inBubble(t, cache.Options{}, func(b *bubble) {
		require.Equal(b, 1, b.get(time.Minute, cache.Stale(time.Hour)))
		b.pass(2 * time.Minute)
		_, err := cache.Memoize(b.ctx, "n", nil, time.Minute, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}, cache.Stale(time.Hour))
		require.NoError(b, err)
		b.pass(15 * time.Second)
		require.Equal(b, 1, b.get(time.Minute, cache.Stale(time.Hour)))
		require.Equal(b, 2, b.get(time.Minute, cache.Stale(time.Hour)), "the next one was made")
	})
}

// waiting is a caller of a result that takes until it is released.
type waiting struct {
	leave  context.CancelFunc
	result chan int
	err    error
}

func (b *bubble) wait(value int, compute func(ctx context.Context) (int, error)) *waiting {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(b.ctx, key{}, value))
	w := &waiting{leave: cancel, result: make(chan int, 1)}
	go func() {
		defer close(w.result)
		got, err := cache.Memoize(ctx, "n", nil, 0, func(ctx context.Context) (int, error) {
			value, _ := ctx.Value(key{}).(int)
			got, err := compute(ctx)
			return got + value, err
		})
		if w.err = err; err == nil {
			w.result <- got
		}
	}()
	synctest.Wait()
	return w
}

func TestSingleflightGoesOnWhenOneCallerLeaves(t *testing.T) {
	inBubble(t, cache.Options{}, func(b *bubble) {
		release := make(chan struct{})
		compute := func(ctx context.Context) (int, error) {
			b.calls++
			select {
			case <-release:
				return 40, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		first, second := b.wait(1, compute), b.wait(2, compute)
		first.leave()
		synctest.Wait()
		_, ok := <-first.result
		require.False(b, ok)
		require.ErrorIs(b, first.err, context.Canceled)
		third := b.wait(3, compute)
		close(release)
		require.Equal(b, 41, <-second.result, "with the values of the first")
		require.Equal(b, 41, <-third.result)
		require.Equal(b, 1, b.calls)
		second.leave()
		third.leave()
	})
}

func TestSingleflightIsCanceledWhenNoCallerWaits(t *testing.T) {
	inBubble(t, cache.Options{}, func(b *bubble) {
		var ended error
		hang := func(ctx context.Context) (int, error) {
			b.calls++
			<-ctx.Done()
			<-time.After(time.Minute) // it takes its time
			ended = ctx.Err()
			return 0, ended
		}
		first, second := b.wait(1, hang), b.wait(2, hang)
		first.leave()
		second.leave()
		synctest.Wait()
		require.Equal(b, 2, b.get(0), "who comes now does not wait for it")
		b.pass(time.Minute)
		require.ErrorIs(b, ended, context.Canceled)
		require.Equal(b, 2, b.get(0), "what it left behind changes nothing")
	})
}

func TestLockLetsOneNodeCompute(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	tried := make(chan bool, 100)
	a, _ := newCache(t, newRedis(t, url), cache.Options{})
	b, _ := newCache(t, lockSpy{newRedis(t, url), tried}, cache.Options{})

	release, running := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		got, err := cache.Memoize(cache.With(t.Context(), a), "n", nil, time.Minute, func(context.Context) (int, error) {
			close(running)
			<-release
			return 1, nil
		}, cache.Locked())
		if err != nil || got != 1 {
			t.Errorf("the first node got %d, %v", got, err)
		}
	})
	<-running
	wg.Go(func() {
		got, err := cache.Memoize(cache.With(t.Context(), b), "n", nil, time.Minute, func(context.Context) (int, error) {
			return 2, nil
		}, cache.Locked())
		if err != nil || got != 1 {
			t.Errorf("the second node got %d, %v", got, err)
		}
	})
	require.False(t, <-tried, "the lock is the other's")
	close(release)
	wg.Wait()
	require.Zero(t, client(t, url).Exists(t.Context(), "MOL-hios-n-lock").Val(), "it is free")
}

func TestStaleResultIsRecomputedByOneNode(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	tried := make(chan bool, 100)
	a, _ := newCache(t, newRedis(t, url), cache.Options{})
	b, _ := newCache(t, lockSpy{newRedis(t, url), tried}, cache.Options{})
	get := func(c *cache.Cache, compute func() int) int {
		got, err := cache.Memoize(cache.With(t.Context(), c), "n", nil, time.Millisecond, func(context.Context) (int, error) {
			return compute(), nil
		}, cache.Stale(time.Hour))
		require.NoError(t, err)
		return got
	}
	require.Equal(t, 1, get(a, func() int { return 1 }))

	release, running := make(chan struct{}), make(chan struct{})
	var once sync.Once
	require.Eventually(t, func() bool { // it is old after a millisecond
		require.Equal(t, 1, get(a, func() int {
			once.Do(func() { close(running) })
			<-release
			return 2
		}))
		select {
		case <-running:
			return true
		default:
			return false
		}
	}, patience, 5*time.Millisecond)
	require.Equal(t, 1, get(b, func() int { return 3 }))
	require.False(t, <-tried, "the other renews")
	close(release)
	require.Eventually(t, func() bool {
		value, err := client(t, url).Get(t.Context(), "MOL-hios-n").Result()
		return err == nil && value == "2"
	}, patience, 5*time.Millisecond)
	left := client(t, url).PTTL(t.Context(), "MOL-hios-n").Val()
	require.InDelta(t, time.Hour, left, float64(time.Minute), "it lives for both times together")
}

// lockSpy tells how tries to lock end.
type lockSpy struct {
	cache.Store
	tried chan<- bool
}

func (s lockSpy) TryLock(
	ctx context.Context, name string, ttl time.Duration,
) (func(context.Context) error, bool, error) {
	unlock, acquired, err := s.Store.TryLock(ctx, name, ttl)
	s.tried <- acquired
	return unlock, acquired, err
}

func TestStaleResultRecomputedByAnotherNodeIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := cache.NewMemory(cache.MemoryOptions{})
		c, _ := newCache(t, slowLock{store, func() {
			if err := store.Set(t.Context(), "n", []byte(`2`), 2*time.Hour); err != nil {
				t.Error(err)
			}
		}}, cache.Options{})
		b := &bubble{T: t, cache: c, ctx: cache.With(t.Context(), c)}
		require.Equal(t, 1, b.get(time.Hour, cache.Stale(time.Hour)))
		b.pass(time.Hour + time.Minute)
		require.Equal(t, 1, b.get(time.Hour, cache.Stale(time.Hour)))
		require.Equal(t, 2, b.get(time.Hour, cache.Stale(time.Hour)))
		require.Equal(t, 1, b.calls)
	})
}

// slowLock lets something happen before each lock is taken.
type slowLock struct {
	cache.Store
	before func()
}

func (s slowLock) TryLock(
	ctx context.Context, name string, ttl time.Duration,
) (func(context.Context) error, bool, error) {
	s.before()
	return s.Store.TryLock(ctx, name, ttl)
}

func TestLockThatIsNeverReleasedDelaysOnlyBriefly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := cache.NewMemory(cache.MemoryOptions{})
		c, _ := newCache(t, store, cache.Options{})
		_, acquired, err := store.TryLock(t.Context(), "n-lock", time.Hour)
		require.NoError(t, err)
		require.True(t, acquired)
		began := time.Now()
		got, err := cache.Memoize(
			cache.With(t.Context(), c), "n", nil, 0, func(context.Context) (int, error) { return 1, nil }, cache.Locked(),
		)
		require.NoError(t, err)
		require.Equal(t, 1, got)
		require.InDelta(t, 2200*time.Millisecond, time.Since(began), float64(1100*time.Millisecond))
	})
}

func TestMemoizeDoesNotKeepResultsThatAreNotJSON(t *testing.T) {
	inBubble(t, cache.Options{}, func(b *bubble) {
		release := make(chan struct{})
		var mu sync.Mutex
		calls := 0
		get := func() chan int {
			ch, err := cache.Memoize(b.ctx, "n", "canary", 0, func(context.Context) (chan int, error) {
				mu.Lock()
				calls++
				mu.Unlock()
				<-release
				return make(chan int), nil
			})
			if err != nil {
				b.Error(err)
			}
			return ch
		}
		results := make(chan chan int, 3)
		for range 3 {
			go func() { results <- get() }()
		}
		synctest.Wait()
		require.Equal(b, 1, calls)
		close(release)
		seen := map[chan int]bool{}
		for range 3 {
			seen[<-results] = true
		}
		require.Len(b, seen, 3, "each has one of its own")
		require.NotContains(b, seen, nil)
		require.NotNil(b, get())
		require.Equal(b, 4, calls)
		require.Equal(b, []string{"warning: a result cannot be cached"}, b.logged())
	})
}

func TestMemoizeDoesNotKeepParamsThatAreNotJSON(t *testing.T) {
	inBubble(t, cache.Options{}, func(b *bubble) {
		for i := range 2 {
			got, err := cache.Memoize(b.ctx, "n", make(chan int), 0, func(context.Context) (int, error) { return i, nil })
			require.NoError(b, err)
			require.Equal(b, i, got)
		}
		require.Equal(b, []string{"warning: a result cannot be cached"}, b.logged())
	})
}

func TestMemoizeReplacesAnEntryOfAnotherType(t *testing.T) {
	inBubble(t, cache.Options{}, func(b *bubble) {
		require.NoError(b, b.cache.Set(b.ctx, "n", "of an older version", 0))
		require.Equal(b, 1, b.get(0))
		require.Equal(b, 2, b.get(0))
		require.Equal(b, 2, b.get(0))
	})
}

func TestGetOrComputeReturnsRawJSON(t *testing.T) {
	t.Parallel()
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			c, log := newCache(t, store, cache.Options{})
			raw := json.RawMessage(`{"b":1,"a":"<&>"}`)
			for range 2 {
				got, err := c.GetOrCompute(
					t.Context(), "posts.get:1", cache.Policy{TTL: time.Minute},
					func(context.Context) (json.RawMessage, error) { return raw, nil },
				)
				require.NoError(t, err)
				require.Equal(t, string(raw), string(got), "as it was")
			}
			for range 2 {
				got, err := c.GetOrCompute(
					t.Context(), "posts.bad:1", cache.Policy{},
					func(context.Context) (json.RawMessage, error) { return json.RawMessage(`{`), nil },
				)
				require.NoError(t, err)
				require.Equal(t, `{`, string(got))
			}
			require.False(t, has(t, store, "posts.bad:1"))
			require.Equal(t, []string{"warning: a result cannot be cached"}, lines(log))
			require.Equal(t, "posts.bad", log.LastEntry().Data["name"], "without params")
		})
	}
}

func ExampleMemoize() {
	c := cache.New(cache.NewMemory(cache.MemoryOptions{}), cache.Options{TTL: time.Hour})
	defer func() { _ = c.Close() }()
	ctx := cache.With(context.Background(), c) // a service's handlers are given such a context

	rate := func(ctx context.Context, currency string) (float64, error) {
		return cache.Memoize(ctx, "rates", currency, 10*time.Minute, func(context.Context) (float64, error) {
			fmt.Println("asking for", currency)
			return 1.09, nil
		}, cache.Stale(time.Hour))
	}
	for range 2 {
		r, err := rate(ctx, "USD")
		fmt.Println(r, err)
	}
	// Output:
	// asking for USD
	// 1.09 <nil>
	// 1.09 <nil>
}

func BenchmarkMemoryHit(b *testing.B) {
	c, _ := inMemory(b, cache.Options{})
	ctx := cache.With(b.Context(), c)
	raw := json.RawMessage(`{"id":1,"title":"a post"}`)
	b.Run("once", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = c.GetOrCompute(
				ctx, "posts.get:1", cache.Policy{}, func(context.Context) (json.RawMessage, error) { return raw, nil },
			)
		}
	})
	b.Run("memoize", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = cache.Memoize(
				ctx, "posts", 1, 0, func(context.Context) (post, error) { return post{ID: 1, Title: "a post"}, nil },
			)
		}
	})
}
