package rawjson

import (
	"encoding/json"
	"reflect"
	"strconv"
)

// The functions in this file read the value at i into v, as decoder.read does.

func (o *object) read(d *decoder, i int, v reflect.Value) int {
	if d.data[i] != '{' {
		return d.leaveOut(i)
	}
	if d.depth == maxDepth {
		return ^i
	}
	d.depth++
	var seen uint64
	end := visit(d.data, i, func(name []byte, i int) int {
		f := o.field(name)
		if f == nil {
			if d.exact && o.hides(name) {
				return ^i
			}
			return scan(d.data, i, d.depth)
		}
		target := v.FieldByIndex(f.index)
		if seen&f.bit != 0 {
			if d.exact { // encoding/json merges some repeated values
				return ^i
			}
			target.SetZero()
		}
		seen |= f.bit
		return d.read(f.plan, i, target)
	})
	d.depth--
	return end
}

func listReader(elem *plan) func(*decoder, int, reflect.Value) int {
	return func(d *decoder, i int, v reflect.Value) int {
		if d.data[i] != '[' {
			return d.leaveOut(i)
		}
		if d.depth == maxDepth {
			return ^i
		}
		d.depth++
		end := d.list(elem, skipSpace(d.data, i+1), v)
		d.depth--
		return end
	}
}

// firstCap is the capacity that a list begins with. Most lists have no more items.
const firstCap = 4

// list reads a list into v. i is the position behind the opening bracket and white space.
func (d *decoder) list(elem *plan, i int, v reflect.Value) int {
	if i < len(d.data) && d.data[i] == ']' {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		return i + 1
	}
	for n := 0; ; n++ {
		if n == v.Cap() {
			v.Grow(firstCap)
		}
		v.SetLen(n + 1)
		if i = d.read(elem, i, v.Index(n)); i < 0 {
			return i
		}
		if i = skipSpace(d.data, i); i >= len(d.data) {
			return ^i
		}
		switch d.data[i] {
		case ']':
			return i + 1
		case ',':
			i = skipSpace(d.data, i+1)
		default:
			return ^i
		}
	}
}

func pointerReader(elem *plan) func(*decoder, int, reflect.Value) int {
	return func(d *decoder, i int, v reflect.Value) int {
		target := reflect.New(v.Type().Elem())
		v.Set(target)
		return d.read(elem, i, target.Elem())
	}
}

func partReader(first *plan) func(*decoder, int, reflect.Value) int {
	return func(d *decoder, i int, v reflect.Value) int {
		outer := d.odd
		d.odd = nil
		end := d.read(first, i, v.Field(0))
		if end >= 0 {
			v.Addr().Interface().(Part).SetSpan(i, end, d.odd != nil)
		}
		d.odd = outer
		return end
	}
}

func readString(d *decoder, i int, v reflect.Value) int {
	if d.data[i] != '"' {
		return d.leaveOut(i)
	}
	end, plain := scanPlain(d.data, i+1)
	switch {
	case plain:
		v.SetString(UnsafeString(d.data[i+1 : end-1]))
	case end >= 0:
		v.SetString(StringNoCopy(d.data[i:end]))
	}
	return end
}

func readBool(d *decoder, i int, v reflect.Value) int {
	if d.data[i] != 't' && d.data[i] != 'f' {
		return d.leaveOut(i)
	}
	v.SetBool(d.data[i] == 't')
	return scanScalar(d.data, i)
}

func readInt(d *decoder, i int, v reflect.Value) int {
	text, end := d.number(i)
	if end < 0 {
		return end
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v.OverflowInt(n) {
		return d.leaveOut(i)
	}
	v.SetInt(n)
	return end
}

func readFloat(d *decoder, i int, v reflect.Value) int {
	text, end := d.number(i)
	if end < 0 {
		return end
	}
	n, err := strconv.ParseFloat(text, v.Type().Bits())
	if err != nil || v.OverflowFloat(n) {
		return d.leaveOut(i)
	}
	v.SetFloat(n)
	return end
}

// number returns the text of the number at i and the position behind it. For any other value, text is "" and end is i.
func (d *decoder) number(i int) (text string, end int) {
	if d.data[i] != '-' && (d.data[i] < '0' || '9' < d.data[i]) {
		return "", i
	}
	if end = scanNumber(d.data, i); end < 0 {
		return "", end
	}
	return UnsafeString(d.data[i:end]), end
}

func readRaw(d *decoder, i int, v reflect.Value) int {
	end := scan(d.data, i, d.depth)
	if end >= 0 {
		v.SetBytes(d.data[i:end:end])
	}
	return end
}

// readByItself reads values that implement json.Unmarshaler.
func readByItself(d *decoder, i int, v reflect.Value) int {
	return d.whole(i, v, v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON)
}

// readByStandard reads rare types with encoding/json.
func readByStandard(d *decoder, i int, v reflect.Value) int {
	return d.whole(i, v, func(value []byte) error { return json.Unmarshal(value, v.Addr().Interface()) })
}

// whole reads a value with a function that gets all bytes of it.
func (d *decoder) whole(i int, v reflect.Value, read func([]byte) error) int {
	end := scan(d.data, i, d.depth)
	if end < 0 {
		return end
	}
	if read(d.data[i:end:end]) != nil {
		v.SetZero()
		return d.leaveOut(i)
	}
	return end
}
