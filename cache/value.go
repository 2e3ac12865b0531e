package cache

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"

	"github.com/go-json-experiment/json/jsontext"
)

// value is a JSON value with the properties that it has in JavaScript.
type value struct {
	kind    kind
	text    string   // of a string, or of a scalar as JavaScript writes it
	members []member // of an object in the order of JavaScript, or of an array, without names
}

type member struct {
	name  string
	value value
}

type kind uint8

const (
	undefinedKind kind = iota // there is no value
	nullKind
	scalarKind // a boolean or a number
	stringKind
	arrayKind
	objectKind
)

// parse parses JSON. Empty data is undefined. Data that is not JSON becomes a string, so that different calls still
// have different keys.
func parse(raw []byte) *value {
	if len(raw) == 0 {
		return &value{}
	}
	v, err := decode(raw, false)
	if errors.Is(err, jsontext.ErrDuplicateName) {
		v, err = decode(raw, true)
	}
	if err != nil {
		return &value{kind: stringKind, text: strings.ToValidUTF8(string(raw), "\uFFFD")}
	}
	return &v
}

var decoders = sync.Pool{New: func() any { return jsontext.NewDecoder(bytes.NewReader(nil)) }}

// parser parses one text. Unless repeats is set, it refuses objects with a repeated name.
type parser struct {
	*jsontext.Decoder
	repeats bool
}

func decode(raw []byte, repeats bool) (value, error) {
	p := parser{decoders.Get().(*jsontext.Decoder), repeats}
	defer decoders.Put(p.Decoder)
	p.Reset(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(repeats), jsontext.AllowInvalidUTF8(true))
	v, err := p.value()
	if err != nil {
		return value{}, err
	}
	if _, err := p.ReadToken(); !errors.Is(err, io.EOF) {
		return value{}, errors.New("something follows the value")
	}
	return v, nil
}

func (p parser) value() (value, error) {
	token, err := p.ReadToken()
	if err != nil {
		return value{}, err
	}
	switch token.Kind() {
	case jsontext.KindString:
		return value{kind: stringKind, text: token.String()}, nil
	case jsontext.KindNumber:
		return value{kind: scalarKind, text: number(token.String())}, nil
	case jsontext.KindTrue, jsontext.KindFalse:
		return value{kind: scalarKind, text: token.String()}, nil
	case jsontext.KindBeginArray:
		return p.array()
	case jsontext.KindBeginObject:
		return p.object()
	default:
		return value{kind: nullKind}, nil
	}
}

func (p parser) array() (value, error) {
	array := value{kind: arrayKind}
	for p.PeekKind() != jsontext.KindEndArray {
		v, err := p.value()
		if err != nil {
			return value{}, err
		}
		array.members = append(array.members, member{value: v})
	}
	_, err := p.ReadToken()
	return array, err
}

func (p parser) object() (value, error) {
	object := value{kind: objectKind}
	for p.PeekKind() != jsontext.KindEndObject {
		name, err := p.ReadToken()
		if err != nil {
			return value{}, err
		}
		m := member{name: name.String()} // the token is valid only until the next one
		if m.value, err = p.value(); err != nil {
			return value{}, err
		}
		object.members = append(object.members, m)
	}
	if p.repeats {
		object.members = lastOfEach(object.members)
	}
	sortIndexes(object.members)
	_, err := p.ReadToken()
	return object, err
}

// lastOfEach keeps the last value of a repeated name, at the position of the first one.
func lastOfEach(members []member) []member {
	at := make(map[string]int, len(members))
	unique := members[:0]
	for _, m := range members {
		if i, repeated := at[m.name]; repeated {
			unique[i].value = m.value
			continue
		}
		at[m.name] = len(unique)
		unique = append(unique, m)
	}
	return unique
}

// sortIndexes moves names that are array indexes to the front, ordered by number, as JavaScript does.
func sortIndexes(members []member) {
	if slices.ContainsFunc(members, func(m member) bool { return arrayIndex(m.name) != noIndex }) {
		slices.SortStableFunc(members, func(a, b member) int { return cmp.Compare(arrayIndex(a.name), arrayIndex(b.name)) })
	}
}

// noIndex is greater than every array index, which are at most 2^32-2.
const noIndex = math.MaxUint32

func arrayIndex(name string) uint32 {
	if name == "" || name[0] < '0' || name[0] > '9' || len(name) > 1 && name[0] == '0' {
		return noIndex
	}
	n, err := strconv.ParseUint(name, 10, 32)
	if err != nil {
		return noIndex
	}
	return uint32(n)
}

// number returns a JSON number as JavaScript writes it.
func number(raw string) string {
	const exact = 15 // digits that a float64 always holds
	if len(raw) <= exact && !strings.ContainsAny(raw, ".eE") && raw != "-0" {
		return raw
	}
	f, _ := strconv.ParseFloat(raw, 64) // too large numbers are infinite, in Go as in JavaScript
	switch abs := math.Abs(f); {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0:
		return "0"
	case abs < 1e-6 || abs >= 1e21:
		return strings.Replace(strconv.FormatFloat(f, 'e', -1, 64), "e-0", "e-", 1)
	default:
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
}

// property returns v[name] of JavaScript, without properties of prototypes.
func (v *value) property(name string) *value {
	switch v.kind {
	case objectKind:
		for i := range v.members {
			if v.members[i].name == name {
				return &v.members[i].value
			}
		}
	case arrayKind:
		if name == "length" {
			return &value{kind: scalarKind, text: strconv.Itoa(len(v.members))}
		}
		if i := arrayIndex(name); int64(i) < int64(len(v.members)) {
			return &v.members[i].value
		}
	case stringKind:
		if name == "length" {
			return &value{kind: scalarKind, text: strconv.Itoa(utf16Length(v.text))}
		}
		if i := arrayIndex(name); int64(i) < int64(len(v.text)) {
			if units := utf16.Encode([]rune(v.text)); int(i) < len(units) {
				return &value{kind: stringKind, text: string(utf16.Decode(units[i : i+1]))}
			}
		}
	}
	return &value{}
}
