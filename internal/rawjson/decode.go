package rawjson

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// Unmarshal decodes data into the value that target points to, which must be zero. It gives the result of encoding/json
// in a quarter of the time. If a value has an unexpected type, or a type that only encoding/json can decode,
// encoding/json decodes data once more: it leaves out values of an unexpected type, decodes the rest and returns an
// error. Strings and raw values share the bytes of data, which must not change.
func Unmarshal(data []byte, target any) error {
	d := decoder{data: data, exact: true}
	if d.decode(target) == nil {
		return nil
	}
	reflect.ValueOf(target).Elem().SetZero() // drop what was decoded so far
	return json.Unmarshal(data, target)
}

// UnmarshalParts decodes data into the value that target points to, which must be zero. Values of an unexpected type
// are left out. If such a value belongs to a [Part], the part is marked; otherwise UnmarshalParts decodes the rest and
// returns an error. If data is not valid JSON, UnmarshalParts returns an error, and target must not be used. Names of
// members are case-sensitive. If a name is repeated, the last value counts. Strings and raw values share the bytes of
// data, which must not change.
func UnmarshalParts(data []byte, target any) error {
	d := decoder{data: data}
	return d.decode(target)
}

// Part is a struct that is decoded as its first field. A value of an unexpected type marks only the innermost part
// around it as malformed. A pointer to a part is nil only if there is no value; null is a value.
type Part interface {
	// SetSpan is told the position of the value, data[start:end], and whether something in it was left out.
	SetSpan(start, end int, malformed bool)
}

// decoder reads one document.
type decoder struct {
	data  []byte
	exact bool  // stop where encoding/json would give another result
	depth int   // number of objects and lists around the current value
	odd   error // the first value that was left out of the current part; nil if none was
}

func (d *decoder) decode(target any) error {
	v := reflect.ValueOf(target).Elem()
	end := d.read(planOf(v.Type()), skipSpace(d.data, 0), v)
	if end < 0 {
		return fault(end)
	}
	if end = skipSpace(d.data, end); end < len(d.data) {
		return fault(^end)
	}
	return d.odd
}

// read decodes the value at i into v, which is zero. Like scan, it returns the position behind the value, or the
// complement of a position to stop.
func (d *decoder) read(p *plan, i int, v reflect.Value) int {
	if i >= len(d.data) {
		return ^i
	}
	if d.data[i] == 'n' && !p.null {
		return scanScalar(d.data, i)
	}
	return p.read(d, i, v)
}

// leaveOut skips a value of an unexpected type.
func (d *decoder) leaveOut(i int) int {
	if d.exact {
		return ^i
	}
	if d.odd == nil {
		d.odd = fmt.Errorf("the value at byte %d has an unexpected type", i)
	}
	return scan(d.data, i, d.depth)
}
