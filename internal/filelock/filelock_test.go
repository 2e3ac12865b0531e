package filelock_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/filelock"
)

func TestLockIsForOneAndNamesItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "lock")
	first, err := filelock.Acquire(path, "node a")
	require.NoError(t, err)
	_, err = filelock.Acquire(path, "node b")
	inUse := (*filelock.InUseError)(nil)
	require.ErrorAs(t, err, &inUse)
	require.Equal(t, path, inUse.Path)
	require.Contains(t, inUse.Owner, "node a (process ")

	require.NoError(t, first.Release())
	second, err := filelock.Acquire(path, "node b")
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), "node b (process ")
	require.NotContains(t, string(text), "node a")
	require.NoError(t, second.Release())
}

func TestLockThatCannotBeMadeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := filelock.Acquire(filepath.Join(file, "lock"), "node a")
	require.Error(t, err)
	inUse := (*filelock.InUseError)(nil)
	require.NotErrorAs(t, err, &inUse)
}
