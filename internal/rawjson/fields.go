package rawjson

import (
	"encoding/json"
	"slices"
)

// Field is a member of an object. It shares the bytes that it was read from.
// It has no name, so that other packages may have the type, too.
type Field = struct {
	Name  string
	Value json.RawMessage
}

// Fields are the members of an object, in their order and repeated names included. They are a list because a few of a
// handful are looked at. Reading is safe for concurrent use.
type Fields []Field

// usualFields is the number of members that most objects do not exceed.
const usualFields = 8

// FieldsOf takes an object apart as [Members] does.
func FieldsOf(data []byte) (Fields, error) {
	fields := make(Fields, 0, usualFields)
	err := Members(data, fields.add)
	return fields, err
}

func (f *Fields) add(name, value []byte) { *f = append(*f, Field{UnsafeString(name), value}) }

// worth is the size in bytes from which the fields of an object are kept for later questions.
const worth = 512

// read takes the object at i apart, which is in another one, unless it is soon read again, or unusual.
func (f *Fields) read(data []byte, i int) int {
	*f = nil
	if i >= len(data) || data[i] != '{' {
		return scan(data, i, 1)
	}
	var found [usualFields]Field // on the stack, as long as nothing is appended
	n := 0
	end := visit(data, i, func(name []byte, i int) int {
		end := scan(data, i, 2)
		if end >= 0 && n < len(found) {
			found[n] = Field{UnsafeString(name), data[i:end:end]}
		}
		n++
		return end
	})
	if end-i >= worth && n <= len(found) {
		*f = slices.Clone(found[:n])
	}
	return end
}

// Get gives a member's value, nil where there is none. Of a repeated name the last counts.
func (f Fields) Get(name string) json.RawMessage {
	if i := f.index(name); i >= 0 {
		return f[i].Value
	}
	return nil
}

// Set changes a member's value, or adds one.
func (f *Fields) Set(name string, value json.RawMessage) {
	if i := f.index(name); i >= 0 {
		(*f)[i].Value = value
		return
	}
	*f = append(*f, Field{name, value})
}

func (f Fields) index(name string) int {
	for i := len(f) - 1; i >= 0; i-- {
		if f[i].Name == name {
			return i
		}
	}
	return -1
}
