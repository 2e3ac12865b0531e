package datasource_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/datasource/sqlite"
)

// patient's health is what its function says.
type patient struct{ check func(context.Context) error }

func (p patient) Check(ctx context.Context) error { return p.check(ctx) }

func TestHealthHasTheResultsOfChecks(t *testing.T) {
	t.Parallel()
	_, set, _ := open(t,
		fixed("well", patient{func(context.Context) error { return nil }}),
		fixed("unchecked", 1),
		fixed("secretive", patient{func(context.Context) error { return errors.New(canary) }}),
		fixed("gone", patient{func(context.Context) error { return io.ErrUnexpectedEOF }}),
		fixed("typed", patient{func(context.Context) error { return action.Server(500, "FULL", "The disk is full.") }}),
		fixed("panics", patient{func(context.Context) error { panic(canary) }}),
	)
	report := set.Health(t.Context())
	for i := range report {
		report[i].LatencyMs = 0
	}
	require.Equal(t, []datasource.Health{
		{Name: "well", Status: datasource.Healthy},
		{Name: "unchecked", Status: datasource.Healthy},
		{Name: "secretive", Status: datasource.Unhealthy, Message: "its check failed; the node's log says why"},
		{
			Name: "gone", Status: datasource.Unhealthy, Type: datasource.TypeUnavailable,
			Message: "The datasource is not available: the connection was closed.",
		},
		{Name: "typed", Status: datasource.Unhealthy, Message: "The disk is full.", Type: "FULL"},
		{Name: "panics", Status: datasource.Unhealthy, Message: "its check failed; the node's log says why"},
	}, report)
}

// counter tells a figure of itself.
type counter struct{ n int }

func (c counter) Details() map[string]any { return map[string]any{"count": c.n} }

func TestHealthHasTheDetailsOfADatasource(t *testing.T) {
	t.Parallel()
	_, set, _ := open(t, fixed("counter", counter{7}))
	require.Equal(t, map[string]any{"count": 7}, set.Health(t.Context())[0].Details)
}

func TestHealthOfAClosedSetIsUnhealthy(t *testing.T) {
	t.Parallel()
	set, _ := newSet(t, fixed("db", 1))
	require.Equal(t, datasource.Unhealthy, set.Health(t.Context())[0].Status)
	require.NoError(t, set.Open(t.Context()))
	require.Equal(t, datasource.Healthy, set.Health(t.Context())[0].Status)
	require.NoError(t, set.Close(t.Context()))
	require.Equal(t, datasource.Unhealthy, set.Health(t.Context())[0].Status)
}

func TestHealthChecksRunInParallelAndAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		waits := patient{func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		deaf := patient{func(context.Context) error { <-release; return nil }}
		set, _ := newSet(t, fixed("a", waits), fixed("b", waits), fixed("deaf", deaf))
		require.NoError(t, set.Open(t.Context()))
		start := time.Now()
		for _, h := range set.Health(t.Context()) {
			require.Equal(t, datasource.Health{
				Name: h.Name, Status: datasource.Unhealthy, LatencyMs: 2000,
				Message: "The datasource is not available: it does not answer in time.", Type: datasource.TypeUnavailable,
			}, h)
		}
		require.Equal(t, 2*time.Second, time.Since(start))
		close(release)
		require.NoError(t, set.Close(t.Context()))
	})
}

func TestHealthCheckIsSharedForASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var checks atomic.Int32
		set, _ := newSet(t, fixed("db", patient{func(ctx context.Context) error {
			checks.Add(1)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
				return nil
			}
		}}))
		require.NoError(t, set.Open(t.Context()))
		ask := func(callers int) int32 {
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() { set.Health(t.Context()) })
			}
			wg.Wait()
			return checks.Swap(0)
		}
		require.EqualValues(t, 1, ask(10))
		time.Sleep(900 * time.Millisecond) //nolint:forbidigo // the bubble's clock
		require.EqualValues(t, 0, ask(10))
		time.Sleep(100 * time.Millisecond) //nolint:forbidigo // the bubble's clock
		require.EqualValues(t, 1, ask(10))

		// One caller who goes away takes the check from nobody.
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
		gone, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { require.Equal(t, datasource.Unhealthy, set.Health(gone)[0].Status) })
		synctest.Wait()
		wg.Go(func() { require.Equal(t, datasource.Healthy, set.Health(t.Context())[0].Status) })
		synctest.Wait()
		leave()
		wg.Wait()
		require.EqualValues(t, 1, checks.Load())
		require.NoError(t, set.Close(t.Context()))
	})
}

func TestWatchLogsOutageAndRecoveryOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var bad atomic.Bool
		set, logs := newSet(t,
			fixed("db", patient{func(context.Context) error {
				if bad.Load() {
					return errors.New("the disk burns")
				}
				return nil
			}}),
			fixed("well", patient{func(context.Context) error { return nil }}),
		)
		require.NoError(t, set.Open(t.Context()))
		for range 2 {
			logs.Reset()
			bad.Store(true)
			time.Sleep(5 * time.Second) //nolint:forbidigo // the bubble's clock
			synctest.Wait()
			require.Equal(t, []string{"a datasource does not work db"}, messages(logs))
			require.ErrorContains(t, logs.LastEntry().Data["error"].(error), "the disk burns")
			time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
			bad.Store(false)
			time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
			require.Equal(t, []string{"a datasource does not work db", "a datasource works again db"}, messages(logs))
		}
		require.NoError(t, set.Close(t.Context()))
		bad.Store(true)
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
		require.Len(t, messages(logs), 2, "nobody watches what is closed")
	})
}

func TestHealthOfAClosedDatabaseIsUnhealthy(t *testing.T) {
	t.Parallel()
	ctx, set, _ := open(t, sqlite.New("db", sqlite.Options{Path: t.TempDir() + "/test.db"}))
	require.NoError(t, get[*sql.DB](ctx, t, "db").Close())
	require.Equal(t, datasource.Unhealthy, set.Health(t.Context())[0].Status, "a type with PingContext is checked by it")
}
