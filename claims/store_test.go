package claims_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/claims/claimstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func harness() claimstest.Harness {
	return claimstest.Harness{New: func(testing.TB) func() claims.Store {
		store := claims.NewMemory(claims.MemoryOptions{}) // one node's
		return func() claims.Store { return store }
	}}
}

func TestConformance(t *testing.T) { claimstest.Run(t, harness()) }

func BenchmarkClaims(b *testing.B) { claimstest.Benchmark(b, harness()) }
