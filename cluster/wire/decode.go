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
	// params is where the members of the packet's params go, nil for packets without any.
	params() *rawjson.Fields
}

// Decode reads a packet of a version into target, in one pass. Raw fields of target share data, which
// must not be changed. It fails for what is not a JSON object, names no sender that could be answered,
// or speaks another version; the sender is filled in where it is known.
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

// text is the value of a JSON string, and of a number or a boolean its JSON: nodes in other languages and
// brokers with an id generator of their own write ids so. It is "" for anything else, and shares value's bytes.
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

// truthy says whether JavaScript, which Node's brokers ask, takes a value for true.
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

// The following give nil for null and for a value that does not fit: "absent" must not read as zero,
// which for a timeout means none.

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

// integer is the value of a JSON number, or of a string that holds one, without its fraction. It is 0 for
// anything else.
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

// raw keeps a value as it is, null as nothing.
func raw(value []byte) json.RawMessage {
	if value[0] == 'n' {
		return nil
	}
	return value
}

// lenient decodes a structured value. Of one that does not fit, the parts that do are kept. Names count as they
// are written, as in Node. The result shares value's bytes.
func lenient[T any](value []byte) T {
	var v T
	_ = rawjson.UnmarshalParts(value, &v)
	return v
}

// fits decodes a structured value, nil where it is of another kind altogether.
func fits[T any](value []byte) *T {
	if value[0] != '{' {
		return nil
	}
	v := lenient[T](value)
	return &v
}
