package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPageAgreesWithTheFamilies(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/metrics.md")
	require.NoError(t, err)
	filled, err := fill(page)
	require.NoError(t, err)
	require.Equal(t, string(filled), string(page), "run make docs")
}
