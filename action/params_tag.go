package action

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// draft is the rule of a struct's field while it is put together.
type draft struct {
	Param
	rule   rule
	goType reflect.Type // without pointers
	quoted bool         // whether its values are JSON strings
}

// param is the finished rule.
func (f *draft) param() Param {
	p := f.Param
	p.finite = p.Type == Number
	if !reflect.ValueOf(f.rule).IsZero() {
		p.rule = &f.rule
	}
	return p
}

// tagRule is one part of a params tag.
type tagRule struct {
	name, arg string
	hasArg    bool
}

// splitTag takes a tag apart as fastest-validator does, but leaves the rest of it to a pattern or to items.
func splitTag(tag string) []tagRule {
	var list []tagRule
	for tag != "" {
		part, rest, _ := strings.Cut(tag, "|")
		r := tagRule{}
		r.name, r.arg, r.hasArg = strings.Cut(part, ":")
		if r.name = strings.TrimSpace(r.name); r.name == "pattern" || r.name == "items" {
			_, r.arg, r.hasArg = strings.Cut(tag, ":")
			rest = ""
		} else {
			r.arg = strings.TrimSpace(r.arg)
		}
		list, tag = append(list, r), rest
	}
	return list
}

// itemRules is the tag of a list's items.
func itemRules(tag []tagRule) string {
	if n := len(tag); n > 0 && tag[n-1].name == "items" {
		return tag[n-1].arg
	}
	return ""
}

// fits says for every rule which types may have it; all if none are named.
var fits = map[string][]Type{
	"optional": nil,
	"secret":   nil,
	"default":  {String, Number, Bool, typeEnum, typeEmail, typeURL, typeUUID},
	"email":    {String},
	"url":      {String},
	"uuid":     {String},
	"enum":     {String, Number},
	"min":      {String, Number, typeEmail, typeArray},
	"max":      {String, Number, typeEmail, typeArray},
	"length":   {String, typeArray},
	"empty":    {String, typeEmail, typeURL, typeArray},
	"trim":     {String},
	"pattern":  {String},
	"integer":  {Number},
	"positive": {Number},
	"convert":  {Number, Bool, typeDate, typeArray},
	"items":    {typeArray},
}

// turns are the rules in the order in which they are set: first those that make another type of a
// string, last those that need the finished rule. The others come in between.
var turns = map[string]int{"email": -1, "url": -1, "uuid": -1, "enum": -1, "default": 1, "secret": 1}

// apply sets the rules of a tag and returns what is wrong with them.
func (f *draft) apply(tag []tagRule) []error {
	tag = slices.Clone(tag)
	slices.SortStableFunc(tag, func(a, b tagRule) int { return turns[a.name] - turns[b.name] })
	var faults []error
	seen := map[string]bool{}
	for _, r := range tag {
		types, known := fits[r.name]
		var err error
		switch {
		case !known:
			err = errors.New("unknown rule")
		case seen[r.name]:
			err = errors.New("stands twice")
		case types != nil && !slices.Contains(types, f.Type):
			err = fmt.Errorf("does not fit the type %s", f.Type)
		default:
			err = f.set(r)
		}
		seen[r.name] = true
		if err != nil {
			faults = append(faults, fmt.Errorf("rule %q: %w", r.name, err))
		}
	}
	return faults
}

// set sets one rule that is known and fits.
func (f *draft) set(r tagRule) (err error) {
	switch r.name {
	case "min":
		return f.bound(&f.rule.Min, r.arg, func(old, given float64) bool { return given > old })
	case "max":
		return f.bound(&f.rule.Max, r.arg, func(old, given float64) bool { return given < old })
	case "length":
		return f.bound(&f.rule.Length, r.arg, nil)
	case "empty":
		if r.arg != "true" && r.arg != "false" {
			return fmt.Errorf("%q is neither true nor false", r.arg)
		}
		f.rule.Empty = new(r.arg == "true")
		return nil
	case "pattern":
		f.rule.Pattern = r.arg
		f.rule.regexp, err = common(r.arg)
		return err
	case "enum":
		return f.enum(r.arg)
	case "default":
		return f.byDefault(r.arg)
	case "items":
		return nil // see itemRules
	}
	if r.hasArg {
		return fmt.Errorf("takes no value, but has %q", r.arg)
	}
	switch r.name {
	case "optional":
		f.Optional = true
	case "secret":
		p := f.param()
		hide(&p)
		f.Secret = true
	case "email", "url", "uuid":
		f.Type = Type(r.name)
	case "integer":
		f.rule.Integer = true
	case "positive":
		f.rule.Positive = true
	case "trim":
		f.rule.Trim = true
	case "convert":
		f.rule.Convert = true
	}
	return nil
}

// bound sets a bound, unless that of the Go type is the closer one.
func (f *draft) bound(bound **float64, arg string, closer func(old, given float64) bool) error {
	n, err := strconv.ParseFloat(arg, 64)
	if err != nil || !json.Valid([]byte(arg)) {
		return fmt.Errorf("%q is no number", arg)
	}
	if _, err := strconv.ParseUint(arg, 10, 32); err != nil && f.Type != Number {
		return fmt.Errorf("%q is no length", arg)
	}
	if *bound == nil || closer(**bound, n) {
		*bound = &n
	}
	return nil
}

// foreign finds escapes, and groups and classes opened, that JavaScript reads in another way than Go.
var foreign = regexp.MustCompile(`^(\\[aApPzQC]|\\x\{|\(\?[^:]|\[\[:)`)

// common compiles a regular expression that means the same in JavaScript.
func common(pattern string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	if pattern == "" {
		return nil, errors.New("is empty")
	}
	for i := 0; i < len(pattern); i++ {
		if found := foreign.FindString(pattern[i:]); found != "" {
			return nil, fmt.Errorf("JavaScript does not know %s", found)
		}
		if pattern[i] == '\\' {
			i++
		}
	}
	return re, nil
}

func (f *draft) enum(arg string) error {
	if arg == "" {
		return errors.New("names no values")
	}
	for part := range strings.SplitSeq(arg, ",") {
		value, err := f.literal(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		f.rule.Values = append(f.rule.Values, value)
	}
	f.Type = typeEnum
	// An enum has no rules of its type: its values meet them.
	f.rule = rule{Values: f.rule.Values}
	return nil
}

// literal is a value of f's type as JSON.
func (f *draft) literal(text string) (json.RawMessage, error) {
	value := json.RawMessage(text)
	if f.quoted {
		if strings.ContainsAny(text, "\"\\\n\r") {
			return nil, fmt.Errorf("%q holds what Node's validator cannot quote", text)
		}
		var err error
		if value, err = json.Marshal(text); err != nil {
			return nil, err
		}
	}
	if err := json.Unmarshal(value, reflect.New(f.goType).Interface()); err != nil || missing(value) {
		return nil, fmt.Errorf("%q is no %v", text, f.goType)
	}
	return value, nil
}

// byDefault sets a default, which must itself meet the rules.
func (f *draft) byDefault(arg string) error {
	value, err := f.literal(arg)
	if err != nil {
		return err
	}
	c := checker{req: &Request{}}
	p := f.param()
	p.Name = "default"
	c.value(&p, p.Name, value)
	if len(c.faults) > 0 {
		return errors.New(c.faults[0].Message)
	}
	f.rule.Default = value
	return nil
}

// hide makes a rule and all inside it secret.
func hide(p *Param) {
	p.Secret = true
	if p.rule == nil {
		return
	}
	if p.rule.Items != nil {
		hide(p.rule.Items)
	}
	for i := range p.rule.Props {
		hide(&p.rule.Props[i])
	}
}
