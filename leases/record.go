package leases

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
)

// The prefixes of keys beside the groups'.
const (
	nodePrefix = "node/"
	turnPrefix = "turn/"
)

// nodeRecord is the value of "node/<session>".
type nodeRecord struct {
	Node string `json:"node"`
	// Groups has the number of each group that the session has, negative while it leaves. A number is used once in a
	// session.
	Groups map[string]int `json:"groups,omitempty"`
	Beat   uint64         `json:"beat"`
}

// has says whether the session has a group under that number, also while it leaves.
func (r nodeRecord) has(group string, number int) bool {
	there := r.Groups[group]
	return there == number || there == -number
}

// keyRecord is the value of "<group>/<key>".
type keyRecord struct {
	// Node is the owner's node or, where Session is "", the node that should take the key.
	Node    string `json:"node,omitempty"`
	Session string `json:"session,omitempty"`
	Number  int    `json:"number,omitempty"` // of the group in the session
	Epoch   uint64 `json:"epoch"`
	Since   int64  `json:"since,omitempty"` // Unix ms by the owner's clock, for people
	Cursor  []byte `json:"cursor,omitempty"`
	State   []byte `json:"state,omitempty"`
	Shared  []byte `json:"shared,omitempty"`
}

func (r keyRecord) sameOwner(other keyRecord) bool {
	return r.Session == other.Session && r.Number == other.Number && r.Epoch == other.Epoch
}

// encode encodes a record. Records have nothing that could fail.
func encode(record any) []byte {
	text, _ := json.Marshal(record)
	return text
}

// decode decodes a record. Something else under the key is like an empty record: it owns nothing and may be replaced.
func decode[R any](text []byte) R {
	var record R
	if json.Unmarshal(text, &record) != nil {
		var empty R
		return empty
	}
	return record
}

// newSession returns the random id of a session.
func newSession() string {
	var id [12]byte
	_, _ = rand.Read(id[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(id[:])
}
