package rawjson

import (
	"encoding/json"
	"slices"
)

// Field is a member of an object. It shares the bytes that it was read from. It is an alias of an unnamed type, so that
// other packages can declare the same type without an import.
type Field = struct {
	Name  string
	Value json.RawMessage
}

// Fields are the members of an object in their order. Repeated names are included. Fields is a list and not a map
// because most objects are small and only a few members are read. Reading is safe for concurrent use.
type Fields []Field

// usualFields is the number of members that most objects do not exceed.
const usualFields = 8

// FieldsOf returns the members of an object. It shares the bytes of data, and fails as [Members] does.
func FieldsOf(data []byte) (Fields, error) {
	fields := make(Fields, 0, usualFields)
	err := Members(data, fields.add)
	return fields, err
}

func (f *Fields) add(name, value []byte) { *f = append(*f, Field{UnsafeString(name), value}) }

// minKept is the size in bytes from which the fields of a nested object are kept. A smaller object is quickly read
// again.
const minKept = 512

// read checks the value at i, which is a member of an object. It keeps the fields if the value is an object of at least
// minKept bytes with at most usualFields members. It returns the position behind the value, as scan does.
func (f *Fields) read(data []byte, i int) int {
	*f = nil
	if i >= len(data) || data[i] != '{' {
		return scan(data, i, 1)
	}
	var found [usualFields]Field // stays on the stack
	n := 0
	end := visit(data, i, func(name []byte, i int) int {
		end := scan(data, i, 2)
		if end >= 0 && n < len(found) {
			found[n] = Field{UnsafeString(name), data[i:end:end]}
		}
		n++
		return end
	})
	if end-i >= minKept && n <= len(found) {
		*f = slices.Clone(found[:n])
	}
	return end
}

// Get returns a member's value, or nil if there is no such member. If a name is repeated, the last value counts.
func (f Fields) Get(name string) json.RawMessage {
	if i := f.index(name); i >= 0 {
		return f[i].Value
	}
	return nil
}

// Set changes the value that [Fields.Get] returns for name, or adds a member.
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
