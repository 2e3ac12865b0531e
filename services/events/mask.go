package events

import (
	"bytes"
	"encoding/json"
	"regexp"
	"unicode/utf8"

	"github.com/hiliosai/switchboard/internal/redact"
)

// secretKey matches the names of values that are not shown. Other nodes publish events too, and this node does not know
// their secrets.
var secretKey = regexp.MustCompile(
	`(?i)token|reply[-_]?context|secret|passw|authorization|cookie|credential|api[-_]?key|private[-_]?key|signature`,
)

// shown returns JSON data as operators see it. Data that is not JSON is shown as text.
func (a *Admin) shown(data []byte) any {
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
		return a.Secrets.Redact(string(data))
	}
	return a.masked("", value)
}

func (a *Admin) asText(data []byte) any {
	switch v := a.shown(data).(type) {
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

// masked returns a value without known secrets and without the values of secret names.
func (a *Admin) masked(key string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		for k := range v {
			v[k] = a.masked(k, v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = a.masked(key, v[i])
		}
		return v
	case string:
		if v != "" && secretKey.MatchString(key) {
			return redact.Placeholder
		}
		return a.Secrets.Redact(v)
	case json.Number:
		if secretKey.MatchString(key) {
			return redact.Placeholder
		}
	}
	return value
}
