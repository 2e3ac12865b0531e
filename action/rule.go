package action

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

// Types of parameters that only [ParamsOf] makes.
const (
	typeArray Type = "array"
	typeDate  Type = "date"
	typeEnum  Type = "enum"
	typeEmail Type = "email"
	typeURL   Type = "url"
	typeUUID  Type = "uuid"
)

// rule holds the rules of a parameter besides its type, with fastest-validator's names.
type rule struct {
	Min      *float64          `json:"min,omitempty"` // of a number or a length, as Max; Length is of a length only
	Max      *float64          `json:"max,omitempty"`
	Length   *float64          `json:"length,omitempty"`
	Empty    *bool             `json:"empty,omitempty"`
	Pattern  string            `json:"pattern,omitempty"`
	Values   []json.RawMessage `json:"values,omitempty"` // the values of an enum: strings or numbers
	Integer  bool              `json:"integer,omitempty"`
	Positive bool              `json:"positive,omitempty"`
	Trim     bool              `json:"trim,omitempty"`
	Convert  bool              `json:"convert,omitempty"`
	Default  json.RawMessage   `json:"default,omitempty"`
	Items    *Param            `json:"items,omitempty"` // nil: any items
	Props    Params            `json:"props,omitempty"` // nil: any members

	regexp *regexp.Regexp // Pattern, compiled
	// wide is Int64 or Uint64 for a Go type whose limits JavaScript's numbers cannot express exactly.
	wide reflect.Kind
}

// checker checks the params of one call and collects the faults. Its methods return the value to decode, and whether it
// differs from the value that came. Raw values are valid JSON without white space around it.
type checker struct {
	req    *Request
	faults []Fault
}

// members checks the members of an object. It returns them, and whether any of them changed.
func (c *checker) members(rules Params, at string, raw json.RawMessage) (fields Fields, changed bool, err error) {
	if fields, err = c.req.fieldsOf(raw); err != nil {
		return nil, false, err
	}
	for i := range rules {
		p := &rules[i]
		path := p.Name
		if at != "" {
			path = join(at, p.Name)
		}
		value, differs := c.value(p, path, fields.Get(p.Name))
		if !differs {
			continue
		}
		if !changed { // the request keeps the original members
			fields, changed = slices.Clone(fields), true
		}
		fields.Set(p.Name, value)
	}
	return fields, changed, nil
}

var identifier = regexp.MustCompile(`^[_$a-zA-Z][_$a-zA-Z0-9]*$`)

// join returns the path of a member of the object at a path, as JavaScript writes it.
func join(at, name string) string {
	if identifier.MatchString(name) {
		return at + "." + name
	}
	return at + "['" + name + "']"
}

// object checks an object as members does, and encodes it again if it changed. It drops members that only differ from a
// parameter in the case of their name: encoding/json would decode them, but nothing has checked their values.
func (c *checker) object(rules Params, at string, raw json.RawMessage) (json.RawMessage, bool, error) {
	list, changed, err := c.members(rules, at, raw)
	if err != nil {
		return raw, false, err
	}
	fields := make(map[string]json.RawMessage, len(list))
	for _, f := range list {
		if rules.mistaken(f.Name) {
			continue
		}
		fields[f.Name] = f.Value
	}
	if changed || len(fields) < len(list) { // names were mistaken or repeated
		return sorted(fields), true, nil
	}
	return raw, false, nil
}

// mistaken reports whether name is not the name of a parameter, but differs from one only in case.
func (p Params) mistaken(name string) bool {
	mistaken := false
	for i := range p {
		if p[i].Name == name {
			return false
		}
		mistaken = mistaken || strings.EqualFold(p[i].Name, name)
	}
	return mistaken
}

// value checks one value. raw is empty if the value is absent.
func (c *checker) value(p *Param, at string, raw json.RawMessage) (json.RawMessage, bool) {
	if missing(raw) {
		switch {
		case p.rule != nil && p.rule.Default != nil:
			return p.rule.Default, true
		case !p.Optional:
			c.fault(p, at, "required", nil, raw)
		}
		return raw, false
	}
	r := p.rule
	if r == nil {
		if typeOf(raw) == p.Type && (!p.finite || isFinite(raw)) || p.Buffer && rawjson.IsBuffer(raw) {
			return raw, false
		}
		r = &rule{}
	}
	switch p.Type {
	case Any:
		return raw, false
	case String:
		return c.text(p, r, at, raw)
	case typeEmail, typeURL, typeUUID:
		c.format(p, r, at, raw)
		return raw, false
	case typeDate:
		var t time.Time // takes only RFC 3339; JavaScript takes more
		if t.UnmarshalJSON(raw) != nil {
			c.fault(p, at, "date", nil, raw)
		}
		return raw, false
	case typeEnum:
		return c.enum(p, r, at, raw)
	case Number:
		return c.number(p, r, at, raw)
	case Bool:
		return c.boolean(p, r, at, raw)
	case typeArray:
		return c.array(p, r, at, raw)
	case Object: // checked below
	}
	if raw[0] == '{' && r.Props != nil {
		whole, changed, err := c.object(r.Props, at, raw)
		if err == nil { // never fails: raw is a part of valid params
			return whole, changed
		}
	}
	if typeOf(raw) != p.Type {
		c.fault(p, at, string(p.Type), nil, raw)
	}
	return raw, false
}

// missing reports whether a value is absent or null.
func missing(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// typeOf returns the type of a value that is not missing.
func typeOf(raw json.RawMessage) Type {
	switch raw[0] {
	case '"':
		return String
	case '{':
		return Object
	case 't', 'f':
		return Bool
	case '[':
		return typeArray
	default:
		return Number
	}
}

func (c *checker) array(p *Param, r *rule, at string, raw json.RawMessage) (json.RawMessage, bool) {
	var items []json.RawMessage
	changed := false
	switch {
	case raw[0] == '[':
		if err := json.Unmarshal(raw, &items); err != nil {
			c.fault(p, at, "array", nil, raw)
			return raw, false
		}
	case r.Convert:
		items, changed = []json.RawMessage{raw}, true
	default:
		c.fault(p, at, "array", nil, raw)
		return raw, false
	}
	if len(items) == 0 && r.Empty != nil && !*r.Empty {
		c.fault(p, at, "arrayEmpty", nil, raw)
	}
	c.size(p, r, at, len(items))
	if r.Items != nil {
		for i, item := range items {
			path := at
			if !missing(item) { // a missing item is reported with the path of its array
				path += "[" + strconv.Itoa(i) + "]"
			}
			value, differs := c.value(r.Items, path, item)
			if differs {
				items[i], changed = value, true
			}
		}
	}
	if !changed {
		return raw, false
	}
	out := []byte{'['}
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, item...)
	}
	return append(out, ']'), true
}
