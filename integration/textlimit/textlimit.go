// Package textlimit measures texts as platforms count them, and splits texts that are too long.
//
// It knows no platform. The platform's package says which unit the platform counts, how many of them it takes, and
// which markup its texts have. The functions are safe for concurrent use.
package textlimit

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Unit returns the length of a text. The length of two joined texts must be the sum of their lengths.
type Unit func(text string) int

// Characters counts Unicode code points.
func Characters(text string) int { return utf8.RuneCountInString(text) }

// UTF16 counts UTF-16 code units: two for a character beyond the Basic Multilingual Plane, such as most emoji.
func UTF16(text string) int {
	n := 0
	for _, r := range text {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// Bytes counts the bytes of UTF-8.
func Bytes(text string) int { return len(text) }

// Markup is the kind of markup in a text.
type Markup int

// The kinds of markup.
const (
	// Plain means no markup.
	Plain Markup = iota
	// Markdown is the markup of Discord and of CommonMark. Faulty markup is text. Markup counts towards the limit.
	Markdown
	// Mrkdwn is the markup of Slack. WhatsApp's is similar. Code blocks have no language. Markup counts towards the limit.
	Mrkdwn
	// HTML is Telegram's HTML. Only the shown text counts. Faulty markup is an error.
	HTML
	// MarkdownV2 is Telegram's MarkdownV2. Only the shown text counts. Faulty markup is an error.
	MarkdownV2
)

// strict reports whether platforms refuse faulty markup of this kind, and count only the shown text.
func (m Markup) strict() bool { return m == HTML || m == MarkdownV2 }

// ErrMarkup is wrapped in the error for a text with faulty markup.
var ErrMarkup = errors.New("the markup is faulty")

// Rules are a platform's rules for texts.
type Rules struct {
	First  int // the limit of the first part, in units
	Limit  int // the limit of every other part, in units
	Unit   Unit
	Markup Markup
}

// Measure returns the length of a text as a platform counts it. Its error wraps [ErrMarkup].
func Measure(text string, unit Unit, m Markup) (int, error) {
	if !m.strict() {
		return unit(text), nil
	}
	units := 0
	err := scanText(text, unit, m, func(p piece) { units += p.units })
	return units, err
}

// tooShortForMarkup is the largest limit, in units, at which markup is treated as text. The signs that close and open
// markup would leave too little room for text.
const tooShortForMarkup = 64

// Split cuts a text into parts that the rules allow. It cuts between paragraphs if possible, otherwise between lines,
// otherwise between words, and otherwise between characters. It never cuts inside a grapheme cluster, which a reader
// sees as one character. It cuts inside a link or inline code only if that is longer than a part. Markup that is open
// at a cut is closed, and opened again in the next part. White space at a cut is dropped, except for the indentation of
// the next line. A single character that is longer than the limit becomes a part that is too long. Split returns an
// error that wraps [ErrMarkup] if the text is too long and its markup is faulty.
func Split(text string, r Rules) ([]string, error) {
	if r.Unit(text) <= r.First { // the shown text is never longer than the text with markup
		return []string{text}, nil
	}
	if min(r.First, r.Limit) <= tooShortForMarkup && !r.Markup.strict() {
		r.Markup = Plain
	}
	s := &splitter{rules: r, room: r.First}
	if err := scanText(text, r.Unit, r.Markup, s.add); err != nil {
		return nil, err
	}
	if s.finish(); len(s.parts) == 0 { // the text is only white space; the platform decides whether it takes that
		return []string{text}, nil
	}
	return s.parts, nil
}

// Shorten returns the first part of a plain text, with at most limit units. It cuts where [Split] would cut.
func Shorten(text string, limit int, unit Unit) string {
	parts, err := Split(text, Rules{First: limit, Limit: limit, Unit: unit})
	if err != nil { // cannot happen: a plain text has no markup
		return ""
	}
	return parts[0]
}

// splitter joins pieces to parts. It holds the pieces of the current part.
type splitter struct {
	rules  Rules
	room   int // the limit of the current part, in units
	parts  []string
	pieces []piece
	used   int   // units of the pieces and of the markup that is opened again before them
	fit    int   // how many of the pieces fit into the part
	start  place // the markup that is open before the first piece
}

// place is the markup that is open at a position of the text.
type place struct {
	spans  []span
	quoted bool // the position is in a line of a quotation
}

func (s *splitter) add(p piece) {
	s.count(p)
	// Choosing a cut needs one piece more than fits: two line breaks in a row are better than one.
	for s.used > s.room && len(s.pieces) > s.fit+1 {
		s.cut()
	}
}

func (s *splitter) count(p piece) {
	s.used += p.units
	p.sum = s.used
	s.pieces = append(s.pieces, p)
	if s.fits(len(s.pieces)) {
		s.fit = len(s.pieces)
	}
}

// fits reports whether the first n pieces fit into the part, including the signs that close the open markup.
func (s *splitter) fits(n int) bool {
	last := &s.pieces[n-1]
	units := last.sum
	for _, open := range last.spans {
		units += open.closing
	}
	return units <= s.room
}

// finish makes parts of the remaining pieces.
func (s *splitter) finish() {
	for len(s.pieces) > 0 && !s.fits(len(s.pieces)) {
		s.cut()
	}
	s.emit(s.pieces)
}

// cut makes a part of the first pieces, and begins the next part with the others.
func (s *splitter) cut() {
	at := s.best()
	head := s.pieces[:at]
	for len(head) > 0 && head[len(head)-1].space {
		head = head[:len(head)-1]
	}
	s.emit(head)
	next := s.behind(at)
	s.start = s.pieces[next-1].place
	rest := append([]piece(nil), s.pieces[next:]...)
	s.pieces, s.used, s.fit, s.room = s.pieces[:0], 0, 0, s.rules.Limit
	for _, open := range s.start.spans {
		s.used += open.opening
	}
	for _, p := range rest {
		s.count(p)
	}
}

// behind returns the index of the next part's first piece, for a cut before the piece at: behind the last line break at
// the cut, or behind the white space if there is no line break.
func (s *splitter) behind(at int) int {
	all, line := at, at
	for ; all < len(s.pieces) && s.pieces[all].space; all++ {
		if s.pieces[all].line {
			line = all + 1
		}
	}
	if line > at {
		return line
	}
	return all
}

// boundaries are the kinds of places to cut at, the best first.
var boundaries = []func(p []piece, at int) bool{
	func(p []piece, at int) bool { return p[at].line && at+1 < len(p) && p[at+1].line }, // between paragraphs
	func(p []piece, at int) bool { return p[at].line },                                  // between lines
	func(p []piece, at int) bool { return p[at].space },                                 // between words
}

// best returns the index of the piece to cut before. It is at least 1, so that a part is never empty.
func (s *splitter) best() int {
	const words = 2
	end := min(s.fit, len(s.pieces)-1)
	for kind, boundary := range boundaries {
		for at := end; at > 0; at-- {
			// A part that is nearly empty reads worse than a paragraph in two parts.
			if at <= s.fit/4 && kind != words {
				break
			}
			if !s.pieces[at].glued && boundary(s.pieces, at) && s.fits(at) {
				return at
			}
		}
	}
	for at := end; at > 0; at-- {
		if !s.pieces[at].glued && s.fits(at) {
			return at
		}
	}
	return max(s.fit, 1)
}

// emit adds a part, unless it would show nothing.
func (s *splitter) emit(pieces []piece) {
	for len(s.start.spans) > 0 && len(pieces) > 1 && pieces[0].quote && pieces[1].line {
		pieces = pieces[2:] // drop an empty line of a quotation: a spoiler cannot be opened at its end
	}
	visible := false
	for i := range pieces {
		visible = visible || !pieces[i].mark && !pieces[i].space
	}
	if !visible {
		return
	}
	var b strings.Builder
	add := func(text string) {
		if s.rules.Markup == MarkdownV2 && strings.HasPrefix(text, "_") && strings.HasSuffix(b.String(), "_") {
			b.WriteString("**") // an empty bold text keeps the two marks apart
		}
		b.WriteString(text)
	}
	switch {
	case pieces[0].quote:
		add(pieces[0].text)
		pieces = pieces[1:]
	case s.start.quoted:
		add(">")
	}
	for _, open := range s.start.spans {
		add(open.open)
	}
	for i := range pieces {
		if i == 0 {
			add(pieces[i].text)
		} else {
			b.WriteString(pieces[i].text)
		}
	}
	last := s.start
	if len(pieces) > 0 {
		last = pieces[len(pieces)-1].place
	}
	for i := len(last.spans) - 1; i >= 0; i-- {
		add(last.spans[i].close)
	}
	s.parts = append(s.parts, b.String())
}
