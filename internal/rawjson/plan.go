package rawjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// plan says how values of a type are read. Each type has one plan.
type plan struct {
	null bool // read is called for null, too; for other plans null changes nothing
	read func(d *decoder, i int, v reflect.Value) int
}

var plans sync.Map // of *plan by reflect.Type

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	b := builder{}
	b.plan(t)
	// Other goroutines may have stored equal plans in the meantime. Any of them will do.
	for t, p := range b {
		plans.Store(t, p)
	}
	return b[t]
}

// builder holds the unfinished plans. It is needed because a type may contain itself.
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
		p.null, p.read = t.Implements(partType), b.reader(t) // a pointer to a part is set for null, too
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
	folded map[string]bool // the fields' names in lower case, because encoding/json ignores case
	lower  bool            // all names of fields are in lower case
}

type field struct {
	name  string
	plan  *plan
	index []int
	bit   uint64 // marks the field as seen
}

const (
	slots     = 64 // large enough that names rarely share a slot
	maxFields = 64 // one bit of a uint64 for each
)

func slot(length int, first, last byte) int {
	return (length*7 + int(first) + int(last)*5) % slots
}

// field returns the field with this name, or nil.
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
		if c >= 0x80 { // some letters beyond ASCII fold to ASCII letters
			return true
		}
		upper = upper || 'A' <= c && c <= 'Z'
	}
	return (upper || !o.lower) && o.folded[strings.ToLower(string(name))]
}

// add adds the fields of the struct t, which is embedded at the index at. It returns false if only encoding/json can
// read the struct.
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
