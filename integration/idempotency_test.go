package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/integration"
)

// once sends with a key through one of several nodes.
func once(t *testing.T, service *integration.Service, key string) (string, error) {
	t.Helper()
	params := sendParams()
	params["idempotencyKey"] = key
	result, err := service.Call(
		t.Context(), integration.ActionSendMessage, &action.Request{Params: json.RawMessage(toJSON(t, params))},
	)
	if err != nil {
		return "", err
	}
	return toJSON(t, result), nil
}

func TestSendsWithOneKeyAreCarriedOutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHarness(t)
		b.runtime.Claims = claims.NewMemory(claims.MemoryOptions{})
		b.platform.sending = func(_ context.Context, attempt int, _ *integration.Message) (*integration.SendResult, error) {
			<-time.After(time.Second)
			return &integration.SendResult{Success: true, MessageID: integration.ID(strings.Repeat("x", attempt))}, nil
		}
		nodes := []*integration.Service{b.define(), b.define()}
		var wg sync.WaitGroup
		for n := range 20 {
			wg.Go(func() {
				result, err := once(t, nodes[n%2], "order-1")
				if err != nil || result != `{"success":true,"messageId":"x"}` {
					t.Errorf("%s %v", result, err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, []string{"send"}, b.platform.steps)
		require.Equal(t, "hios.processing.message.sent", b.events.one(t).Name)

		_, err := once(t, nodes[0], "order-2")
		require.NoError(t, err)
		require.Len(t, b.platform.steps, 2, "another key is another send")
		<-time.After(25 * time.Hour)
		_, err = once(t, nodes[0], "order-1")
		require.NoError(t, err)
		require.Len(t, b.platform.steps, 3, "a key is known for a day")
	})
}

func TestIdempotencyKeyKeepsOnlyFinalAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		calls int // after a second send with the key
	}{
		"a refusal for good":           {trouble(integration.FaultPermanent, 0), 1},
		"an outcome that is not known": {trouble(integration.FaultUnknown, 0), 1},
		"trouble that passes":          {trouble(integration.FaultTransient, 0), 6},
		// and the second is held back
		"a platform that is overrun":     {trouble(integration.FaultThrottled, time.Minute), 1},
		"credentials that can be mended": {trouble(integration.FaultAuth, 0), 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newHarness(t)
				b.platform.sending = always(test.err)
				service := b.define()
				first, firstErr := once(t, service, "k")
				second, secondErr := once(t, service, "k")
				require.Len(t, b.platform.steps, test.calls)
				if test.calls == 1 && name != "a platform that is overrun" {
					require.Equal(t, first, second)
					require.Equal(t, toJSON(t, firstErr), toJSON(t, secondErr))
				}
				<-time.After(time.Minute)
				synctest.Wait()
			})
		})
	}
}

func TestKeyThatCannotBeLookedUpSendsNothing(t *testing.T) {
	b := newHarness(t)
	b.runtime.Claims = brokenClaims{}
	_, err := once(t, b.define(), "k")
	require.True(t, errorOf(t, err, 503, "CLAIMS_UNAVAILABLE").Retryable)
	require.Empty(t, b.platform.steps)
}

func TestSendWhoseNodeVanishedIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHarness(t)
		store := claims.NewMemory(claims.MemoryOptions{})
		b.runtime.Claims = store
		b.platform.sending = func(context.Context, int, *integration.Message) (*integration.SendResult, error) {
			panic("the node dies")
		}
		service := b.define()
		require.Panics(t, func() { _, _ = once(t, service, "k") })
		_, err := once(t, service, "k")
		require.True(t, errorOf(t, err, 503, "SEND_IN_PROGRESS").Retryable, "for as long as it may still be under way")
		<-time.After(time.Minute)
		_, err = once(t, service, "k")
		requireError(t, err, 504, "SEND_ABANDONED")
		require.Len(t, b.platform.steps, 1)
	})
}

func TestKeyIsNotTooLong(t *testing.T) {
	_, err := once(t, newHarness(t).define(), strings.Repeat("k", 256))
	requireError(t, err, 400, "IDEMPOTENCY_KEY_INVALID")
}

// brokenClaims is a store that is away.
type brokenClaims struct{ claims.Store }

func (brokenClaims) Claim(context.Context, claims.Terms, ...string) ([]claims.Claim, error) {
	return nil, errors.New("away")
}
