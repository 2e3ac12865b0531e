package leases

import (
	"errors"
	"fmt"
)

// ErrConflict says that the key has another revision than the caller expected.
var ErrConflict = errors.New("the key has another revision")

// ErrLost says that the lease is not this node's any more.
var ErrLost = errors.New("the lease is not this node's any more")

// ErrTooLarge says that a cursor, a state or a shared value is larger than allowed.
var ErrTooLarge = errors.New("the value is too large")

// ErrClosed says that the member or the group is closed.
var ErrClosed = errors.New("it is closed")

// Error is the error of an operation on leases. It quotes no values.
type Error struct {
	Op string // get, put, delete, watch, check, save, turn, group or close
	// Rejected says that a retry does not help.
	Rejected bool
	Err      error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("leases: %s: %v", e.Op, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent returns [Error.Rejected], for packages that know the error only by its methods.
func (e *Error) Permanent() bool { return e.Rejected }
