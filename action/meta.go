package action

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"sync"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

// Meta is a call's ctx.meta: what the caller sent, as raw JSON, and what the handler added. All of it goes back with
// the answer and is merged into the caller's meta. The zero value is an empty meta. Copies share their values. Safe for
// concurrent use, except the zero value until its first Set: answers of concurrent calls are merged into the meta.
type Meta struct{ *metaValues }

type metaValues struct {
	mu     sync.Mutex
	raw    json.RawMessage
	fields Fields // of raw, found on first use
	added  map[string]any
}

// NewMeta makes a Meta of a JSON object. Anything else counts as empty.
func NewMeta(raw json.RawMessage) Meta {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '{' {
		raw = nil
	}
	return Meta{&metaValues{raw: raw}}
}

// Get decodes the value of a key into the value that target points to. It returns false if there is no value or one of
// another type. Unlike encoding/json, it compares names case-sensitively. A null leaves target as it is.
func (m *Meta) Get(key string, target any) bool {
	raw := m.Raw(key)
	if raw == nil || string(raw) == "null" {
		return raw != nil
	}
	to := reflect.ValueOf(target).Elem()
	value := reflect.New(to.Type())
	if rawjson.UnmarshalParts(raw, value.Interface()) != nil {
		return false
	}
	to.Set(value.Elem())
	return true
}

// String returns the string under a key, or "".
func (m *Meta) String(key string) string { return rawjson.Text(m.Raw(key)) }

// Raw returns the value of a key as JSON, or nil.
func (m *Meta) Raw(key string) json.RawMessage {
	if m.metaValues == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.added[key]; ok {
		raw, err := json.Marshal(v)
		if err != nil {
			return nil
		}
		return raw
	}
	return m.find(key)
}

// find looks for a key in what the caller sent.
func (m *metaValues) find(key string) json.RawMessage {
	if m.fields == nil && len(m.raw) > len("{}") {
		fields, err := rawjson.FieldsOf(m.raw)
		if m.fields = Fields(fields); err != nil {
			m.raw, m.fields = nil, nil
		}
	}
	return m.fields.Get(key)
}

// Set adds a value. moleculer-web reads some keys of it: $statusCode, $responseType,
// $responseHeaders, $location.
func (m *Meta) Set(key string, value any) {
	if m.metaValues == nil {
		*m = NewMeta(nil)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.added == nil {
		m.added = make(map[string]any)
	}
	m.added[key] = value
}

// With returns a new meta with m's values, overridden by those of a JSON object.
func (m *Meta) With(object json.RawMessage) Meta {
	raw, err := m.MarshalJSON()
	if err != nil {
		raw = nil
	}
	merged := NewMeta(raw)
	merged.Merge(object)
	return merged
}

// Merge sets all values of a JSON object. It ignores anything else.
func (m *Meta) Merge(object json.RawMessage) {
	if object = bytes.TrimSpace(object); len(object) <= len("{}") || object[0] != '{' {
		return
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(object, &fields) != nil {
		return
	}
	for k, v := range fields {
		m.Set(k, v)
	}
}

// MarshalJSON returns the caller's meta with the additions merged in, {} if there is none.
func (m Meta) MarshalJSON() ([]byte, error) {
	if m.metaValues == nil {
		return []byte("{}"), nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case len(m.added) == 0 && m.raw == nil:
		return []byte("{}"), nil
	case len(m.added) == 0:
		return m.raw, nil
	}
	merged := make(map[string]any)
	var fields map[string]json.RawMessage
	if m.raw != nil && json.Unmarshal(m.raw, &fields) == nil {
		for k, v := range fields {
			merged[k] = v
		}
	}
	maps.Copy(merged, m.added)
	return json.Marshal(merged)
}
