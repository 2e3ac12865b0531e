package action

import (
	"encoding/json"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

// decimal matches the strings that the rule convert takes as numbers. JavaScript takes "" and "0x10", too.
var decimal = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// number checks a number. With the rule convert, it takes a decimal string, too.
func (c *checker) number(p *Param, r *rule, at string, raw json.RawMessage) (json.RawMessage, bool) {
	text, actual := string(raw), raw
	switch {
	case typeOf(raw) == Number:
	case raw[0] == '"' && r.Convert:
		text = strings.TrimFunc(rawjson.Text(raw), isSpace)
		if decimal.MatchString(text) {
			break
		}
		fallthrough
	default:
		c.fault(p, at, "number", nil, raw)
		return raw, false
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil { // too large
		if raw[0] != '"' {
			actual = json.RawMessage("null") // JavaScript encodes Infinity as null
		}
		c.fault(p, at, "number", nil, actual)
		return raw, false
	}
	before := len(c.faults)
	if r.Min != nil && v < *r.Min {
		c.fault(p, at, "numberMin", *r.Min, raw)
	}
	if r.Max != nil && v > *r.Max {
		c.fault(p, at, "numberMax", *r.Max, raw)
	}
	if r.Integer && v != math.Trunc(v) {
		c.fault(p, at, "numberInteger", nil, raw)
	}
	if r.Positive && v <= 0 {
		c.fault(p, at, "numberPositive", nil, raw)
	}
	if len(c.faults) > before || typeOf(raw) == Number && !r.Integer {
		return raw, false
	}
	text = numeral(text, v, r.Integer)
	c.limits(p, r, at, text, raw)
	return json.RawMessage(text), text != string(raw)
}

// plain matches the integers that Go decodes into an integer type.
var plain = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// numeral returns a number as JSON that Go can decode: an integer is never 1.0 or 1e3. It keeps text if possible,
// because the float v holds fewer digits than an int64.
func numeral(text string, v float64, integer bool) string {
	switch {
	case plain.MatchString(text) || !integer && json.Valid([]byte(text)):
		return text
	case v == 0:
		return "0" // not -0, which Go does not decode into a uint64
	case integer:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
}

// limits checks that an integer fits into the Go type of the parameter.
func (c *checker) limits(p *Param, r *rule, at, integer string, raw json.RawMessage) {
	var err error
	var limit any
	switch r.wide {
	case reflect.Int64:
		_, err = strconv.ParseInt(integer, 10, 64)
		limit = int64(math.MaxInt64)
	case reflect.Uint64:
		_, err = strconv.ParseUint(integer, 10, 64)
		limit = uint64(math.MaxUint64)
	}
	switch {
	case err == nil:
	case integer[0] == '-':
		c.fault(p, at, "numberMin", int64(math.MinInt64), raw)
	default:
		c.fault(p, at, "numberMax", limit, raw)
	}
}

// boolean checks a boolean. With the rule convert, it takes fastest-validator's strings and numbers, too.
func (c *checker) boolean(p *Param, r *rule, at string, raw json.RawMessage) (json.RawMessage, bool) {
	if typeOf(raw) == Bool {
		return raw, false
	}
	if r.Convert {
		switch s := rawjson.Text(raw); {
		case s == "true" || s == "1" || s == "on" || equal(raw, json.RawMessage("1")):
			return json.RawMessage("true"), true
		case s == "false" || s == "0" || s == "off" || equal(raw, json.RawMessage("0")):
			return json.RawMessage("false"), true
		}
	}
	c.fault(p, at, "boolean", nil, raw)
	return raw, false
}

// isFinite reports whether a float64 can hold the number.
func isFinite(raw json.RawMessage) bool {
	_, err := strconv.ParseFloat(string(raw), 64)
	return err == nil
}
