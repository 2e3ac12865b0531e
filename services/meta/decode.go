package meta

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

var (
	// lenient is what the gateway's own decoder takes, too.
	lenient = jsonv2.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	// tolerant leaves out what is of an unexpected type and reads on.
	tolerant = jsonv2.JoinOptions(lenient, jsonv1.ReportErrorsWithLegacySemantics(true))
)

// Unmarshal reads a webhook in one pass. Where something in it has an unexpected type it is read again: that is
// left out then, and the smallest [Item] that it belongs to says so. The error is for what is outside of all items,
// beside which everything else has been read.
func Unmarshal[T any](payload []byte) (T, error) {
	var strict, rest T
	if err := jsonv2.Unmarshal(payload, &strict, lenient); err == nil {
		return strict, nil
	}
	err := jsonv2.Unmarshal(payload, &rest, tolerant)
	return rest, err
}

// Item is a part of a webhook that is good or bad by itself.
type Item[T any] struct {
	Value T
	Odd   bool // something in it has an unexpected type and was left out

	start, end int64
}

// UnmarshalJSONFrom implements jsonv2.UnmarshalerFrom.
func (i *Item[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	i.start = dec.InputOffset()
	err := jsonv2.UnmarshalDecode(dec, &i.Value)
	i.end = dec.InputOffset()
	if err == nil {
		return nil
	}
	if reads, _ := jsonv2.GetOption(dec.Options(), jsonv1.ReportErrorsWithLegacySemantics); !reads {
		return err // see Unmarshal
	}
	i.Odd = true
	return nil
}

// Items is a list of them. It holds pointers because what is decoded is large, and would be copied whenever the
// list grows; none of them is nil.
type Items[T any] []*Item[T]

// UnmarshalJSONFrom implements jsonv2.UnmarshalerFrom.
func (list *Items[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case jsontext.KindNull:
		return dec.SkipValue()
	case jsontext.KindBeginArray:
	default:
		return errors.New("not a list")
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	*list = make(Items[T], 0, 1) // mostly it has one
	for dec.PeekKind() != jsontext.KindEndArray {
		item := &Item[T]{}
		if err := item.UnmarshalJSONFrom(dec); err != nil {
			return err
		}
		*list = append(*list, item)
	}
	_, err := dec.ReadToken()
	return err
}

// Raw is the item as it stands in the payload that it was read from.
func (i *Item[T]) Raw(payload []byte) json.RawMessage {
	return bytes.TrimLeft(payload[i.start:i.end], " \t\r\n,:") // what a decoder skips before a value
}

// ID is an identifier, which some webhooks have as a number. Its digits are kept.
type ID string

// UnmarshalJSONFrom implements jsonv2.UnmarshalerFrom.
func (id *ID) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch value.Kind() {
	case jsontext.KindString:
		*id = ID(rawjson.Text(value))
	case jsontext.KindNumber:
		*id = ID(value)
	case jsontext.KindNull:
	default:
		return errors.New("neither a string nor a number")
	}
	return nil
}

// Seconds is a time in seconds since 1970, which some webhooks have as a string.
type Seconds int64

// UnmarshalJSONFrom implements jsonv2.UnmarshalerFrom.
func (s *Seconds) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if value.Kind() == jsontext.KindNull {
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
