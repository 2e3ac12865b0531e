package leases_test

import (
	"testing"

	"github.com/hiliosai/switchboard/leases"
	"github.com/hiliosai/switchboard/leases/leasestest"
)

func TestConformance(t *testing.T) {
	leasestest.Run(t, leasestest.Harness{New: func(testing.TB) func() leases.Store {
		store := leases.NewMemory() // one node's
		return func() leases.Store { return store }
	}})
}
