//go:build chaos

package chaos_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestConnectionsChaos is the long form: make chaos-connections SEED=n.
func TestConnectionsChaos(t *testing.T) {
	seed := number(t, "CHAOS_SEED", 1)
	report := connectionTrial{
		seed: uint64(seed), nodes: 2 + seed%2, rate: number(t, "CHAOS_RATE", 200), rounds: 1, grace: 2 * time.Minute,
		faults: connectionFaults,
	}.run(t)
	fmt.Print(report)
	require.Empty(t, report.Violations)
}
