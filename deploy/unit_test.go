package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnitsAreValidAndHardened(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile("systemd/switchboard.service")
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "switchboard")
	require.NoError(t, os.WriteFile(program, nil, 0o700))
	file := filepath.Join(t.TempDir(), "switchboard.service")
	installed := strings.ReplaceAll(string(unit), "/usr/local/bin/switchboard", program)
	require.NotEqual(t, string(unit), installed)
	require.NoError(t, os.WriteFile(file, []byte(installed), 0o600))

	socket, err := os.ReadFile("systemd/switchboard.socket")
	require.NoError(t, err)
	beside := filepath.Join(filepath.Dir(file), "switchboard.socket")
	require.NoError(t, os.WriteFile(beside, socket, 0o600))

	verify := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", file, beside)
	out, err := verify.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), filepath.Dir(file), "systemd warns of something in the units")

	out, err = exec.CommandContext(
		t.Context(), "systemd-analyze", "security", "--offline=true", "--threshold=20", "--json=short", file,
	).CombinedOutput()
	require.NoError(t, err, "the unit is more exposed than 2.0 of 10:\n%s", out)
	require.True(t, json.Valid(out), string(out))
}
