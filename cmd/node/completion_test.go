package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// shells show, with the script of each, how switchboard's words may go on. The arguments are those words.
var shells = map[string]string{
	"bash": `source "$SCRIPT"; COMP_WORDS=(switchboard "$@"); COMP_CWORD=$#; _switchboard; printf '%s\n' "${COMPREPLY[@]}"`,
	"zsh": `compdef() { : }; _describe() { print -l -- "${(@P)2%%:*}" }; _files() { : }
		source "$SCRIPT"; words=(switchboard "$@"); CURRENT=${#words}; _switchboard`,
	"fish": `source $SCRIPT; complete -C (string join -- ' ' switchboard $argv) | string split -f 1 \t; true`,
}

func TestShellsCompleteCommandsFlagsAndValues(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	require.NoError(t, os.Symlink(binary, filepath.Join(bin, "switchboard")))
	for shell, program := range shells {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			script := node(t, home, "completion", shell)
			require.Equal(t, 0, script.exit, script.stderr)
			write(t, home, "script", script.stdout)
			write(t, home, "a-file.yaml", "")
			for words, want := range map[string]string{
				"ch":                           "channels",
				"channels keys ":               "generate rotate",
				"dlq list --q":                 "--queue",
				"dlq list --output ":           "text json",
				"dlq list --config x -o j":     "json",
				"completion ":                  "bash zsh fish",
				"channels apply --dry-run --c": "--config --change-platform",
				"complet":                      "completion", // what is hidden is not offered
			} {
				args := strings.Split(words, " ")
				if shell == "fish" {
					args = append([]string{"--"}, args...)
				}
				run := append([]string{"-c", program, "-"}, args...)
				if shell == "fish" {
					run = append([]string{"--no-config", "-c", program}, args...)
				}
				cmd := exec.CommandContext(t.Context(), shell, run...)
				var stderr bytes.Buffer
				cmd.Dir, cmd.Stderr = home, &stderr
				cmd.Env = append(
					os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+home, "SCRIPT="+filepath.Join(home, "script"),
				)
				out, err := cmd.Output()
				require.NoError(t, err, stderr.String())
				require.Empty(t, stderr.String(), words)
				require.ElementsMatch(t, strings.Fields(want), strings.Fields(string(out)), "%q", words)
			}
		})
	}
}

// overstrike is how a manual page for printers makes letters bold or underlined.
var overstrike = regexp.MustCompile(".\b")

func TestManualHasEveryCommandAndIsWellFormed(t *testing.T) {
	t.Parallel()
	manual := node(t, t.TempDir(), "man")
	require.Equal(t, 0, manual.exit, manual.stderr)
	file := filepath.Join(t.TempDir(), "switchboard.1")
	require.NoError(t, os.WriteFile(file, []byte(manual.stdout), 0o600))
	// A build of files that no commit has is without a date.
	out, err := exec.CommandContext(t.Context(), "mandoc", "-T", "lint", "-W", "error", file).CombinedOutput()
	require.NoError(t, err, string(out))
	text, err := exec.CommandContext(t.Context(), "mandoc", "-T", "ascii", file).Output()
	require.NoError(t, err)
	plain := strings.Join(strings.Fields(overstrike.ReplaceAllString(string(text), "")), " ")
	for _, words := range []string{
		"channels keys rotate Seal all channels with the first key.", "dlq drop", "completion", "new-platform",
		"EXIT STATUS", "source <(switchboard completion bash)",
	} {
		require.Contains(t, plain, words)
	}
}
