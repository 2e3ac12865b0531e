package app

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
)

// releaseStartup gives back what only the start has needed: of the heap, and of the program's code, of which a good half
// has been read once, to set up libraries. It stays in the page cache, and what is needed again comes back from there. A
// failure changes nothing but the memory that is accounted to the node.
func releaseStartup() {
	debug.FreeOSMemory()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		// Code only: pages of data may have been written to before they became read-only.
		if !strings.Contains(lines.Text(), " r-xp ") || !strings.HasSuffix(lines.Text(), program) {
			continue
		}
		var from, to uintptr
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x", &from, &to); err == nil {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED)
		}
	}
}
