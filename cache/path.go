package cache

import (
	"regexp"
	"strings"
)

// get returns what lodash's get returns for a path such as "user.tags[0].name".
func (v *value) get(path string) *value {
	if !strings.ContainsAny(path, ".[") || !deepPath.MatchString(path) {
		return v.property(path)
	}
	if own := v.property(path); own.kind != undefinedKind { // a name with dots
		return own
	}
	for _, name := range splitPath(path) {
		v = v.property(name)
	}
	return v
}

var (
	// deepPath matches paths, and not plain names, which may have a single bracket.
	deepPath = regexp.MustCompile(`\.|\[(?:[^\[\]]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\]`)
	// bracket matches a number or a quoted name in brackets.
	bracket = regexp.MustCompile(`^\[(?:(-?\d+(?:\.\d+)?)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))\]`)
	escaped = regexp.MustCompile(`\\(\\)?`)
)

// splitPath splits a path as lodash does: names end at dots and brackets, and between two dots is an empty name.
func splitPath(path string) []string {
	var names []string
	if strings.HasPrefix(path, ".") {
		names = append(names, "")
	}
	for path != "" {
		if end := strings.IndexAny(path, ".[]"); end != 0 {
			if end < 0 {
				end = len(path)
			}
			names, path = append(names, path[:end]), path[end:]
			continue
		}
		if path[0] == '[' {
			if m := bracket.FindStringSubmatch(path); m != nil {
				name := m[1]
				if quoted := m[2]; quoted != "" {
					name = escaped.ReplaceAllString(quoted[1:len(quoted)-1], "$1")
				}
				names, path = append(names, name), path[len(m[0]):]
				continue
			}
		}
		if opensEmptyName(path) {
			names = append(names, "")
		}
		path = path[1:]
	}
	return names
}

// opensEmptyName says whether a path begins with a dot or [] that is followed by another one or the end.
func opensEmptyName(path string) bool {
	rest, ok := strings.CutPrefix(path, "[]")
	if !ok {
		rest, ok = strings.CutPrefix(path, ".")
	}
	return ok && (rest == "" || rest[0] == '.' || strings.HasPrefix(rest, "[]"))
}
