package main_test

import (
	"bufio"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestInitAsksOnATerminalWithoutShowingSecrets(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), binary, "init")
	cmd.Dir = t.TempDir()
	terminal, err := pty.Start(cmd)
	require.NoError(t, err)
	defer func() { _ = terminal.Close() }()
	said, shown := bufio.NewReader(terminal), ""
	for _, step := range []struct {
		question, answer string
		secret           bool
	}{
		{"cluster [hios]: ", "shop", false},
		{"[embedded]: ", "", false},
		{"[sqlite]: ", "", false},
		{"[telegram]: ", "", false},
		{"[main]: ", "acme", false},
		{"[polling]: ", "", false},
		{"[file]: ", "", false},
		{"digits, a colon, letters: ", canaryToken, true},
	} {
		for !strings.HasSuffix(shown, step.question) {
			b, err := said.ReadByte()
			require.NoError(t, err, shown)
			shown += string(rune(b))
		}
		if step.secret {
			require.Eventually(t, func() bool {
				state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
				return err == nil && state.Lflag&unix.ECHO == 0
			}, patience, time.Millisecond)
		}
		_, err := terminal.WriteString(step.answer + "\n")
		require.NoError(t, err)
	}
	for {
		b, err := said.ReadByte()
		if err != nil { // the command has closed its side
			break
		}
		shown += string(rune(b))
	}
	require.NoError(t, cmd.Wait(), shown)
	require.NotContains(t, shown, "canary")
	require.Contains(t, shown, "config.yaml and channels.yaml are written.")
	written(t, cmd.Dir)
	require.Contains(t, fileOf(t, cmd.Dir, "config.yaml"), `namespace: "shop"`)
	require.Contains(t, fileOf(t, cmd.Dir, "channels.yaml"), `token: "`+canaryToken+`"`)
}
