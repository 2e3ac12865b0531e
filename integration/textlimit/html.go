package textlimit

import (
	"html"
	"regexp"
	"strings"
)

// htmlEntity matches the entities of Telegram: four names, and all numbers.
var htmlEntity = regexp.MustCompile(`^&(?:lt|gt|amp|quot|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});`)

// tagName matches the beginning of a tag, up to its attributes.
var tagName = regexp.MustCompile(`^</?([A-Za-z][A-Za-z0-9-]*)?`)

// html scans a text of [HTML].
func (s *scan) html(text string) error {
	for at := 0; at < len(text); {
		rest := text[at:]
		entity := ""
		if rest[0] == '&' {
			entity = htmlEntity.FindString(rest)
		}
		switch {
		case rest[0] == '<':
			size, err := s.tag(rest)
			if err != nil {
				return err
			}
			at += size
		case entity != "":
			s.atom(entity, html.UnescapeString(entity))
			at += len(entity)
		default:
			at += s.first(rest)
		}
	}
	if top := s.top(); top != nil {
		return faulty("%.40s is not closed", top.open)
	}
	return nil
}

// tag scans a tag and returns its length in bytes.
func (s *scan) tag(text string) (size int, err error) {
	name := tagName.FindStringSubmatch(text)[1]
	if size = tagEnd(text); size == 0 {
		return 0, faulty("a < is not that of a tag")
	}
	sign := text[:size]
	if !strings.HasPrefix(sign, "</") {
		if name == "" {
			return 0, faulty("a < is not that of a tag")
		}
		if err := s.open(sign, sign, "</"+name+">"); err != nil {
			return 0, err
		}
		if s.isAtom(name) {
			s.glue++
		}
		return size, nil
	}
	top := s.top()
	if top == nil || name != "" && !strings.EqualFold(top.close, "</"+name+">") {
		return 0, faulty("%.40s closes nothing", sign)
	}
	name = strings.Trim(top.close, "</>")
	atom := s.isAtom(name)
	s.shut(sign)
	if atom {
		s.glue--
	}
	return size, nil
}

// isAtom reports whether the content of the tag that was opened last should stay in one part: a link, inline code, an
// emoji or a time.
func (s *scan) isAtom(name string) bool {
	switch strings.ToLower(name) {
	case "a", "tg-emoji", "tg-time":
		return true
	case "code": // in <pre>, it only gives the language of the block
		n := len(s.place.spans)
		return n < 2 || !strings.EqualFold(s.place.spans[n-2].close, "</pre>")
	}
	return false
}

// tagEnd returns the length of a tag in bytes, or zero if it has no end. A quoted value may hold any character.
func tagEnd(text string) int {
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && c == '>':
			return i + 1
		case quote == 0 && c == '<' && i > 0:
			return 0
		}
	}
	return 0
}
