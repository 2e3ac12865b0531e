// Package textlimit measures texts as platforms count them, and splits those that are too long.
//
// It knows no platform. The platform says what it counts, how much it takes and how its texts are marked up.
package textlimit

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Unit measures a text. The length of two texts together must be the sum of their lengths.
type Unit func(text string) int

// Characters counts Unicode code points.
func Characters(text string) int { return utf8.RuneCountInString(text) }

// UTF16 counts units of UTF-16: two for a character beyond the basic plane, such as most emoji.
func UTF16(text string) int {
	n := 0
	for _, r := range text {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// Bytes counts the bytes of UTF-8.
func Bytes(text string) int { return len(text) }

// Markup is how the parts of a text are marked.
type Markup int

// The kinds of markup.
const (
	// Plain texts have none.
	Plain Markup = iota
	// Markdown is that of Discord and of CommonMark. A sign that does not fit in is text. All of it counts.
	Markdown
	// Mrkdwn is that of Slack. That of WhatsApp is similar. A block of code has no language here. All of it counts.
	Mrkdwn
	// HTML is that of Telegram. Only what is shown counts.
	HTML
	// MarkdownV2 is that of Telegram. Only what is shown counts.
	MarkdownV2
)

// strict says whether a platform refuses texts whose markup is faulty, and counts only what is shown of the others.
func (m Markup) strict() bool { return m == HTML || m == MarkdownV2 }

// ErrMarkup is in the error for a text whose markup cannot be understood.
var ErrMarkup = errors.New("the markup is faulty")

// Rules are how a platform takes texts.
type Rules struct {
	First  int // units that the first part may have
	Limit  int // units that any other part may have
	Unit   Unit
	Markup Markup
}

// Measure counts a text as the platform does. The error is an [ErrMarkup].
func Measure(text string, unit Unit, m Markup) (int, error) {
	if !m.strict() {
		return unit(text), nil
	}
	units := 0
	err := scanText(text, unit, m, func(p piece) { units += p.units })
	return units, err
}

// tooShortForMarkup is a limit below which the signs that close and open markup would leave no room for text.
const tooShortForMarkup = 64

// Split cuts a text into parts that the rules allow: between paragraphs where that is possible, else between lines,
// else between words, and never inside what a reader sees as one character. It cuts inside a link or inline code only
// where that is longer than a part. Markup that is open at a cut is closed, and opened again in the next part. White
// space at a cut is dropped, but for the indentation of the line behind it. A single character that is larger than the
// limit becomes a part of its own, which is too long. The error is an [ErrMarkup]: such a text cannot be split.
func Split(text string, r Rules) ([]string, error) {
	if r.Unit(text) <= r.First { // what is shown is never longer than the text
		return []string{text}, nil
	}
	if min(r.First, r.Limit) <= tooShortForMarkup && !r.Markup.strict() {
		r.Markup = Plain
	}
	s := &splitter{rules: r, room: r.First}
	if err := scanText(text, r.Unit, r.Markup, s.add); err != nil {
		return nil, err
	}
	if s.finish(); len(s.parts) == 0 { // all of it is white space, which is the platform's to judge
		return []string{text}, nil
	}
	return s.parts, nil
}

// Shorten cuts off what is beyond the limit, at a place that [Split] would choose.
func Shorten(text string, limit int, unit Unit) string {
	parts, err := Split(text, Rules{First: limit, Limit: limit, Unit: unit})
	if err != nil { // a plain text gives no cause for one
		return ""
	}
	return parts[0]
}

// splitter makes parts of pieces. It holds the pieces of one part.
type splitter struct {
	rules  Rules
	room   int // of this part
	parts  []string
	pieces []piece
	used   int   // units of the pieces and of what opens the part
	fit    int   // how many of the pieces fit into the part
	start  place // where the first piece stands
}

// place is what is open at a place of a text.
type place struct {
	spans  []span
	quoted bool // within a line of a quotation
}

func (s *splitter) add(p piece) {
	s.count(p)
	// A cut looks one piece beyond the first that does not fit: two line breaks in a row are better than one.
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

// fits says whether the first n pieces make a part that is short enough when its markup is closed.
func (s *splitter) fits(n int) bool {
	last := &s.pieces[n-1]
	units := last.sum
	for _, open := range last.spans {
		units += open.closing
	}
	return units <= s.room
}

// finish makes parts of what is left.
func (s *splitter) finish() {
	for len(s.pieces) > 0 && !s.fits(len(s.pieces)) {
		s.cut()
	}
	s.emit(s.pieces)
}

// cut makes a part of the first pieces and begins the next with the others.
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

// behind is where the next part begins: behind the line breaks at the cut, or where there is none behind the white
// space.
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

// The kinds of places to cut at, the best first.
var boundaries = []func(p []piece, at int) bool{
	func(p []piece, at int) bool { return p[at].line && at+1 < len(p) && p[at+1].line }, // between paragraphs
	func(p []piece, at int) bool { return p[at].line },                                  // between lines
	func(p []piece, at int) bool { return p[at].space },                                 // between words
}

// best is where to cut: before that piece. It always takes something.
func (s *splitter) best() int {
	const words = 2
	end := min(s.fit, len(s.pieces)-1)
	for kind, boundary := range boundaries {
		for at := end; at > 0; at-- {
			// A part that is nearly empty would read worse than a paragraph that is cut.
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

// emit adds a part, unless nothing of it would be shown.
func (s *splitter) emit(pieces []piece) {
	for len(s.start.spans) > 0 && len(pieces) > 1 && pieces[0].quote && pieces[1].line {
		pieces = pieces[2:] // an empty line of a quotation, at whose end a spoiler cannot be opened
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
			b.WriteString("**") // which is nothing, and keeps one mark from being read as a part of another
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
