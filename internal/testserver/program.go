//go:build unix

package testserver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Program is a server that is defined by a test and can be broken like the others.
type Program struct {
	Name string
	// Command returns what to run. dir is the working directory and port the port of the server, the same in all runs.
	Command func(dir string, port int) (program string, args []string, err error)
	Env     []string // besides PATH; nothing else of the tests' environment is passed on
	URL     func(port int) string
	Ping    func(ctx context.Context, url string) error // returns an error until the server is ready
}

// StartProgram starts a program for a test, and ends it with the test.
func StartProgram(tb testing.TB, p Program) *Server {
	tb.Helper()
	var fault error
	s := start(tb, kind{
		name: p.Name, quit: syscall.SIGKILL, url: p.URL, ping: p.Ping,
		env: append([]string{"PATH=" + os.Getenv("PATH")}, p.Env...),
		command: func(s *Server) (string, []string) {
			program, args, err := p.Command(s.dir, s.port)
			fault = errors.Join(fault, err)
			return program, args
		},
	})
	require.NoError(tb, fault)
	return s
}

// stopTimeout bounds a graceful stop.
const stopTimeout = 20 * time.Second

// Terminate sends SIGTERM to the server and waits until it has ended.
func (s *Server) Terminate() {
	s.tb.Helper()
	require.NotNil(s.tb, s.exited, "%s does not run", s.kind.name)
	require.NoError(s.tb, s.cmd.Process.Signal(syscall.SIGTERM))
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-s.exited:
		s.exited = nil
		require.NoError(s.tb, s.guard.watch())
	case <-timer.C:
		require.Fail(s.tb, "a server does not end at SIGTERM", s.kind.name)
	}
}

// Exited says whether the server has ended by itself.
func (s *Server) Exited() bool {
	if s.exited == nil {
		return false
	}
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// Log returns what the server has written to standard output and standard error, in all its runs.
func (s *Server) Log() string {
	names, _ := filepath.Glob(filepath.Join(s.dir, "log.*")) // the pattern is good
	slices.Sort(names)
	var all strings.Builder
	for _, name := range append(names, filepath.Join(s.dir, "log")) {
		text, _ := os.ReadFile(name) // #nosec G304 -- a folder of our own; a log that is not there says nothing
		all.Write(text)
	}
	return all.String()
}
