//go:build !linux

package app

// releaseStartup is done on Linux only.
func releaseStartup() {}
