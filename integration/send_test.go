package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/integration"
)

type sending = func(ctx context.Context, attempt int, m *integration.Message) (*integration.SendResult, error)

var delivered = integration.SendResult{Success: true, MessageID: "42:7", Metadata: object{"chatId": "42"}}

// failing fails with the errors in turn, then delivers.
func failing(errs ...error) sending {
	return func(_ context.Context, attempt int, _ *integration.Message) (*integration.SendResult, error) {
		if attempt <= len(errs) {
			return nil, errs[attempt-1]
		}
		result := delivered
		return &result, nil
	}
}

// always fails with one error, the same pointer each time.
func always(err error) sending {
	return func(context.Context, int, *integration.Message) (*integration.SendResult, error) { return nil, err }
}

func trouble(kind integration.ErrorKind, retryAfter time.Duration) *integration.Error {
	return &integration.Error{
		Kind: kind, Code: "TROUBLE", Message: "there is trouble", RetryAfter: retryAfter, PlatformCode: "p9",
		HTTPStatus: 418,
	}
}

func TestSentMessageIsAnsweredAndPublished(t *testing.T) {
	b := newHarness(t)
	b.platform.sending = failing()
	result, err := b.send()
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messageId":"42:7","metadata":{"chatId":"42"}}`, toJSON(t, result))

	e := b.events.one(t)
	require.Equal(t, "hios.processing.message.sent", e.Name)
	require.Regexp(t, `^parrot:c1:sent:[0-9a-f-]{36}$`, e.ID, "two sends never share an event")
	require.JSONEq(t, `{"tenantId":"t1","channelId":"c1","platform":"parrot","messageId":"42:7",`+
		`"metadata":{"chatId":"42"},"timestamp":1800000000000}`, string(e.Payload))
	require.Equal(t, []string{"parrot"}, e.Header["$caller"])
}

func TestSendResultHoldsNoSecret(t *testing.T) {
	b := newHarness(t)
	result := &integration.SendResult{Success: true, MessageID: "1", Metadata: object{"url": "/bot" + token, "n": 1}}
	b.platform.sending = func(
		context.Context, int, *integration.Message,
	) (*integration.SendResult, error) {
		return result, nil
	}
	answer, err := b.send()
	require.NoError(t, err)
	require.NotContains(t, toJSON(t, answer)+string(b.events.one(t).Payload), "CANARY")
	require.Contains(t, result.Metadata["url"], "CANARY", "the platform's own result is left alone")
}

func TestSendIsRepeatedOnlyWhereThatHelps(t *testing.T) {
	transient, throttled := trouble(integration.FaultTransient, 0), trouble(integration.FaultThrottled, 3*time.Second)
	between := func(least, most time.Duration) [2]time.Duration { return [2]time.Duration{least, most} }
	first, second := between(250*time.Millisecond, 500*time.Millisecond), between(500*time.Millisecond, time.Second)
	for name, test := range map[string]struct {
		sending sending
		pauses  [][2]time.Duration // before each later attempt
		code    int                // of the error; sent when zero
	}{
		"trouble that passes":       {failing(transient), [][2]time.Duration{first}, 0},
		"trouble that passes later": {failing(transient, transient), [][2]time.Duration{first, second}, 0},
		"trouble that stays":        {always(transient), [][2]time.Duration{first, second}, 503},
		"the platform names the pause": {failing(throttled, transient), [][2]time.Duration{
			between(3*time.Second, 3*time.Second), second,
		}, 0},
		"a pause shorter than the backoff": {
			failing(trouble(integration.FaultThrottled, time.Millisecond)), [][2]time.Duration{first}, 0,
		},
		"the longest pause": {failing(
			trouble(integration.FaultThrottled, 10*time.Second),
		), [][2]time.Duration{between(10*time.Second, 10*time.Second)}, 0},
		"a longer pause":             {always(trouble(integration.FaultThrottled, 10*time.Second+1)), nil, 429},
		"an outcome that is unknown": {always(trouble(integration.FaultUnknown, 0)), nil, 504},
		"an error of no kind":        {always(errors.New("boom")), nil, 504},
		"trouble, then the unknown": {failing(
			transient, trouble(integration.FaultUnknown, 0),
		), [][2]time.Duration{first}, 504},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newHarness(t)
				var attempts []time.Time
				b.platform.sending = func(
					ctx context.Context, attempt int, m *integration.Message,
				) (*integration.SendResult, error) {
					attempts = append(attempts, time.Now())
					return test.sending(ctx, attempt, m)
				}
				_, err := b.send()
				require.Len(t, attempts, 1+len(test.pauses))
				for i, pause := range test.pauses {
					waited := attempts[i+1].Sub(attempts[i])
					require.GreaterOrEqual(t, waited, pause[0])
					require.LessOrEqual(t, waited, pause[1])
				}
				require.Equal(t, attempts[len(attempts)-1], time.Now(), "after the last attempt nothing is waited for")
				if test.code == 0 {
					require.NoError(t, err)
					return
				}
				e, ok := errors.AsType[*action.Error](err)
				require.True(t, ok)
				require.Equal(t, test.code, e.Code)
				require.Equal(t, test.code != 504, e.Retryable, "what may have been delivered must not be sent again")
			})
		})
	}
}

func TestCallerIsToldHowLongToWait(t *testing.T) {
	for name, test := range map[string]struct{ retryAfter, timeout time.Duration }{
		"longer than a send may wait":     {11 * time.Second, time.Minute},
		"longer than the caller waits":    {3 * time.Second, 2 * time.Second},
		"longer than the caller ever can": {time.Hour, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newHarness(t)
				b.platform.sending = always(trouble(integration.FaultThrottled, test.retryAfter))
				ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
				defer cancel()
				start := time.Now()
				_, err := b.callWith(ctx, integration.ActionSendMessage, sendParams(), &action.Request{})
				require.Equal(t, start, time.Now(), "at once")
				e := errorOf(t, err, 429, "TROUBLE")
				require.True(t, e.Retryable)
				require.JSONEq(t, toJSON(t, object{
					"kind": "throttled", "outcome": "not_delivered", "retryAfterMs": test.retryAfter.Milliseconds(),
					"platformCode": "p9", "httpStatus": 418,
				}), toJSON(t, e.Data))
			})
		})
	}
}

func TestCallerThatGoesAwayEndsTheWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHarness(t)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		b.platform.sending = always(trouble(integration.FaultTransient, 0))
		_, err := b.callWith(ctx, integration.ActionSendMessage, sendParams(), &action.Request{})
		requireError(t, err, 503, "TROUBLE")
		require.Equal(t, []string{"send"}, b.platform.steps)
		require.Equal(t, "hios.processing.message.failed", b.events.one(t).Name)
	})
}

func TestSendWithoutADeadlineGetsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHarness(t)
		b.platform.sending = func(ctx context.Context, _ int, _ *integration.Message) (*integration.SendResult, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		start := time.Now()
		_, err := b.send()
		requireError(t, err, 504, "SEND_FAILED")
		require.Equal(t, time.Minute, time.Since(start))
	})
}

func TestRefusalForGoodIsAnAnswer(t *testing.T) {
	for _, kind := range []integration.ErrorKind{
		integration.FaultPermanent, integration.FaultAuth, integration.FaultInvalid,
	} {
		t.Run(string(kind), func(t *testing.T) {
			b := newHarness(t)
			b.platform.sending = always(trouble(kind, 0))
			result, err := b.send()
			require.NoError(t, err)
			require.JSONEq(t, toJSON(t, object{"success": false, "error": object{
				"message": "there is trouble", "code": "TROUBLE", "kind": kind, "class": kind, "retryable": false,
				"platformCode": "p9", "httpStatus": 418,
			}}), toJSON(t, result))
			require.Equal(t, []string{"send"}, b.platform.steps, "once")
			require.Equal(t, "hios.processing.message.failed", b.events.one(t).Name)
		})
	}
}

func TestFailedSendIsPublished(t *testing.T) {
	for kind, test := range map[integration.ErrorKind]struct {
		retries int
		outcome string
	}{
		integration.FaultPermanent: {0, "not_delivered"},
		integration.FaultTransient: {2, "not_delivered"},
		integration.FaultUnknown:   {0, "unknown"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newHarness(t)
				b.platform.sending = always(trouble(kind, 0))
				_, err := b.send()
				if err != nil {
					require.Contains(t, toJSON(t, errorOf(t, err, statusOf[kind], "TROUBLE").Data), `"outcome":"`+test.outcome+`"`)
				}
				want := object{
					"tenantId": "t1", "channelId": "c1", "platform": "parrot", "timestamp": now.UnixMilli(),
					"error": "there is trouble", "message": sendParams()["message"],
					"metadata": object{"code": "TROUBLE", "kind": kind, "outcome": test.outcome},
				}
				if test.retries > 0 {
					want["retryCount"] = test.retries
				}
				e := b.events.one(t)
				require.JSONEq(t, toJSON(t, want), string(e.Payload))
				require.True(t, strings.HasPrefix(e.ID, "parrot:c1:failed:"))
			})
		})
	}
}

var statusOf = map[integration.ErrorKind]int{integration.FaultTransient: 503, integration.FaultUnknown: 504}

func TestSendStandsWhetherOrNotItsEventIsStored(t *testing.T) {
	b := newHarness(t)
	b.platform.sending = failing()
	b.events.fail = func(event) error { return errors.New("no ack") }
	result, err := b.send()
	require.NoError(t, err)
	require.Contains(t, toJSON(t, result), `"success":true`)
	require.Contains(t, b.logs.String(), "the outcome of a send could not be published")
}

func TestOutcomeIsPublishedAfterTheCallersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHarness(t)
		var stored error
		b.platform.sending = func(ctx context.Context, _ int, _ *integration.Message) (*integration.SendResult, error) {
			<-ctx.Done() // the platform answers in the last moment
			result := delivered
			return &result, nil
		}
		b.runtime.Events = publisherFunc(func(ctx context.Context) error {
			stored = ctx.Err()
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, 5*time.Second, time.Until(deadline))
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.callWith(ctx, integration.ActionSendMessage, sendParams(), &action.Request{})
		require.NoError(t, err)
		require.NoError(t, stored)
	})
}

// publisherFunc is a publisher of which only the waiting matters.
type publisherFunc func(context.Context) error

func (publisherFunc) Subject(name string) string { return name }

func (f publisherFunc) Publish(ctx context.Context, _ order.Event, onAck func(bool, error)) {
	onAck(false, f(ctx))
}

func TestPlatformMayReportAFailureInItsResult(t *testing.T) {
	for name, test := range map[string]struct {
		result *integration.SendResult
		want   string
		event  string
	}{
		"nothing at all": {nil, `{"success":true}`, "hios.processing.message.sent"},
		"no success": {
			&integration.SendResult{},
			`{"success":false,"error":{"message":"the platform did not take the message","code":"SEND_FAILED",` +
				`"kind":"permanent","class":"permanent","retryable":false}}`,
			"hios.processing.message.failed",
		},
		"an error": {
			&integration.SendResult{
				Error: &integration.SendError{Kind: integration.FaultAuth, Code: "TOKEN", Message: "bad " + token},
			},
			`{"success":false,"error":{"message":"bad [redacted]","code":"TOKEN","kind":"auth","class":"auth",` +
				`"retryable":false}}`,
			"hios.processing.message.failed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.platform.sending = func(context.Context, int, *integration.Message) (*integration.SendResult, error) {
				return test.result, nil
			}
			result, err := b.send()
			require.NoError(t, err)
			require.JSONEq(t, test.want, toJSON(t, result))
			require.Equal(t, test.event, b.events.one(t).Name)
		})
	}
}

func TestPlatformsErrorIsLeftAlone(t *testing.T) {
	b := newHarness(t)
	shared := &integration.Error{Kind: integration.FaultPermanent, Code: "NO", Message: "refused " + token}
	b.platform.sending = always(shared)
	_, err := b.send()
	require.NoError(t, err)
	require.Equal(t, "refused "+token, shared.Message)
}

func TestLongErrorIsCut(t *testing.T) {
	b := newHarness(t)
	b.platform.sending = always(
		&integration.Error{Kind: integration.FaultPermanent, Code: "NO", Message: strings.Repeat("ü", 1e6)},
	)
	result, err := b.send()
	require.NoError(t, err)
	require.Less(t, len(toJSON(t, result)), 1200)
	require.Less(t, len(b.events.one(t).Payload), 1500)
}

func TestIdsMayBeNumbers(t *testing.T) {
	b := newHarness(t)
	var got *integration.Message
	b.platform.sending = func(_ context.Context, _ int, m *integration.Message) (*integration.SendResult, error) {
		got = m
		return nil, nil
	}
	_, err := b.call(integration.ActionSendMessage, object{"channelId": "c1", "message": json.RawMessage(
		`{"id": 1, "conversationId": -1001234567890123456, "to": {"id": 9007199254740993}, "from": {"id": null}, ` +
			`"threadId": "t", "replyTo": {"messageId": 5}}`)})
	require.NoError(t, err)
	require.Equal(t, []integration.ID{"1", "-1001234567890123456", "9007199254740993", "", "t", "5"},
		[]integration.ID{got.ID, got.ConversationID, got.To.ID, got.From.ID, got.ThreadID, got.ReplyTo.MessageID})
}

func TestMessageOfTheWrongFormIsRefusedByField(t *testing.T) {
	for name, test := range map[string]struct{ message, field, typ string }{
		"not an object":       {`"hi"`, "message", "object"},
		"missing":             {`null`, "message", "required"},
		"a text that is none": {`{"content":{"text":1}}`, "message.content.text", "string"},
		"an id that is none":  {`{"to":{"id":true}}`, "message.to.id", "string"},
		"a list that is none": {
			`{"content":{"interactive":{"buttons":{}}}}`, "message.content.interactive.buttons",
			"array",
		},
		"an object that is none": {`{"replyTo":"m1"}`, "message.replyTo", "object"},
		"a time that is none":    {`{"timestamp":"now"}`, "message.timestamp", "number"},
		"a flag that is none":    {`{"content":{"location":{"live":1}}}`, "message.content.location.live", "boolean"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			_, err := b.call(integration.ActionSendMessage, object{"channelId": "c1", "message": json.RawMessage(test.message)})
			e := errorOf(t, err, 422, "VALIDATION_ERROR")
			require.Equal(t, action.NameValidationError, e.Name)
			faults, ok := e.Data.([]action.Fault)
			require.True(t, ok)
			require.Len(t, faults, 1)
			require.Equal(t, []string{test.field, test.typ}, []string{faults[0].Field, faults[0].Type})
			require.Empty(t, b.platform.steps)
			require.Empty(t, b.events.events)
		})
	}
}

func TestSendNeedsAnActiveChannel(t *testing.T) {
	b := newHarness(t)
	b.store.channel.Status = integration.ChannelInactive
	_, err := b.send()
	requireError(t, err, 403, "CHANNEL_INACTIVE")
	require.Empty(t, b.platform.steps)
	require.Empty(t, b.events.events)
}

func TestSendErrorIsReadWithEitherNameOfItsKind(t *testing.T) {
	for _, text := range []string{
		`{"code":"X","class":"auth"}`, `{"code":"X","kind":"auth"}`, `{"code":"X","kind":"auth","class":"other"}`,
	} {
		var e integration.SendError
		require.NoError(t, json.Unmarshal([]byte(text), &e))
		require.Equal(t, integration.SendError{Code: "X", Kind: integration.FaultAuth}, e, text)
	}
}
