package integration

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

// Headers are the headers of a webhook. The case of names does not matter. A list is used because only one or two of a
// dozen are read. The zero value has no headers. A copy can be changed independently. Reading is safe for concurrent
// use.
type Headers struct{ list []header }

type header struct{ name, value string }

// NewHeaders makes headers from a map of names to values.
func NewHeaders(values map[string]string) Headers {
	var h Headers
	for _, name := range slices.Sorted(maps.Keys(values)) {
		h.Set(name, values[name])
	}
	return h
}

// Get returns a header's value, "" if there is none.
func (h *Headers) Get(name string) string {
	if i := h.index(name); i >= 0 {
		return h.list[i].value
	}
	return ""
}

// Set sets a header's value.
func (h *Headers) Set(name, value string) {
	h.list = slices.Clone(h.list)
	if i := h.index(name); i >= 0 {
		h.list[i].value = value
		return
	}
	h.list = append(h.list, header{name, value})
}

// Del removes a header.
func (h *Headers) Del(name string) {
	h.list = slices.DeleteFunc(slices.Clone(h.list), func(e header) bool { return strings.EqualFold(e.name, name) })
}

// Map returns the values by lower-case name.
func (h *Headers) Map() map[string]string {
	values := make(map[string]string, len(h.list))
	for _, e := range h.list {
		lower := strings.ToLower(e.name)
		values[lower] = h.Get(lower)
	}
	return values
}

// index finds a header. If names differ in case only, the one in lower case counts; if they are the same, the last.
func (h *Headers) index(name string) int {
	found, lower := -1, false
	for i := range h.list {
		if e := &h.list[i]; len(e.name) == len(name) && strings.EqualFold(e.name, name) {
			if is := e.name == strings.ToLower(e.name); is || !lower {
				found, lower = i, is
			}
		}
	}
	return found
}

// readHeaders reads an object of strings, numbers and lists. Node makes lists of repeated headers; they are joined. The
// headers share raw's bytes.
func readHeaders(raw json.RawMessage) (Headers, error) {
	h := Headers{make([]header, 0, 12)} // nearly all webhooks have fewer
	var fault error
	err := rawjson.Members(raw, func(name, value []byte) {
		text, err := readHeader(value)
		h.list = append(h.list, header{rawjson.UnsafeString(name), text})
		fault = cmp.Or(fault, err)
	})
	return h, errors.Join(err, fault)
}

// readHeader reads the value of a header: a string, a number, or a list of these.
func readHeader(value []byte) (string, error) {
	switch value[0] {
	case '"':
		return rawjson.StringNoCopy(value), nil
	case '[':
		var list []ID // decodes both, and keeps a number's digits
		err := json.Unmarshal(value, &list)
		parts := make([]string, len(list))
		for i, part := range list {
			parts[i] = string(part)
		}
		return strings.Join(parts, ", "), err
	default:
		var id ID
		err := json.Unmarshal(value, &id)
		return string(id), err
	}
}
