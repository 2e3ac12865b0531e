// Package oneline makes texts fit where there is room for one line: in a header of an event.
package oneline

import (
	"strings"
	"unicode"
)

// Of returns the text with a space in the place of each control character.
func Of(text string) string {
	if isPlain(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// isPlain says whether a text is of printable ASCII, as nearly all are.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
