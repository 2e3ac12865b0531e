package integration

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/sirupsen/logrus"
	"github.com/sony/gobreaker/v2"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/internal/throttle"
	"github.com/hiliosai/switchboard/metrics"
)

const (
	// defaultChannelCalls is how many calls of one channel may be under way. A channel whose platform hangs must not use
	// up the room of the others.
	defaultChannelCalls = 512
	// suspendAfter failures in a row suspend a channel for the time of suspension. Then one call may try.
	suspendAfter = 10
	suspension   = 15 * time.Second
	// sweepEvery is how often channels without calls are forgotten.
	sweepEvery = time.Hour
)

// limiter keeps the calls of a platform in their order and within the limits of the platform and the channels. The
// calls of one channel do not hold up another's. Safe for concurrent use.
type limiter struct {
	limit    int // of one channel's calls
	throttle throttle.Keyed
	log      *logrus.Entry
	metrics  *metrics.Platform // nil counts nothing
	// conditions are told of suspensions and changes; nil for nobody.
	conditions *conditions

	mu       sync.Mutex
	channels map[string]*channelLimiter
	swept    time.Time // when those without calls were dropped
}

// channelLimiter is what a limiter knows of one channel. It holds no credentials.
type channelLimiter struct {
	channelID, tenantID     string
	channel                 weak.Pointer[Channel] // the last one that was seen; of limiter.mu, as the next two
	fingerprint             uint64
	used                    bool // since the last sweep
	running                 atomic.Int64
	rate, recipientRate     throttle.Rate
	breaker                 *gobreaker.TwoStepCircuitBreaker[any]
	lastFailure, refusedFor atomic.Pointer[Error] // of calls, and what suspended the channel
	suspendedAt             atomic.Int64          // ns since 1970
	suspendedSince          atomic.Int64          // the same, but for when it began; 0 while the channel works
	sends                   sendWindow
}

// Suspension says that a node holds back the calls of a channel because they kept failing.
type Suspension struct {
	ChannelID string    `json:"channelId"`
	Kind      ErrorKind `json:"kind"` // of the last failure, as its code
	Code      string    `json:"code"`
	Message   string    `json:"message"`
	Since     int64     `json:"since"` // ms since 1970
}

func (l *channelLimiter) isSuspended() bool { return l.suspendedSince.Load() != 0 }

// suspensions lists the suspended channels of tenants that mayKnow accepts, in the order of their ids.
func (t *limiter) suspensions(mayKnow func(tenantID string) bool) []Suspension {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Suspension
	for _, l := range t.channels {
		if s := l.suspension(); s != nil && mayKnow(l.tenantID) {
			list = append(list, *s)
		}
	}
	slices.SortFunc(list, func(a, b Suspension) int { return strings.Compare(a.ChannelID, b.ChannelID) })
	return list
}

// suspension returns nil while the channel works.
func (l *channelLimiter) suspension() *Suspension {
	since := l.suspendedSince.Load()
	if since == 0 {
		return nil
	}
	s := &Suspension{ChannelID: l.channelID, Message: l.suspended().Message, Since: since / int64(time.Millisecond)}
	cause := l.refusedFor.Load()
	s.Kind, s.Code = cause.Kind, cause.Code
	return s
}

// suspensionOf returns the suspension of a channel, nil if its calls are not held back.
func (t *limiter) suspensionOf(ch *Channel) *Suspension {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.channels[ch.ID]; l != nil && l.isOf(ch) {
		return l.suspension()
	}
	return nil
}

// isOf says whether the credentials and settings of a channel are still the same.
func (l *channelLimiter) isOf(ch *Channel) bool {
	return l.channel.Value() == ch || l.fingerprint == fingerprint(ch)
}

var fingerprintSeed = maphash.MakeSeed()

// fingerprint returns a hash of the credentials and settings. It differs, but for a coincidence, if one of them does.
func fingerprint(ch *Channel) (sum uint64) {
	for place, fields := range map[string]map[string]string{"c": ch.Credentials, "s": ch.Settings} {
		for name, value := range fields {
			sum += maphash.Comparable(fingerprintSeed, [3]string{place, name, value}) // a sum, for maps have no order
		}
	}
	return sum
}

// ofChannel returns the limiter of a channel. A channel that was changed gets a new one, because it may work now.
func (t *limiter) ofChannel(ch *Channel) *channelLimiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.channels[ch.ID]
	if l != nil && l.channel.Value() == ch {
		l.used = true
		return l
	}
	if l == nil || l.fingerprint != fingerprint(ch) {
		t.conditions.endOutdated(ch.ID, ch)
		if l != nil && l.isSuspended() {
			t.logFor(ch).Info("channel was changed, its calls are not held back any more")
		}
		t.sweep()
		l = t.newChannelLimiter(ch)
		t.channels[ch.ID] = l
	}
	l.used, l.channel = true, weak.Make(ch) // so that the next look is at the pointer only
	return l
}

// drop removes the limiter of a channel that was removed.
func (t *limiter) drop(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.channels, id)
	t.conditions.drop(id)
}

// sweep forgets, once in sweepEvery, the channels that had no call since the last time. Callers hold mu.
func (t *limiter) sweep() {
	if t.channels == nil {
		t.channels, t.swept = map[string]*channelLimiter{}, time.Now()
	}
	if time.Since(t.swept) < sweepEvery {
		return
	}
	t.swept = time.Now()
	maps.DeleteFunc(t.channels, func(_ string, l *channelLimiter) bool {
		idle := !l.used && l.running.Load() == 0 && !l.isSuspended() && !l.sends.isFailing()
		l.used = false
		return idle
	})
}

// logFor returns a log entry about a channel.
func (t *limiter) logFor(ch *Channel) *logrus.Entry {
	return t.log.WithFields(logrus.Fields{"channel": ch.ID, "tenant": ch.TenantID})
}

func (t *limiter) newChannelLimiter(ch *Channel) *channelLimiter {
	l := &channelLimiter{channelID: ch.ID, tenantID: ch.TenantID, fingerprint: fingerprint(ch)}
	// A text that is no rate was refused when the channel was stored.
	l.rate, _ = throttle.ParseRate(ch.Settings[settingRate])
	l.recipientRate, _ = throttle.ParseRate(ch.Settings[settingRecipientRate])
	log := t.logFor(ch) // of its ids: the breaker lives for longer than the channel
	l.breaker = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Timeout:     suspension,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= suspendAfter },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch to {
			case gobreaker.StateClosed:
				l.suspendedSince.Store(0)
				log.Info("channel works again")
				t.conditions.clear(l.channelID, codes.ConditionSendingSuspended)
			case gobreaker.StateOpen:
				now, cause := time.Now().UnixNano(), l.lastFailure.Load()
				l.suspendedAt.Store(now)
				l.refusedFor.Store(cause)
				if from == gobreaker.StateClosed { // else it has been tried again in vain
					l.suspendedSince.Store(now)
					log.WithFields(logrus.Fields{"kind": cause.Kind, "code": cause.Code}).
						Warn(cut("channel suspended: "+l.suspended().Message, maxErrorText))
					t.conditions.raise(l.subject(), codes.ConditionSendingSuspended, 0, l.suspended().Message)
				}
			case gobreaker.StateHalfOpen: // one call may try: that says nothing yet
			}
		},
	})
	return l
}

// begin counts a call in, however often it is made, or refuses it where the channel has too many.
func (t *limiter) begin(l *channelLimiter) (end func(), err error) {
	if n := l.running.Add(1); n > int64(t.limit) {
		l.running.Add(-1)
		return nil, &Error{
			Kind: FaultThrottled, Code: codes.ChannelBusy, RetryAfter: time.Second,
			Message: fmt.Sprintf("%d calls of this channel are under way already, which is the most", t.limit),
		}
	}
	return func() { l.running.Add(-1) }, nil
}

// withLimits adds the limits: it waits for the call's turn, makes one attempt unless the channel is suspended, and
// applies what the platform's answer says about later calls.
func (t *limiter) withLimits(
	ctx context.Context, l *channelLimiter, ticket throttle.Ticket, call *platformCall,
) (result *SendResult, err error) {
	began := time.Now()
	release, err := t.waitTurn(ctx, l, ticket, call.recipient)
	t.metrics.Channel(l.channelID).Throttled(time.Since(began))
	if err != nil {
		return nil, err
	}
	defer release()
	report, refused := l.breaker.Allow()
	if refused != nil {
		return nil, l.suspended()
	}
	fault, panicked := error(errPanicked), true
	defer func() {
		if panicked {
			l.lastFailure.Store(errPanicked)
		}
		report(fault)
	}()

	result, err = checked(call.do(ctx))
	panicked = false
	if err == nil {
		fault = nil
		return result, nil
	}
	e := asError(err, FaultUnknown, codes.SendFailed)
	fault = nil
	switch e.Kind {
	case FaultTransient, FaultUnknown, FaultAuth:
		l.lastFailure.Store(e)
		fault = e
	case FaultThrottled:
		key := l.channelID
		if e.Pauses == PausesRecipient && call.recipient != "" {
			key = recipientKey(l, call.recipient)
		}
		t.throttle.Block(key, max(e.RetryAfter, firstBackoff))
	default: // the platform works, and does not want this message
	}
	return nil, e
}

// errPanicked is the failure of a call that panics.
var errPanicked = &Error{Kind: FaultUnknown, Code: codes.SendFailed, Message: "the platform's code panicked"}

// recipientKey is a key of the throttle; that of a channel is its id.
func recipientKey(l *channelLimiter, recipient ID) string {
	return l.channelID + "\x00" + string(recipient)
}

// waitTurn waits for a call's turn: first among the calls to its recipient, then among those of the channel. So a call
// that waits for one recipient takes no place of the channel from the others. release gives both places back.
func (t *limiter) waitTurn(
	ctx context.Context, l *channelLimiter, ticket throttle.Ticket, recipient ID,
) (release func(), err error) {
	freeRecipient, err := t.acquire(ctx, ticket, recipientKey(l, recipient), l.recipientRate)
	if err != nil {
		return nil, err
	}
	freeChannel, err := t.acquire(ctx, ticket, l.channelID, l.rate)
	if err != nil {
		freeRecipient()
		return nil, err
	}
	return func() { freeRecipient(); freeChannel() }, nil
}

// acquire waits until a call may go on that counts under key, and reserves its share of the rate.
func (t *limiter) acquire(
	ctx context.Context, ticket throttle.Ticket, key string, rate throttle.Rate,
) (release func(), err error) {
	release, after, err := t.throttle.Acquire(ctx, key, ticket, maxWait)
	if err == nil {
		if after, err = t.throttle.Reserve(ctx, key, rate, maxWait); err == nil {
			return release, nil
		}
		release()
	}
	return nil, &Error{
		Kind: FaultThrottled, Code: codes.RateLimited, RetryAfter: after, Err: err,
		Message: "the message would have to wait for longer than it may: the platform's or the channel's rate is reached",
	}
}

// suspended returns the error for calls of a channel that is suspended.
func (l *channelLimiter) suspended() *Error {
	cause := l.refusedFor.Load()
	e := &Error{
		Kind: FaultTransient, Code: codes.ChannelSuspended,
		RetryAfter: max(time.Second, suspension-time.Since(time.Unix(0, l.suspendedAt.Load()))),
		Message: fmt.Sprintf(
			"after %d failures in a row the channel's calls are held back; the last was: %s", suspendAfter, cause.Message,
		),
	}
	if cause.Kind == FaultAuth { // waiting does not help, new credentials do
		e.Kind, e.RetryAfter = FaultAuth, 0
	}
	return e
}
