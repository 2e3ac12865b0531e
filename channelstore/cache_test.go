package channelstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
)

// cacheHarness is a cache of a store that does what the test says, in a bubble with a clock of its own.
type cacheHarness struct {
	*testing.T
	cache *channelstore.Cache
	log   *logtest.Hook

	mu     sync.Mutex
	answer func(ctx context.Context, id string) (*integration.Channel, error)
	reads  int
}

func withCache(t *testing.T, test func(b *cacheHarness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log, hook := logtest.NewNullLogger()
		b := &cacheHarness{T: t, log: hook}
		b.says("v1")
		cache, err := channelstore.NewCache(b, logrus.NewEntry(log))
		require.NoError(t, err)
		b.cache = cache
		defer cache.Close()
		test(b)
	})
}

// Channel implements integration.ChannelStore.
func (b *cacheHarness) Channel(ctx context.Context, id string) (*integration.Channel, error) {
	b.mu.Lock()
	b.reads++
	answer := b.answer
	b.mu.Unlock()
	return answer(ctx, id)
}

func (b *cacheHarness) does(answer func(ctx context.Context, id string) (*integration.Channel, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

// says makes the store answer with a channel of that name.
func (b *cacheHarness) says(name string) {
	b.does(func(_ context.Context, id string) (*integration.Channel, error) {
		ch := newChannel(id)
		ch.Name = name
		return ch, nil
	})
}

func (b *cacheHarness) fails(err error) {
	b.does(func(context.Context, string) (*integration.Channel, error) { return nil, err })
}

// hangs makes the store answer only to the end of a context.
func (b *cacheHarness) hangs() {
	b.does(func(ctx context.Context, _ string) (*integration.Channel, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
}

// took returns how often the store was asked since the last call.
func (b *cacheHarness) took() int {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.reads = 0 }()
	return b.reads
}

// gets looks the channel c1 up and says how often the store was asked for that.
func (b *cacheHarness) gets(name string, reads int) {
	b.Helper()
	ch, err := b.cache.Channel(b.Context(), "c1")
	require.NoError(b, err)
	require.Equal(b, name, ch.Name)
	require.Equal(b, reads, b.took())
}

func (b *cacheHarness) getsError(want error, reads int) {
	b.Helper()
	ch, err := b.cache.Channel(b.Context(), "c1")
	require.ErrorIs(b, err, want)
	require.Nil(b, ch)
	require.Equal(b, reads, b.took())
}

func (b *cacheHarness) wait(d time.Duration) { <-time.After(d) }

var errAway = &channelstore.UnavailableError{Op: "read", Err: errors.New("connection refused")}

func TestCacheReadsAChannelOnce(t *testing.T) {
	withCache(t, func(b *cacheHarness) {
		b.gets("v1", 1)
		b.says("v2")
		b.gets("v1", 0)
		b.wait(30*time.Second - 1)
		b.gets("v1", 0)
		b.wait(1)
		b.gets("v1", 1) // and reads anew in the background
		b.gets("v2", 0)
		b.says("v3")
		b.wait(60 * time.Second)
		b.gets("v3", 1)
	})
}

func TestCacheKeepsFailuresForASecond(t *testing.T) {
	for _, refused := range []error{integration.ErrChannelNotFound, &channelstore.SealedError{ChannelID: "c1"}} {
		withCache(t, func(b *cacheHarness) {
			b.fails(refused)
			b.getsError(refused, 1)
			b.wait(time.Second - 1)
			b.getsError(refused, 0)
			b.wait(1)
			b.getsError(refused, 1)
			b.says("v1")
			b.wait(time.Second)
			b.gets("v1", 1)
			b.fails(refused) // a channel that goes without a word
			b.wait(30 * time.Second)
			b.gets("v1", 1)
			b.getsError(refused, 0)
			require.Empty(b, b.log.AllEntries(), "this says nothing of the store")
		})
	}
}

func TestCacheDoesNotReadImpossibleIDs(t *testing.T) {
	withCache(t, func(b *cacheHarness) {
		for _, id := range []string{"", "\x00", string(make([]byte, 1<<20))} {
			_, err := b.cache.Channel(b.Context(), id)
			require.ErrorIs(b, err, integration.ErrChannelNotFound)
		}
		require.Zero(b, b.took())
	})
}

// stuck is a store that answers nobody until it is let go.
type stuck struct {
	asked chan string
	leave chan struct{}
}

func (s *stuck) Channel(_ context.Context, id string) (*integration.Channel, error) {
	s.asked <- id
	<-s.leave
	return nil, integration.ErrChannelNotFound
}

func TestCacheBoundsReadsOfUnknownIDs(t *testing.T) {
	const most = 4096
	store := &stuck{make(chan string, 2*most), make(chan struct{})}
	log, _ := logtest.NewNullLogger()
	cache, err := channelstore.NewCache(store, logrus.NewEntry(log))
	require.NoError(t, err)
	defer cache.Close()
	var asking sync.WaitGroup
	for i := range most {
		asking.Go(func() { _, _ = cache.Channel(t.Context(), "made-up-"+strconv.Itoa(i)) })
	}
	for range most {
		<-store.asked
	}
	_, err = cache.Channel(t.Context(), "one more")
	require.ErrorAs(t, err, new(*channelstore.UnavailableError))
	close(store.leave)
	asking.Wait()
	_, err = cache.Channel(t.Context(), "one more")
	require.ErrorIs(t, err, integration.ErrChannelNotFound)
	require.Len(t, store.asked, 1)
}

func TestCacheSharesAReadAmongCallers(t *testing.T) {
	withCache(t, func(b *cacheHarness) {
		goOn := make(chan struct{})
		b.does(func(_ context.Context, id string) (*integration.Channel, error) {
			<-goOn
			return newChannel(id), nil
		})
		var got atomic.Int32
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if ch, err := b.cache.Channel(b.Context(), "c1"); err == nil && ch.ID == "c1" {
					got.Add(1)
				}
			})
		}
		synctest.Wait()
		close(goOn)
		all.Wait()
		require.Equal(b, int32(50), got.Load())
		require.Equal(b, 1, b.took())
	})
}

func TestCacheReadOutlivesItsCaller(t *testing.T) {
	withCache(t, func(b *cacheHarness) {
		req := &action.Request{
			RequestID: "trace", Params: json.RawMessage("{}"), Meta: action.NewMeta(json.RawMessage(`{"user":1}`)),
		}
		ctx, cancel := context.WithTimeout(action.WithRequest(b.Context(), req), time.Second)
		defer cancel()
		b.does(func(ctx context.Context, id string) (*integration.Channel, error) {
			b.wait(2 * time.Second)
			parent := action.RequestFrom(ctx)
			require.NotSame(b, req, parent, "a call is not valid for longer than it takes")
			require.Equal(b, "trace", parent.RequestID)
			require.Nil(b, parent.Params)
			meta, err := parent.Meta.MarshalJSON()
			require.NoError(b, err)
			require.JSONEq(b, `{"user":1}`, string(meta))
			return newChannel(id), ctx.Err()
		})
		_, err := b.cache.Channel(ctx, "c1")
		require.ErrorIs(b, err, context.DeadlineExceeded)
		requireUnavailable(b.T, err)
		b.gets("Polly", 1) // joins the same reading
	})
}

func TestCacheReadsAnInvalidatedChannelAgain(t *testing.T) {
	for name, invalidate := range map[string]func(*channelstore.Cache){
		"it alone": func(m *channelstore.Cache) { m.Invalidate("c1") }, "all": (*channelstore.Cache).InvalidateAll,
	} {
		t.Run(name, func(t *testing.T) {
			withCache(t, func(b *cacheHarness) {
				b.gets("v1", 1)
				b.says("v2")
				invalidate(b.cache)
				b.gets("v2", 1)
				b.gets("v2", 0)
				b.fails(integration.ErrChannelNotFound)
				invalidate(b.cache)
				b.getsError(integration.ErrChannelNotFound, 1)
				b.says("v3") // created within the second for which it is unknown
				invalidate(b.cache)
				b.gets("v3", 1)
			})
		})
	}
	withCache(t, func(b *cacheHarness) {
		b.gets("v1", 1)
		b.says("v2")
		b.cache.Invalidate("c2")
		b.gets("v1", 0)
	})
}

func TestCacheDropsAReadFromBeforeAnInvalidation(t *testing.T) {
	for name, invalidate := range map[string]func(*channelstore.Cache){
		"of it alone": func(m *channelstore.Cache) { m.Invalidate("c1") }, "of all": (*channelstore.Cache).InvalidateAll,
	} {
		for when, known := range map[string]bool{"first": false, "background": true} {
			t.Run(when+" reading, "+name, func(t *testing.T) {
				withCache(t, func(b *cacheHarness) {
					if known {
						b.gets("v1", 1)
						b.wait(45 * time.Second)
					}
					goOn := make(chan struct{})
					b.does(func(_ context.Context, id string) (*integration.Channel, error) {
						<-goOn
						ch := newChannel(id)
						ch.Name = "old"
						return ch, nil
					})
					before := make(chan string)
					go func() {
						ch, err := b.cache.Channel(b.Context(), "c1")
						if err != nil {
							b.Error(err)
						}
						before <- ch.Name
					}()
					if known {
						require.Equal(b, "v1", <-before)
					}
					require.Equal(b, 1, b.took())
					invalidate(b.cache)
					b.says("new")
					b.gets("new", 1) // does not wait for the old reading
					close(goOn)
					if !known {
						require.Equal(b, "old", <-before, "who asked before may get what was before")
					}
					b.gets("new", 0)

					// The same where nobody asks between the change and the end of the old reading.
					goOn = make(chan struct{})
					b.cache.Invalidate("c1")
					b.does(func(_ context.Context, id string) (*integration.Channel, error) {
						<-goOn
						return newChannel(id), nil
					})
					go func() { _, _ = b.cache.Channel(b.Context(), "c1") }()
					synctest.Wait()
					invalidate(b.cache)
					close(goOn)
					require.Equal(b, 1, b.took())
					b.says("newer")
					b.gets("newer", 1)
				})
			})
		}
	}
}

func TestCacheServesDuringAnOutage(t *testing.T) {
	withCache(t, func(b *cacheHarness) {
		b.gets("v1", 1)
		b.fails(errAway)
		for range 270 { // up to 5 minutes after the last good reading
			b.wait(time.Second)
			for range 10 {
				ch, err := b.cache.Channel(b.Context(), "c1")
				require.NoError(b, err)
				require.Equal(b, "v1", ch.Name)
			}
		}
		require.LessOrEqual(b, b.took(), 241, "the store is not asked more than once a second")
		_, err := b.cache.Channel(b.Context(), "unknown")
		require.ErrorIs(b, err, errAway)
		b.took()
		b.wait(30 * time.Second)
		b.getsError(errAway, 1)
		require.Len(b, b.log.AllEntries(), 1)
		require.Equal(b, logrus.WarnLevel, b.log.LastEntry().Level)
		require.Equal(
			b, "the channel store cannot be read; known channels are served for up to 5m0s more", b.log.LastEntry().Message,
		)

		b.says("v2")
		b.gets("v2", 1)
		b.fails(errAway)
		b.wait(45 * time.Second)
		b.gets("v2", 1)
		require.Len(b, b.log.AllEntries(), 2, "this is another outage")
		b.says("v3")
		b.wait(time.Second)
		b.gets("v2", 1)
		b.gets("v3", 0)
	})
}

func TestCacheWaitsOnceForAStoreThatHangs(t *testing.T) {
	withCache(t, func(b *cacheHarness) {
		b.gets("v1", 1)
		b.hangs()
		b.wait(2 * time.Minute)
		began := time.Now()
		b.gets("v1", 1)
		require.Equal(b, time.Second, time.Since(began))
		b.wait(10 * time.Second)
		began = time.Now()
		for range 100 {
			ch, err := b.cache.Channel(b.Context(), "c1")
			require.NoError(b, err)
			require.Equal(b, "v1", ch.Name)
		}
		require.Zero(b, time.Since(began))
		require.Equal(b, 1, b.took())
	})
}

func TestCacheServesAnOutageAfterInvalidateAll(t *testing.T) {
	withCache(t, func(b *cacheHarness) {
		b.gets("v1", 1)
		b.fails(errAway)
		b.cache.InvalidateAll()
		b.gets("v1", 1)
		b.cache.Invalidate("c1") // a change that is known of
		b.getsError(errAway, 1)
	})
}

func TestCacheServesNothingOldAfterAnOutage(t *testing.T) {
	withCache(t, func(b *cacheHarness) {
		b.gets("v1", 1)
		b.fails(errAway)
		b.wait(59 * time.Second)
		b.gets("v1", 1)
		b.says("v2")
		b.wait(time.Minute)
		b.gets("v2", 1)
	})
}

func TestCacheLogsAnOutageOnceAMinute(t *testing.T) {
	withCache(t, func(b *cacheHarness) {
		for range 50 {
			b.fails(errAway)
			b.cache.Invalidate("c1")
			b.getsError(errAway, 1)
			b.says("v1")
			b.gets("v1", 1)
			b.wait(time.Second)
		}
		require.Len(b, b.log.AllEntries(), 1)
	})
}

func TestCacheClosedEndsItsReads(t *testing.T) {
	withCache(t, func(b *cacheHarness) {
		b.hangs()
		failed := make(chan error)
		go func() {
			_, err := b.cache.Channel(b.Context(), "c1")
			failed <- err
		}()
		synctest.Wait()
		began := time.Now()
		go b.cache.Close()
		require.ErrorIs(b, <-failed, context.Canceled)
		b.getsError(context.Canceled, 1)
		require.Zero(b, time.Since(began))
		require.Empty(b, b.log.AllEntries())
	})
}

func TestCacheReadsRacingInvalidationsLeaveNothingOld(t *testing.T) {
	store := &counting{}
	log, _ := logtest.NewNullLogger()
	cache, err := channelstore.NewCache(store, logrus.NewEntry(log))
	require.NoError(t, err)
	defer cache.Close()
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := cache.Channel(t.Context(), "c1"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 500 {
		version := store.version.Add(1)
		if i%2 == 0 {
			cache.Invalidate("c1")
		} else {
			cache.InvalidateAll()
		}
		ch, err := cache.Channel(t.Context(), "c1")
		require.NoError(t, err)
		require.Len(t, ch.Name, int(version%100))
	}
	close(done)
	readers.Wait()
}

// counting is a store with channels of a changing version.
type counting struct{ version atomic.Int64 }

func (c *counting) Channel(_ context.Context, id string) (*integration.Channel, error) {
	ch := newChannel(id)
	ch.Name = string(make([]byte, c.version.Load()%100))
	return ch, nil
}

func TestCacheHitAllocatesNothing(t *testing.T) {
	log, _ := logtest.NewNullLogger()
	cache, err := channelstore.NewCache(&counting{}, logrus.NewEntry(log))
	require.NoError(t, err)
	defer cache.Close()
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = cache.Channel(t.Context(), "c1") }))
}

func BenchmarkCacheHit(b *testing.B) {
	log, _ := logtest.NewNullLogger()
	cache, err := channelstore.NewCache(&counting{}, logrus.NewEntry(log))
	require.NoError(b, err)
	defer cache.Close()
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cache.Channel(ctx, "c1"); err != nil {
			b.Fatal(err)
		}
	}
}
