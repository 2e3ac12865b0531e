package redisleases_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/leases"
	"github.com/hiliosai/switchboard/leases/leasestest"
	"github.com/hiliosai/switchboard/leases/redisleases"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testserver.Main(m)) }

func harness() leasestest.Harness {
	return leasestest.Harness{
		New: func(tb testing.TB) func() leases.Store {
			tb.Helper()
			url := testserver.Redis(tb)
			return func() leases.Store { return newRedis(tb, url) }
		},
		Breakable: func(tb testing.TB) (leases.Store, func(), func()) {
			tb.Helper()
			s := testserver.StartRedis(tb)
			return newRedis(tb, s.URL()), s.Stop, s.Start
		},
	}
}

func TestConformance(t *testing.T) { leasestest.Run(t, harness()) }

func BenchmarkLeases(b *testing.B) { leasestest.Benchmark(b, harness()) }

func newRedis(tb testing.TB, url string) leases.Store {
	tb.Helper()
	store, err := redisleases.New(redisleases.Options{URL: url, Namespace: "hios"})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, store.Close()) })
	return store
}
