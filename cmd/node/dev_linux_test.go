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

	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func TestDevAsksForTokenWithoutShowingIt(t *testing.T) {
	t.Parallel()
	bot := telegramtest.NewServer(canaryToken)
	t.Cleanup(bot.Close)
	cmd := exec.CommandContext(t.Context(), binary, "dev", "telegram", "--api-base", bot.URL())
	cmd.Dir = t.TempDir()
	terminal, err := pty.Start(cmd)
	require.NoError(t, err)
	defer func() { _ = terminal.Close() }()
	require.Eventually(t, func() bool { // it reads the token
		state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		return err == nil && state.Lflag&unix.ECHO == 0
	}, patience, time.Millisecond)
	_, err = terminal.WriteString(canaryToken + "\n")
	require.NoError(t, err)
	var shown []string
	lines := bufio.NewScanner(terminal)
	for lines.Scan() {
		shown = append(shown, strings.TrimSpace(lines.Text()))
		if strings.Contains(lines.Text(), "receiving") {
			_, err = terminal.WriteString("\x03") // Ctrl-C
			require.NoError(t, err)
		}
	}
	require.NoError(t, cmd.Wait())
	require.Equal(t, []string{
		"token (the bot's token, as @BotFather shows it: digits, a colon, letters):", "dev: receiving from telegram", "^C",
	}, shown)
}
