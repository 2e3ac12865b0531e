package textlimit

import (
	"regexp"
	"strings"
)

var (
	codeBlock = regexp.MustCompile("^```(?:[^\\s`]{1,32}\\r?\\n|\\r?\\n)?")
	target    = regexp.MustCompile(`^\]\((?:[^\\)]|\\.)*\)`)
)

// reserved are the characters that must be escaped with a backslash.
const reserved = "_*[]()~`>#+-=|{}.!"

// markdownV2 scans a text of [MarkdownV2].
func (s *scan) markdownV2(text string) error {
	for at := 0; at < len(text); {
		size, err := s.sign(text, at)
		if err != nil {
			return err
		}
		at += size
	}
	if top := s.top(); top != nil {
		return faulty("%.40s is not closed", top.open)
	}
	return nil
}

// sign scans the sign or character at a position of the text and returns its length in bytes.
func (s *scan) sign(text string, at int) (size int, err error) {
	rest := text[at:]
	top := s.top()
	inCode := top != nil && strings.HasPrefix(top.open, "`")
	begins := at == 0 || text[at-1] == '\n'
	switch {
	case rest[0] == '\\' && len(rest) > 1 && rest[1] > 0 && rest[1] < 0x7f:
		s.atom(rest[:2], rest[1:2])
		return 2, nil
	case top != nil && s.ends(top, rest):
		return s.end(top), nil
	case inCode:
		return s.first(rest), nil
	case begins && rest[0] == '>':
		return s.quotation(">"), nil
	case begins && strings.HasPrefix(rest, "**>"):
		return s.quotation("**>"), nil
	case s.place.quoted && strings.HasPrefix(rest, "||") && (len(rest) == 2 || rest[2] == '\n'):
		// This is the end of an expandable quotation.
		s.mark("||")
		return 2, nil
	}
	return s.begin(rest)
}

// quotation scans the sign of a quotation and returns its length in bytes.
func (s *scan) quotation(sign string) int {
	s.place.quoted = true
	s.emit(piece{text: sign, mark: true, quote: true})
	s.fresh = true
	return len(sign)
}

// ends reports whether rest begins with the sign that closes the markup opened last.
func (s *scan) ends(top *span, rest string) bool {
	if top.open == "_" {
		return rest[0] == '_' && !strings.HasPrefix(rest, "__")
	}
	return strings.HasPrefix(rest, top.close)
}

// end scans the sign that closes the markup opened last, and returns its length in bytes.
func (s *scan) end(top *span) int {
	size := len(top.close)
	atom := isAtomV2(top.open)
	s.shut(top.close)
	if atom {
		s.glue--
	}
	return size
}

// isAtomV2 is isAtom for MarkdownV2. sign opens the markup.
func isAtomV2(sign string) bool { return sign == "`" || sign == "[" || sign == "![" }

// begin scans a sign that opens markup, or a character, and returns its length in bytes.
func (s *scan) begin(rest string) (size int, err error) {
	sign, again, end := "", "", ""
	switch c := rest[0]; {
	case strings.HasPrefix(rest, "```"):
		sign = codeBlock.FindString(rest)
		again, end = sign, "```"
	case strings.HasPrefix(rest, "__"), strings.HasPrefix(rest, "||"):
		sign = rest[:2]
	case c == '_', c == '*', c == '~', c == '`':
		sign = rest[:1]
	case c == '[', strings.HasPrefix(rest, "!["):
		if sign = "["; c == '!' {
			sign = "!["
		}
		if end = linkEnd(rest[len(sign):]); end == "" {
			return 0, faulty("a [ is not closed")
		}
	case strings.IndexByte(reserved, c) >= 0:
		return 0, faulty("the character %c must be escaped", c)
	default:
		return s.first(rest), nil
	}
	if again == "" {
		again = sign
	}
	if end == "" {
		end = sign
	}
	if err := s.open(sign, again, end); err != nil {
		return 0, err
	}
	if isAtomV2(sign) {
		s.glue++
	}
	return len(sign), nil
}

// linkEnd returns the sign that closes a link, with its target. It is "" if the link is not closed.
func linkEnd(text string) string {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ']':
			if to := target.FindString(text[i:]); to != "" {
				return to
			}
			return "]"
		}
	}
	return ""
}
