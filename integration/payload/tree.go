package payload

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Tree is a JSON object that is read by paths, such as "message.contentProvider.type". It suits platforms whose
// events have many shapes of which little is read. Reading a path that is not there, or that holds another type, gives
// the zero value. Numbers keep their digits.
type Tree map[string]any

// UnmarshalJSON reads an object; null is an empty one.
func (t *Tree) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode((*map[string]any)(t))
}

// At is the value at a path: nil, bool, string, json.Number, []any or map[string]any.
func (t Tree) At(path string) any {
	var v any = map[string]any(t)
	for name := range strings.SplitSeq(path, ".") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// Object is an object; nil is an empty one.
func (t Tree) Object(path string) Tree {
	object, _ := t.At(path).(map[string]any)
	return object
}

// Text is a string, or the digits of a number.
func (t Tree) Text(path string) string {
	switch v := t.At(path).(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

// Int is a whole number.
func (t Tree) Int(path string) int64 {
	number, _ := t.At(path).(json.Number)
	n, err := number.Int64()
	if err != nil {
		return 0
	}
	return n
}

// Float is a number.
func (t Tree) Float(path string) float64 {
	number, _ := t.At(path).(json.Number)
	n, err := number.Float64()
	if err != nil {
		return 0
	}
	return n
}

// Bool is true or false.
func (t Tree) Bool(path string) bool {
	b, _ := t.At(path).(bool)
	return b
}

// Copy puts the members of these names, as far as there are any, into another object, such as a message's metadata.
func (t Tree) Copy(into map[string]any, names ...string) {
	for _, name := range names {
		if t[name] != nil {
			into[name] = t[name]
		}
	}
}

// Texts is the text at a path in each object of a list.
func (t Tree) Texts(list, path string) (texts []string) {
	for _, item := range t.List(list) {
		texts = append(texts, item.Text(path))
	}
	return texts
}

// List is the objects of a list, without its other items.
func (t Tree) List(path string) (list []Tree) {
	items, _ := t.At(path).([]any)
	for _, item := range items {
		if object, ok := item.(map[string]any); ok {
			list = append(list, object)
		}
	}
	return list
}
