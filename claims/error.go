package claims

import (
	"errors"
	"fmt"
)

// ErrLost says that a claim is not the caller's any more: its TTL is over, or its lease was over and another caller has
// taken it over.
var ErrLost = errors.New("the claim is not the caller's")

// Error is the error of an operation on claims. It quotes no keys.
type Error struct {
	Op string // claim, done, release or check
	// Rejected says that a retry does not help.
	Rejected bool
	Err      error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("claims: %s: %v", e.Op, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent returns [Error.Rejected], for packages that know the error only by its methods.
func (e *Error) Permanent() bool { return e.Rejected }
