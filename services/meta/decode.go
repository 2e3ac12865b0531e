package meta

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/hiliosai/switchboard/integration/payload"
)

// Item is a part of a webhook that is good or bad by itself; payload.UnmarshalParts reads it.
type Item[T any] struct {
	Value     T
	Malformed bool // something in it has an unexpected type and was left out

	start, end int
}

// SetSpan implements payload.Part.
func (i *Item[T]) SetSpan(start, end int, malformed bool) {
	i.start, i.end, i.Malformed = start, end, malformed
}

// Items is a list of them. It holds pointers because what is decoded is large, and would be copied whenever the
// list grows; none of them is nil.
type Items[T any] []*Item[T]

// Raw is the item as it stands in the payload that it was read from.
func (i *Item[T]) Raw(payload []byte) json.RawMessage { return payload[i.start:i.end:i.end] }

// ID is an identifier, which some webhooks have as a number. Its digits are kept.
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

// Seconds is a time in seconds since 1970, which some webhooks have as a string.
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

// maxSeconds is beyond all that a clock may say: the year 9999.
const maxSeconds = 253_402_300_799

// Milli is the time in ms since 1970.
func (s Seconds) Milli() int64 { return int64(s) * 1000 }
