package cache

import (
	"regexp"
	"strings"
)

// matcher gives what tells keys that match a pattern as Moleculer's utils.match does: * is one segment
// between dots or part of one, ** any rest, ? one character. At the end of a pattern, * lets one dot
// pass right where it stands; in a pattern with ? or an inner *, all other characters are a regular
// expression's.
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
