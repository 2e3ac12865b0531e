// Package textlimit measures texts as platforms count them, and splits those that are too long.
//
// It knows no platform: what a platform counts, and how much it takes, is told by the platform.
package textlimit

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Unit measures a text.
type Unit func(text string) int

// Characters counts Unicode code points, UTF16 units of UTF-16, and Bytes the bytes of UTF-8.
func Characters(text string) int { return utf8.RuneCountInString(text) }

// UTF16 is told of by [Characters].
func UTF16(text string) int {
	n := 0
	for _, r := range text {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// Bytes is told of by [Characters].
func Bytes(text string) int { return len(text) }

// fence begins and ends a block of code in Markdown.
const fence = "```"

// tooShortForFences is a limit below which closing and opening fences would leave no room for text.
const tooShortForFences = 64

// Split cuts a text into parts of at most limit units, the first of at most first: between paragraphs where that is
// possible, else between lines, else between words, and never inside what a reader sees as one character.
// White space at the cuts is dropped. With fences a block of code that is cut is closed and opened again.
// A single character that is larger than limit becomes a part of its own, which is too long.
func Split(text string, first, limit int, unit Unit, fences bool) []string {
	var parts []string
	open := ""
	fences = fences && min(first, limit) > tooShortForFences
	for rest, room := text, first; ; room = limit {
		rest = open + rest
		if unit(rest) <= room {
			return append(parts, rest)
		}
		reserve := 0
		if fences && strings.Contains(rest, fence) {
			reserve = unit("\n" + fence)
		}
		head, tail := cut(rest, room-reserve, unit)
		open = ""
		if fences && strings.Count(head, fence)%2 == 1 {
			head, open = head+"\n"+fence, fence+"\n"
		}
		parts = append(parts, head)
		if rest = tail; strings.TrimSpace(rest) == "" {
			return parts
		}
	}
}

// cut takes off as much of a text as fits into room, at the best place there is. It always takes something.
func cut(text string, room int, unit Unit) (head, tail string) {
	end, used := 0, 0
	for state, rest := -1, text; rest != ""; {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used += unit(cluster); used > room && end > 0 {
			break
		}
		end += len(cluster)
	}
	for _, boundary := range []string{"\n\n", "\n", " "} {
		// A part that is nearly empty would read worse than a paragraph that is cut.
		if i := strings.LastIndex(text[:min(end+len(boundary), len(text))], boundary); i > end/4 || boundary == " " && i > 0 {
			return strings.TrimRight(text[:i], " \n"), strings.TrimLeft(text[i:], " \n")
		}
	}
	return text[:end], strings.TrimLeft(text[end:], " \n")
}
