//go:build chaos

package chaos_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// number reads a whole number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// TestChaos is the long form: make chaos SEED=n RATE=n SECONDS=n.
func TestChaos(t *testing.T) {
	report := trial{
		seed: uint64(number(t, "CHAOS_SEED", 1)), rate: number(t, "CHAOS_RATE", 500),
		length: time.Duration(number(t, "CHAOS_SECONDS", 200)) * time.Second,
		faults: faults(10 * time.Second),
		grace:  100 * time.Second, // an event whose consumer died comes again after 30 s, and again
	}.run(t)
	fmt.Print(report)
	require.Empty(t, report.Violations)
}
