package scaffold_test

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/node/internal/scaffold"
)

// module makes a Go module of its own beside this one, whose dependencies it has.
func module(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	dir := t.TempDir()
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(`module example.com/chats

go 1.26

require github.com/hiliosai/switchboard v0.0.0

replace github.com/hiliosai/switchboard => `+root+"\n"), 0o600))
	return dir
}

func goCommand(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod", "GOWORK=off")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "go %v: %s", args, output)
}

func TestNewPlatformPassesTheSuite(t *testing.T) {
	dir := module(t)
	written, err := scaffold.Write("kingfisher", filepath.Join(dir, "platforms", "kingfisher"))
	require.NoError(t, err)
	require.Contains(t, written, filepath.Join(dir, "platforms", "kingfisher", "kingfisher.go"))
	for _, path := range written {
		if filepath.Ext(path) == ".go" {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			formatted, err := format.Source(text)
			require.NoError(t, err)
			require.Equal(t, string(formatted), string(text), path)
		}
	}
	goCommand(t, dir, "vet", "./...")
	goCommand(t, dir, "test", "-count=1", "./...")
}

func TestNewPlatformOfABadNameIsRefused(t *testing.T) {
	for _, name := range []string{"", "x", "Heron", "my-heron", "4th", "func", "integration", "../heron"} {
		dir := filepath.Join(module(t), "new")
		_, err := scaffold.Write(name, dir)
		require.Error(t, err, name)
		require.NoDirExists(t, dir)
	}
}

func TestNewPlatformOverwritesNothing(t *testing.T) {
	dir := module(t)
	_, err := scaffold.Write("heron", dir)
	require.ErrorContains(t, err, "is not empty")
}

func TestNewPlatformOutsideAModuleIsRefused(t *testing.T) {
	_, err := scaffold.Write("heron", t.TempDir())
	require.ErrorContains(t, err, "go mod init")
}
