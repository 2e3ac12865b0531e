package rawjson

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// Unmarshal reads a value into what target points to, which must be zero, as encoding/json does, in a quarter of the time.
// Where something in it has an unexpected type, or is read by encoding/json alone, it is read a second time, by that: what
// is of an unexpected type is left out then, all else is read, and the error says so. Strings and raw values share data,
// which must not change.
func Unmarshal(data []byte, target any) error {
	d := decoder{data: data, exact: true}
	if d.decode(target) == nil {
		return nil
	}
	reflect.ValueOf(target).Elem().SetZero() // of which nothing has been read
	return json.Unmarshal(data, target)
}

// UnmarshalParts reads a value whose parts are good or bad by themselves, see [Part], into what target points to, which must be
// zero. The error is for what is not valid JSON, of which nothing may be used, or for something of an unexpected type that
// belongs to no part: that is left out and all else is read. Names count as they are written, and of repeated ones the last.
// Strings and raw values share data, which must not change.
func UnmarshalParts(data []byte, target any) error {
	d := decoder{data: data}
	return d.decode(target)
}

// Part is a struct that is read as its first field is. What has an unexpected type makes only the smallest part odd
// that it stands in. A pointer to a part is never nil where there is a value, be it null.
type Part interface {
	// Placed is told where in the data the value stands, and whether something of it was left out.
	Placed(start, end int, odd bool)
}

// decoder reads one document.
type decoder struct {
	data  []byte
	exact bool  // stop where encoding/json would read something else
	depth int   // objects and lists round what is read
	odd   error // says what was left out of the part that is read, nil for nothing
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

// read reads the value at i into v, which is zero. As with scan, it gives the position behind it or, to stop, a complement.
func (d *decoder) read(p *plan, i int, v reflect.Value) int {
	if i >= len(d.data) {
		return ^i
	}
	if d.data[i] == 'n' && !p.null {
		return scanScalar(d.data, i)
	}
	return p.read(d, i, v)
}

// leaveOut passes by a value of an unexpected type.
func (d *decoder) leaveOut(i int) int {
	if d.exact {
		return ^i
	}
	if d.odd == nil {
		d.odd = fmt.Errorf("the value at byte %d has an unexpected type", i)
	}
	return scan(d.data, i, d.depth)
}
