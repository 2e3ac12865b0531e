package claims

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Backend is the part of a [Store] that differs between databases: compare-and-set of keys. Package claimstest tests
// it.
type Backend interface {
	// Apply makes changes in order and writes the result into each. Each is atomic and independent of the others. It
	// obeys ctx.
	Apply(ctx context.Context, changes []*Change)
	// Check returns an error if the backend does not answer.
	Check(ctx context.Context) error
	// Close releases the resources of the backend.
	Close() error
}

// Change is a compare-and-set of one key.
type Change struct {
	Key   string        // hashed
	Old   Entry         // the entry that must be there
	Value []byte        // the new value; nil deletes the entry
	TTL   time.Duration // of the value

	// [Backend.Apply] sets these:

	Made  bool  // the change was made
	Found Entry // the entry that is there now
	Err   error // why it is not known whether the change was made; see [Refuse]
}

// Entry is the entry of a key.
type Entry struct {
	Value    []byte // nil if there is no entry; see [RecordTTL]
	Revision uint64 // of the entry, in databases that have revisions
	Written  time.Time
}

// core is common to all stores.
type core struct {
	backend Backend
	timeout time.Duration
	now     func() time.Time
}

// AttemptTimeout bounds one call of [Backend.Apply]. Then the changes are tried again.
const AttemptTimeout = 2 * time.Second

const (
	defaultTimeout = 5 * time.Second
	// retryWait is the pause between two attempts.
	retryWait = 50 * time.Millisecond
)

// New returns a store on a backend. [Store.Close] closes the backend. timeout bounds each method of the store, 0 is 5
// s. now is the clock, nil is time.Now.
func New(b Backend, timeout time.Duration, now func() time.Time) Store {
	s := newCore(b, timeout, now)
	return &s
}

func newCore(b Backend, timeout time.Duration, now func() time.Time) core {
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	return core{b, timeout, clock(now)}
}

func clock(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

// Claim implements [Store].
func (s *core) Claim(ctx context.Context, terms Terms, keys ...string) ([]Claim, error) {
	if err := terms.Validate(); err != nil {
		return nil, &Error{Op: "claim", Rejected: true, Err: err}
	}
	claims, changes := make([]Claim, len(keys)), make([]Change, len(keys))
	until := s.now().Add(terms.Lease) // from before the call: the caller must not think that the lease is longer
	for i, token := range newTokens(len(keys)) {
		held := record{token: token, lease: terms.Lease, ttl: terms.TTL}
		claims[i] = Claim{Key: keys[i], Until: until, token: token, ttl: terms.TTL}
		changes[i] = Change{Key: hashed(keys[i]), Value: held.encode(), TTL: terms.TTL}
	}
	return claims, s.apply(ctx, "claim", changes, func(i int) (bool, error) {
		return claims[i].resolve(&changes[i], terms.TakeOver, s.now())
	})
}

// resolve sets the claim's state from the result of a change. It returns false if the change must be tried again.
func (c *Claim) resolve(change *Change, takeOver bool, now time.Time) (resolved bool, err error) {
	if change.Made {
		c.State, c.at = Mine, change.Found
		return true, nil
	}
	if change.Found.Value == nil {
		change.Old = change.Found
		return false, nil
	}
	there, err := decode(change.Found.Value)
	if err != nil {
		return true, err
	}
	end := change.Found.Written.Add(there.lease)
	switch {
	case there.token == c.token: // an earlier attempt made it, and only the answer was lost
		c.State, c.at = Mine, change.Found
		return true, nil
	case !now.Before(change.Found.Written.Add(there.ttl)), // expired: the store deletes it soon
		takeOver && !there.done && !now.Before(end):
		change.Old = change.Found
		return false, nil
	case there.done:
		*c = Claim{Key: c.Key, State: Done, Result: there.result}
	case now.Before(end):
		*c = Claim{Key: c.Key, State: Held, Until: end}
	default:
		*c = Claim{Key: c.Key, State: Abandoned, Until: end}
	}
	return true, nil
}

// Done implements [Store].
func (s *core) Done(ctx context.Context, result []byte, claims ...Claim) error {
	changes := make([]Change, len(claims))
	for i, c := range claims {
		if c.token == "" {
			return &Error{Op: "done", Rejected: true, Err: ErrLost}
		}
		done := record{done: true, token: c.token, ttl: c.ttl, result: result}
		changes[i] = Change{Key: hashed(c.Key), Old: c.at, Value: done.encode(), TTL: c.ttl}
	}
	return s.apply(ctx, "done", changes, func(i int) (bool, error) {
		there, mine, err := changes[i].owned(claims[i].token)
		switch {
		case err != nil:
			return true, err
		case !mine:
			return true, ErrLost
		}
		return there.done, nil
	})
}

// Release implements [Store].
func (s *core) Release(ctx context.Context, claims ...Claim) error {
	changes, tokens := make([]Change, 0, len(claims)), make([]string, 0, len(claims))
	for _, c := range claims {
		if c.token != "" {
			changes = append(changes, Change{Key: hashed(c.Key), Old: c.at})
			tokens = append(tokens, c.token)
		}
	}
	return s.apply(ctx, "release", changes, func(i int) (bool, error) {
		if changes[i].Found.Value == nil {
			return true, nil
		}
		there, mine, err := changes[i].owned(tokens[i])
		switch {
		case err != nil:
			return true, err
		case !mine || there.done:
			return true, ErrLost
		}
		return false, nil
	})
}

// owned returns the record that is there, and whether it has the token. It sets Old for another attempt.
func (c *Change) owned(token string) (there record, mine bool, err error) {
	if c.Found.Value == nil {
		return record{}, false, nil
	}
	if there, err = decode(c.Found.Value); err != nil {
		return record{}, false, err
	}
	c.Old = c.Found
	return there, there.token == token, nil
}

// apply applies changes until each is resolved. After each attempt it calls resolve for every change that the backend
// has answered. resolve returns true if the change has its final result, or sets Change.Old for another attempt.
// Changes without an answer are tried again, too, until the store's timeout.
func (s *core) apply(ctx context.Context, op string, changes []Change, resolve resolveFunc) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	u := newUnresolved(changes)
	for attempt := 0; len(u.changes) > 0; attempt++ {
		if err := ctx.Err(); err != nil {
			return u.timeoutError(op, err)
		}
		s.attempt(ctx, u.changes)
		err := u.resolve(resolve)
		if err == nil || u.retryErr == nil || ctx.Err() == nil { // not the error of an attempt that ctx cut short
			u.retryErr = err
		}
		if len(u.changes) == 0 || err == nil && attempt == 0 { // no pause after the first conflict
			continue
		}
		if err := pause(ctx, retryWait); err != nil {
			return u.timeoutError(op, err)
		}
	}
	if u.finalErr != nil {
		return &Error{Op: op, Rejected: true, Err: u.finalErr}
	}
	return nil
}

// resolveFunc says whether change i has its final result. err is part of that result.
type resolveFunc func(i int) (resolved bool, err error)

// unresolved are the changes that have no final result yet.
type unresolved struct {
	changes  []*Change
	index    []int // of each in the caller's list
	finalErr error // of a change that is resolved
	retryErr error // why a change is not resolved
}

func newUnresolved(changes []Change) *unresolved {
	u := &unresolved{changes: make([]*Change, len(changes)), index: make([]int, len(changes))}
	for i := range changes {
		u.changes[i], u.index[i] = &changes[i], i
	}
	return u
}

// resolve removes the changes that are resolved. It returns an error of those that are not, nil if they only met the
// changes of other callers.
func (u *unresolved) resolve(resolve resolveFunc) (retryErr error) {
	n := 0
	for k, c := range u.changes {
		resolved, err := false, c.Err
		if err == nil {
			resolved, err = resolve(u.index[k])
		}
		if resolved || permanent(err) {
			if err != nil {
				u.finalErr = err
			}
			continue
		}
		if err != nil {
			retryErr = err
		}
		u.changes[n], u.index[n] = c, u.index[k]
		n++
	}
	u.changes, u.index = u.changes[:n], u.index[:n]
	return retryErr
}

func (u *unresolved) timeoutError(op string, err error) error {
	if u.retryErr != nil {
		err = fmt.Errorf("%w: %w", err, u.retryErr)
	}
	return &Error{Op: op, Err: err}
}

func (s *core) attempt(ctx context.Context, changes []*Change) {
	for _, c := range changes {
		c.Made, c.Found, c.Err = false, Entry{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, AttemptTimeout)
	defer cancel()
	s.backend.Apply(ctx, changes)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Check implements [Store].
func (s *core) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.backend.Check(ctx); err != nil {
		return &Error{Op: "check", Rejected: permanent(err), Err: err}
	}
	return nil
}

// Close implements [Store].
func (s *core) Close() error { return s.backend.Close() }

// Refuse marks an error of a [Backend] that a retry would only repeat.
func Refuse(err error) error { return refusal{err} }

// refusal is an error that a retry would only repeat.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func permanent(err error) bool {
	_, refused := errors.AsType[refusal](err)
	return refused
}
