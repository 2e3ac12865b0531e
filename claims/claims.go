// Package claims makes sure that work is done once, even if several nodes are asked to do it. A node claims the key of
// the work, does the work, and stores its result under the key. A later caller learns that another node holds the
// claim, what the result was, or that the claim was abandoned.
//
// The claims are kept by packages natsclaims and redisclaims or, for one node, by [Memory]; [New] makes a store of
// another [Backend]. The package knows nothing of what the work is. Keys may be any text; only their hashes leave this
// process.
package claims

import (
	"context"
	"errors"
	"time"
)

// Store keeps claims. Results must not be changed after a call. Its errors are *[Error]. Safe for concurrent use.
type Store interface {
	// Claim claims keys, each independent of the others, and returns the claims in the order of the keys. Of concurrent
	// callers, one gets a key. If a key is given twice, the first of the two gets it. After an error, claims whose
	// state is not [Unknown] are valid.
	Claim(ctx context.Context, terms Terms, keys ...string) ([]Claim, error)
	// Done marks claims that are [Mine] as done and keeps the result for a TTL from now. It also works after the lease,
	// unless another caller has taken the claim over: then the error is [ErrLost]. It may be repeated.
	Done(ctx context.Context, result []byte, claims ...Claim) error
	// Release deletes claims that are Mine, as if they had never been made; see [ErrLost]. It deletes Unknown claims if
	// they are the caller's, and ignores claims of others. So all claims that Claim returned may be released after an
	// error. It may be repeated.
	Release(ctx context.Context, claims ...Claim) error
	// Check returns an error if the store does not answer.
	Check(ctx context.Context) error
	// Close releases the resources of the store.
	Close() error
}

// Terms are the conditions of a claim.
type Terms struct {
	// Lease is how long the work may take. After that the claim is abandoned. The difference between the clocks of the
	// nodes, and with NATS those of its servers, must be much smaller.
	Lease time.Duration
	// TTL is how long a key is kept, from the claim and again from Done. It must cover the time in which somebody may
	// ask for the same work, and must not be less than the lease.
	TTL time.Duration
	// TakeOver lets the caller claim abandoned work. It is for work that may be done twice.
	TakeOver bool
}

// Validate returns an error that names all invalid fields.
func (t Terms) Validate() error {
	var faults []error
	if t.Lease < time.Millisecond {
		faults = append(faults, errors.New("the lease is shorter than a millisecond"))
	}
	if t.TTL < t.Lease {
		faults = append(faults, errors.New("the TTL is shorter than the lease"))
	}
	return errors.Join(faults...)
}

// Claim is the result of claiming a key.
type Claim struct {
	Key   string
	State State
	// Until is the end of the lease of a claim that is Mine, Held or Abandoned.
	Until time.Time
	// Result is the result that Done has stored.
	Result []byte

	token string // proves that the claim is the caller's; empty if it is another's
	at    Entry  // what was written, as far as that is known
	ttl   time.Duration
}

// State is the state of a claim, for the caller that claimed its key.
type State int

// The states.
const (
	Unknown   State = iota // the store did not answer
	Mine                   // the caller may do the work, and must call Done or Release then
	Held                   // another caller does the work
	Done                   // the work is done
	Abandoned              // the lease is over, and it is not known whether the work was done
)

// String names the state.
func (s State) String() string {
	switch s {
	case Mine:
		return "mine"
	case Held:
		return "held"
	case Done:
		return "done"
	case Abandoned:
		return "abandoned"
	default:
		return "unknown"
	}
}
