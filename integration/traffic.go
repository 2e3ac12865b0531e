package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sony/gobreaker/v2"

	"github.com/hiliosai/switchboard/internal/pace"
)

const (
	// defaultChannelCalls is how many calls of one channel are under way at the most: the others' must not run
	// out of room because one's platform hangs.
	defaultChannelCalls = 512
	// suspendAfter failures in a row hold a channel's calls back for suspension, then one may try.
	suspendAfter = 10
	suspension   = 15 * time.Second
)

// traffic is what is on its way to a platform: within what the platform bears, in the order in which it
// came, and one channel not in another's way.
type traffic struct {
	limit int // of one channel's calls
	pacer pace.Pacer
	log   *logrus.Entry

	mu    sync.Mutex
	lanes map[string]*lane
}

// lane is one channel's part of the traffic.
type lane struct {
	id                      string   // of the channel
	channel                 *Channel // under the traffic's lock
	running                 atomic.Int64
	rate, recipientRate     pace.Rate
	breaker                 *gobreaker.TwoStepCircuitBreaker[any]
	lastFailure, refusedFor atomic.Pointer[Error] // of calls, and what suspended the channel
	suspendedAt             atomic.Int64          // ns since 1970
	suspendedSince          atomic.Int64          // the same, but for when it began; 0 while the channel works
}

// Suspension says that a channel's calls are held back on a node, because they kept failing.
type Suspension struct {
	ChannelID string    `json:"channelId"`
	Kind      ErrorKind `json:"kind"` // of the last failure, as its code
	Code      string    `json:"code"`
	Message   string    `json:"message"`
	Since     int64     `json:"since"` // ms since 1970
}

func (l *lane) isSuspended() bool { return l.suspendedSince.Load() != 0 }

// suspensions lists the channels that are suspended, in the order of their ids, of those that a caller may know of.
func (t *traffic) suspensions(mayKnow func(*Channel) bool) []Suspension {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Suspension
	for _, l := range t.lanes {
		if s := l.suspension(); s != nil && mayKnow(l.channel) {
			list = append(list, *s)
		}
	}
	slices.SortFunc(list, func(a, b Suspension) int { return strings.Compare(a.ChannelID, b.ChannelID) })
	return list
}

// suspension is nil while the channel works.
func (l *lane) suspension() *Suspension {
	since := l.suspendedSince.Load()
	if since == 0 {
		return nil
	}
	s := &Suspension{ChannelID: l.id, Message: l.suspended().Message, Since: since / int64(time.Millisecond)}
	cause := l.refusedFor.Load()
	s.Kind, s.Code = cause.Kind, cause.Code
	return s
}

// suspensionOf is that of a channel as it is now, nil where its calls are not held back.
func (t *traffic) suspensionOf(ch *Channel) *Suspension {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.lanes[ch.ID]; l != nil && l.isOf(ch) {
		return l.suspension()
	}
	return nil
}

// isOf says whether nothing about a channel has changed that its calls depend on.
func (l *lane) isOf(ch *Channel) bool {
	return l.channel == ch || maps.Equal(l.channel.Credentials, ch.Credentials) && maps.Equal(l.channel.Settings, ch.Settings)
}

// lane finds a channel's lane. One whose channel was changed is made anew: it may work now.
func (t *traffic) lane(ch *Channel) *lane {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lanes[ch.ID]
	if l == nil || !l.isOf(ch) {
		if l != nil && l.isSuspended() {
			t.tell(ch).Info("channel was changed, its calls are not held back any more")
		}
		l = t.newLane(ch)
		if t.lanes == nil {
			t.lanes = map[string]*lane{}
		}
		t.lanes[ch.ID] = l
	}
	l.channel = ch // so that the next look is at the pointer only
	return l
}

// tell is a log line about a channel.
func (t *traffic) tell(ch *Channel) *logrus.Entry {
	return t.log.WithFields(logrus.Fields{"channel": ch.ID, "tenant": ch.TenantID})
}

func (t *traffic) newLane(ch *Channel) *lane {
	l := &lane{id: ch.ID, channel: ch}
	// What is no rate was refused when the channel was stored.
	l.rate, _ = pace.ParseRate(ch.Settings[settingRate])
	l.recipientRate, _ = pace.ParseRate(ch.Settings[settingRecipientRate])
	l.breaker = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Timeout:     suspension,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= suspendAfter },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch to {
			case gobreaker.StateClosed:
				l.suspendedSince.Store(0)
				t.tell(ch).Info("channel works again")
			case gobreaker.StateOpen:
				now, cause := time.Now().UnixNano(), l.lastFailure.Load()
				l.suspendedAt.Store(now)
				l.refusedFor.Store(cause)
				if from == gobreaker.StateClosed { // else it has been tried again in vain
					l.suspendedSince.Store(now)
					t.tell(ch).WithFields(logrus.Fields{"kind": cause.Kind, "code": cause.Code}).Warn(cut("channel suspended: "+l.suspended().Message, maxErrorText))
				}
			case gobreaker.StateHalfOpen: // one call may try: that says nothing yet
			}
		},
	})
	return l
}

// join counts a call in, however often it is made, or refuses it.
func (t *traffic) join(l *lane) (leave func(), err error) {
	if n := l.running.Add(1); n > int64(t.limit) {
		l.running.Add(-1)
		return nil, &Error{
			Kind: ErrThrottled, Code: "CHANNEL_BUSY", RetryAfter: time.Second,
			Message: fmt.Sprintf("%d calls of this channel are under way already, which is the most", t.limit),
		}
	}
	return func() { l.running.Add(-1) }, nil
}

// call makes a call of the platform when it is its turn, and heeds what the platform says about the next ones.
func (t *traffic) call(ctx context.Context, l *lane, recipient ID, turn pace.Turn, do func(context.Context) (*SendResult, error)) (result *SendResult, err error) {
	leave, err := t.enter(ctx, l, recipient, turn)
	if err != nil {
		return nil, err
	}
	defer leave()
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

	result, err = checked(do(ctx))
	panicked = false
	if err == nil {
		fault = nil
		return result, nil
	}
	e := asError(err, ErrUnknown, "SEND_FAILED")
	fault = nil
	switch e.Kind {
	case ErrTransient, ErrUnknown, ErrAuth:
		l.lastFailure.Store(e)
		fault = e
	case ErrThrottled:
		key := channelKey(l)
		if e.Pauses == PausesRecipient && recipient != "" {
			key = recipientKey(l, recipient)
		}
		t.pacer.Pause(key, max(e.RetryAfter, firstBackoff))
	default: // the platform works, and does not want this message
	}
	return nil, e
}

// errPanicked is the failure of a call that panics.
var errPanicked = &Error{Kind: ErrUnknown, Code: "SEND_FAILED", Message: "the platform's code panicked"}

func channelKey(l *lane) string                 { return l.id }
func recipientKey(l *lane, recipient ID) string { return l.id + "\x00" + string(recipient) }

// enter waits for a call's turn: first among those to its recipient, so that who waits for one recipient does
// not keep the channel's place from others.
func (t *traffic) enter(ctx context.Context, l *lane, recipient ID, turn pace.Turn) (leave func(), err error) {
	var leaves []func()
	leave = func() {
		for _, f := range leaves {
			f()
		}
	}
	for _, gate := range []struct {
		key  string
		rate pace.Rate
	}{{recipientKey(l, recipient), l.recipientRate}, {channelKey(l), l.rate}} {
		out, after, err := t.pacer.Enter(ctx, gate.key, turn, maxWait)
		if err == nil {
			leaves = append(leaves, out)
			after, err = t.pacer.Space(ctx, gate.key, gate.rate, maxWait)
		}
		if err != nil {
			leave()
			return nil, &Error{
				Kind: ErrThrottled, Code: "RATE_LIMITED", RetryAfter: after, Err: err,
				Message: "the message would have to wait for longer than it may: the platform's or the channel's rate is reached",
			}
		}
	}
	return leave, nil
}

// suspended is the answer for calls of a channel that keeps failing.
func (l *lane) suspended() *Error {
	cause := l.refusedFor.Load()
	e := &Error{
		Kind: ErrTransient, Code: "CHANNEL_SUSPENDED",
		RetryAfter: max(time.Second, suspension-time.Since(time.Unix(0, l.suspendedAt.Load()))),
		Message:    fmt.Sprintf("after %d failures in a row the channel's calls are held back; the last was: %s", suspendAfter, cause.Message),
	}
	if cause.Kind == ErrAuth { // waiting does not help, new credentials do
		e.Kind, e.RetryAfter = ErrAuth, 0
	}
	return e
}
