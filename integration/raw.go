package integration

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/internal/redact"
)

// MaskRaw returns a payload as it may be published: the values of the named members, at any depth, are replaced by a
// placeholder, unless they are null or objects. Names are compared in any case. Nothing else changes, and a payload
// without such members is returned as it is. It is for payloads that hold secrets, such as a token that proves who sent
// them, or a link by which everybody may answer.
func MaskRaw(raw json.RawMessage, names ...string) json.RawMessage {
	m := &masker{raw: raw, names: names, decoder: json.NewDecoder(bytes.NewReader(raw))}
	m.decoder.UseNumber()
	if err := m.value(false); err != nil || m.done == 0 {
		return raw
	}
	return append(m.out, raw[m.done:]...)
}

type masker struct {
	raw     json.RawMessage
	names   []string
	decoder *json.Decoder
	out     []byte
	done    int // how much of raw is in out
}

// value reads the next value, which is that of a named member or not.
func (m *masker) value(named bool) error {
	out, done := len(m.out), m.done
	start := m.start()
	token, err := m.decoder.Token()
	if err != nil {
		return err
	}
	switch token {
	case nil:
		return nil
	case json.Delim('{'):
		named = false
		for m.decoder.More() {
			name, err := m.decoder.Token()
			if err != nil {
				return err
			}
			text, _ := name.(string)
			if err := m.value(m.isNamed(text)); err != nil {
				return err
			}
		}
		_, err = m.decoder.Token()
	case json.Delim('['):
		for m.decoder.More() {
			if err := m.value(false); err != nil {
				return err
			}
		}
		_, err = m.decoder.Token()
	}
	if named {
		m.out = append(append(m.out[:out], m.raw[done:start]...), `"`+redact.Placeholder+`"`...)
		m.done = int(m.decoder.InputOffset())
	}
	return err
}

// start is where the next value begins.
func (m *masker) start() int {
	at := int(m.decoder.InputOffset())
	return at + len(m.raw[at:]) - len(bytes.TrimLeft(m.raw[at:], " \t\r\n:,"))
}

func (m *masker) isNamed(name string) bool {
	return slices.ContainsFunc(m.names, func(n string) bool { return strings.EqualFold(n, name) })
}
