package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

// Packet is any of this package's packets that can be decoded.
type Packet interface {
	From() string
	head() *Header
	// field takes a member of the packet's object. value is valid JSON, a part of the packet's bytes.
	field(key, value []byte)
	// params returns where to put the members of the packet's params, nil for packets without params.
	params() *rawjson.Fields
}

// Decode decodes a packet of a protocol version into target, in one pass. Raw fields of target share data, which must
// not change. It fails if data is not a JSON object, if the sender cannot be part of a subject, or if the version
// differs. It sets the sender, if there is one, even when it fails.
func Decode(version Version, data []byte, target Packet) error {
	if err := rawjson.MembersAndFields(data, "params", target.params(), target.field); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch h := target.head(); {
	case !isNodeID(h.Sender):
		return fmt.Errorf("%w: %.100q", ErrSender, h.Sender)
	case h.Ver != version:
		return fmt.Errorf("%w: %q sends %q, this node speaks %q", ErrVersion, h.Sender, h.Ver, version)
	}
	return nil
}

func (*Header) params() *rawjson.Fields { return nil }

func (h *Header) field(key, value []byte) {
	switch string(key) {
	case "ver":
		h.Ver = Version(rawjson.Text(value))
	case "sender":
		h.Sender = rawjson.Text(value)
	}
}

// text returns the value of a JSON string, or the JSON of a number or a boolean, because some nodes write ids so. It
// returns "" for anything else. The result shares value's bytes.
func text(value []byte) string {
	switch value[0] {
	case '"':
		return rawjson.StringNoCopy(value)
	case 'n', '{', '[':
		return ""
	default:
		return rawjson.UnsafeString(value)
	}
}

// truthy says whether a value is true in JavaScript.
func truthy(value []byte) bool {
	switch value[0] {
	case 't', '{', '[':
		return true
	case '"':
		return len(value) > len(`""`)
	case 'f', 'n':
		return false
	default:
		f, err := strconv.ParseFloat(string(value), 64)
		return f != 0 || err != nil // one that is too large
	}
}

// The following functions return nil for null and for values of another type: absent must not become zero, which means
// none for a timeout.

func textPtr(value []byte) *string {
	s := text(value)
	if s == "" && value[0] != '"' {
		return nil
	}
	return &s
}

func boolPtr(value []byte) *bool {
	if value[0] != 't' && value[0] != 'f' {
		return nil
	}
	b := value[0] == 't'
	return &b
}

func floatPtr(value []byte) *float64 {
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		return nil
	}
	return &f
}

func intPtr(value []byte) *int {
	n, err := strconv.Atoi(string(value))
	if err != nil {
		return nil
	}
	return &n
}

// integer returns the value of a JSON number, or of a string with one, without its fraction. It returns 0 for anything
// else.
func integer(value []byte) int64 {
	digits := text(value)
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(digits, 64); err == nil && math.Abs(f) < 1<<53 {
		return int64(f)
	}
	return 0
}

// raw returns the value as it is, or nil for null.
func raw(value []byte) json.RawMessage {
	if value[0] == 'n' {
		return nil
	}
	return value
}

// lenient decodes a structured value. It leaves out members of an unexpected type. Names are case-sensitive, as in
// Node. The result shares value's bytes.
func lenient[T any](value []byte) T {
	var v T
	_ = rawjson.UnmarshalParts(value, &v)
	return v
}

// fits decodes an object. It returns nil for any other value.
func fits[T any](value []byte) *T {
	if value[0] != '{' {
		return nil
	}
	v := lenient[T](value)
	return &v
}
