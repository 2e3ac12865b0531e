package redact

import (
	_ "embed"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// index finds the forms of values in a text. Adding and removing a form costs the same however many there are. The zero
// value is empty.
type index struct {
	forms map[string]*form
	// begins tells how long the forms are, longest first, that begin with the same bytes.
	begins map[[window]byte][]length
	filter *[1 << 10]uint64 // a bit for each hash of the first bytes of a form; bits stay
	short  []string         // forms of less than window bytes, longest first
}

// window is how many bytes at the beginning of a form the index goes by.
const window = minLength

// form is how one value is written, or several.
type form struct {
	value *value
	count int // of values
}

// length is how many forms are of one length.
type length struct{ bytes, count int }

func (x *index) add(v *value) {
	if x.forms == nil {
		x.forms, x.begins, x.filter = map[string]*form{}, map[[window]byte][]length{}, new([1 << 10]uint64)
	}
	for _, text := range v.forms {
		if f, ok := x.forms[text]; ok {
			f.count++
			continue
		}
		x.forms[text] = &form{v, 1}
		if len(text) < window {
			x.short = append(x.short, text)
			slices.SortFunc(x.short, func(a, b string) int { return len(b) - len(a) })
			continue
		}
		begin := [window]byte([]byte(text[:window]))
		h := hash(text)
		x.filter[h>>6] |= 1 << (h & 63)
		lengths := x.begins[begin]
		i, known := slices.BinarySearchFunc(lengths, len(text), func(l length, n int) int { return n - l.bytes })
		if known {
			lengths[i].count++
		} else {
			x.begins[begin] = slices.Insert(lengths, i, length{len(text), 1})
		}
	}
}

func (x *index) remove(v *value) {
	for _, text := range v.forms {
		f := x.forms[text]
		if f.count--; f.count > 0 {
			continue
		}
		delete(x.forms, text)
		if len(text) < window {
			x.short = slices.DeleteFunc(x.short, func(s string) bool { return s == text })
			continue
		}
		begin := [window]byte([]byte(text[:window]))
		lengths := x.begins[begin]
		i := slices.IndexFunc(lengths, func(l length) bool { return l.bytes == len(text) })
		if lengths[i].count--; lengths[i].count == 0 {
			lengths = slices.Delete(lengths, i, i+1)
		}
		if x.begins[begin] = lengths; len(lengths) == 0 {
			delete(x.begins, begin)
		}
	}
}

// hash is of the first bytes of a text, 16 bits.
func hash(text string) uint32 {
	return (uint32(text[0]) | uint32(text[1])<<8 | uint32(text[2])<<16 | uint32(text[3])<<24) * 0x9E3779B1 >> 16
}

// match gives the longest form that a text begins with, and its value; "" for none.
func (x *index) match(text string) (string, *value) {
	if len(text) >= window {
		if h := hash(text); x.filter[h>>6]&(1<<(h&63)) != 0 {
			for _, l := range x.begins[[window]byte([]byte(text[:window]))] {
				if l.bytes <= len(text) {
					if f, ok := x.forms[text[:l.bytes]]; ok {
						return text[:l.bytes], f.value
					}
				}
			}
		}
	}
	for _, s := range x.short {
		if strings.HasPrefix(text, s) {
			return s, x.forms[s].value
		}
	}
	return "", nil
}

// replace puts the placeholder in the place of each form, unless its value is left.
func (x *index) replace(text string, leave func(*value) bool) string {
	if len(x.forms) == 0 {
		return text
	}
	var out strings.Builder
	done := 0
	for i := 0; i < len(text); {
		found, v := x.match(text[i:])
		if found == "" || leave != nil && leave(v) {
			i++
			continue
		}
		out.WriteString(text[done:i])
		out.WriteString(Placeholder)
		i += len(found)
		done = i
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// forms are a value as texts hold it: itself, in a URL, in JSON, and as Go quotes it.
func forms(v string) []string {
	list := []string{v, url.QueryEscape(v), url.PathEscape(v), inside(strconv.Quote(v))}
	for _, escapeHTML := range []bool{true, false} {
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(escapeHTML)
		if enc.Encode(v) == nil {
			list = append(list, inside(strings.TrimSpace(b.String())))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// inside takes the quotation marks off a text.
func inside(quoted string) string { return quoted[1 : len(quoted)-1] }

// ordinaryLength is from how many bytes on a number is taken for a secret all the same.
const ordinaryLength = 16

// commonWords are words of six letters and more that the documentation and the texts of the node use, a line each, in
// lower case.
//
//go:embed words.txt
var commonWords string

var isCommon = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.Lines(commonWords) {
		words[strings.TrimSpace(word)] = true
	}
	return words
})

// isOrdinary says whether a value may well occur in texts that do not mean it: common words or a number.
func isOrdinary(v string) bool {
	if !strings.ContainsFunc(v, func(r rune) bool { return (r < '0' || r > '9') && !strings.ContainsRune(" -_./:,", r) }) {
		return len(v) < ordinaryLength
	}
	for word := range strings.FieldsSeq(v) {
		if !isCommon()[strings.ToLower(word)] {
			return false
		}
	}
	return true
}
