package cluster

import (
	"regexp"
	"strings"
	"sync"
)

// matcher says whether event names match Moleculer's patterns: * is one segment or part of one, **
// any rest, ? one character (docs/design/moleculer-wire.md §5). Patterns are compiled once. Safe for concurrent use.
//
// It agrees with Node (utils.match) in its peculiarities too, because a sender and its receivers must come to the same
// result. At the end of a pattern, * matches one dot at its own position ("user*" matches "user.created"). In a pattern
// with ? or an inner *, all other characters are those of a regular expression, so that a dot matches any character.
type matcher struct{ compiled sync.Map } // pattern → *regexp.Regexp

func (m *matcher) match(name, pattern string) bool {
	star := strings.IndexByte(pattern, '*')
	switch end := len(pattern); {
	case strings.IndexByte(pattern, '?') >= 0:
	case star < 0:
		return name == pattern
	case pattern == "*":
		return strings.IndexByte(name, '.') < 0
	case star == end-2 && strings.HasSuffix(pattern, "**"):
		return strings.HasPrefix(name, pattern[:star])
	case star == end-1:
		return strings.HasPrefix(name, pattern[:star]) && (len(name) <= end || strings.IndexByte(name[end:], '.') < 0)
	}
	expr, ok := m.compiled.Load(pattern)
	if !ok {
		expr, _ = m.compiled.LoadOrStore(pattern, compile(pattern))
	}
	return expr.(*regexp.Regexp).MatchString(name)
}

func compile(pattern string) *regexp.Regexp {
	source := pattern
	if strings.HasPrefix(source, "$") {
		source = `\` + source
	}
	// ** becomes .*, which must not be taken for a * itself.
	source = strings.NewReplacer("**", ".*", "*", `[^\.]*`, "?", ".").Replace(source)
	expr, err := regexp.Compile("^" + source + "$")
	if err != nil { // Node throws at each event; here, such a pattern is a name
		return regexp.MustCompile("^" + regexp.QuoteMeta(strings.ToValidUTF8(pattern, "\uFFFD")) + "$")
	}
	return expr
}
