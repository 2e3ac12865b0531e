package action

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

// ParamsOf derives rules from the struct type t that an action's params are decoded into with
// encoding/json. Names are those of the json tags, embedded structs flattened. Go's types say what a
// value must be: numbers that fit, lists with items, nested structs with members, a time.Time as an
// RFC 3339 string, anything for any, json.RawMessage and types with an UnmarshalJSON of their own, a
// string for types with an UnmarshalText. Maps are objects that may hold anything.
//
// A field is required unless it is a pointer or its rules say otherwise. Rules stand in a params tag
// in fastest-validator's shorthand, such as `params:"integer|max:100|default:20|convert"`:
//
//	optional, default:V       may be absent or null, and is V then
//	secret                    faults don't repeat the value
//	min:N, max:N, length:N    of a string, in UTF-16 units as in Node, or of a list; min and max of a number too
//	empty:false, empty:true   of a string, e-mail address, URL or list
//	trim                      white space goes before the other rules look
//	email, url, uuid          what a string must be
//	enum:a,b                  what a string or number must be one of
//	integer, positive         of a number
//	convert                   "20" to 20, "true" to true, one value to a list of one, as query strings need
//	pattern:RE                stands last and may hold |; a regular expression that Go and JavaScript read alike
//	items:R                   stands last; the rules of a list's items
//
// The error joins all that is wrong with t, each with its struct and field.
func ParamsOf(t reflect.Type) (Params, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("params are decoded into a struct, not into %v", t)
	}
	var d deriver
	f := draft{goType: t}
	d.shape(&f, nil, "params")
	if f.Type != Object {
		d.fault(t.String(), "params are decoded field by field, but this type sees to that itself")
	}
	if len(d.faults) > 0 {
		return nil, errors.Join(d.faults...)
	}
	return f.rule.Props, nil
}

// deriver collects what is wrong with a struct type.
type deriver struct {
	faults []error
	open   []reflect.Type // the structs being read, each inside the one before
}

func (d *deriver) fault(at, format string, args ...any) {
	d.faults = append(d.faults, fmt.Errorf("%s: %w", at, fmt.Errorf(format, args...)))
}

// place is how faults call a struct: by its name, or by where it stands if it has none.
func place(at string, t reflect.Type) string {
	if t.Name() != "" {
		return t.String()
	}
	return at
}

// fields adds the rules of a struct's fields to params.
func (d *deriver) fields(params *Params, t reflect.Type, at string) {
	if slices.Contains(d.open, t) {
		d.fault(at, "%v holds itself", t)
		return
	}
	d.open = append(d.open, t)
	defer func() { d.open = d.open[:len(d.open)-1] }()
	for i := range t.NumField() {
		d.field(params, t.Field(i), at)
	}
}

func (d *deriver) field(params *Params, f reflect.StructField, at string) {
	tag := f.Tag.Get("json")
	if tag == "-" {
		return
	}
	at += "." + f.Name
	name, options, _ := strings.Cut(tag, ",")
	if f.Anonymous && name == "" && indirect(f.Type).Kind() == reflect.Struct {
		d.embedded(params, f, at)
		return
	}
	if !f.IsExported() {
		return
	}
	if name == "" {
		name = f.Name
	}
	switch {
	case strings.ContainsAny(name, "\"'\\`") || strings.HasPrefix(name, "$$"):
		d.fault(at, "the name %q means something else to encoding/json or to Node's validator", name)
	case slices.Contains(strings.Split(options, ","), "string"):
		d.fault(at, "a number in a string is written with the rule convert")
	case slices.ContainsFunc(*params, func(p Param) bool { return p.Name == name }):
		d.fault(at, "the name %q stands twice", name)
	}
	param := d.param(f.Type, f.Tag.Get("params"), at)
	param.Name = name
	*params = append(*params, param)
}

func (d *deriver) embedded(params *Params, f reflect.StructField, at string) {
	if f.Tag.Get("params") != "" {
		d.fault(at, "an embedded struct has no rules of its own")
	}
	if f.Type.Kind() == reflect.Pointer && !f.IsExported() {
		d.fault(at, "encoding/json cannot set an embedded pointer to an unexported struct")
	}
	t := indirect(f.Type)
	d.fields(params, t, place(at, t))
}

// param gives the rule of a Go type and a params tag.
func (d *deriver) param(t reflect.Type, tag, at string) Param {
	parts := splitTag(tag)
	f := draft{Param: Param{Optional: t.Kind() == reflect.Pointer}, goType: indirect(t)}
	d.shape(&f, parts, at)
	if f.Type == "" {
		d.fault(at, "no rule is known for %v", t)
		return f.Param
	}
	f.quoted = f.Type == String
	for _, err := range f.apply(parts) {
		d.fault(at, "%w", err)
	}
	return f.param()
}

func indirect(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// shape gives f what its Go type says. The type stays empty if that is unsupported.
func (d *deriver) shape(f *draft, tag []tagRule, at string) {
	t := f.goType
	switch {
	case t == reflect.TypeFor[time.Time]():
		f.Type, f.rule.Convert = typeDate, true // Node asks for a Date, which JSON has only by conversion
		return
	case t == reflect.TypeFor[json.Number]():
		f.Type = Number
		return
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		f.Type = Any
		return
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		f.Type = String
		return
	}
	switch t.Kind() {
	case reflect.String:
		f.Type = String
	case reflect.Bool:
		f.Type = Bool
	case reflect.Interface:
		if t.NumMethod() == 0 {
			f.Type = Any
		}
	case reflect.Struct:
		f.Type, f.rule.Props = Object, Params{}
		d.fields(&f.rule.Props, t, place(at, t))
		f.Secret = f.rule.Props.secret()
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			f.Type = Object
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return // encoding/json takes base64 alone for it; [Bytes] takes what Node sends, too
		}
		items := d.param(t.Elem(), itemRules(tag), at+"[]")
		f.Type, f.Secret = typeArray, items.Secret
		if items.Type != Any {
			f.rule.Items = &items
		}
	default:
		f.number()
	}
}

// number gives f the rules of a number kind: what does not fit cannot be decoded.
func (f *draft) number() {
	bits := func() float64 { return float64(f.goType.Bits()) }
	switch f.goType.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		f.Type, f.rule.Integer = Number, true
		if bits() == 64 {
			f.rule.wide = reflect.Int64
			return
		}
		f.rule.Min, f.rule.Max = new(-math.Exp2(bits()-1)), new(math.Exp2(bits()-1)-1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		f.Type, f.rule.Integer, f.rule.Min = Number, true, new(0.0)
		if bits() == 64 {
			f.rule.wide = reflect.Uint64
			return
		}
		f.rule.Max = new(math.Exp2(bits()) - 1)
	case reflect.Float32:
		f.Type, f.rule.Min, f.rule.Max = Number, new(-math.MaxFloat32), new(math.MaxFloat32)
	case reflect.Float64:
		f.Type = Number
	}
}
