// Package is has the rules for the shapes of requests: what a member of JSON, a field of a form or a parameter of a
// query may be. They are written from a platform's documentation, and read as it does:
//
//	is.Object{"to!": is.Text(50), "messages!": is.List(1, 5, message), "silent": is.Bool}
//
// Package fakeapi checks requests with them.
package is

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Rule says which values a part of a request may have.
type Rule interface {
	check(c *checker, path string, v any) *Fault
}

// Check says what is wrong with a value, or nil, and which parts of it the rule could do without. Those parts are
// written blocks[].text.type, whatever their place in a list. What is within a part that may be anything has a star:
// payload.*
func Check(r Rule, v any) (*Fault, []string) {
	c := &checker{optional: map[string]bool{}}
	fault := r.check(c, "", v)
	return fault, slices.Sorted(maps.Keys(c.optional))
}

// checker goes through a value.
type checker struct{ optional map[string]bool }

var index = regexp.MustCompile(`\[\d+\]`)

func (c *checker) note(path string) { c.optional[index.ReplaceAllString(path, "[]")] = true }

// Kind is what is wrong with a request.
type Kind int

// The kinds of faults.
const (
	Invalid     Kind = iota // a value is none that the part may have
	WrongType               // a value is of another type of JSON
	TooLong                 // a text or a list is longer than Limit
	Missing                 // a required part is not there
	Unknown                 // there is no such part
	Unreadable              // the body is no JSON, or no form
	WrongFormat             // the content type is none that the call takes
	TooLarge                // the body is larger than the API takes
	NoRoute                 // there is no such call
)

// Fault is what is wrong with a request.
type Fault struct {
	Kind  Kind
	Path  string // of the part, such as blocks[0].text
	Why   string // in plain words
	Limit int    // of TooLong
	Says  string // the platform's own words or code, by [Says]

	Answer any // a whole answer of the platform instead: see fakeapi.Refusal
}

func (f *Fault) String() string { return strings.TrimSpace(f.Path + ": " + f.Why) }

// Missed is the fault of a part that is not there.
func Missed(path string) *Fault { return &Fault{Kind: Missing, Path: path, Why: "it is required"} }

// Wrong is the fault of a value that the part may not have.
func Wrong(path, format string, args ...any) *Fault {
	return &Fault{Kind: Invalid, Path: path, Why: fmt.Sprintf(format, args...)}
}

func wrongType(path, of string) *Fault {
	return &Fault{Kind: WrongType, Path: path, Why: "it must be " + of}
}

// Saying is a fault in the platform's own words, or nil where there are none.
func Saying(words string) *Fault {
	if words == "" {
		return nil
	}
	return &Fault{Says: words, Why: words}
}

// First is the first fault that is one.
func First(faults ...*Fault) *Fault {
	for _, f := range faults {
		if f != nil {
			return f
		}
	}
	return nil
}

// Func is a rule of one's own. The path of its fault begins at the value.
type Func func(v any) *Fault

func (f Func) check(_ *checker, path string, v any) *Fault {
	fault := f(v)
	if fault == nil {
		return nil
	}
	at := *fault
	at.Path = join(path, fault.Path)
	return &at
}

func join(path, name string) string {
	switch {
	case path == "" || name == "":
		return path + name
	default:
		return path + "." + name
	}
}

// Object is a rule for an object, or for a form: its members by name. Those whose name ends with ! are required, and
// there are no others.
type Object map[string]Rule

func (o Object) check(c *checker, path string, v any) *Fault {
	members, ok := v.(map[string]any)
	if !ok {
		return wrongType(path, "an object")
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !o.Names(name) {
			return &Fault{Kind: Unknown, Path: join(path, name), Why: fmt.Sprintf("there is no such parameter as %s", name)}
		}
	}
	names := slices.Sorted(maps.Keys(o))
	for _, name := range names {
		bare, required := strings.CutSuffix(name, "!")
		if _, there := members[bare]; !there && required {
			return missed(o[name], join(path, bare))
		}
	}
	for _, name := range names {
		bare, required := strings.CutSuffix(name, "!")
		value, there := members[bare]
		if !there {
			continue
		}
		if !required {
			c.note(join(path, bare))
		}
		if fault := o[name].check(c, join(path, bare), value); fault != nil {
			return fault
		}
	}
	return nil
}

// missed is the fault of a required part that is not there, in the words that its rule has.
func missed(rule Rule, path string) *Fault {
	fault := Missed(path)
	if r, ok := rule.(*Words); ok {
		fault.Says = r.missing
	}
	return fault
}

// Names says whether the object may have a member.
func (o Object) Names(name string) bool { return o[name] != nil || o[name+"!"] != nil }

// With is the object with more members.
func (o Object) With(more ...Object) Object {
	all := maps.Clone(o)
	for _, m := range more {
		maps.Copy(all, m)
	}
	return all
}

// Words is a rule whose faults the platform has words of its own for, such as error codes. It has none for a value of
// another type, and for a member that there is not.
type Words struct {
	rule                    Rule
	missing, tooLong, wrong string
}

// Says is a rule whose faults the platform tells so: also that the part is missing, where it is required.
func Says(words string, rule Rule) *Words { return &Words{rule, words, words, words} }

// WhenMissing changes the words for a part that is missing.
func (w *Words) WhenMissing(words string) *Words { return &Words{w.rule, words, w.tooLong, w.wrong} }

// WhenTooLong changes the words for a text or a list that is too long.
func (w *Words) WhenTooLong(words string) *Words { return &Words{w.rule, w.missing, words, w.wrong} }

func (w *Words) check(c *checker, path string, v any) *Fault {
	fault := w.rule.check(c, path, v)
	switch {
	case fault == nil || fault.Says != "" || fault.Kind == WrongType || fault.Kind == Unknown:
	case fault.Kind == TooLong:
		fault.Says = w.tooLong
	default:
		fault.Says = w.wrong
	}
	return fault
}

type rule func(c *checker, path string, v any) *Fault

func (r rule) check(c *checker, path string, v any) *Fault { return r(c, path, v) }

// Any is a rule that any value keeps.
var Any Rule = rule(func(c *checker, path string, _ any) *Fault {
	c.note(path + ".*")
	return nil
})

// Never is a rule that no value keeps, for a member that the platform refuses in words of its own.
var Never Rule = rule(func(_ *checker, path string, _ any) *Fault {
	return Wrong(path, "it does not go with the others")
})

// Text is a rule for a text that is not blank and has at most so many characters.
func Text(limit int) Rule { return text(utf8.RuneCountInString, limit) }

// UTF16 is [Text] with a limit in units of UTF-16.
func UTF16(limit int) Rule {
	return text(func(s string) int { return len(utf16.Encode([]rune(s))) }, limit)
}

// Bytes is [Text] with a limit in bytes of UTF-8.
func Bytes(limit int) Rule { return text(func(s string) int { return len(s) }, limit) }

func text(length func(string) int, limit int) Rule {
	return rule(func(_ *checker, path string, v any) *Fault {
		s, ok := v.(string)
		switch {
		case !ok:
			return wrongType(path, "a text")
		case strings.TrimSpace(s) == "":
			return Wrong(path, "it must not be empty")
		case length(s) > limit:
			return tooLong(path, limit)
		}
		return nil
	})
}

func tooLong(path string, limit int) *Fault {
	return &Fault{Kind: TooLong, Path: path, Limit: limit, Why: fmt.Sprintf("it is longer than %d", limit)}
}

// String is [Text] that may be empty.
func String(limit int) Rule { return Empty(Text(limit)) }

// OneOf is a rule for a text, or for a number as it is written.
func OneOf(values ...string) Rule {
	return rule(func(_ *checker, path string, v any) *Fault {
		if !slices.Contains(values, written(v)) {
			return Wrong(path, "it must be one of %s", strings.Join(values, ", "))
		}
		return nil
	})
}

// written is a text or a number as it is written, or nothing.
func written(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

// Match is a rule for a text that matches a regular expression.
func Match(pattern string) Rule {
	expression := regexp.MustCompile(pattern)
	return rule(func(_ *checker, path string, v any) *Fault {
		s, ok := v.(string)
		switch {
		case !ok:
			return wrongType(path, "a text")
		case !expression.MatchString(s):
			return Wrong(path, "it must match %s", pattern)
		}
		return nil
	})
}

// Link is a rule for an absolute URL of one of the schemes, http and https where none is named.
func Link(limit int, schemes ...string) Rule {
	if schemes == nil {
		schemes = []string{"http", "https"}
	}
	return rule(func(_ *checker, path string, v any) *Fault {
		s, _ := v.(string)
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme):
			return Wrong(path, "it must be a URL")
		case utf8.RuneCountInString(s) > limit:
			return tooLong(path, limit)
		}
		return nil
	})
}

// Bool is a rule for true and false.
var Bool Rule = rule(func(_ *checker, path string, v any) *Fault {
	if _, ok := v.(bool); !ok {
		return wrongType(path, "true or false")
	}
	return nil
})

// Number is a rule for a number of JSON within bounds.
func Number(least, most float64) Rule {
	return rule(func(_ *checker, path string, v any) *Fault {
		n, ok := v.(json.Number)
		if !ok {
			return wrongType(path, "a number")
		}
		if f, err := n.Float64(); err != nil || f < least || f > most {
			return Wrong(path, "it must be a number from %v to %v", least, most)
		}
		return nil
	})
}

// Integer is a rule for a whole number of JSON within bounds.
func Integer(least, most int64) Rule {
	return rule(func(_ *checker, path string, v any) *Fault {
		n, ok := v.(json.Number)
		i, err := n.Int64()
		switch {
		case !ok || err != nil:
			return wrongType(path, "a whole number")
		case i < least || i > most:
			return Wrong(path, "it must be a whole number from %d to %d", least, most)
		}
		return nil
	})
}

// List is a rule for a list of so many items.
func List(least, most int, of Rule) Rule {
	return rule(func(c *checker, path string, v any) *Fault {
		items, ok := v.([]any)
		switch {
		case !ok:
			return wrongType(path, "a list")
		case len(items) < least:
			return Wrong(path, "it must have between %d and %d items", least, most)
		case len(items) > most:
			return tooLong(path, most)
		}
		for i, item := range items {
			if fault := of.check(c, fmt.Sprintf("%s[%d]", path, i), item); fault != nil {
				return fault
			}
		}
		return nil
	})
}

// Empty is a rule for a blank text, or for what the other rule allows.
func Empty(or Rule) Rule {
	return rule(func(c *checker, path string, v any) *Fault {
		if s, ok := v.(string); ok && strings.TrimSpace(s) == "" {
			return nil
		}
		return or.check(c, path, v)
	})
}

// All is all of the rules. The first fault counts.
func All(rules ...Rule) Rule {
	return rule(func(c *checker, path string, v any) *Fault {
		for _, r := range rules {
			if fault := r.check(c, path, v); fault != nil {
				return fault
			}
		}
		return nil
	})
}

// Union is a rule for an object that says in one member, a text or a number, which of the shapes it has. The shapes
// do not name this member.
func Union(member string, shapes map[string]Object) Rule {
	named := map[string]Object{}
	for name, shape := range shapes {
		named[name] = shape.With(Object{member + "!": OneOf(name)})
	}
	return rule(func(c *checker, path string, v any) *Fault {
		shape, ok := named[written(At[any](v, member))]
		if !ok {
			return Wrong(join(path, member), "it must be one of %s", strings.Join(slices.Sorted(maps.Keys(named)), ", "))
		}
		return shape.check(c, path, v)
	})
}

// IfHas is one rule for objects that have a member, and another for those that lack it.
func IfHas(member string, has, lacks Rule) Rule {
	return rule(func(c *checker, path string, v any) *Fault {
		object, _ := v.(map[string]any)
		if _, there := object[member]; there {
			return has.check(c, path, v)
		}
		return lacks.check(c, path, v)
	})
}

// Exactly is a rule for an object that has exactly one of the members.
func Exactly(members ...string) Rule {
	return Func(func(v any) *Fault {
		object, _ := v.(map[string]any)
		count := 0
		for _, name := range members {
			if _, there := object[name]; there {
				count++
			}
		}
		if count != 1 {
			return &Fault{Kind: Missing, Path: members[0], Why: "exactly one is required of " + strings.Join(members, ", ")}
		}
		return nil
	})
}

// Distinct is a rule for what has a value at most once among all that stand at a path, which goes through lists.
func Distinct(path string) Rule {
	return Func(func(v any) *Fault {
		seen := map[string]bool{}
		for _, value := range Every(v, path) {
			text := written(value)
			if seen[text] {
				return Wrong(path, "there are two of %q", text)
			}
			seen[text] = true
		}
		return nil
	})
}

// At is the value at a path of members, such as reply.id, or the zero value of T where there is none of that type.
func At[T any](v any, path string) T {
	for _, name := range strings.Split(path, ".") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	t, _ := v.(T)
	return t
}

// Every lists the values at a path of members, which goes through lists: rows.id.
func Every(v any, path string) []any {
	if items, ok := v.([]any); ok {
		var all []any
		for _, item := range items {
			all = append(all, Every(item, path)...)
		}
		return all
	}
	if path == "" {
		return []any{v}
	}
	object, _ := v.(map[string]any)
	name, rest, _ := strings.Cut(path, ".")
	if value, there := object[name]; there {
		return Every(value, rest)
	}
	return nil
}
