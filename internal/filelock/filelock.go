// Package filelock keeps a file or folder for one process.
package filelock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// InUseError says that another process holds a lock.
type InUseError struct {
	Path  string // of the lock
	Owner string // the other process, as it has named itself
}

// Error implements error.
func (e *InUseError) Error() string { return fmt.Sprintf("%s is held by %s", e.Path, e.Owner) }

// Lock is a lock that is held. It ends with its process, however that ends.
type Lock struct{ file *os.File }

// errHeld says that another process holds the lock.
var errHeld = errors.New("the lock is held")

// maxOwner bounds, in bytes, what a process says of itself.
const maxOwner = 256

// Acquire takes the lock that the file at path stands for, and makes the file and its folder where they are missing.
// The file names this process for those who find the lock held: owner says more of it, such as the id of a node. The
// error is an *[InUseError] when another process holds the lock. It does not wait.
func Acquire(path, owner string) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- the operator names the file
	if err != nil {
		return nil, err
	}
	if err := lock(file); err != nil {
		if errors.Is(err, errHeld) {
			err = &InUseError{Path: path, Owner: ownerOf(file)}
		}
		return nil, errors.Join(err, file.Close())
	}
	l := &Lock{file}
	if err := l.name(owner); err != nil {
		return nil, errors.Join(err, l.Release())
	}
	return l, nil
}

// name writes down who holds the lock. A full disk must not keep a process from what it has stored: then it has no
// name.
func (l *Lock) name(owner string) error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	host, _ := os.Hostname() // without one the rest has to do
	_, _ = l.file.WriteAt(fmt.Appendf(nil, "%s (process %d on %s)\n", owner, os.Getpid(), host), 0)
	return nil
}

func ownerOf(file *os.File) string {
	text, err := io.ReadAll(io.LimitReader(file, maxOwner))
	if owner := strings.TrimSpace(string(text)); err == nil && owner != "" {
		return owner
	}
	return "another process"
}

// Release gives the lock up. The file stays: another process may be about to lock it.
func (l *Lock) Release() error { return l.file.Close() }
