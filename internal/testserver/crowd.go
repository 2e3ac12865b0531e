//go:build unix

package testserver

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// Crowd has eight tests run at once, where the command line says nothing else: for packages whose tests wait more than they work.
func Crowd(m *testing.M) *testing.M {
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, "set how many tests run at once:", err)
		os.Exit(1)
	}
	return m
}
