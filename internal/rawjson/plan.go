package rawjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// plan says how values of a type are read. It is made once for each type.
type plan struct {
	null bool // read is for null, too, which for any other plan changes nothing
	read func(d *decoder, i int, v reflect.Value) int
}

var plans sync.Map // of *plan by reflect.Type

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	b := builder{}
	b.plan(t)
	// Others may have made the same in the meantime: either is good.
	for t, p := range b {
		plans.Store(t, p)
	}
	return b[t]
}

// builder holds the plans that are being made, because types may contain themselves.
type builder map[reflect.Type]*plan

var (
	rawType         = reflect.TypeFor[json.RawMessage]()
	numberType      = reflect.TypeFor[json.Number]()
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
	textType        = reflect.TypeFor[encoding.TextUnmarshaler]()
	partType        = reflect.TypeFor[Part]()
)

func (b builder) plan(t reflect.Type) *plan {
	if p := b[t]; p != nil {
		return p
	}
	p := &plan{}
	b[t] = p
	switch pointer := reflect.PointerTo(t); {
	case t == rawType:
		p.null, p.read = true, readRaw
	case pointer.Implements(unmarshalerType):
		p.null, p.read = true, readByItself
	case pointer.Implements(partType):
		p.null, p.read = true, partReader(b.plan(t.Field(0).Type))
	case pointer.Implements(textType) || t == numberType:
		p.null, p.read = true, readByStandard
	default:
		p.null, p.read = t.Implements(partType), b.reader(t) // a pointer to a part is never nil
	}
	return p
}

// reader returns the reader for a type that has no method for decoding.
func (b builder) reader(t reflect.Type) func(*decoder, int, reflect.Value) int {
	switch t.Kind() {
	case reflect.String:
		return readString
	case reflect.Bool:
		return readBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return readInt
	case reflect.Float32, reflect.Float64:
		return readFloat
	case reflect.Pointer:
		return pointerReader(b.plan(t.Elem()))
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return readByStandard // base64
		}
		return listReader(b.plan(t.Elem()))
	case reflect.Struct:
		o := &object{folded: map[string]bool{}, lower: true}
		if b.add(o, t, nil) {
			return o.read
		}
	}
	return readByStandard
}

// object is the plan of a struct.
type object struct {
	fields [slots][]field
	known  int
	folded map[string]bool // the fields' names in lower case, for encoding/json takes them in any
	lower  bool            // they are in lower case themselves
}

type field struct {
	name  string
	plan  *plan
	index []int
	bit   uint64 // of those that have been seen
}

const (
	slots     = 64 // for few names to share one
	maxFields = 64 // have a bit
)

func slot(length int, first, last byte) int {
	return (length*7 + int(first) + int(last)*5) % slots
}

// field returns the field of that name, or nil.
func (o *object) field(name []byte) *field {
	if len(name) == 0 {
		return nil
	}
	in := o.fields[slot(len(name), name[0], name[len(name)-1])]
	for i := range in {
		if in[i].name == string(name) {
			return &in[i]
		}
	}
	return nil
}

// hides says whether encoding/json might match the name to a field although no field has exactly this name.
func (o *object) hides(name []byte) bool {
	upper := false
	for _, c := range name {
		if c >= 0x80 { // some letters fold to ASCII's
			return true
		}
		upper = upper || 'A' <= c && c <= 'Z'
	}
	return (upper || !o.lower) && o.folded[strings.ToLower(string(name))]
}

// add takes the fields of a struct that is embedded at an index. False means that there is something that only
// encoding/json knows how to read.
func (b builder) add(o *object, t reflect.Type, at []int) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		index := append(at[:len(at):len(at)], i)
		switch {
		case f.Anonymous && name == "":
			if f.Type.Kind() != reflect.Struct || reflect.PointerTo(f.Type).Implements(unmarshalerType) ||
				!b.add(o, f.Type, index) {
				return false
			}
			continue
		case f.Tag.Get("json") == "-" || !f.IsExported():
			continue
		case name == "":
			name = f.Name
		}
		if strings.Contains(","+options+",", ",string,") || o.field([]byte(name)) != nil || o.known == maxFields {
			return false
		}
		o.add(name, field{name, b.plan(f.Type), index, 1 << o.known})
	}
	return true
}

func (o *object) add(name string, f field) {
	lower, in := strings.ToLower(name), &o.fields[slot(len(name), name[0], name[len(name)-1])]
	*in = append(*in, f)
	o.known++
	o.folded[lower] = true
	o.lower = o.lower && lower == name
}
