//go:build unix

package testserver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// NodeModules runs npm ci in dir, unless the modules there are those of its lock file. Several processes may call it
// for the same folder at once.
func NodeModules(dir string) error {
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json")) // #nosec G304 -- a folder of the repository
	if err != nil {
		return err
	}
	folder, err := os.Open(dir) // #nosec G304 -- as above
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // which releases the lock
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	stamp := filepath.Join(dir, "node_modules", ".installed-lock.json")
	if installed, err := os.ReadFile(stamp); err == nil && bytes.Equal(installed, lock) { // #nosec G304 -- as above
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w\n%s", dir, err, out)
	}
	return os.WriteFile(stamp, lock, 0o600) // #nosec G703 -- as above
}
