// Package payload reads what platforms send as JSON, several times faster than encoding/json and in one pass: into
// structs with [Unmarshal], into structs whose parts are good or bad by themselves with [UnmarshalParts], or member by
// member with [Members] and [First]. It takes what encoding/json takes: RFC 8259 with repeated names and with any bytes
// in strings, UTF-8 or not.
//
// Its functions keep no state and are safe for concurrent use. What they give shares the bytes that it was read from:
// these must not change as long as it is used.
package payload

import "github.com/hiliosai/switchboard/internal/rawjson"

// Unmarshal reads data into what target points to, which must be zero, as encoding/json does. A value of an unexpected
// type is left out, all else is read, and the error says so.
func Unmarshal(data []byte, target any) error { return rawjson.Unmarshal(data, target) }

// UnmarshalParts reads data whose parts are good or bad by themselves, see [Part], into what target points to, which
// must be zero. The error is for what is not valid JSON, of which nothing may be used, or for a value of an unexpected
// type that belongs to no part: that is left out and all else is read. Names count as they are written, and of repeated
// ones the last.
func UnmarshalParts(data []byte, target any) error { return rawjson.UnmarshalParts(data, target) }

// Part is a struct that [UnmarshalParts] reads as its first field is, such as one message of a webhook. A value of an
// unexpected type marks only the innermost part around it as malformed. A pointer to a part is never nil where there is
// a value, be it null.
type Part interface {
	// SetSpan is called with the place of the value in the data, data[start:end], and with whether something of it was
	// left out.
	SetSpan(start, end int, malformed bool)
}

// Members visits the members of a JSON object in their order, repeated names included, and checks all of it in the same
// pass. value is a part of data, and so mostly is name, which has no escapes left. It fails for what is not one JSON
// object and nothing else; some members may have been visited by then.
func Members(data []byte, member func(name, value []byte)) error {
	return rawjson.Members(data, member)
}

// First gives the value of the first member of a name, nil where the object has none or data is no object. It does not
// look at what stands behind it.
func First(data []byte, name string) []byte { return rawjson.First(data, name) }

// Text is the value of a JSON string, "" for any other JSON value. It replaces invalid UTF-8, byte for byte, as
// encoding/json does. The result shares nothing with value.
func Text(value []byte) string { return rawjson.Text(value) }

// AppendText appends the [Text] of a JSON value to dst.
func AppendText(dst, value []byte) []byte { return rawjson.AppendText(dst, value) }
