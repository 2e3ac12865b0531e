package rawjson

import "encoding/binary"

// Long strings are read in blocks of 64 bytes with a bit for each: a string of JSON in JSON has an
// escape every few bytes, and a branch for each of them would be mispredicted time and again.

const (
	blockSize = 64

	ones = 0x0101_0101_0101_0101 // times it, a byte stands in all eight places of a word
	tops = 0x80 * ones
)

// block gives the bits of a block's quotes and backslashes, the first byte's lowest, and whether it has
// control characters.
func block(data []byte) (quotes, slashes uint64, controls bool) {
	var lows uint64
	for data = data[:blockSize]; len(data) >= 8; data = data[8:] {
		x := binary.LittleEndian.Uint64(data)
		quotes = quotes>>8 | moveMask(zeros(x^'"'*ones))
		slashes = slashes>>8 | moveMask(zeros(x^'\\'*ones))
		lows |= (x - ' '*ones) &^ x
	}
	return quotes, slashes, lows&tops != 0
}

// zeros sets the highest bit of each of the eight bytes that is zero.
func zeros(x uint64) uint64 { return ^((x | tops) - ones | x) & tops }

// moveMask moves the highest bits of eight bytes into the highest byte.
func moveMask(hits uint64) uint64 { return (hits >> 7) * 0x0102_0408_1020_4080 & (0xFF << 56) }

// escapes gives the backslashes that escape, and what they escape: of a row of backslashes every second
// is escaped itself. A subtraction carries through the rows, as in simdjson. The byte before the block
// must be no escape.
func escapes(slashes uint64) (by, escaped uint64) {
	const odd = 0xAAAA_AAAA_AAAA_AAAA
	both := (slashes<<1 | odd) - slashes ^ odd
	return both & slashes, both ^ slashes
}
