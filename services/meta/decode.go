package meta

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/hiliosai/switchboard/integration/payload"
)

// Item is a part of a webhook that may be malformed without the rest. Decode it by payload.UnmarshalParts.
type Item[T any] struct {
	Value     T
	Malformed bool // something in it has an unexpected type and is left out

	start, end int
}

// SetSpan implements payload.Part.
func (i *Item[T]) SetSpan(start, end int, malformed bool) {
	i.start, i.end, i.Malformed = start, end, malformed
}

// Items is a list of items. None of the pointers is nil. They are pointers because items are large, and a growing list
// would copy them.
type Items[T any] []*Item[T]

// Raw returns the item as it is in payload, from which it was decoded.
func (i *Item[T]) Raw(payload []byte) json.RawMessage { return payload[i.start:i.end:i.end] }

// ID is an identifier. A number is kept digit by digit.
type ID string

// UnmarshalJSON implements json.Unmarshaler.
func (id *ID) UnmarshalJSON(value []byte) error {
	switch c := value[0]; {
	case c == '"':
		*id = ID(payload.Text(value))
	case c == '-' || '0' <= c && c <= '9':
		*id = ID(value)
	case c != 'n':
		return errors.New("neither a string nor a number")
	}
	return nil
}

// Seconds is a time in seconds since 1970. In JSON it is a number or a string.
type Seconds int64

// UnmarshalJSON implements json.Unmarshaler.
func (s *Seconds) UnmarshalJSON(value []byte) error {
	if value[0] == 'n' {
		return nil
	}
	n, err := strconv.ParseInt(string(bytes.Trim(value, `"`)), 10, 64)
	if err != nil || n < 0 || n > maxSeconds {
		return errors.New("not a time in seconds")
	}
	*s = Seconds(n)
	return nil
}

// maxSeconds is the end of the year 9999.
const maxSeconds = 253_402_300_799

// Milli returns the time in ms since 1970.
func (s Seconds) Milli() int64 { return int64(s) * 1000 }
