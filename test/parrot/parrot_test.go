package parrot

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The example is a module of its own, so the tests of this module have a copy of it.
func TestParrotIsTheExample(t *testing.T) {
	example, err := os.ReadFile("../../examples/parrot/parrot.go")
	require.NoError(t, err)
	copied, err := os.ReadFile("parrot.go")
	require.NoError(t, err)
	require.Equal(t, string(example), string(copied), "run: cp examples/parrot/parrot.go test/parrot/parrot.go")
}
