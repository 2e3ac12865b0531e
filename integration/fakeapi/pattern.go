package fakeapi

import (
	"net/url"
	"slices"
	"strings"
)

// pattern says which requests a route is for.
type pattern struct {
	route  Route
	method string // empty is any
	words  []string
}

// patterns are those of the routes, those with the fewest wildcards first.
func patterns(routes Routes) []*pattern {
	var list []*pattern
	for text, route := range routes {
		if route.Name == "" {
			route.Name = text
		}
		method, path, ok := strings.Cut(text, " ")
		if !ok {
			method, path = "", text
		}
		list = append(list, &pattern{route, method, strings.Split(path, "/")})
	}
	slices.SortFunc(list, func(a, b *pattern) int { return a.wildcards() - b.wildcards() })
	return list
}

func (p *pattern) wildcards() int {
	count := 0
	for _, word := range p.words {
		if strings.HasSuffix(word, "...}") {
			count += 100
		} else if strings.HasPrefix(word, "{") {
			count++
		}
	}
	return count
}

// match compares with the words of a path, which are escaped, and returns the values of the wildcards.
func (p *pattern) match(method string, words []string) (map[string]string, bool) {
	if p.method != "" && p.method != method {
		return nil, false
	}
	values := map[string]string{}
	for i, word := range p.words {
		name, wild := strings.CutPrefix(strings.TrimSuffix(word, "}"), "{")
		rest, tail := strings.CutSuffix(name, "...")
		switch {
		case i >= len(words):
			return nil, false
		case wild && tail:
			value, err := url.PathUnescape(strings.Join(words[i:], "/"))
			values[rest] = value
			return values, err == nil
		case wild:
			value, err := url.PathUnescape(words[i])
			if err != nil || value == "" {
				return nil, false
			}
			values[name] = value
		case word != words[i]:
			return nil, false
		}
	}
	return values, len(p.words) == len(words)
}
