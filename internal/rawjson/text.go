package rawjson

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// Text returns the text of a JSON string, or "" for any other JSON value. Each byte of invalid UTF-8 is replaced by
// U+FFFD, as encoding/json does. value must be valid JSON.
func Text(value []byte) string {
	inner := inside(value)
	if len(inner) == 0 {
		return ""
	}
	if isPlain(inner) {
		return string(inner)
	}
	text := appendText(make([]byte, 0, len(inner)), inner)
	return unsafe.String(unsafe.SliceData(text), len(text)) // #nosec G103 -- no other code has the bytes
}

// StringNoCopy is [Text] without a copy. The result shares the bytes of value, which must not change while the result
// is in use. If value has escapes or invalid UTF-8, it is copied.
func StringNoCopy(value []byte) string {
	if inner := inside(value); isPlain(inner) {
		return UnsafeString(inner)
	}
	return Text(value)
}

// UnsafeString returns data as a string without a copy. data must not change while the string is in use.
func UnsafeString(data []byte) string {
	return unsafe.String(unsafe.SliceData(data), len(data)) // #nosec G103 -- the caller does not change data
}

// AppendQuote appends a text as a JSON string to dst. It does not escape HTML characters such as <. Each byte of
// invalid UTF-8 is replaced by U+FFFD.
func AppendQuote(dst []byte, text string) []byte {
	if isBare(text) {
		return append(append(append(dst, '"'), text...), '"')
	}
	dst, _ = jsontext.AppendQuote(dst, text) // the error reports invalid UTF-8, which is replaced
	return dst
}

// isBare reports whether a text is ASCII without characters that need escapes.
func isBare(text string) bool {
	data := unsafe.Slice(unsafe.StringData(text), len(text)) // #nosec G103 -- it is only read
	for ; len(data) >= 8; data = data[8:] {
		if x := binary.LittleEndian.Uint64(data); stopsIn(x)|x&tops != 0 {
			return false
		}
	}
	for _, c := range data {
		if c < ' ' || c == '"' || c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// AppendText appends [Text] of a JSON value to dst.
func AppendText(dst, value []byte) []byte { return appendText(dst, inside(value)) }

// inside returns the bytes between a string's quotes, or nil for any other value.
func inside(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	return value[1 : len(value)-1]
}

// isPlain reports whether a string has no escapes and is valid UTF-8, so that its bytes are its text.
func isPlain(inner []byte) bool { return bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) }

// appendText appends the text between a string's quotes to dst. It copies eight bytes at a time, up to the next escape.
// There is room for them, because a text is never longer than its JSON.
func appendText(dst, inner []byte) []byte {
	dst = slices.Grow(dst, len(inner))
	out := dst[len(dst) : len(dst)+len(inner)]
	n, i, high := 0, 0, uint64(0) // bytes written, bytes read, and all bits seen
	for i < len(inner) {
		if i+8 <= len(inner) {
			x := binary.LittleEndian.Uint64(inner[i:])
			binary.LittleEndian.PutUint64(out[n:], x)
			high |= x
			slash := x ^ '\\'*ones
			run := bits.TrailingZeros64((slash-ones)&^slash&tops) / 8 // 8 if there is no backslash
			n, i = n+run, i+run
			if run == 8 {
				continue
			}
		}
		c := inner[i]
		if c != '\\' || i+1 == len(inner) {
			high |= uint64(c)
			out[n] = c
			n, i = n+1, i+1
			continue
		}
		if c = escaped[inner[i+1]]; c != 0 {
			out[n] = c
			n, i = n+1, i+2
			continue
		}
		char, length := unicodeEscape(inner, i)
		n += utf8.EncodeRune(out[n:], char)
		i += length
	}
	if out = out[:n]; high&tops != 0 && !utf8.Valid(out) {
		return appendReplaced(dst, bytes.Clone(out))
	}
	return dst[:len(dst)+n]
}

// unicodeEscape reads the \uXXXX at i, or two of them that are a surrogate pair. It returns the character and the
// number of bytes read.
func unicodeEscape(data []byte, i int) (rune, int) {
	char, ok := hex4(data, i)
	if !ok { // not valid JSON
		return '?', 2
	}
	if !utf16.IsSurrogate(char) {
		return char, 6
	}
	low, _ := hex4(data, i+6)
	if char = utf16.DecodeRune(char, low); char == utf8.RuneError {
		return char, 6
	}
	return char, 12
}

// appendReplaced appends the text, with U+FFFD for each byte of invalid UTF-8.
func appendReplaced(dst, text []byte) []byte {
	for len(text) > 0 {
		char, size := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, char)
		text = text[size:]
	}
	return dst
}
