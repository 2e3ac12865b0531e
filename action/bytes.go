package action

import (
	"encoding/json"
	"errors"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

// Bytes are bytes in params. In JSON they are base64, or what JSON.stringify makes of a Buffer of Node.js:
// {"type":"Buffer","data":[…]}. They are written as base64.
type Bytes []byte

// UnmarshalJSON implements json.Unmarshaler.
func (b *Bytes) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || data[0] != '{' {
		return json.Unmarshal(data, (*[]byte)(b))
	}
	content, ok := rawjson.Buffer(data)
	if !ok {
		return errors.New("neither base64 nor a Buffer of Node.js")
	}
	*b = content
	return nil
}
