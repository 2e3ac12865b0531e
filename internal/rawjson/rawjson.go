// Package rawjson takes JSON apart without decoding it: the hot paths look at a few members of an
// object and hand the rest on as it came.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// Members visits the members of a JSON object in their order, repeated names included, and checks all
// of it in the same pass. value is a part of data, which must not change while it is in use. It fails
// for what is not one JSON object and nothing else; some members may have been visited by then.
func Members(data []byte, visit func(name string, value []byte)) error {
	dec := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(dec)
	dec.Reset(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if kind := dec.PeekKind(); kind != jsontext.KindBeginObject {
		return fmt.Errorf("not an object but %v", kind)
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		quoted, err := dec.ReadValue()
		if err != nil {
			return err
		}
		name := Text(quoted)
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		// The decoder's own slice is good until its next step only.
		end := dec.InputOffset()
		visit(name, data[end-int64(len(value)):end:end])
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

var decoders = sync.Pool{New: func() any { return jsontext.NewDecoder(bytes.NewReader(nil)) }}

// Text is the value of a JSON string, "" for any other JSON value. Invalid UTF-8 in it is replaced.
func Text(value []byte) string {
	if value[0] != '"' {
		return ""
	}
	inner := value[1 : len(value)-1]
	for _, c := range inner {
		if c == '\\' || c >= 0x80 {
			var s string
			_ = json.Unmarshal(value, &s) // replaces invalid UTF-8 and fails for nothing else
			return s
		}
	}
	return string(inner)
}
