package claims

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Backend is what differs between the kinds of [Store]: compare-and-set of keys. Package claimstest tests it.
type Backend interface {
	// Apply carries out changes in their order, each atomically and none depending on another, and notes in
	// them what came of it. It obeys ctx.
	Apply(ctx context.Context, changes []*Change)
	// Check says whether the backend answers.
	Check(ctx context.Context) error
	// Close frees what it holds.
	Close() error
}

// Change is a compare-and-set of one key.
type Change struct {
	Key   string        // hashed
	Old   Entry         // what must be there
	Value []byte        // what to put there; nil removes
	TTL   time.Duration // of the value

	// What [Backend.Apply] notes:

	Made  bool  // it was carried out
	Found Entry // what is there now
	Err   error // why it is not known whether it was carried out; see [Refuse]
}

// Entry is what is under a key.
type Entry struct {
	Value    []byte // nil: nothing; see [RecordTTL]
	Revision uint64 // of the entry, in stores that count them
	Written  time.Time
}

// core is what the stores have in common.
type core struct {
	backend Backend
	timeout time.Duration
	now     func() time.Time
}

// AttemptTimeout is how long an answer may take before a [Backend] is asked again.
const AttemptTimeout = 2 * time.Second

const (
	defaultTimeout = 5 * time.Second
	// retryWait is the pause before that when there was an answer, and not a good one.
	retryWait = 50 * time.Millisecond
)

// New makes a store of a backend, which it closes at its end. The timeout is how long the backend is asked for an answer,
// 0 for 5 s; now is the clock, nil for time.Now.
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
	until := s.now().Add(terms.Lease) // from before it is asked for: the caller must not think it longer
	for i, token := range newTokens(len(keys)) {
		held := record{token: token, lease: terms.Lease, ttl: terms.TTL}
		claims[i] = Claim{Key: keys[i], Until: until, token: token, ttl: terms.TTL}
		changes[i] = Change{Key: hashed(keys[i]), Value: held.encode(), TTL: terms.TTL}
	}
	return claims, s.settle(ctx, "claim", changes, func(i int) (bool, error) {
		return claims[i].settle(&changes[i], terms.TakeOver, s.now())
	})
}

// settle makes of a change's outcome what the caller is told, unless it is to be tried again.
func (c *Claim) settle(change *Change, takeOver bool, now time.Time) (settled bool, err error) {
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
	case there.token == c.token: // it was made, and only the answer was lost
		c.State, c.at = Mine, change.Found
		return true, nil
	case !now.Before(change.Found.Written.Add(there.ttl)), // the store will drop it in a moment
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
	return s.settle(ctx, "done", changes, func(i int) (bool, error) {
		there, mine, err := changes[i].whose(claims[i].token)
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
	return s.settle(ctx, "release", changes, func(i int) (bool, error) {
		if changes[i].Found.Value == nil {
			return true, nil
		}
		there, mine, err := changes[i].whose(tokens[i])
		switch {
		case err != nil:
			return true, err
		case !mine || there.done:
			return true, ErrLost
		}
		return false, nil
	})
}

// whose says what is there and whether that is the token's, which then is what the change starts from.
func (c *Change) whose(token string) (there record, mine bool, err error) {
	if c.Found.Value == nil {
		return record{}, false, nil
	}
	if there, err = decode(c.Found.Value); err != nil {
		return record{}, false, err
	}
	c.Old = c.Found
	return there, there.token == token, nil
}

// settle applies changes until judge calls each settled, trying again what the store did not answer and
// what met somebody else's change.
func (s *core) settle(ctx context.Context, op string, changes []Change, judge func(i int) (settled bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	open, index := make([]*Change, len(changes)), make([]int, len(changes))
	for i := range changes {
		open[i], index[i] = &changes[i], i
	}
	var fault *Error // of what is settled
	var reason error // why something is not, as the last attempt said that was not cut short
	over := func(err error) error {
		if reason != nil {
			err = fmt.Errorf("%w: %w", err, reason)
		}
		return &Error{Op: op, Err: err}
	}
	for round := 0; len(open) > 0; round++ {
		if err := ctx.Err(); err != nil {
			return over(err)
		}
		s.attempt(ctx, open)
		var trouble error
		n := 0
		for k, c := range open {
			settled, err := false, c.Err
			if err == nil {
				settled, err = judge(index[k])
			}
			if settled || permanent(err) {
				if err != nil {
					fault = &Error{Op: op, Rejected: true, Err: err}
				}
				continue
			}
			if err != nil {
				trouble = err
			}
			open[n], index[n] = c, index[k]
			n++
		}
		open, index = open[:n], index[:n]
		if trouble == nil || reason == nil || ctx.Err() == nil {
			reason = trouble
		}
		if n == 0 || trouble == nil && round == 0 {
			continue
		}
		if err := pause(ctx, retryWait); err != nil {
			return over(err)
		}
	}
	if fault == nil {
		return nil
	}
	return fault
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

// Refuse marks an error that will be the same however often a [Backend] is asked.
func Refuse(err error) error { return refusal{err} }

// refusal is an error that will be the same however often the store is asked.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func permanent(err error) bool {
	_, refused := errors.AsType[refusal](err)
	return refused
}
