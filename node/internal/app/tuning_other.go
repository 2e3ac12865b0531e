//go:build !unix

package app

import "time"

// processTime is known on Unix only.
func processTime() (time.Duration, bool) { return 0, false }
