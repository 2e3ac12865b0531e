//go:build unix

package testserver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// oldestModule is the folder of the module that requires the oldest NATS server, from the root of the repository.
const oldestModule = "test/natsd210"

// OldestNATS starts the oldest NATS server that Switchboard supports, with JetStream, as a process for one test. The go
// command builds it from the module test/natsd210 and keeps it in its cache.
func OldestNATS(tb testing.TB) *Server {
	tb.Helper()
	program := filepath.Join(tb.TempDir(), "nats-server")
	require.NoError(tb, buildOldest(program))
	return StartProgram(tb, Program{
		Name: "nats",
		Command: func(dir string, port int) (string, []string, error) {
			return program, []string{
				"--addr", "127.0.0.1", "--port", fmt.Sprint(port), "--jetstream", "--store_dir", filepath.Join(dir, "store"),
			}, nil
		},
		URL: func(port int) string { return fmt.Sprintf("nats://127.0.0.1:%d", port) },
		Ping: func(_ context.Context, url string) error {
			nc, err := nats.Connect(url)
			if err == nil {
				nc.Close()
			}
			return err
		},
	})
}

// buildOldest builds the server. Only one process builds it at a time; the later ones find it in the cache.
func buildOldest(program string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	root, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("go env GOMOD: %w", err)
	}
	dir := filepath.Join(filepath.Dir(strings.TrimSpace(string(root))), oldestModule)
	folder, err := os.Open(dir) // #nosec G304 -- a folder of the repository
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // which releases the lock
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	args := []string{"build", "-o", program, "github.com/nats-io/nats-server/v2"}
	build := exec.CommandContext(ctx, "go", args...) // #nosec G204 -- the test's own folder
	build.Dir, build.Env = dir, append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the oldest NATS server in %s: %w\n%s", dir, err, bytes.TrimSpace(out))
	}
	return nil
}
