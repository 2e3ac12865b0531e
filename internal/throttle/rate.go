package throttle

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// RatePattern is what [ParseRate] takes.
var RatePattern = regexp.MustCompile(`^[1-9][0-9]{0,6}/[smh]$`)

// Rate is a number of calls in a span of time. The zero value is no limit.
type Rate struct {
	Calls int
	Per   time.Duration
}

// ParseRate reads "30/s", "20/m" or "1000/h"; an empty text is no limit.
func ParseRate(text string) (Rate, error) {
	if text == "" {
		return Rate{}, nil
	}
	if !RatePattern.MatchString(text) {
		return Rate{}, fmt.Errorf("%q is not a rate such as 30/s, 20/m or 1000/h", text)
	}
	calls, err := strconv.Atoi(text[:len(text)-2])
	per := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour}[text[len(text)-1]]
	return Rate{Calls: calls, Per: per}, err
}

// maxLimiters is how many keys with a rate are remembered before those that are idle are dropped.
const maxLimiters = 10_000

type rates struct {
	mu       sync.Mutex
	limiters map[string]*limiter
}

type limiter struct {
	*rate.Limiter
	of Rate
}

// Reserve waits until the key's rate lets another call go, in the order of the calls. A wait that would be longer than
// maxWait, or than ctx allows, is not begun: after is how long it would be.
func (k *Keyed) Reserve(
	ctx context.Context, key string, r Rate, maxWait time.Duration,
) (after time.Duration, err error) {
	if r.Calls == 0 {
		return 0, nil
	}
	reservation := k.rates.limiter(key, r).Reserve()
	delay := reservation.Delay()
	if deadline, ok := ctx.Deadline(); delay > maxWait || ok && delay > time.Until(deadline) {
		reservation.Cancel()
		return delay, context.DeadlineExceeded
	}
	if delay == 0 {
		return 0, nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return 0, nil
	case <-ctx.Done():
		reservation.Cancel()
		return delay, ctx.Err()
	}
}

func (r *rates) limiter(key string, of Rate) *limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.limiters[key]; l != nil && l.of == of {
		return l
	}
	if len(r.limiters) >= maxLimiters {
		for key, l := range r.limiters {
			if l.Tokens() >= float64(l.Burst()) {
				delete(r.limiters, key)
			}
		}
	}
	if r.limiters == nil {
		r.limiters = map[string]*limiter{}
	}
	l := &limiter{rate.NewLimiter(rate.Every(of.Per/time.Duration(of.Calls)), of.Calls), of}
	r.limiters[key] = l
	return l
}
