// Package rawjson takes JSON apart without decoding it: the hot paths look at a few members of an
// object and hand the rest on as it came. It takes what encoding/json takes: RFC 8259 with repeated
// names and with any bytes in strings, UTF-8 or not.
package rawjson

import (
	"errors"
	"fmt"
)

// Valid says what encoding/json.Valid says, several times faster.
func Valid(data []byte) bool {
	end := scan(data, skipSpace(data, 0), 0)
	return end >= 0 && skipSpace(data, end) == len(data)
}

// Members visits the members of a JSON object in their order, repeated names included, and checks all
// of it in the same pass. value is a part of data, and so mostly is name, which has no escapes left:
// data must not change while they are in use. It fails for what is not one JSON object and nothing
// else; some members may have been visited by then.
func Members(data []byte, member func(name, value []byte)) error {
	return MembersAndFields(data, "", nil, member)
}

// MembersAndFields is [Members] that also takes the object apart, in the same pass, that is the member of a name. There
// are no fields where that is something else, and none of what is small, which is soon read again.
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

// First gives the value of the first member of a name, nil where an object has none or data is none. What stands behind
// it is not looked at.
func First(data []byte, name string) (value []byte) {
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != '{' {
		return nil
	}
	visit(data, i, func(member []byte, i int) int {
		end := scan(data, i, 1)
		if end >= 0 && string(member) == name {
			value = data[i:end:end]
			return ^end // which ends the visit
		}
		return end
	})
	return value
}

// visit checks the object at i and has a function read the values of its members, which are given by name and
// beginning. Like that function, it gives the position behind, or a complement.
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

// nameOf returns a quoted name without its quotes and escapes.
func nameOf(quoted []byte) []byte {
	if name := inside(quoted); isPlain(name) {
		return name[:len(name):len(name)]
	}
	return AppendText(nil, quoted)
}

// fault returns the error for a negative position. It shows nothing of the data, which may be secret.
func fault(at int) error { return fmt.Errorf("not valid JSON at byte %d", ^at) }
