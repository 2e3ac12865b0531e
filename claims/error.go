package claims

import (
	"errors"
	"fmt"
)

// ErrLost says that a claim is not the caller's any more: its TTL is over, or its lease was and another
// has taken over.
var ErrLost = errors.New("the claim is not the caller's")

// Error says why claims could not be made, kept as done or released. It quotes no keys.
type Error struct {
	Op string // claim, done, release or check
	// Rejected says that the same will never be accepted; else it may be later.
	Rejected bool
	Err      error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("claims: %s: %v", e.Op, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent is [Error.Rejected], for those who know the error by its methods only.
func (e *Error) Permanent() bool { return e.Rejected }
