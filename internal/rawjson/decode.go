package rawjson

import (
	"encoding/json"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// asV1 has values read as encoding/json reads them.
var asV1 = jsonv2.JoinOptions(
	jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), jsonv1.MergeWithLegacySemantics(true),
	jsonv2.MatchCaseInsensitiveNames(true), jsonv1.MatchCaseSensitiveDelimiter(true),
)

// Decode reads a value as encoding/json does, in some half of the time. Where something in it has an unexpected type
// it is read a second time, by encoding/json: that is left out then, all else is read, and the error says so.
func Decode[T any](data []byte) (*T, error) {
	v := new(T)
	if jsonv2.Unmarshal(data, v, asV1) == nil {
		return v, nil
	}
	v = new(T) // of which nothing has been read
	err := json.Unmarshal(data, v)
	return v, err
}
