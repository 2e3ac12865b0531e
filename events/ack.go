package events

import (
	"bytes"
	"encoding/json"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// statusHeader with the value noResponders means that nobody listens to a subject.
const (
	statusHeader = "Status"
	noResponders = "503"
)

// readAnswer reads the answer to an event: an ack, or the reason why there is none.
func readAnswer(m *nats.Msg) (duplicate bool, err error) {
	if len(m.Data) == 0 && m.Header.Get(statusHeader) == noResponders {
		return false, jetstream.ErrNoStreamResponse
	}
	return parseAck(m.Data)
}

// parseAck reads a stream's ack. It reads the form that nats-server writes without a JSON decoder, which is faster.
func parseAck(data []byte) (duplicate bool, err error) {
	if duplicate, ok := usualAck(data); ok {
		return duplicate, nil
	}
	var ack struct {
		Stream    string              `json:"stream"`
		Sequence  uint64              `json:"seq"`
		Duplicate bool                `json:"duplicate"`
		Error     *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(data, &ack); {
	case err != nil:
		return false, jetstream.ErrInvalidJSAck
	case ack.Error != nil:
		return false, ack.Error
	case ack.Stream == "":
		return false, jetstream.ErrInvalidJSAck
	}
	return ack.Duplicate, nil
}

// usualAck reads {"stream":"S","seq":1}, with an optional "domain" before the number or "duplicate" after it. For any
// other text it returns ok = false.
func usualAck(data []byte) (duplicate, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"stream":"`))
	if !ok {
		return false, false
	}
	if rest, ok = plainText(rest); !ok {
		return false, false
	}
	if domain, has := bytes.CutPrefix(rest, []byte(`,"domain":"`)); has {
		if rest, ok = plainText(domain); !ok {
			return false, false
		}
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(`,"seq":`)); !ok {
		return false, false
	}
	digits := 0
	for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' {
		digits++
	}
	if digits == 0 || digits > 19 || rest[0] == '0' { // 19 digits always fit into 64 bits
		return false, false
	}
	switch string(rest[digits:]) {
	case `}`:
		return false, true
	case `,"duplicate": true}`:
		return true, true
	default:
		return false, false
	}
}

// plainText cuts off the rest of a JSON string that is not empty and has no escapes.
func plainText(data []byte) (rest []byte, ok bool) {
	for i, c := range data {
		switch {
		case c == '"':
			return data[i+1:], i > 0
		case c < ' ' || c == '\\' || c >= 0x80:
			return nil, false
		}
	}
	return nil, false
}
