package integration

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/internal/redact"
)

// MaskRaw returns a payload that may be published: a placeholder replaces the values of the named members, at any
// depth, unless they are null or objects. The case of names does not matter. Nothing else changes; a payload without
// such members is returned unchanged. Use it for payloads that hold secrets, such as a token that proves the sender, or
// a link by which anybody may answer.
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
	done    int // how many bytes of raw are in out
}

// value copies the next value. named says that it belongs to a named member.
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

// start returns where the next value begins.
func (m *masker) start() int {
	at := int(m.decoder.InputOffset())
	return at + len(m.raw[at:]) - len(bytes.TrimLeft(m.raw[at:], " \t\r\n:,"))
}

func (m *masker) isNamed(name string) bool {
	return slices.ContainsFunc(m.names, func(n string) bool { return strings.EqualFold(n, name) })
}
