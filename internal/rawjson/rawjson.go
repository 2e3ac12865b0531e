// Package rawjson reads parts of JSON without decoding all of it. The hot paths read a few members of an object and
// pass the other bytes on unchanged. The package accepts the same JSON as encoding/json: RFC 8259, with repeated names,
// and with any bytes in strings, even if they are not valid UTF-8. Its functions are safe for concurrent use.
package rawjson

import (
	"errors"
	"fmt"
)

// Valid gives the result of encoding/json.Valid, several times faster.
func Valid(data []byte) bool {
	end := scan(data, skipSpace(data, 0), 0)
	return end >= 0 && skipSpace(data, end) == len(data)
}

// Members calls member for each member of a JSON object, in their order and with repeated names, and checks the whole
// document in the same pass. name is unescaped. value shares the bytes of data, and name does if it has no escapes:
// data must not change while they are in use. Members returns an error if data is not exactly one JSON object. It may
// have called member for some members before that.
func Members(data []byte, member func(name, value []byte)) error {
	return MembersAndFields(data, "", nil, member)
}

// MembersAndFields is [Members] that also reads the fields of the member named of, in the same pass. fields may be nil.
// *fields is set to nil if that member is not an object, if it is smaller than 512 bytes, or if it has more than 8
// members: [FieldsOf] reads such a value when it is needed. If there is no such member, *fields is left unchanged.
func MembersAndFields(data []byte, of string, fields *Fields, member func(name, value []byte)) error {
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != '{' {
		return errNoObject
	}
	i = visit(data, i, func(name []byte, i int) (end int) {
		if fields != nil && string(name) == of {
			end = fields.read(data, i)
		} else {
			end = scan(data, i, 1)
		}
		if end >= 0 {
			member(name, data[i:end:end])
		}
		return end
	})
	if i < 0 {
		return fault(i)
	}
	if end := skipSpace(data, i); end < len(data) {
		return fmt.Errorf("something follows the JSON object at byte %d", end)
	}
	return nil
}

// First returns the value of the first member with this name. It returns nil if there is none, or if data is not an
// object. The bytes behind that value are not checked.
func First(data []byte, name string) (value []byte) {
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != '{' {
		return nil
	}
	visit(data, i, func(member []byte, i int) int {
		end := scan(data, i, 1)
		if end >= 0 && string(member) == name {
			value = data[i:end:end]
			return ^end // stops the visit
		}
		return end
	})
	return value
}

// visit checks the object at i and calls value for each member, with its name and the position of its value. value
// returns the position behind the value, or the complement of a position to stop. visit returns the position behind the
// object, or the complement.
func visit(data []byte, i int, value func(name []byte, i int) int) int {
	if i = skipSpace(data, i+1); i < len(data) && data[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(data) || data[i] != '"' {
			return ^i
		}
		end, plain := scanPlain(data, i+1)
		if end < 0 {
			return end
		}
		name := data[i+1 : end-1 : end-1]
		if !plain {
			name = nameOf(data[i:end])
		}
		if i = skipColon(data, end); i < 0 {
			return i
		}
		if i = value(name, i); i < 0 {
			return i
		}
		if i = skipSpace(data, i); i >= len(data) {
			return ^i
		}
		switch data[i] {
		case '}':
			return i + 1
		case ',':
			i = skipSpace(data, i+1)
		default:
			return ^i
		}
	}
}

var errNoObject = errors.New("not a JSON object")

// nameOf returns the text of a quoted name: without quotes, and unescaped.
func nameOf(quoted []byte) []byte {
	if name := inside(quoted); isPlain(name) {
		return name[:len(name):len(name)]
	}
	return AppendText(nil, quoted)
}

// fault returns the error for the complement of a position. It quotes nothing of the data, which may be secret.
func fault(at int) error { return fmt.Errorf("not valid JSON at byte %d", ^at) }
