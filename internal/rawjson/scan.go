package rawjson

import (
	"encoding/binary"
	"math/bits"
)

// The functions in this file take the position at which something begins, and return the position behind it. If it is
// not valid JSON, they return the complement of the position of the fault, which is negative.

// maxDepth is how deep values may nest. It is the limit of encoding/json. The functions in this file do not recurse,
// but the code that reads the values afterwards may.
const maxDepth = 10_000

// scan checks the value at i. depth is the number of objects and lists around it.
func scan(data []byte, i, depth int) int {
	if i >= len(data) {
		return ^i
	}
	switch data[i] {
	case '"':
		return scanText(data, i+1)
	case '{', '[':
		return scanNested(data, i, depth)
	}
	return scanScalar(data, i)
}

// scanNested checks an object or a list.
func scanNested(data []byte, i, depth int) int {
	var room [64]byte // on the stack; enough for nearly all documents
	open := room[:0]  // the closing brackets that are still to come, the next one last
	for {
		if i >= len(data) {
			return ^i
		}
		switch c := data[i]; c {
		case '{', '[':
			if depth+len(open) >= maxDepth {
				return ^i
			}
			open = append(open, c+2) // '}' is '{'+2 in ASCII, and ']' is '['+2
			if i = skipSpace(data, i+1); i >= len(data) {
				return ^i
			}
			if data[i] != c+2 {
				if c == '{' {
					i = scanName(data, i)
				}
				if i < 0 {
					return i
				}
				continue
			}
		case '"':
			i = scanText(data, i+1)
		default:
			i = scanScalar(data, i)
		}
		if i < 0 {
			return i
		}
		for { // a value is complete, and perhaps the objects and lists around it
			if i = skipSpace(data, i); i >= len(data) {
				return ^i
			}
			next := open[len(open)-1]
			if data[i] == ',' {
				if i = skipSpace(data, i+1); next == '}' {
					i = scanName(data, i)
				}
				if i < 0 {
					return i
				}
				break
			}
			if data[i] != next {
				return ^i
			}
			i++
			if open = open[:len(open)-1]; len(open) == 0 {
				return i
			}
		}
	}
}

// scanName checks a member's name and its colon, and returns the position of its value.
func scanName(data []byte, i int) int {
	if i >= len(data) || data[i] != '"' {
		return ^i
	}
	if i = scanText(data, i+1); i < 0 {
		return i
	}
	return skipColon(data, i)
}

func skipColon(data []byte, i int) int {
	if i = skipSpace(data, i); i >= len(data) || data[i] != ':' {
		return ^i
	}
	return skipSpace(data, i+1)
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t') {
		i++
	}
	return i
}

// scanText checks a string. i is the position behind its opening quote.
func scanText(data []byte, i int) int {
	for tried := false; i < len(data); {
		if i+8 <= len(data) {
			stops := stopsIn(binary.LittleEndian.Uint64(data[i:]))
			if stops == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(stops) / 8
		}
		switch c := data[i]; {
		case c == '"':
			return i + 1
		case c == '\\' && !tried: // more escapes are likely
			tried = true
			var done bool
			if i, done = scanBlocks(data, i); done {
				return i
			}
		case c == '\\':
			length := escapeLength(data, i)
			if length == 0 {
				return ^i
			}
			i += length
		case c < ' ':
			return ^i
		default:
			i++
		}
	}
	return ^i
}

// scanPlain is scanText that also says whether the string is plain: ASCII without escapes, so that its bytes are its
// text. A plain string in the last bytes of data may be reported as not plain.
func scanPlain(data []byte, i int) (end int, plain bool) {
	for ; i+8 <= len(data); i += 8 {
		x := binary.LittleEndian.Uint64(data[i:])
		if stops := stopsIn(x) | x&tops; stops != 0 {
			if i += bits.TrailingZeros64(stops) / 8; data[i] == '"' {
				return i + 1, true
			}
			break
		}
	}
	return scanText(data, i), false
}

// scanBlocks is scanText for whole blocks. It stops before a block with a control character; in valid JSON that
// character is behind the string. If done is false, scanText goes on at end.
func scanBlocks(data []byte, i int) (end int, done bool) {
	for i+blockSize <= len(data) {
		quotes, slashes, controls := block(data[i:])
		if controls {
			break
		}
		by, letters := escapes(slashes)
		rest := letters &^ (quotes | slashes) // an escaped quote or backslash is valid
		quotes &^= letters
		if quotes != 0 {
			rest &= quotes ^ (quotes - 1) // only those before the end of the string
		}
		for ; rest != 0; rest &= rest - 1 {
			at := i + bits.TrailingZeros64(rest) - 1
			if escapeLength(data, at) == 0 {
				return ^at, true
			}
		}
		if quotes != 0 {
			return i + bits.TrailingZeros64(quotes) + 1, true
		}
		i += blockSize - int(by>>(blockSize-1)) // read an escape at the block's end again, with its letter
	}
	return i, false
}

// escapeLength returns the length in bytes of the escape at i, or 0 if there is none.
func escapeLength(data []byte, i int) int {
	if i+1 < len(data) && escaped[data[i+1]] != 0 {
		return 2
	}
	if _, ok := hex4(data, i); ok {
		return 6
	}
	return 0
}

// stopsIn returns a word with the highest bit set in each byte that is a quote, a backslash or a control character.
// Only the lowest set bit is certain: the subtraction may borrow from the bytes above it.
func stopsIn(x uint64) uint64 {
	quote := x ^ 0x02*ones // moves the quote to 0x20, right above the control characters; no other byte moves below '!'
	slash := x ^ '\\'*ones
	return ((quote-0x21*ones)&^quote | (slash-ones)&^slash) & tops
}

// escaped maps a letter behind a backslash to the byte that it stands for, or to 0 if there is no such escape.
var escaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// hex4 reads the four hexadecimal digits of the \uXXXX at i. ok is false if there is no such escape.
func hex4(data []byte, i int) (char rune, ok bool) {
	if i+6 > len(data) || data[i] != '\\' || data[i+1] != 'u' {
		return 0, false
	}
	for _, c := range data[i+2 : i+6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		char = char<<4 | rune(c)
	}
	return char, true
}

// scanScalar checks a number, true, false or null.
func scanScalar(data []byte, i int) int {
	word := ""
	switch data[i] {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	case 'n':
		word = "null"
	default:
		return scanNumber(data, i)
	}
	if len(data)-i < len(word) || string(data[i:i+len(word)]) != word {
		return ^i
	}
	return i + len(word)
}

func scanNumber(data []byte, i int) int {
	if data[i] == '-' {
		i++
	}
	whole := i
	if i = skipDigits(data, i); i == whole || data[whole] == '0' && i > whole+1 {
		return ^whole
	}
	if i < len(data) && data[i] == '.' {
		fraction := i + 1
		if i = skipDigits(data, fraction); i == fraction {
			return ^i
		}
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		exponent := i + 1
		if exponent < len(data) && (data[exponent] == '+' || data[exponent] == '-') {
			exponent++
		}
		if i = skipDigits(data, exponent); i == exponent {
			return ^i
		}
	}
	return i
}

func skipDigits(data []byte, i int) int {
	for i < len(data) && data[i]-'0' <= 9 {
		i++
	}
	return i
}
