package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/integration"
)

// These tests show what is kept of webhooks and sends whose callers are impatient, or whose node vanishes.

// strictClaims do nothing once the context that they are given has ended, as those over a network.
type strictClaims struct{ claims.Store }

func (s strictClaims) Claim(ctx context.Context, terms claims.Terms, keys ...string) ([]claims.Claim, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.Store.Claim(ctx, terms, keys...)
}

func (s strictClaims) Done(ctx context.Context, result []byte, list ...claims.Claim) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.Store.Done(ctx, result, list...)
}

func (s strictClaims) Release(ctx context.Context, list ...claims.Claim) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.Store.Release(ctx, list...)
}

// forgetfulClaims are those of a node that dies before it has kept what it did.
type forgetfulClaims struct{ claims.Store }

func (forgetfulClaims) Done(context.Context, []byte, ...claims.Claim) error { return nil }
func (forgetfulClaims) Release(context.Context, ...claims.Claim) error      { return nil }

// storing is a publisher that stores what it is given, although its caller has gone meanwhile.
type storing struct {
	*publisher
	meanwhile func()
}

func (s storing) Publish(ctx context.Context, e order.Event, onAck func(bool, error)) {
	s.meanwhile()
	s.publisher.Publish(context.WithoutCancel(ctx), e, onAck)
}

// slowReader is a platform that takes a minute to read the webhook with the message a:1.
type slowReader struct{ batch }

func (s slowReader) Normalize(ctx context.Context, w *integration.Webhook) ([]integration.Message, error) {
	messages, err := s.batch.Normalize(ctx, w)
	if len(messages) > 0 && messages[0].ID == "a:1" {
		<-time.After(time.Minute)
	}
	return messages, err
}

func TestWebhookThatTimesOutDoesNotOvertakeEarlierOne(t *testing.T) {
	for _, settings := range []map[string]string{{}, {"spool": "on"}} {
		synctest.Test(t, func(t *testing.T) {
			d := &desk{road: newRoad(t, settings, nil)}
			d.def.Platform = slowReader{}
			d.service = d.define()
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := d.receiveUntil(t.Context(), "a:1"); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()

			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := d.receiveUntil(ctx, "a:2")
			late := errorOf(t, err, 503, "WEBHOOK_LATE")
			require.True(t, late.Retryable)
			require.Empty(t, d.published(), "neither is published before the first is read")
			wg.Wait()
			_, err = d.receiveUntil(t.Context(), "a:2")
			require.NoError(t, err, "the platform sends it again")
			require.Equal(t, []string{"parrot:c1:a:1", "parrot:c1:a:2"}, d.published())
		})
	}
}

func TestWebhookThatGaveUpIsADuplicateWhenRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.runtime.Claims = strictClaims{slowFirstClaim{d.store}}
		d.service = d.define()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := d.receiveUntil(t.Context(), "a:1"); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/4)
		defer cancel()
		_, err := d.receiveUntil(ctx, "a:2")
		requireError(t, err, 503, "WEBHOOK_LATE")
		wg.Wait()

		for range 2 { // the second time after the stream's memory
			_, err := d.receiveUntil(t.Context(), "a:2")
			require.NoError(t, err)
			pass(3 * time.Minute)
		}
		require.Equal(t, []string{"parrot:c1:a:1", "parrot:c1:a:2"}, d.published())
	})
}

func TestMessageStoredAfterItsCallerLeftIsADuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		ctx, leave := context.WithCancel(t.Context())
		d.runtime.Claims, d.runtime.Events = strictClaims{d.store}, storing{d.events, leave}
		d.service = d.define()
		_, _ = d.receiveUntil(ctx, "a:1") // nobody is there for the answer
		pass(3 * time.Minute)
		result, err := d.receive("a:1")
		require.NoError(t, err)
		require.JSONEq(t, `{"success":true,"messages":1,"failed":0,"duplicates":1}`, result)
		require.Len(t, d.published(), 1)
	})
}

func TestClaimOfANodeThatVanishedIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.runtime.Claims = forgetfulClaims{d.store}
		d.service = d.define()
		_, err := d.receive("a:1")
		require.NoError(t, err)

		d.runtime.Claims = d.store // of another node
		d.service = d.define()
		for range 3 {
			pass(3 * time.Minute) // longer than a lease, and than the stream remembers
			_, err := d.receive("a:1")
			require.NoError(t, err)
		}
		require.Len(t, d.published(), 2, "once by each node: the second has kept that it did it")
	})
}

func TestMessageIsADuplicateForAsLongAsItsPlatformSays(t *testing.T) {
	for horizon, published := range map[time.Duration]int{0: 2, 24 * time.Hour: 2, 72 * time.Hour: 1} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			d.def.RetryHorizon = horizon
			d.service = d.define()
			for range 2 {
				_, err := d.receive("a:1")
				require.NoError(t, err)
				pass(48 * time.Hour)
			}
			require.Len(t, d.published(), published, horizon)
		})
	}
}

func TestDeadLetteredMessageIsNotDeadLetteredTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.events.fail = func(e event) error {
			if strings.HasSuffix(e.Name, ".received") {
				return rejected{errors.New("too large")}
			}
			return nil
		}
		result, err := d.receive("a:1")
		require.NoError(t, err)
		require.JSONEq(t, `{"success":true,"messages":0,"failed":1}`, result)
		pass(3 * time.Minute)
		_, err = d.receive("a:1")
		require.NoError(t, err)
		require.Equal(t, []string{"parrot:c1:a:1", "dead:parrot:c1:a:1"}, slices.DeleteFunc(
			d.published(), func(id string) bool { return strings.Contains(id, ":degraded:") },
		))
	})
}

// slowFirstClaim takes half a second for the message a:1.
type slowFirstClaim struct{ claims.Store }

func (s slowFirstClaim) Claim(ctx context.Context, terms claims.Terms, keys ...string) ([]claims.Claim, error) {
	if !strings.HasSuffix(keys[0], "a:1") {
		return s.Store.Claim(ctx, terms, keys...)
	}
	select {
	case <-time.After(time.Second / 2):
		return s.Store.Claim(ctx, terms, keys...)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestCallersTimeoutIsNotAFaultOfTheClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.runtime.Claims = slowFirstClaim{d.store}
		d.service = d.define()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/10)
		defer cancel()
		_, _ = d.receiveUntil(ctx, "a:1")
		for range 2 {
			_, err := d.receive("a:2")
			require.NoError(t, err)
			pass(3 * time.Minute)
		}
		require.NotContains(t, d.published()[1:], "parrot:c1:a:1")
		require.Len(t, d.published(), 2, "the claims were asked for a:2, and know it the second time")
	})
}

func TestClaimsThatFailAreWarnedOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.runtime.Claims = brokenClaims{}
		d.service = d.define()
		for _, name := range []string{"a:1", "a:2", "a:3"} {
			_, err := d.receive(name)
			require.NoError(t, err)
		}
		require.Equal(t, 1, strings.Count(d.logs.String(), "repeated messages cannot be told by the claims at the moment"))
	})
}

func TestAnswerOfASendIsKeptAfterItsCallerLeft(t *testing.T) {
	b := newHarness(t)
	b.runtime.Claims = strictClaims{claims.NewMemory(claims.MemoryOptions{})}
	ctx, leave := context.WithCancel(t.Context())
	b.platform.sending = func(context.Context, int, *integration.Message) (*integration.SendResult, error) {
		leave()
		return &integration.SendResult{Success: true, MessageID: "m-1"}, nil
	}
	service := b.define()
	params := sendParams()
	params["idempotencyKey"] = "k"
	_, _ = service.Call(ctx, integration.ActionSendMessage, &action.Request{Params: json.RawMessage(toJSON(t, params))})
	result, err := once(t, service, "k")
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messageId":"m-1"}`, result)
	require.Equal(t, []string{"send"}, b.platform.steps)
}

func TestBoundsAreTakenAndValuesBeyondAreRefused(t *testing.T) {
	b := newHarness(t)
	b.runtime.Claims = claims.NewMemory(claims.MemoryOptions{})
	b.platform.sending = func(context.Context, int, *integration.Message) (*integration.SendResult, error) {
		return &integration.SendResult{Success: true, MessageID: "1"}, nil
	}
	service := b.define()
	_, err := once(t, service, strings.Repeat("k", 255))
	require.NoError(t, err)
	_, err = once(t, service, strings.Repeat("k", 256))
	requireError(t, err, 400, "IDEMPOTENCY_KEY_INVALID")

	b.platform.messages = make([]integration.Message, 10_000)
	result, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messages":10000,"failed":0}`, toJSON(t, result))
	b.platform.messages = make([]integration.Message, 10_001)
	_, err = b.receive(webhookParams())
	requireError(t, err, 400, "WEBHOOK_TOO_LARGE")
}

func TestAttemptsOfManySendsDoNotComeTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := map[time.Duration]bool{}
		for range 8 {
			r := newRoad(t, nil, nil)
			var last time.Time
			r.platform.sending = func(_ context.Context, attempt int, _ *integration.Message) (*integration.SendResult, error) {
				if attempt == 2 {
					waits[time.Since(last)] = true
					return &integration.SendResult{Success: true, MessageID: "1"}, nil
				}
				last = time.Now()
				return nil, trouble(integration.FaultTransient, 0)
			}
			require.NoError(t, r.send("c1", "42", "hi"))
		}
		require.Greater(t, len(waits), 4, "they wait for different times")
	})
}
