// Package claims sees to it that work which must be done once is done once, whichever nodes are asked
// to: a node claims the work's key, does it, and keeps that it is done, with what came of it. Who comes
// later learns that another is at work, what the result was, or that whoever claimed it never said how
// it went.
//
// The claims are kept by packages natsclaims and redisclaims or, for one node, by [Memory]; [New] makes a store of another [Backend]. The package knows nothing of what
// the work is. Keys may be any text; only their hashes leave this process.
package claims

import (
	"context"
	"errors"
	"time"
)

// Store keeps claims. Nobody changes a result that was handed over or given out. Its errors are *[Error].
// Safe for concurrent use.
type Store interface {
	// Claim asks for keys, each for itself; the claims are in the order of the keys. Of all who ask for a
	// key at once, one gets it, and where a key is given twice here, the first of the two. Errors are of
	// those claims only whose state is [Unknown], all others hold.
	Claim(ctx context.Context, terms Terms, keys ...string) ([]Claim, error)
	// Done keeps that the work of claims which are [Mine] is done, with its result, for a TTL from now. It
	// does so after the lease, too, unless another has taken over by then: see [ErrLost]. It may be repeated.
	Done(ctx context.Context, result []byte, claims ...Claim) error
	// Release gives the keys of claims that are Mine back, as if they had never been asked for; see [ErrLost].
	// Unknown ones are given back where they turn out to be the caller's. Those of others stay as they are,
	// so that all that Claim returned may be released after an error. It may be repeated.
	Release(ctx context.Context, claims ...Claim) error
	// Check says whether the store answers.
	Check(ctx context.Context) error
	// Close frees what the store holds.
	Close() error
}

// Terms are what a key is claimed on.
type Terms struct {
	// Lease is how long the work may take. After that it counts as abandoned. The clocks of the nodes, and
	// with NATS that of its servers, must agree to much less.
	Lease time.Duration
	// TTL is how long a key stays known, from the claim and again from its being done: as long as somebody
	// may ask for the same work, and not less than the lease.
	TTL time.Duration
	// TakeOver makes abandoned work the caller's own. It is for work that does no harm when done twice.
	TakeOver bool
}

// Validate says what is wrong with the terms.
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

// Claim is what came of asking for a key.
type Claim struct {
	Key   string
	State State
	// Until is when the lease of a claim that is Mine, Held or Abandoned is over.
	Until time.Time
	// Result is what was kept with Done.
	Result []byte

	token string // proves whose it is; empty where it is another's
	at    Entry  // what was written, as far as that is known
	ttl   time.Duration
}

// State is how a key stands for who asked for it.
type State int

// The states.
const (
	Unknown   State = iota // the store did not say
	Mine                   // the caller may do the work, and then says so with Done or Release
	Held                   // another is doing it
	Done                   // it is done
	Abandoned              // the lease is over: it is not known what became of the work
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
