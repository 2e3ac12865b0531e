package rawjson

import "encoding/binary"

// Long strings are read in blocks of 64 bytes. A block becomes words of 64 bits with one bit for each byte. This needs
// no branch for an escape. JSON inside a JSON string has an escape every few bytes, and the processor would often
// mispredict such a branch.

const (
	blockSize = 64

	ones = 0x0101_0101_0101_0101 // b*ones is a word with the byte b in all eight places
	tops = 0x80 * ones           // the highest bit of each byte
)

// block finds the quotes and backslashes of a block. The lowest bit stands for the first byte. controls says whether
// the block has control characters.
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

// zeros returns a word with the highest bit set in each byte that is zero in x.
func zeros(x uint64) uint64 { return ^((x | tops) - ones | x) & tops }

// moveMask collects the highest bits of the eight bytes of hits in the highest byte of the result.
func moveMask(hits uint64) uint64 { return (hits >> 7) * 0x0102_0408_1020_4080 & (0xFF << 56) }

// escapes returns the backslashes that begin an escape, and the bytes behind them. In a row of backslashes, every
// second one is escaped itself. One subtraction carries through all rows, as in simdjson. The byte before the block
// must not begin an escape.
func escapes(slashes uint64) (by, escaped uint64) {
	const odd = 0xAAAA_AAAA_AAAA_AAAA
	both := (slashes<<1 | odd) - slashes ^ odd
	return both & slashes, both ^ slashes
}
