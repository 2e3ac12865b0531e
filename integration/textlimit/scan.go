package textlimit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// piece is a part of a text that is never cut: a character as a reader sees it, an escaped one, or a sign of the
// markup.
type piece struct {
	text  string
	units int
	sum   int  // units of the part up to here
	space bool // it is white space
	line  bool // it ends a line
	mark  bool // it is markup, of which nothing is shown
	quote bool // it is the sign of a quotation at the beginning of a line
	glued bool // a cut before it would be inside a link or inline code, or between markup and its text
	place      // behind it
}

// span is markup that is open from its beginning to its end.
type span struct {
	open, close      string
	opening, closing int // units
}

// Bounds of markup that is opened again in each part, and of how far the end of a sign is looked for.
const (
	maxNested    = 16
	maxOpening   = 4096 // bytes, of all that is open
	maxLookahead = 8192 // bytes
	maxLanguage  = 32   // bytes, of a block of code
)

// scan hands on the pieces of a text.
type scan struct {
	unit  Unit
	m     Markup
	take  func(piece)
	place place
	glue  int  // how many groups of pieces that belong together are open
	fresh bool // markup was opened just now
}

// scanText takes a text apart. The error is an [ErrMarkup].
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

// hand hands on a piece.
func (s *scan) hand(p piece) {
	p.glued = p.glued || s.glue > 0 || s.fresh
	p.place = s.place
	s.fresh = false
	s.take(p)
}

// text hands on what is shown as it is.
func (s *scan) text(text string) {
	for state := -1; text != ""; {
		var cluster string
		cluster, text, _, state = uniseg.FirstGraphemeClusterInString(text, state)
		s.cluster(cluster)
	}
}

// first hands on the first character of a text and returns how long it is.
func (s *scan) first(text string) int {
	cluster, _, _, _ := uniseg.FirstGraphemeClusterInString(text, -1)
	_, size := utf8.DecodeRuneInString(cluster)
	// A sign of the markup is no part of the character before it, which some scripts would have it.
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
	s.hand(
		piece{
			text: cluster, units: s.unit(cluster), line: line,
			space: line || cluster == " " || cluster == "\t" || cluster == "\r",
		},
	)
}

// atom hands on what is written in one way and shown in another.
func (s *scan) atom(text, shown string) {
	s.hand(piece{text: text, units: s.unit(shown), space: shown == " "})
}

// group hands on a text that is cut only where it is longer than a part.
func (s *scan) group(text string) {
	size := s.first(text)
	s.glue++
	s.text(text[size:])
	s.glue--
}

// mark hands on a sign that opens and closes nothing.
func (s *scan) mark(text string) {
	s.hand(piece{text: text, units: s.counted(text), mark: true})
}

// counted are the units of markup.
func (s *scan) counted(text string) int {
	if s.m.strict() {
		return 0
	}
	return s.unit(text)
}

// top is the markup that was opened last, nil for none.
func (s *scan) top() *span {
	if n := len(s.place.spans); n > 0 {
		return &s.place.spans[n-1]
	}
	return nil
}

// open hands on a sign and what it opens.
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

// shut hands on the sign that closes what was opened last.
func (s *scan) shut(sign string) {
	s.place.spans = s.place.spans[:len(s.place.spans)-1]
	s.fresh = true // it stays with what it closes
	s.mark(sign)
}

// Signs of Markdown that belong together.
var (
	language   = regexp.MustCompile(`^[A-Za-z0-9_+#.-]*\r?\n`)
	link       = regexp.MustCompile(`^!?\[[^\[\]\n]*\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:[ \t]+"[^"\n]*")?\)`)
	reference  = regexp.MustCompile(`^<[^\s<>]+>`)
	labelled   = regexp.MustCompile(`^<[^\n<>]+>`)
	entityName = regexp.MustCompile(`^&(?:[A-Za-z]{2,8}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});`)
	escaped    = regexp.MustCompile("^\\\\[!-/:-@\\[-`{-~]")
	strong     = []string{"**", "__", "~~", "||"}
)

// together is the beginning of a text that a cut would spoil, "" for none.
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

// markdown hands on a text of [Markdown] or [Mrkdwn].
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

// block hands on a block of code and returns how long it is.
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

// inline hands on inline code and returns how long it is.
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

// emphasis hands on a sign that opens or closes bold text or the like, or a character, and returns how long it is.
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

// ends says whether what a sign opens is closed in the same paragraph.
func ends(text, sign string) bool {
	text = text[:min(len(text), maxLookahead)]
	if paragraph := strings.Index(text, "\n\n"); paragraph >= 0 {
		text = text[:paragraph]
	}
	i := strings.Index(text, sign)
	return i > 0 && !blank(text[0]) && !blank(text[i-1])
}

func blank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
