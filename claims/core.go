package claims

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// backend is what differs between the stores.
type backend interface {
	// apply carries out changes in their order, each atomically and none depending on another, and notes in
	// them what came of it. It obeys ctx.
	apply(ctx context.Context, changes []*change)
	check(ctx context.Context) error
	close() error
}

// change is a compare-and-set of one key.
type change struct {
	key   string        // hashed
	old   entry         // what must be there
	value []byte        // what to put there; nil removes
	ttl   time.Duration // of the value

	made  bool  // it was carried out
	found entry // what is there now
	err   error // why it is not known whether it was carried out
}

// entry is what is under a key.
type entry struct {
	value    []byte // nil: nothing
	revision uint64 // of the entry, in stores that count them
	written  time.Time
}

// core is what the stores have in common.
type core struct {
	backend backend
	timeout time.Duration
	now     func() time.Time
}

const (
	defaultTimeout = 5 * time.Second
	// attemptWait is how long an answer may take before the store is asked again.
	attemptWait = 2 * time.Second
	// retryWait is the pause before that when there was an answer, and not a good one.
	retryWait = 50 * time.Millisecond
)

func newCore(b backend, timeout time.Duration, now func() time.Time) core {
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
	claims, changes := make([]Claim, len(keys)), make([]change, len(keys))
	until := s.now().Add(terms.Lease) // from before it is asked for: the caller must not think it longer
	for i, token := range newTokens(len(keys)) {
		held := record{token: token, lease: terms.Lease, ttl: terms.TTL}
		claims[i] = Claim{Key: keys[i], Until: until, token: token, ttl: terms.TTL}
		changes[i] = change{key: hashed(keys[i]), value: held.encode(), ttl: terms.TTL}
	}
	return claims, s.settle(ctx, "claim", changes, func(i int) (bool, error) {
		return claims[i].settle(&changes[i], terms.TakeOver, s.now())
	})
}

// settle makes of a change's outcome what the caller is told, unless it is to be tried again.
func (c *Claim) settle(change *change, takeOver bool, now time.Time) (settled bool, err error) {
	if change.made {
		c.State, c.at = Mine, change.found
		return true, nil
	}
	if change.found.value == nil {
		change.old = change.found
		return false, nil
	}
	there, err := decode(change.found.value)
	if err != nil {
		return true, err
	}
	end := change.found.written.Add(there.lease)
	switch {
	case there.token == c.token: // it was made, and only the answer was lost
		c.State, c.at = Mine, change.found
		return true, nil
	case !now.Before(change.found.written.Add(there.ttl)), // the store will drop it in a moment
		takeOver && !there.done && !now.Before(end):
		change.old = change.found
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
	changes := make([]change, len(claims))
	for i, c := range claims {
		if c.token == "" {
			return &Error{Op: "done", Rejected: true, Err: ErrLost}
		}
		done := record{done: true, token: c.token, ttl: c.ttl, result: result}
		changes[i] = change{key: hashed(c.Key), old: c.at, value: done.encode(), ttl: c.ttl}
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
	changes, tokens := make([]change, 0, len(claims)), make([]string, 0, len(claims))
	for _, c := range claims {
		if c.token != "" {
			changes = append(changes, change{key: hashed(c.Key), old: c.at})
			tokens = append(tokens, c.token)
		}
	}
	return s.settle(ctx, "release", changes, func(i int) (bool, error) {
		if changes[i].found.value == nil {
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
func (c *change) whose(token string) (there record, mine bool, err error) {
	if c.found.value == nil {
		return record{}, false, nil
	}
	if there, err = decode(c.found.value); err != nil {
		return record{}, false, err
	}
	c.old = c.found
	return there, there.token == token, nil
}

// settle applies changes until judge calls each settled, trying again what the store did not answer and
// what met somebody else's change.
func (s *core) settle(ctx context.Context, op string, changes []change, judge func(i int) (settled bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	open, index := make([]*change, len(changes)), make([]int, len(changes))
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
			settled, err := false, c.err
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

func (s *core) attempt(ctx context.Context, changes []*change) {
	for _, c := range changes {
		c.made, c.found, c.err = false, entry{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, attemptWait)
	defer cancel()
	s.backend.apply(ctx, changes)
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
	if err := s.backend.check(ctx); err != nil {
		return &Error{Op: "check", Rejected: permanent(err), Err: err}
	}
	return nil
}

// Close implements [Store].
func (s *core) Close() error { return s.backend.close() }

// refusal is an error that will be the same however often the store is asked.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func permanent(err error) bool {
	_, refused := errors.AsType[refusal](err)
	return refused
}
