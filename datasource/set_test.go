package datasource_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/datasource/postgres"
	redisdb "github.com/hiliosai/switchboard/datasource/redis"
	"github.com/hiliosai/switchboard/datasource/sqlite"
)

// diary notes what happens in which order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

// The three ways to be closed.
type (
	closesWithContext struct{ close func(context.Context) error }
	closes            struct{ close func() error }
	closesSilently    struct{ close func() }
)

func (c closesWithContext) Close(ctx context.Context) error { return c.close(ctx) }
func (c closes) Close() error                               { return c.close() }
func (c closesSilently) Close()                             { c.close() }

func fixed(name string, instance any) datasource.Definition {
	return datasource.New(name, func(context.Context) (any, error) { return instance, nil })
}

func failing(name string, err error) datasource.Definition {
	return datasource.New(name, func(context.Context) (any, error) { return nil, err })
}

func TestDatasourcesAreOpenedInOrderAndClosedInReverse(t *testing.T) {
	t.Parallel()
	var d diary
	noted := func(name string, instance any) datasource.Definition {
		return datasource.New(name, func(context.Context) (any, error) { d.note("open " + name); return instance, nil })
	}
	set, _ := newSet(t,
		noted("a", closesWithContext{func(context.Context) error { d.note("close a"); return nil }}),
		noted("b", closes{func() error { d.note("close b"); return nil }}),
		noted("c", closesSilently{func() { d.note("close c") }}),
		noted("d", "has nothing to close"),
	)
	require.NoError(t, set.Close(t.Context()), "nothing is open yet")
	for range 2 { // a service may be started again
		d = diary{}
		require.NoError(t, set.Open(t.Context()))
		require.Error(t, set.Open(t.Context()), "it is open")
		require.NoError(t, set.Close(t.Context()))
		require.NoError(t, set.Close(t.Context()), "closing twice does nothing")
		require.Equal(t, []string{"open a", "open b", "open c", "open d", "close c", "close b", "close a"}, d.take())
	}
}

func TestOpenThatFailsClosesWhatWasOpened(t *testing.T) {
	t.Parallel()
	var d diary
	broken, stuck := errors.New("broken"), errors.New("stuck")
	set, _ := newSet(t,
		fixed("a", closes{func() error { d.note("close a"); return nil }}),
		fixed("b", closes{func() error { d.note("close b"); return stuck }}),
		failing("c", broken),
		datasource.New("d", func(context.Context) (any, error) { d.note("open d"); return nil, nil }),
	)
	err := set.Open(t.Context())
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, err, stuck)
	require.ErrorContains(t, err, `open datasource "c"`)
	require.Equal(t, []string{"close b", "close a"}, d.take())
	_, err = datasource.Get[closes](set.Context(t.Context()), "a")
	require.ErrorAs(t, err, new(*datasource.NotOpenError))
}

func TestOpenRetriesWhatMayPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		set, logs := newSet(t, datasource.New("db", func(context.Context) (string, error) {
			if attempts++; attempts < 5 {
				return "", io.ErrUnexpectedEOF
			}
			return "here", nil
		}))
		start := time.Now()
		require.NoError(t, set.Open(t.Context()))
		require.Equal(t, 1500*time.Millisecond, time.Since(start), "100, 200, 400 and 800 ms")
		require.Equal(t, []string{"waiting for a datasource db"}, messages(logs), "one line for all attempts")
		require.NoError(t, set.Close(t.Context()))
	})
}

func TestOpenEndsAfterItsTimeout(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		timeout, want time.Duration
	}{
		"by default":             {0, 30 * time.Second},
		"with a time of its own": {time.Minute, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := datasource.New("db", func(ctx context.Context) (any, error) {
					if time.Until(deadline(t, ctx)) > 10*time.Second {
						return nil, io.ErrUnexpectedEOF
					}
					<-ctx.Done()
					return nil, ctx.Err()
				})
				d.Timeout = tc.timeout
				set, _ := newSet(t, d)
				start := time.Now()
				err := set.Open(t.Context())
				require.Equal(t, tc.want, time.Since(start))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF, "the last real reason is told")
			})
		})
	}
}

func deadline(t *testing.T, ctx context.Context) time.Time {
	t.Helper()
	at, ok := ctx.Deadline()
	require.True(t, ok)
	return at
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		set, _ := newSet(t, failing("db", io.ErrUnexpectedEOF))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, set.Open(ctx), io.ErrUnexpectedEOF)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestOpenWithoutTimeoutUsesItsDeadline(t *testing.T) {
	t.Parallel()
	for _, limit := range []time.Duration{5 * time.Second, 60 * time.Second} { // less and more than the default of 30 s
		synctest.Test(t, func(t *testing.T) {
			set, _ := newSet(t, failing("db", io.ErrUnexpectedEOF))
			over := errors.New("the start took too long")
			ctx, cancel := context.WithTimeoutCause(t.Context(), limit, over)
			defer cancel()
			start := time.Now()
			err := set.Open(ctx)
			require.Equal(t, limit, time.Since(start))
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.ErrorIs(t, err, over, "the limit is named")
		})
	}
}

func TestOpenLogsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	for name, attempt := range map[string]func(context.Context) error{
		"a server that refuses": func(context.Context) error { return io.ErrUnexpectedEOF },
		"a server that hangs":   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				set, logs := newSet(t, datasource.New("db", func(ctx context.Context) (any, error) { return nil, attempt(ctx) }))
				ctx, cancel := context.WithTimeout(t.Context(), 16*time.Second)
				defer cancel()
				require.Error(t, set.Open(ctx))
				for _, line := range []string{"since 5s db", "since 10s db", "since 15s db"} {
					require.Contains(t, messages(logs), "still waiting for a datasource, "+line)
				}
			})
		})
	}
}

func TestCloseGivesUpOnWhatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		broken, release := errors.New("broken"), make(chan struct{})
		set, _ := newSet(t,
			fixed("a", closes{func() error { d.note("close a"); return nil }}),
			fixed("hangs", closesSilently{func() { <-release }}),
			fixed("fails", closes{func() error { return broken }}),
			fixed("panics", closesSilently{func() { panic("boom") }}),
		)
		require.NoError(t, set.Open(t.Context()))
		start := time.Now()
		err := set.Close(t.Context())
		require.Equal(t, 10*time.Second, time.Since(start))
		require.ErrorIs(t, err, broken)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, `"hangs"`)
		require.ErrorContains(t, err, `"panics": panic: boom`)
		require.Equal(t, []string{"close a"}, d.take())
		close(release)
	})
}

func TestNewSetReportsAllFaults(t *testing.T) {
	t.Parallel()
	_, err := datasource.NewSet(logrus.NewEntry(logrus.New()),
		fixed("twice", 1), fixed("twice", 2), fixed("", 3),
		datasource.Definition{Name: "hollow"}, datasource.New[int]("hollow too", nil),
		sqlite.New("no path", sqlite.Options{}),
		postgres.New("no url", postgres.Options{MaxConns: -1}),
		postgres.New("bad postgres", postgres.Options{URL: "postgres://u:" + canary + "@host:port:port/db"}),
		redisdb.New("bad redis", redisdb.Options{URL: "http://:" + canary + "@host", PoolSize: -1}),
		datasource.HTTP(
			"bad api", datasource.HTTPOptions{BaseURL: "ftp://u:" + canary + "@host", Timeout: -1, MaxBodyBytes: -1},
		),
		datasource.Service("no service", ""),
	)
	for _, want := range []string{
		`two datasources "twice"`, "datasource 3 has no name", `"hollow": there is no function`,
		`"hollow too": there is no function`,
		`"no path": path is missing`, `"no url": url is missing`, "maxConns is negative", `"bad postgres": url`,
		`"bad redis": url`,
		"poolSize is negative", `"bad api": baseUrl`, "timeout is negative", "maxBodyBytes is negative",
		`"no service": the service's name`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), canary)
}
