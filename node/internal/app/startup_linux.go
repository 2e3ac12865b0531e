package app

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
)

// releaseStartup gives back what only the start has needed: of the heap, and of the program's code and constants, of which
// a good half has been read once, to set up libraries. They stay in the page cache, and what is needed again comes back
// from there. A failure changes nothing but the memory that is accounted to the node.
func releaseStartup() {
	debug.FreeOSMemory()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }()
	var from, to uintptr // of the mapping that is told about, where it is one to give back
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		line := lines.Text()
		switch name, value, _ := strings.Cut(line, ":"); {
		case strings.HasSuffix(line, program):
			var access string
			_, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &access)
			if err != nil || access != "r-xp" && access != "r--p" {
				from, to = 0, 0
			}
		case from == to:
		case name == "Anonymous" || name == "Swap":
			// Pages that were written to before they became read-only are not as they are in the file.
			if strings.TrimSpace(value) != "0 kB" {
				from, to = 0, 0
			}
		case name == "VmFlags": // the last that is told of a mapping
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED)
			from, to = 0, 0
		}
	}
}
