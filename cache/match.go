package cache

import (
	"regexp"
	"strings"
)

// matcher returns a function that says whether a key matches a pattern, as Moleculer's utils.match does: * matches one
// segment between dots or a part of it, ** any text, ? one character. At the end of a pattern, * also matches one dot
// right where it stands. In a pattern with ? or an inner *, all other characters are those of a regular expression.
func matcher(pattern string) func(key string) bool {
	star := strings.IndexByte(pattern, '*')
	switch end := len(pattern); {
	case strings.IndexByte(pattern, '?') >= 0:
	case star < 0:
		return func(key string) bool { return key == pattern }
	case pattern == "*":
		return func(key string) bool { return strings.IndexByte(key, '.') < 0 }
	case star == end-2 && strings.HasSuffix(pattern, "**"):
		return func(key string) bool { return strings.HasPrefix(key, pattern[:star]) }
	case star == end-1:
		return func(key string) bool {
			return strings.HasPrefix(key, pattern[:star]) && (len(key) <= end || strings.IndexByte(key[end:], '.') < 0)
		}
	}
	source := pattern
	if strings.HasPrefix(source, "$") {
		source = `\` + source
	}
	source = strings.NewReplacer("**", ".*", "*", `[^\.]*`, "?", ".").Replace(source)
	expr, err := regexp.Compile("^" + source + "$")
	if err != nil { // Node throws; here such a pattern is a name
		return func(key string) bool { return key == pattern }
	}
	return expr.MatchString
}
