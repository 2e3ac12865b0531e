package claims

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"time"
)

// record is the value of a key: a line "h<token> <lease> <ttl>" with times in milliseconds, and after it the result.
// The line begins with d if the work is done.
type record struct {
	done   bool
	token  string
	lease  time.Duration
	ttl    time.Duration
	result []byte
}

const (
	tokenBytes  = 16
	tokenLength = 22 // in base64
)

var errRecord = errors.New("what the store holds under the key is no claim")

func (r record) encode() []byte {
	text := make([]byte, 0, 1+tokenLength+2*14+len(r.result))
	state := byte('h')
	if r.done {
		state = 'd'
	}
	text = append(text, state)
	text = append(text, r.token...)
	text = append(text, ' ')
	text = strconv.AppendInt(text, r.lease.Milliseconds(), 10)
	text = append(text, ' ')
	text = strconv.AppendInt(text, r.ttl.Milliseconds(), 10)
	text = append(text, '\n')
	return append(text, r.result...)
}

func decode(text []byte) (record, error) {
	line, result, found := bytes.Cut(text, []byte{'\n'})
	if !found || len(line) < 1+tokenLength+1 || line[0] != 'h' && line[0] != 'd' || line[1+tokenLength] != ' ' {
		return record{}, errRecord
	}
	r := record{done: line[0] == 'd', token: string(line[1 : 1+tokenLength])}
	lease, ttl, _ := bytes.Cut(line[1+tokenLength+1:], []byte{' '})
	var err error
	if r.lease, err = milliseconds(lease); err != nil {
		return record{}, err
	}
	if r.ttl, err = milliseconds(ttl); err != nil {
		return record{}, err
	}
	if len(result) > 0 {
		r.result = result
	}
	return r, nil
}

// RecordTTL returns the TTL of an [Entry]'s value, which counts from Written. It is for backends that know only when an
// entry expires.
func RecordTTL(value []byte) (time.Duration, error) {
	r, err := decode(value)
	return r.ttl, err
}

func milliseconds(text []byte) (time.Duration, error) {
	n, err := strconv.ParseUint(string(text), 10, 43) // what a Duration holds
	if err != nil {
		return 0, errRecord
	}
	return time.Duration(n) * time.Millisecond, nil
}

// newTokens returns n random tokens, which prove who owns a claim.
func newTokens(n int) []string {
	random := make([]byte, n*tokenBytes)
	_, _ = rand.Read(random) // it never fails
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = base64.RawURLEncoding.EncodeToString(random[i*tokenBytes : (i+1)*tokenBytes])
	}
	return tokens
}

// hashed returns the hash of a key. Hashes have one length and characters that all databases accept, and no personal
// data, which ids of platforms are.
func hashed(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
