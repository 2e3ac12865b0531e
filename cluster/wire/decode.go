package wire

import (
	"encoding/json"
	"fmt"
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
		return fmt.Errorf("%w: no usable sender", ErrMalformed)
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

// The following give nil for null and for a value that does not fit: "absent" must not read as zero,
// which for a timeout means none.

func textPtr(value []byte) *string {
	if value[0] != '"' {
		return nil
	}
	s := rawjson.View(value)
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

// integer is the value of a whole JSON number, 0 for anything else.
func integer(value []byte) int64 {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// raw keeps a value as it is, null as nothing.
func raw(value []byte) json.RawMessage {
	if value[0] == 'n' {
		return nil
	}
	return value
}

// lenient decodes a structured value. Of one that does not fit, the parts that do are kept.
func lenient[T any](value []byte) T {
	var v T
	_ = json.Unmarshal(value, &v)
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
