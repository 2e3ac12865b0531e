package is

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Shapes are rules by their names, from a file of JSON in which a platform's documentation is written down.
type Shapes map[string]Rule

// Parse reads a file of shapes. own are rules in Go that it names. It panics where the file is wrong.
//
// A shape is a text, an object or a list:
//
//	"text 50"                        a text of at most 50 characters
//	"text 50 | says no_text"         in the platform's words; also | missing WORDS and | long WORDS
//	"line"                           the shape, or the rule of own, of this name
//	{"to!": "text 50"}               an object; what ends with ! is required
//	["1-10", "text 50"]              a list of one to ten
//	{"$by": "type", "text": {}}      a union, see [Union]
//	{"$if": "a", "$then": "x", "$else": "y"}  see [IfHas]
//
// The rules in words are text, string, utf16 and bytes with a limit, link with a limit and schemes, integer and number
// with bounds, match with a regular expression, one of with values, bool, any and never.
//
// Objects have more properties: $with lists shapes whose members they have too, $one the members of which there is
// exactly one, $distinct the paths at which values are distinct. $check names another rule. $says, $missing and $long
// are words. Those of a list stand in an object at its end.
func Parse(file []byte, own Shapes) Shapes {
	p := &parser{shapes: Shapes{}}
	must(json.Unmarshal(file, &p.file))
	for name, rule := range own {
		p.shapes[name] = rule
	}
	for _, name := range slices.Collect(maps.Keys(p.file)) {
		p.named(name)
	}
	return p.shapes
}

type parser struct {
	file   map[string]json.RawMessage
	shapes Shapes
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("shapes: %v", err)) //nolint:forbidigo // the file is part of a test, as a regular expression is
	}
}

func (p *parser) named(name string) Rule {
	if p.shapes[name] == nil {
		raw, ok := p.file[name]
		if !ok {
			must(errors.New("there is no shape " + name))
		}
		delete(p.file, name) // so that a shape cannot have itself as a part
		p.shapes[name] = p.shape(raw)
	}
	return p.shapes[name]
}

func (p *parser) shape(raw json.RawMessage) Rule {
	switch raw[0] {
	case '"':
		var text string
		must(json.Unmarshal(raw, &text))
		return p.text(text)
	case '[':
		return p.list(raw)
	default:
		return p.object(raw)
	}
}

// text is a rule in words.
func (p *parser) text(text string) Rule {
	parts := strings.Split(text, " | ")
	var more extras
	for _, part := range parts[1:] {
		kind, words, _ := strings.Cut(part, " ")
		switch kind {
		case "says":
			more.Says = &words
		case "missing":
			more.Missing = &words
		case "long":
			more.Long = &words
		default:
			must(errors.New("there are no words such as " + part))
		}
	}
	return p.with(p.plain(parts[0]), more)
}

func (p *parser) plain(text string) Rule {
	if p.shapes[text] != nil || p.file[text] != nil {
		return p.named(text)
	}
	name, rest, _ := strings.Cut(text, " ")
	args := strings.Fields(rest)
	limit := func(i, otherwise int) int {
		if i >= len(args) {
			return otherwise
		}
		n, err := strconv.Atoi(args[i])
		must(err)
		return n
	}
	if constant := map[string]Rule{"bool": Bool, "any": Any, "never": Never}[text]; constant != nil {
		return constant
	}
	switch name {
	case "text":
		return Text(limit(0, math.MaxInt32))
	case "utf16":
		return UTF16(limit(0, math.MaxInt32))
	case "bytes":
		return Bytes(limit(0, math.MaxInt32))
	case "string":
		return String(limit(0, math.MaxInt32))
	case "integer":
		return Integer(int64(limit(0, math.MinInt64)), int64(limit(1, math.MaxInt64)))
	case "number":
		return Number(float64(limit(0, math.MinInt64)), float64(limit(1, math.MaxInt64)))
	case "link":
		if len(args) == 1 {
			args = append(args, "http", "https")
		}
		return Link(limit(0, math.MaxInt32), args[1:]...)
	case "match":
		return Match(rest)
	case "one": // of
		return OneOf(args[1:]...)
	default:
		must(errors.New("there is no rule " + text))
		return nil
	}
}

// extras are the properties that objects and lists have beside their members and items.
type extras struct {
	By       string          `json:"$by"`
	If       string          `json:"$if"`
	Then     json.RawMessage `json:"$then"`
	Else     json.RawMessage `json:"$else"`
	With     []string        `json:"$with"`
	One      []string        `json:"$one"`
	Distinct []string        `json:"$distinct"`
	Check    string          `json:"$check"`
	Says     *string         `json:"$says"`
	Missing  *string         `json:"$missing"`
	Long     *string         `json:"$long"`
}

// properties reads the extras of an object or a list.
func properties(raw json.RawMessage) (f extras) {
	var members map[string]json.RawMessage
	must(json.Unmarshal(raw, &members))
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool { return !strings.HasPrefix(name, "$") })
	own, err := json.Marshal(members)
	must(err)
	decoder := json.NewDecoder(bytes.NewReader(own))
	decoder.DisallowUnknownFields()
	must(decoder.Decode(&f))
	return f
}

// with adds the extras to a rule.
func (p *parser) with(rule Rule, f extras) Rule {
	rules := []Rule{rule}
	if f.One != nil {
		rules = append(rules, Exactly(f.One...))
	}
	for _, path := range f.Distinct {
		rules = append(rules, Distinct(path))
	}
	if f.Check != "" {
		rules = append(rules, p.named(f.Check))
	}
	if len(rules) > 1 {
		rule = All(rules...)
	}
	if f.Says == nil && f.Missing == nil && f.Long == nil {
		return rule
	}
	words := Says("", rule)
	if f.Says != nil {
		words = Says(*f.Says, rule)
	}
	if f.Missing != nil {
		words = words.WhenMissing(*f.Missing)
	}
	if f.Long != nil {
		words = words.WhenTooLong(*f.Long)
	}
	return words
}

func (p *parser) list(raw json.RawMessage) Rule {
	var items []json.RawMessage
	must(json.Unmarshal(raw, &items))
	var bounds string
	must(json.Unmarshal(items[0], &bounds))
	low, high, _ := strings.Cut(bounds, "-")
	least, err := strconv.Atoi(low)
	must(err)
	most, err := strconv.Atoi(high)
	must(err)
	var f extras
	if len(items) > 2 {
		f = properties(items[2])
	}
	return p.with(List(least, most, p.shape(items[1])), f)
}

func (p *parser) object(raw json.RawMessage) Rule {
	f := properties(raw)
	var members map[string]json.RawMessage
	must(json.Unmarshal(raw, &members))
	if f.If != "" {
		return p.with(IfHas(f.If, p.shape(f.Then), p.shape(f.Else)), f)
	}
	shape := Object{}
	for _, name := range f.With {
		shape = shape.With(p.named(name).(Object))
	}
	for name, member := range members {
		if !strings.HasPrefix(name, "$") {
			shape[name] = p.shape(member)
		}
	}
	if f.By == "" {
		return p.with(shape, f)
	}
	kinds := map[string]Object{}
	for name, kind := range shape {
		kinds[name] = kind.(Object)
	}
	return p.with(Union(f.By, kinds), f)
}
