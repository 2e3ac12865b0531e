package events

import (
	"bytes"
	"encoding/json"
	"regexp"
	"unicode/utf8"

	"github.com/hiliosai/switchboard/internal/redact"
)

// secretKey is what values are called that nobody needs to see, whoever published them: this node does not know
// the secrets of others.
var secretKey = regexp.MustCompile(`(?i)token|reply[-_]?context|secret|passw|authorization|cookie|credential|api[-_]?key|private[-_]?key|signature`)

// shown is JSON as it is shown; what is none is shown as text.
func (d *Desk) shown(data []byte) any {
	if len(data) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // ids do not fit into a float64
	var value any
	if decoder.Decode(&value) != nil || decoder.More() {
		if !utf8.Valid(data) {
			return data // in base64
		}
		return d.Secrets.Redact(string(data))
	}
	return d.masked("", value)
}

func (d *Desk) asText(data []byte) any {
	switch v := d.shown(data).(type) {
	case string, nil:
		return v
	default:
		text, err := json.Marshal(v)
		if err != nil {
			return redact.Placeholder
		}
		return string(text)
	}
}

// masked is a value without secrets, be they known or called so.
func (d *Desk) masked(key string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		for k := range v {
			v[k] = d.masked(k, v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = d.masked(key, v[i])
		}
		return v
	case string:
		if v != "" && secretKey.MatchString(key) {
			return redact.Placeholder
		}
		return d.Secrets.Redact(v)
	case json.Number:
		if secretKey.MatchString(key) {
			return redact.Placeholder
		}
	}
	return value
}
