package redisclaims_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/claims/claimstest"
	"github.com/hiliosai/switchboard/claims/redisclaims"
	"github.com/hiliosai/switchboard/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testserver.Main(m)) }

func harness() claimstest.Harness {
	return claimstest.Harness{
		New: func(tb testing.TB) func() claims.Store {
			tb.Helper()
			url := testserver.Redis(tb)
			return func() claims.Store { return newRedis(tb, url) }
		},
		Breakable: func(tb testing.TB) (claims.Store, func(), func()) {
			tb.Helper()
			s := testserver.StartRedis(tb)
			return newRedis(tb, s.URL()), s.Stop, s.Start
		},
	}
}

func TestConformance(t *testing.T) { claimstest.Run(t, harness()) }

func BenchmarkClaims(b *testing.B) { claimstest.Benchmark(b, harness()) }

func newRedis(tb testing.TB, url string) claims.Store {
	tb.Helper()
	store, err := redisclaims.New(redisclaims.Options{URL: url, Namespace: "hios"})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, store.Close()) })
	return store
}
