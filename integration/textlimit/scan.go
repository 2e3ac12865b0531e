package textlimit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// piece is a part of a text that is never cut: a grapheme cluster, an escaped character, or a sign of the markup.
type piece struct {
	text  string
	units int
	sum   int  // units of the part up to this piece, including it
	space bool // it is white space
	line  bool // it ends a line
	mark  bool // it is markup and not shown
	quote bool // it is the sign of a quotation at the beginning of a line
	glued bool // a cut before it would be inside a link or inline code, or between markup and its text
	place      // the markup that is open behind it
}

// span is markup that was opened, with the signs that open and close it.
type span struct {
	open, close      string
	opening, closing int // units
}

// Limits of the markup that is opened again in each part, and of the search for the end of markup.
const (
	maxNested    = 16
	maxOpening   = 4096 // bytes of all signs that open the open markup
	maxLookahead = 8192 // bytes
	maxLanguage  = 32   // bytes of the language of a code block
)

// scan splits a text into pieces, and calls take for each.
type scan struct {
	unit  Unit
	m     Markup
	take  func(piece)
	place place
	glue  int  // how many groups of pieces that should stay together are open
	fresh bool // markup was opened just now
}

// scanText calls take for each piece of a text, in order. Its error wraps [ErrMarkup].
func scanText(text string, unit Unit, m Markup, take func(piece)) error {
	s := &scan{unit: unit, m: m, take: take}
	switch m {
	case HTML:
		return s.html(text)
	case MarkdownV2:
		return s.markdownV2(text)
	case Markdown, Mrkdwn:
		s.markdown(text)
	default:
		s.text(text)
	}
	return nil
}

func faulty(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMarkup, fmt.Sprintf(format, args...))
}

// emit completes a piece and calls take.
func (s *scan) emit(p piece) {
	p.glued = p.glued || s.glue > 0 || s.fresh
	p.place = s.place
	s.fresh = false
	s.take(p)
}

// text emits a text without markup.
func (s *scan) text(text string) {
	for state := -1; text != ""; {
		var cluster string
		cluster, text, _, state = uniseg.FirstGraphemeClusterInString(text, state)
		s.cluster(cluster)
	}
}

// first emits the first character of a text and returns its length in bytes.
func (s *scan) first(text string) int {
	cluster, _, _, _ := uniseg.FirstGraphemeClusterInString(text, -1)
	_, size := utf8.DecodeRuneInString(cluster)
	// In some scripts, an ASCII character can belong to the grapheme cluster of the character before it. Markup must not.
	if i := strings.IndexFunc(cluster[size:], func(r rune) bool { return r < utf8.RuneSelf }); i >= 0 &&
		cluster != "\r\n" {
		cluster = cluster[:size+i]
	}
	s.cluster(cluster)
	return len(cluster)
}

func (s *scan) cluster(cluster string) {
	line := cluster == "\n" || cluster == "\r\n"
	if line {
		s.place.quoted = false
	}
	s.emit(
		piece{
			text: cluster, units: s.unit(cluster), line: line,
			space: line || cluster == " " || cluster == "\t" || cluster == "\r",
		},
	)
}

// atom emits a piece that is shown differently than it is written, such as an escape.
func (s *scan) atom(text, shown string) {
	s.emit(piece{text: text, units: s.unit(shown), space: shown == " "})
}

// group emits a text that is cut only if it is longer than a part.
func (s *scan) group(text string) {
	size := s.first(text)
	s.glue++
	s.text(text[size:])
	s.glue--
}

// mark emits a sign of the markup, without opening or closing a span.
func (s *scan) mark(text string) {
	s.emit(piece{text: text, units: s.counted(text), mark: true})
}

// counted returns the units of a sign of the markup: zero if the platform does not count markup.
func (s *scan) counted(text string) int {
	if s.m.strict() {
		return 0
	}
	return s.unit(text)
}

// top returns the markup that was opened last, or nil if none is open.
func (s *scan) top() *span {
	if n := len(s.place.spans); n > 0 {
		return &s.place.spans[n-1]
	}
	return nil
}

// open emits a sign that opens markup. again is the sign that opens it in the next part, and end closes it.
func (s *scan) open(sign, again, end string) error {
	opening := len(again)
	for _, o := range s.place.spans {
		opening += len(o.open)
	}
	if len(s.place.spans) == maxNested || opening > maxOpening {
		return faulty("too much is nested or the links are too long")
	}
	s.place.spans = append(slices.Clip(s.place.spans), span{again, end, s.counted(again), s.counted(end)})
	s.mark(sign)
	s.fresh = true
	return nil
}

// shut emits the sign that closes the markup opened last.
func (s *scan) shut(sign string) {
	s.place.spans = s.place.spans[:len(s.place.spans)-1]
	s.fresh = true // no cut before the sign: it stays with the text it closes
	s.mark(sign)
}

// Texts and signs of Markdown and Mrkdwn that must not be cut.
var (
	language   = regexp.MustCompile(`^[A-Za-z0-9_+#.-]*\r?\n`)
	link       = regexp.MustCompile(`^!?\[[^\[\]\n]*\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:[ \t]+"[^"\n]*")?\)`)
	reference  = regexp.MustCompile(`^<[^\s<>]+>`)
	labelled   = regexp.MustCompile(`^<[^\n<>]+>`)
	entityName = regexp.MustCompile(`^&(?:[A-Za-z]{2,8}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});`)
	escaped    = regexp.MustCompile("^\\\\[!-/:-@\\[-`{-~]")
	strong     = []string{"**", "__", "~~", "||"}
)

// together returns the beginning of a text that a cut would break, such as a link. It is "" if there is none.
func (s *scan) together(text string) string {
	text = text[:min(len(text), maxLookahead)]
	switch {
	case text[0] == '&':
		return entityName.FindString(text)
	case text[0] == '<' && s.m == Mrkdwn:
		return labelled.FindString(text)
	case text[0] == '<':
		return reference.FindString(text)
	case s.m == Mrkdwn:
		return ""
	case text[0] == '[', strings.HasPrefix(text, "!["):
		return link.FindString(text)
	case text[0] == '\\':
		return escaped.FindString(text)
	}
	return ""
}

// markdown scans a text of [Markdown] or [Mrkdwn].
func (s *scan) markdown(text string) {
	for at := 0; at < len(text); {
		rest := text[at:]
		ticks := len(rest) - len(strings.TrimLeft(rest, "`"))
		whole := s.together(rest)
		switch {
		case ticks > 2:
			at += s.block(rest, ticks)
		case ticks > 0:
			at += s.inline(rest, rest[:ticks])
		case whole != "":
			s.group(whole)
			at += len(whole)
		default:
			at += s.emphasis(text, at)
		}
	}
}

// block scans a code block and returns its length in bytes.
func (s *scan) block(text string, ticks int) int {
	fence := text[:ticks]
	sign, again, end := fence, fence, fence
	if s.m == Markdown {
		sign += language.FindString(text[ticks:])
	} else if strings.HasPrefix(text[ticks:], "\n") {
		sign += "\n"
	}
	body := text[len(sign):]
	closed := strings.Index(body, fence)
	if closed >= 0 {
		body = body[:closed]
	}
	if strings.Contains(text[ticks:min(len(text), len(sign)+len(body))], "\n") {
		again, end = fence+"\n", "\n"+fence
		if len(sign) <= ticks+maxLanguage && sign != fence {
			again = sign
		}
	}
	if s.open(sign, again, end) != nil {
		s.text(text[:len(sign)+len(body)])
		return len(sign) + len(body)
	}
	length := len(sign) + len(body)
	last := ""
	if closed >= 0 {
		last = fence
		length += len(fence)
		if kept, ok := strings.CutSuffix(body, "\n"); ok && kept != "" {
			body, last = kept, "\n"+fence
		}
	}
	s.text(body)
	if closed >= 0 {
		s.shut(last)
	}
	return length
}

// inline scans inline code and returns its length in bytes.
func (s *scan) inline(text, ticks string) int {
	end := len(ticks)
	for window := text[:min(len(text), maxLookahead)]; end < len(window); {
		i := strings.IndexByte(window[end:], '`')
		if i < 0 || strings.Contains(window[end:end+i], "\n\n") {
			break
		}
		end += i
		run := len(window[end:]) - len(strings.TrimLeft(window[end:], "`"))
		if run != len(ticks) {
			end += run
			continue
		}
		if s.open(ticks, ticks, ticks) != nil {
			s.group(text[:end+run])
			return end + run
		}
		s.glue++
		s.text(text[len(ticks):end])
		s.shut(ticks)
		s.glue--
		return end + run
	}
	s.text(ticks)
	return len(ticks)
}

// emphasis scans a sign that opens or closes emphasis such as bold text, or a character. It returns its length in
// bytes.
func (s *scan) emphasis(text string, at int) int {
	rest := text[at:]
	for _, sign := range strong {
		if s.m != Markdown || !strings.HasPrefix(rest, sign) {
			continue
		}
		if top := s.top(); top != nil && top.open == sign && at > 0 && !blank(text[at-1]) {
			s.shut(sign)
			return len(sign)
		}
		isOpen := slices.ContainsFunc(s.place.spans, func(o span) bool { return o.open == sign })
		if !isOpen && ends(rest[len(sign):], sign) && s.open(sign, sign, sign) == nil {
			return len(sign)
		}
	}
	return s.first(rest)
}

// ends reports whether emphasis is closed in the same paragraph. text begins behind the sign that opens it.
func ends(text, sign string) bool {
	text = text[:min(len(text), maxLookahead)]
	if paragraph := strings.Index(text, "\n\n"); paragraph >= 0 {
		text = text[:paragraph]
	}
	i := strings.Index(text, sign)
	return i > 0 && !blank(text[0]) && !blank(text[i-1])
}

func blank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
