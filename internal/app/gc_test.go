package app_test

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/app"
)

func TestTheHeapMayGrowLessTheLargerItIs(t *testing.T) {
	const mb = 1 << 20
	for live, want := range map[uint64]int{0: 400, 1: 400, 7 * mb: 400, 8 * mb: 350, 10 * mb: 275, 16 * mb: 175, 24 * mb: 100, 1000 * mb: 100, 1 << 60: 100} {
		require.Equal(t, want, app.GCPercent(live), "%d bytes", live)
	}
}

func TestTheCollectorFollowsTheHeap(t *testing.T) {
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

func TestTheEnvironmentHasTheLastWordOnTheCollector(t *testing.T) {
	t.Setenv("GOGC", "70")
	before := debug.SetGCPercent(70)
	defer debug.SetGCPercent(before)
	defer app.TuneGC()()
	require.Equal(t, uint64(70), gogc())
}

func gogc() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
