package app_test

import (
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/node/internal/app"
)

func TestHeapGrowthShrinksWithItsSize(t *testing.T) {
	const mb = 1 << 20
	for live, want := range map[uint64]int{
		0: 400, 1: 400, 7 * mb: 400, 8 * mb: 350, 10 * mb: 275, 16 * mb: 175, 24 * mb: 100, 1000 * mb: 100, 1 << 60: 100,
	} {
		require.Equal(t, want, app.GCPercent(live), "%d bytes", live)
	}
}

func TestCollectorFollowsTheHeap(t *testing.T) {
	t.Setenv("GOGC", "") // as users have it
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	stop := app.TuneGC()
	defer stop()
	require.Equal(t, uint64(400), gogc())

	large := make([]byte, 64<<20)
	require.Eventually(t, func() bool { runtime.GC(); return gogc() == 100 }, time.Minute, 10*time.Millisecond)
	runtime.KeepAlive(large)
	require.Eventually(t, func() bool { runtime.GC(); return gogc() > 100 }, time.Minute, 10*time.Millisecond)
}

func TestEnvironmentHasTheLastWordOnTheCollector(t *testing.T) {
	t.Setenv("GOGC", "70")
	before := debug.SetGCPercent(70)
	defer debug.SetGCPercent(before)
	defer app.TuneGC()()
	require.Equal(t, uint64(70), gogc())
}

func TestMemoryLimitIsAShareOfTheCgroups(t *testing.T) {
	const most = 600 << 20
	none, wide := errors.New("no limit"), uint64(math.MaxUint64)
	for name, test := range map[string]struct {
		env   string
		limit uint64
		err   error
		want  int64
	}{
		"a limit":                        {"", most, nil, 540 << 20},
		"no limit":                       {"", 0, none, math.MaxInt64},
		"a limit that is none":           {"", wide, nil, math.MaxInt64},
		"the environment's, which leads": {"1GiB", most, nil, math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOMEMLIMIT", test.env)
			before := debug.SetMemoryLimit(math.MaxInt64)
			defer debug.SetMemoryLimit(before)
			log, logs := logtest.NewNullLogger()
			stop := app.LimitMemory(func() (uint64, error) { return test.limit, test.err }, logrus.NewEntry(log))
			require.Equal(t, test.want, debug.SetMemoryLimit(-1))
			require.Equal(t, test.want != math.MaxInt64, len(logs.AllEntries()) == 1)
			stop()
			require.EqualValues(t, math.MaxInt64, debug.SetMemoryLimit(-1))
		})
	}
}

func gogc() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
