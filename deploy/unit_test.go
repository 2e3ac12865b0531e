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

func TestUnitIsValidAndHardened(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile("systemd/switchboard.service")
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "switchboard")
	require.NoError(t, os.WriteFile(program, nil, 0o700))
	file := filepath.Join(t.TempDir(), "switchboard.service")
	installed := strings.ReplaceAll(string(unit), "/usr/local/bin/switchboard", program)
	require.NotEqual(t, string(unit), installed)
	require.NoError(t, os.WriteFile(file, []byte(installed), 0o600))

	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", file).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), file, "systemd warns of something in the unit")

	out, err = exec.CommandContext(
		t.Context(), "systemd-analyze", "security", "--offline=true", "--threshold=20", "--json=short", file,
	).CombinedOutput()
	require.NoError(t, err, "the unit is more exposed than 2.0 of 10:\n%s", out)
	require.True(t, json.Valid(out), string(out))
}
