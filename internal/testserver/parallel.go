//go:build unix

package testserver

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// Parallel makes eight tests run at once unless the command line sets -parallel. It is for packages whose tests mostly
// wait.
func Parallel(m *testing.M) *testing.M {
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, "set how many tests run at once:", err)
		os.Exit(1)
	}
	return m
}
