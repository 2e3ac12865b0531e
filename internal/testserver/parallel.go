//go:build unix

package testserver

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// Parallel runs eight tests at once unless the command line sets -parallel: for packages whose tests wait more than
// they work.
func Parallel(m *testing.M) *testing.M {
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, "set how many tests run at once:", err)
		os.Exit(1)
	}
	return m
}
