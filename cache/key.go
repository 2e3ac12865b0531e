package cache

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/hiliosai/switchboard/action"
)

// Dialect is the version of Moleculer whose cachers a cache is compatible with. Node services of both versions share no
// entries, because their keys differ if they have a string in them.
type Dialect int

// The versions 0.14 and 0.15. A stored null is a missing result in 0.14, and a result in 0.15.
const (
	Node014 Dialect = iota
	Node015
)

// Keygen makes the keys of actions' results as Node's cachers with the same options do. As there, calls with the same
// params in another order have different keys.
type Keygen struct {
	Dialect Dialect
	// MaxParamsLength is maxParamsLength of the cachers, in UTF-16 code units: a longer text after the action's name in a
	// key is cut, and a hash takes the rest. A value below 44, the length of a hash, has no effect.
	MaxParamsLength int
}

// Key returns the key for a call's result under a rule. A nil rule takes all params. Rules of 0.15 may name headers by
// a leading @.
func (g Keygen) Key(actionName string, rule *action.CacheRule, req *action.Request) string {
	if rule == nil || rule.Keys == nil {
		params := parse(req.Params)
		if params.kind == undefinedKind && g.Dialect == Node014 {
			params = &value{kind: nullKind}
		}
		return actionName + ":" + g.hashed(g.text(params))
	}
	if len(rule.Keys) == 0 {
		return actionName
	}
	from := sources{dialect: g.Dialect, req: req}
	var text strings.Builder
	for i, path := range rule.Keys {
		if i > 0 {
			text.WriteByte('|')
		}
		v := from.get(path)
		if v.kind == objectKind || v.kind == arrayKind {
			text.WriteString(g.hashed(g.text(v)))
		} else {
			g.write(&text, v)
		}
	}
	return actionName + ":" + g.hashed(text.String())
}

// sources are the values that the paths of a rule refer to. Each is parsed when a path first needs it.
type sources struct {
	dialect               Dialect
	req                   *action.Request
	params, meta, headers *value
}

func (s *sources) get(path string) *value {
	switch {
	case strings.HasPrefix(path, "#"):
		if s.meta == nil {
			raw, err := s.req.Meta.MarshalJSON()
			if err != nil {
				raw = nil
			}
			s.meta = parse(raw)
		}
		return s.meta.get(path[1:])
	case strings.HasPrefix(path, "@") && s.dialect == Node015:
		if s.headers == nil {
			s.headers = parse(s.req.Headers)
		}
		return s.headers.get(path[1:])
	default:
		if s.params == nil {
			s.params = parse(s.req.Params)
		}
		return s.params.get(path)
	}
}

// text returns a value as text of a key.
func (g Keygen) text(v *value) string {
	var b strings.Builder
	g.write(&b, v)
	return b.String()
}

func (g Keygen) write(b *strings.Builder, v *value) {
	switch v.kind {
	case undefinedKind:
		b.WriteString("undefined")
	case nullKind:
		b.WriteString("null")
	case stringKind:
		if g.Dialect == Node015 {
			b.WriteByte('"')
			defer b.WriteByte('"')
		}
		b.WriteString(v.text)
	case scalarKind:
		b.WriteString(v.text)
	case arrayKind:
		b.WriteByte('[')
		for i := range v.members {
			if i > 0 {
				b.WriteByte('|')
			}
			g.write(b, &v.members[i].value)
		}
		b.WriteByte(']')
	case objectKind:
		for i := range v.members {
			if i > 0 {
				b.WriteByte('|')
			}
			b.WriteString(v.members[i].name)
			b.WriteByte('|')
			g.write(b, &v.members[i].value)
		}
	}
}

// hashLength is the length of a SHA-256 hash in base64.
const hashLength = 44

func (g Keygen) hashed(text string) string {
	if g.MaxParamsLength < hashLength || utf16Length(text) <= g.MaxParamsLength {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return utf16Prefix(text, g.MaxParamsLength-hashLength) + base64.StdEncoding.EncodeToString(sum[:])
}

func utf16Length(text string) (n int) {
	for _, r := range text {
		n += utf16.RuneLen(r)
	}
	return n
}

// utf16Prefix returns the first n code units of a text. If they end inside of a character, its half becomes U+FFFD as
// in Node.
func utf16Prefix(text string, n int) string {
	for i, r := range text {
		width := utf16.RuneLen(r)
		switch {
		case n == 0:
			return text[:i]
		case n < width:
			return text[:i] + string(utf8.RuneError)
		}
		n -= width
	}
	return text
}

// maxMemoizeParams bounds the params in the key of a memoized value, in bytes. Longer ones are hashed.
const maxMemoizeParams = 128

// memoizeKey returns the key for a memoized value. Node does not share these values, so the keys do not follow Node's
// rules, under which different params may have the same key.
func memoizeKey(name string, params any) (string, error) {
	if params == nil {
		return name, nil
	}
	text, err := json.Marshal(params)
	if err != nil {
		return "", err
	}
	if len(text) > maxMemoizeParams {
		sum := sha256.Sum256(text)
		return name + ":" + base64.StdEncoding.EncodeToString(sum[:]), nil
	}
	return name + ":" + string(text), nil
}
