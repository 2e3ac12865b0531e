package wire

import (
	"bytes"
	"encoding/json"
)

// Encode writes a packet. HTML characters stay as they are, as in Node's JSON.
func Encode(p any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

// Answer is a RES to be sent. RawID, Meta, Data and Error are JSON. With an Error it is a failure. RawID is the
// request's id as it came. Without RawID, ID is written; without both, the packet has no id.
type Answer struct {
	Header
	ID                       string
	RawID, Meta, Data, Error []byte
}

// Encode encodes the packet. It appends the parts as they are, because they are JSON already.
func (a *Answer) Encode() []byte {
	b := make([]byte, 0, len(a.Meta)+len(a.Data)+len(a.Error)+len(a.ID)+len(a.RawID)+len(a.Sender)+112)
	b = append(b, '{')
	switch {
	case a.RawID != nil:
		b = append(append(append(b, `"id":`...), a.RawID...), ',')
	case a.ID != "":
		b = append(appendString(append(b, `"id":`...), a.ID), ',')
	}
	b = append(append(b, `"meta":`...), orElse(a.Meta, "{}")...)
	if a.Ver == V5 {
		b = append(b, `,"headers":{}`...)
	}
	if a.Error == nil {
		b = append(append(b, `,"success":true,"data":`...), orElse(a.Data, "null")...)
	} else {
		b = append(append(b, `,"success":false,"data":null,"error":`...), a.Error...)
	}
	b = append(append(append(b, `,"ver":"`...), a.Ver...), `","sender":`...)
	return append(appendString(b, a.Sender), '}')
}

func orElse(data []byte, absent string) []byte {
	if len(data) == 0 {
		return []byte(absent)
	}
	return data
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			encoded, err := json.Marshal(s)
			if err != nil { // no string fails to encode
				return append(b, `""`...)
			}
			return append(b, encoded...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
