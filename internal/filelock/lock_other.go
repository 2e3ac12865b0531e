//go:build !unix || solaris || aix

package filelock

import "os"

// lock does nothing where Go's standard library has no lock of a file: SQLite's own keeps others out of a spool there.
func lock(*os.File) error { return nil }
