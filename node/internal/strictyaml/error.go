package strictyaml

import (
	"fmt"
	"strconv"
	"strings"
)

// Error is one fault in a file: where it is, which key it concerns and what is wrong, on one line.
type Error struct {
	File string // as given to Decode; empty for settings that came from no file
	Line int    // 1-based; 0 when unknown
	Key  string // dotted path such as channels[2].credentials.token; empty when the fault concerns the whole file
	Msg  string // never holds the value of a Secret
}

// Error gives the fault in the form file:line: key: message that editors can jump to.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			b.WriteString(":" + strconv.Itoa(e.Line))
		}
		b.WriteString(": ")
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// Source remembers on which line each key of a file stood, so that a fault found after decoding is as
// precise as one found during it. It keeps no values, so it may be held on to without keeping secrets.
// The zero Source stands for settings that came from no file: its faults carry only a key.
type Source struct {
	file  string
	lines map[string]int
}

// File is the path that was read, empty for a document without one.
func (s Source) File() string { return s.file }

// Fault reports what is wrong with the value at key. If the key is absent from the file, the fault points at
// its nearest parent there.
func (s Source) Fault(key, format string, args ...any) *Error {
	return &Error{File: s.file, Line: s.line(key), Key: key, Msg: fmt.Sprintf(format, args...)}
}

func (s Source) line(key string) int {
	for ; key != ""; key = key[:max(0, strings.LastIndexAny(key, ".["))] {
		if line, ok := s.lines[key]; ok {
			return line
		}
	}
	return 0
}
