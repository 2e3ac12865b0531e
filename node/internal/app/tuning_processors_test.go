package app_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
)

// looks gives the numbers of processors after looks in which so many were busy.
func looks(most int, busy ...float64) (numbers []int) {
	look := app.Parallelism(func() int { return most })
	for _, b := range busy {
		numbers = append(numbers, look(b))
	}
	return numbers
}

func TestProcessorsStayAtOneAsLongAsOneIsEnough(t *testing.T) {
	require.Equal(t, 1, last(looks(8, slices.Repeat([]float64{0.89}, 1000)...)))
	require.Equal(t, []int{1, 1, 1, 2}, looks(8, slices.Repeat([]float64{0.95}, 4)...))
	// A moment's load is none that lasts.
	require.Equal(t, []int{1, 1, 1, 1, 1, 1, 1}, looks(8, 1, 1, 1, 0.5, 1, 1, 1))
}

func TestAsManyProcessorsAsTheLoadKeepsBusy(t *testing.T) {
	for most, want := range map[int]int{1: 1, 2: 2, 3: 3, 6: 6, 8: 8} {
		require.Equal(t, want, last(looks(most, slices.Repeat([]float64{8}, 100)...)), "of %d", most)
	}
	require.Equal(
		t, 4, last(looks(8, append(slices.Repeat([]float64{1}, 4), slices.Repeat([]float64{1.9}, 100)...)...)),
		"1.9 of 2 are too many",
	)
	require.Equal(t, 2, last(looks(8, append(slices.Repeat([]float64{1}, 4), slices.Repeat([]float64{1.7}, 100)...)...)))
}

func TestFewerProcessorsWhenTheLoadIsOver(t *testing.T) {
	burst := slices.Repeat([]float64{8}, 16)
	require.Equal(t, 8, last(looks(8, burst...)))
	require.Equal(t, 4, last(looks(8, append(burst, slices.Repeat([]float64{0.01}, 8)...)...)))
	require.Equal(t, 1, last(looks(8, append(burst, slices.Repeat([]float64{0.01}, 24)...)...)))
	require.Equal(t, 8, last(looks(8, append(burst, slices.Repeat([]float64{3.3}, 100)...)...)), "four would be crowded")
	require.Equal(t, 4, last(looks(8, append(burst, slices.Repeat([]float64{3.1}, 100)...)...)))
	require.Equal(
		t, 1, last(looks(3, append(slices.Repeat([]float64{3}, 16), slices.Repeat([]float64{0.5}, 100)...)...)),
		"from 3 by way of 2",
	)
}

func TestProcessorsDoNotGoUpAndDownUnderASteadyLoad(t *testing.T) {
	for busy := 0.0; busy < 8; busy += 0.05 {
		look, changes, before := app.Parallelism(func() int { return 8 }), 0, 1
		for range 1000 {
			if now := look(busy); now != before {
				changes, before = changes+1, now
			}
		}
		require.LessOrEqual(t, changes, 3, "%v busy", busy)
	}
}

func last(list []int) int { return list[len(list)-1] }

func TestProcessFollowsItsLoad(t *testing.T) {
	t.Setenv("GOMAXPROCS", "") // as users have it
	synctest.Test(t, func(t *testing.T) {
		var used atomic.Int64 // CPU time
		pass := func(seconds int, busy float64) {
			for range 4 * seconds {
				used.Add(int64(busy * float64(250*time.Millisecond)))
				<-time.After(250 * time.Millisecond)
				synctest.Wait()
			}
		}
		clock := func() (time.Duration, bool) { return time.Duration(used.Load()), true }
		stop := app.TuneProcessors(func() int { return 2 }, clock, logrus.NewEntry(quiet()))
		synctest.Wait()
		require.Equal(t, 1, runtime.GOMAXPROCS(0))
		pass(1, 1)
		require.Equal(t, 2, runtime.GOMAXPROCS(0))
		pass(10, 1.9)
		require.Equal(t, 2, runtime.GOMAXPROCS(0))
		pass(2, 0.1)
		require.Equal(t, 1, runtime.GOMAXPROCS(0))

		stop()
		require.Equal(t, app.Available(), runtime.GOMAXPROCS(0))
	})
}

func TestProcessorThatIsBusyIsCPUTime(t *testing.T) {
	before, ok := app.ProcessTime()
	require.True(t, ok)
	for now := before; now < before+10*time.Millisecond; { // else the test never ends
		now, _ = app.ProcessTime()
	}
}

func TestEnvironmentHasTheLastWordOnProcessors(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Setenv("GOMAXPROCS", "3")
	app.TuneProcessors(app.Available, app.ProcessTime, nil)()
	require.Equal(t, before, runtime.GOMAXPROCS(0))
}

func TestNodeBesideAServerFollowsItsLoad(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	c := settings(t)
	c.NATS.Embedded, c.NATS.Servers = false, servers(natsd(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}))
	runtime.GOMAXPROCS(5)
	run(t, c, func() {
		require.Eventually(t, func() bool { return runtime.GOMAXPROCS(0) == 1 }, time.Minute, time.Millisecond)
	})
	require.Equal(t, app.Available(), runtime.GOMAXPROCS(0))
}

func TestNodeWithAServerOfItsOwnKeepsAllProcessors(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	defer app.Available()
	runtime.GOMAXPROCS(5)
	run(t, settings(t), func() {})
	require.Equal(t, 5, runtime.GOMAXPROCS(0), "not even the end of the node has touched it")
}

func TestTuningFalseLeavesProcessorsAndCollectorAlone(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(90))
	defer app.Available()
	runtime.GOMAXPROCS(5)
	c := settings(t)
	c.NATS.Embedded, c.NATS.Servers = false, servers(natsd(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}))
	c.Node.Tuning = false
	run(t, c, func() {
		runtime.GC() // after which a tuned collector sets its percentage anew
		require.Equal(t, 5, runtime.GOMAXPROCS(0))
		require.Equal(t, uint64(90), gogc())
	})
	require.Equal(t, 5, runtime.GOMAXPROCS(0), "nor has the node's end touched them")
	require.Equal(t, uint64(90), gogc())
}

// run runs a node until it is ready and a function has returned.
func run(t *testing.T, c *config.Config, until func()) {
	t.Helper()
	var output buffer
	log, secrets := logrus.New(), &redact.Secrets{}
	app.ConfigureLog(log, &output, config.Log{Level: "info"}, secrets)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx, c, app.Extensions{}, log, secrets) }()
	require.Eventually(
		t, func() bool { return strings.Contains(output.String(), "node is ready") }, time.Minute, time.Millisecond,
	)
	until()
	cancel()
	require.NoError(t, <-ended)
}
