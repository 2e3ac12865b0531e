package action

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

// text checks a string, after trimming it if the rule says so.
func (c *checker) text(p *Param, r *rule, at string, raw json.RawMessage) (json.RawMessage, bool) {
	if raw[0] != '"' {
		c.fault(p, at, "string", nil, raw)
		return raw, false
	}
	s, value, changed := rawjson.Text(raw), raw, false
	if trimmed := strings.TrimFunc(s, isSpace); r.Trim && trimmed != s {
		s, changed = trimmed, true
		value = rawjson.AppendQuote(nil, s)
	}
	if s == "" && r.Empty != nil {
		if *r.Empty {
			return value, changed
		}
		c.fault(p, at, "stringEmpty", nil, value)
	}
	c.size(p, r, at, units(s))
	if r.regexp != nil && !r.regexp.MatchString(s) {
		c.fault(p, at, "stringPattern", "/"+r.Pattern+"/", raw)
	}
	return value, changed
}

// size checks the length n of a string or an array.
func (c *checker) size(p *Param, r *rule, at string, n int) {
	actual, size := strconv.AppendInt(nil, int64(n), 10), float64(n)
	if r.Min != nil && size < *r.Min {
		c.fault(p, at, string(p.Type)+"Min", *r.Min, actual)
	}
	if r.Max != nil && size > *r.Max {
		c.fault(p, at, string(p.Type)+"Max", *r.Max, actual)
	}
	if r.Length != nil && size != *r.Length {
		c.fault(p, at, string(p.Type)+"Length", *r.Length, actual)
	}
}

// units returns the length of s in JavaScript, which counts UTF-16 code units.
func units(s string) int {
	n := 0
	for _, char := range s {
		n++
		if char > 0xFFFF {
			n++
		}
	}
	return n
}

// isSpace reports whether JavaScript's trim and \s treat a character as white space.
func isSpace(char rune) bool {
	return char == '\uFEFF' || char != '\u0085' && unicode.IsSpace(char)
}

// black matches a character that is not white space, as \S does in JavaScript.
const black = `[^\t-\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}]`

var formats = map[Type]*regexp.Regexp{
	typeEmail: regexp.MustCompile(`^` + black + `+@` + black + `+\.` + black + `+$`),
	typeURL:   regexp.MustCompile(`^https?://` + black),
	// Versions 3, 4, 5, 7 and 8 must have the variant of RFC 9562. Versions 1, 2 and 6 may have any.
	typeUUID: regexp.MustCompile(`(?i)^(` +
		`[0-9a-f]{8}-[0-9a-f]{4}-([126][0-9a-f]{3}-[0-9a-f]|[34578][0-9a-f]{3}-[89ab])[0-9a-f]{3}-[0-9a-f]{12}` +
		`|0{8}-0{4}-0{4}-0{4}-0{12})$`),
}

// format checks a string against the format of its type: email, url or uuid.
func (c *checker) format(p *Param, r *rule, at string, raw json.RawMessage) {
	if raw[0] != '"' {
		c.fault(p, at, "string", nil, raw)
		return
	}
	s := rawjson.Text(raw)
	if s == "" && p.Type != typeUUID {
		if r.Empty == nil || !*r.Empty {
			c.fault(p, at, string(p.Type)+"Empty", nil, raw)
		}
		return
	}
	c.size(p, r, at, units(s))
	if !formats[p.Type].MatchString(s) {
		c.fault(p, at, string(p.Type), nil, raw)
	}
}

// enum checks that a value is one of the rule's values, and returns the rule's form of it.
func (c *checker) enum(p *Param, r *rule, at string, raw json.RawMessage) (json.RawMessage, bool) {
	names := make([]string, len(r.Values))
	for i, value := range r.Values {
		if equal(value, raw) {
			return value, string(value) != string(raw) // 1.0 equals 1, but Go does not decode it into an integer
		}
		names[i] = word(value)
	}
	c.fault(p, at, "enumValue", strings.Join(names, ", "), raw)
	return raw, false
}

// word returns a string without quotes, or a number as it is.
func word(value json.RawMessage) string {
	if value[0] == '"' {
		return rawjson.Text(value)
	}
	return string(value)
}

// equal reports whether two strings or two numbers have the same value.
func equal(a, b json.RawMessage) bool {
	if typeOf(a) != typeOf(b) {
		return false
	}
	if a[0] == '"' {
		return rawjson.Text(a) == rawjson.Text(b)
	}
	x, errX := strconv.ParseFloat(string(a), 64)
	y, errY := strconv.ParseFloat(string(b), 64)
	return x == y && errX == nil && errY == nil
}
