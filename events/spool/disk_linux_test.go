package spool_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events/spool"
)

// smallDisk mounts a disk of some MB.
func smallDisk(t *testing.T, mb int) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mb))
	if errors.Is(err, syscall.EPERM) {
		t.Skip("a small disk cannot be mounted by this user: run the test as root")
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

// fillUp writes a file until the disk has no room.
func fillUp(t *testing.T, dir string) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, "others"))
	require.NoError(t, err)
	for _, size := range []int{1 << 20, 4096, 1} {
		for chunk := make([]byte, size); err == nil; {
			_, err = file.Write(chunk)
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
		err = nil
	}
	require.NoError(t, file.Close())
}

func TestSpoolOnAFullDiskCanBeEmptied(t *testing.T) {
	for name, size := range map[string]int{
		"small events": 300, "events as large as a page": 12_000, "events of many pages": 200_000,
	} {
		t.Run(name, func(t *testing.T) {
			dir := smallDisk(t, 32)
			s := &stream{away: true}
			sp := open(t, filepath.Join(dir, "spool.db"), s, func(o *spool.Options) { o.MaxBytes = 1 << 30 })
			payload := []byte(strings.Repeat("x", size))
			kept := 0
			for failed := false; !failed; { // until the spool itself has filled the disk
				errs := make(chan error, 100)
				for n := range cap(errs) {
					e := event("c1", fmt.Sprint(kept+n))
					e.Payload = payload
					sp.Put(e, func(err error) { errs <- err })
				}
				for range cap(errs) {
					if err := <-errs; err != nil {
						failed = true
					} else {
						kept++
					}
				}
			}
			require.Equal(t, kept, sp.State().Events)
			fillUp(t, dir)
			require.NoError(t, sp.Close())
			sp = open(t, filepath.Join(dir, "spool.db"), s)
			require.Equal(t, kept, sp.State().Events, "another process finds them")

			s.set(false)
			require.Eventually(t, func() bool { return sp.State().Events == 0 }, generous, time.Millisecond)
			require.Len(t, s.list(), kept)
			s.set(true)
			e := event("c1", "new")
			e.Payload = payload
			// The last events are deleted a moment after they are counted as stored.
			require.Eventually(t, func() bool { return put(sp, e) == nil }, generous, time.Millisecond,
				"what has been deleted makes room")
			require.NoError(t, sp.Close())
			require.Equal(t, 1, open(t, filepath.Join(dir, "spool.db"), s).State().Events, "they are deleted in the file, too")
		})
	}
}

func TestSpoolOnAFullDiskSetsEventsAside(t *testing.T) {
	dir := smallDisk(t, 8)
	s := &stream{away: true}
	path := filepath.Join(dir, "spool.db")
	sp := open(t, path, s)
	require.NoError(t, put(sp, event("c1", "bad")))
	require.NoError(t, put(sp, event("c1", "good")))
	fillUp(t, dir)
	s.set(false)
	require.Eventually(t, func() bool { return sp.State() == spool.State{SetAside: 1} }, generous, time.Millisecond)
	require.Equal(t, []string{line("good")}, s.list())
}

func TestSpoolOnAFullDiskIsCreatedWhenThereIsRoom(t *testing.T) {
	dir := smallDisk(t, 8)
	fillUp(t, dir)
	sp := open(t, filepath.Join(dir, "data", "spool.db"), &stream{away: true})
	require.Error(t, sp.Check(t.Context()))
	require.Error(t, put(sp, event("c1", "1")))
	require.NoError(t, os.Remove(filepath.Join(dir, "others")))
	require.NoError(t, sp.Check(t.Context()))
	require.NoError(t, put(sp, event("c1", "1")))
}
