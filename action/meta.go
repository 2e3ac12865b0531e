package action

import (
	"bytes"
	"encoding/json"
	"maps"
)

// Meta is a call's ctx.meta: what the caller sent, kept as raw JSON until somebody looks, and what
// the handler added. All of it goes back with the answer and is merged into the caller's meta.
// The zero value is an empty meta. Not safe for concurrent use.
type Meta struct {
	raw    json.RawMessage
	fields map[string]json.RawMessage // decoded from raw on first use
	added  map[string]any
}

// NewMeta wraps a JSON object; anything else counts as empty.
func NewMeta(raw json.RawMessage) Meta {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '{' {
		return Meta{}
	}
	return Meta{raw: raw}
}

// Get decodes the value of a key into target and says whether it was there and fitted.
func (m *Meta) Get(key string, target any) bool {
	if v, ok := m.added[key]; ok {
		data, err := json.Marshal(v)
		return err == nil && json.Unmarshal(data, target) == nil
	}
	if m.fields == nil && m.raw != nil {
		if json.Unmarshal(m.raw, &m.fields) != nil {
			m.raw, m.fields = nil, nil
		}
	}
	v, ok := m.fields[key]
	return ok && json.Unmarshal(v, target) == nil
}

// String returns the string under a key, or "".
func (m *Meta) String(key string) string {
	var s string
	if !m.Get(key, &s) {
		return ""
	}
	return s
}

// Set adds a value. moleculer-web reads some keys of it: $statusCode, $responseType,
// $responseHeaders, $location.
func (m *Meta) Set(key string, value any) {
	if m.added == nil {
		m.added = make(map[string]any)
	}
	m.added[key] = value
}

// MarshalJSON gives the caller's meta with the additions merged in, {} when there is none.
func (m Meta) MarshalJSON() ([]byte, error) {
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
