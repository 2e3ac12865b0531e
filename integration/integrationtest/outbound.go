package integrationtest

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/testserver/overdue"
)

// enough is how long anything may take that should happen at once: less than the 15 s after which a call of package
// httpapi ends by itself.
const enough = 10 * time.Second

// delivered stands for the kind of the error that a delivered message does not have.
const delivered integration.ErrorKind = ""

// ordeals are troubles of the API while a message is sent, and the kinds of errors that a platform may
// make of them. All of them come without the platform's own JSON: what something on the way answers.
var ordeals = []struct {
	name    string
	trouble trouble
	kinds   []integration.ErrorKind
}{
	{"an API that asks for a long pause", status(
		http.StatusTooManyRequests, "30",
	), []integration.ErrorKind{integration.FaultThrottled}},
	{"an API that fails", status(http.StatusInternalServerError, ""), []integration.ErrorKind{integration.FaultUnknown}},
	{"a gateway that got no good answer", status(
		http.StatusBadGateway, "",
	), []integration.ErrorKind{integration.FaultUnknown}},
	{"an API that is overloaded", status(http.StatusServiceUnavailable, ""), []integration.ErrorKind{
		integration.FaultTransient, integration.FaultThrottled, integration.FaultUnknown,
	}},
	{"a gateway that got no answer", status(
		http.StatusGatewayTimeout, "",
	), []integration.ErrorKind{integration.FaultUnknown}},
	{"a request that is wrong", status(http.StatusBadRequest, ""), []integration.ErrorKind{
		integration.FaultPermanent, integration.FaultInvalid,
	}},
	{"credentials that are refused", status(http.StatusUnauthorized, ""), []integration.ErrorKind{integration.FaultAuth}},
	{"something that is forbidden", status(http.StatusForbidden, ""), []integration.ErrorKind{
		integration.FaultPermanent, integration.FaultAuth,
	}},
	{"an API that has moved", trouble{
		Answer: Answer{Status: http.StatusFound, Header: map[string]string{"Location": "/elsewhere"}},
	}, []integration.ErrorKind{integration.FaultPermanent, integration.FaultUnknown, integration.FaultAuth}},
	{"a connection that breaks before the request is read", trouble{reset: true, unread: true}, []integration.ErrorKind{
		integration.FaultUnknown, integration.FaultTransient,
	}},
	{"a connection that breaks after the request was read", trouble{reset: true}, []integration.ErrorKind{
		integration.FaultUnknown,
	}},
	{"an answer that is no JSON", trouble{
		Answer: Answer{Body: "<html>welcome</html>"},
	}, []integration.ErrorKind{integration.FaultUnknown, delivered}},
	{"half of an answer", trouble{Answer: Answer{Body: `{"`}}, []integration.ErrorKind{
		integration.FaultUnknown, delivered,
	}},
	{"an empty answer", trouble{}, []integration.ErrorKind{integration.FaultUnknown, delivered}},
	{"an answer of another shape", trouble{Answer: Answer{Body: `[null]`}}, []integration.ErrorKind{
		integration.FaultUnknown, delivered,
	}},
	{"no answer before the caller's deadline", trouble{hang: true}, []integration.ErrorKind{integration.FaultUnknown}},
}

func status(code int, retryAfter string) trouble {
	t := trouble{Answer: Answer{Status: code}}
	if retryAfter != "" {
		t.Header = map[string]string{"Retry-After": retryAfter}
	}
	return t
}

// How the factory answers: see its own tests. A longer pause than patience is left to the caller.
const (
	attempts  = 3
	patience  = 10 * time.Second
	longPause = 30 * time.Second
)

// endure is send while the API is in trouble. Where it hangs, the caller's deadline comes when the API has the request.
func (b *harness) endure(t *testing.T, m integration.Message, hangs bool) sendOutcome {
	t.Helper()
	if !hangs {
		return b.send(m, time.Minute)
	}
	ctx, expire := overdue.Context(t.Context())
	left := make(chan bool, 1)
	go func() {
		<-b.fake.hung
		expire()
		select {
		case <-b.fake.left:
			left <- true
		case <-time.After(enough):
			left <- false
		}
	}()
	v := b.told(b.attemptWithin(ctx, m))
	require.True(t, <-left, "the request goes on, though the caller has gone")
	return v
}

func testOutbound(t *testing.T, p Platform) {
	t.Helper()
	for _, s := range p.Sends {
		t.Run("a message becomes its requests/"+s.Name, func(t *testing.T) { testSend(t, p, s) })
	}
	t.Run("the API takes no request that lacks what is required", func(t *testing.T) { testRequired(t, p) })
	t.Run("a refusal of the API is understood", func(t *testing.T) {
		t.Parallel() // as what follows: they wait for the factory to try again
		testFailures(t, p)
	})
	if p.Definition.Errors != nil {
		t.Run("a refusal means what its row of the error table says", func(t *testing.T) { testRows(t, p) })
	}
	t.Run("trouble", func(t *testing.T) {
		t.Parallel()
		for _, o := range ordeals {
			t.Run(o.name, func(t *testing.T) {
				t.Parallel() // for they wait for the factory to try again
				b := newHarness(t, p)
				b.fake.play(o.trouble)
				v := b.endure(t, p.Sends[0].Message, o.trouble.hang)
				require.Contains(t, o.kinds, v.kind, "%+v", v)
				require.Equal(
					t, v.kind == integration.FaultThrottled || v.kind == integration.FaultTransient, v.retryable, "%+v", v,
				)
				requests := len(b.fake.seen())
				switch {
				case o.trouble.Header["Retry-After"] != "":
					require.Equal(t, longPause, v.retryAfter, "the caller must be told how long to wait")
					require.Equal(t, 1, requests, "the API asked to wait")
				case v.retryable:
					require.Equal(t, attempts, requests)
				default:
					require.Equal(t, 1, requests, "what may have been delivered, or never will be, must not be sent again")
				}
			})
		}
		t.Run("an API that cannot be reached", func(t *testing.T) {
			t.Parallel()
			b := newHarness(t, p, unreachable(t, p))
			v := b.send(p.Sends[0].Message, time.Minute)
			require.Equal(t, integration.FaultTransient, v.kind, "nothing was sent, so it can be sent again: %+v", v)
			require.True(t, v.retryable)
		})
		t.Run("an API that asks for a short pause", func(t *testing.T) {
			t.Parallel()
			b := newHarness(t, p)
			hurry := status(http.StatusTooManyRequests, "1")
			hurry.times = 1
			b.fake.play(hurry)
			v := b.send(p.Sends[0].Message, time.Minute)
			require.Equal(t, delivered, v.kind, "%+v", v)
			seen := b.fake.seen()
			require.GreaterOrEqual(t, len(seen), 2)
			require.GreaterOrEqual(t, seen[1].at.Sub(seen[0].at), time.Second)
		})
	})
	t.Run("many messages at once do not disturb each other", func(t *testing.T) { testMany(t, p) })
}

func testSend(t *testing.T, p Platform, s Send) {
	t.Helper()
	b := newScripted(t, p, s)
	v := b.do(s)
	record := struct {
		Requests []request       `json:"requests"`
		Result   json.RawMessage `json:"result,omitempty"`
		Error    *action.Error   `json:"error,omitempty"`
		Event    *event          `json:"event,omitempty"`
	}{b.fake.seen(), v.result, v.err, v.event}
	if v.event != nil {
		v.event.ID, v.event.Header = "", nil
	}
	golden(t, "sends", s.Name, record)
}

// newScripted is a harness whose API answers as the send says.
func newScripted(tb testing.TB, p Platform, s Send) *harness {
	tb.Helper()
	b := newHarness(tb, p)
	if s.Answer != nil {
		b.fake.play(trouble{Answer: *s.Answer})
	}
	return b
}

// do sends a message, or calls the message action.
func (b *harness) do(s Send) sendOutcome {
	b.tb.Helper()
	if s.Action == "" {
		return b.send(s.Message, time.Minute)
	}
	params := object{"channelId": b.channel.ID}
	maps.Copy(params, s.Params)
	return b.judge(b.call(b.tb.Context(), s.Action, params, &action.Request{}))
}

// sendOutcome is what became of a send.
type sendOutcome struct {
	kind         integration.ErrorKind
	code         string
	platformCode string
	httpStatus   int
	outcome      integration.Outcome
	retryable    bool
	retryAfter   time.Duration
	messageID    integration.ID
	result       json.RawMessage
	err          *action.Error
	event        *event // message actions have none
}

// send sends a message and checks what holds for every send: one event, and that it agrees with what
// the caller is told.
func (b *harness) send(m integration.Message, timeout time.Duration) sendOutcome {
	b.tb.Helper()
	return b.told(b.attempt(m, timeout))
}

func (b *harness) attempt(m integration.Message, timeout time.Duration) (json.RawMessage, error) {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.tb.Context(), timeout)
	defer cancel()
	return b.attemptWithin(ctx, m)
}

func (b *harness) attemptWithin(ctx context.Context, m integration.Message) (json.RawMessage, error) {
	b.tb.Helper()
	return b.call(ctx, integration.ActionSendMessage, object{"channelId": b.channel.ID, "message": m}, &action.Request{})
}

// judge reads how an action of sending ended.
func (b *harness) judge(result json.RawMessage, err error) sendOutcome {
	b.tb.Helper()
	v := sendOutcome{result: result}
	if err != nil {
		v.err = b.errorOf(err, "a send")
		var data struct {
			Kind         integration.ErrorKind
			Outcome      integration.Outcome
			RetryAfterMs int64
			PlatformCode string
			HTTPStatus   int
		}
		require.NoError(b.tb, json.Unmarshal([]byte(toJSON(b.tb, v.err.Data)), &data), "%v", v.err)
		v.kind, v.code, v.retryable, v.outcome = data.Kind, v.err.Type, v.err.Retryable, data.Outcome
		v.platformCode, v.httpStatus = data.PlatformCode, data.HTTPStatus
		v.retryAfter = time.Duration(data.RetryAfterMs) * time.Millisecond
		require.NotEmpty(b.tb, v.kind, "the error must be of a kind: %v", v.err)
		require.NotEmpty(b.tb, v.err.Type)
		return v
	}
	var r integration.SendResult
	require.NoError(b.tb, json.Unmarshal(result, &r))
	if r.Error != nil {
		v.kind, v.code, v.retryable, v.outcome = r.Error.Kind, r.Error.Code, r.Error.Retryable, integration.NotDelivered
		v.platformCode, v.httpStatus = r.Error.PlatformCode, r.Error.HTTPStatus
		require.False(b.tb, r.Success, "%s", result)
		require.NotEmpty(b.tb, r.Error.Code)
		require.NotEmpty(b.tb, r.Error.Message)
	}
	v.messageID = r.MessageID
	return v
}

// told is judge for i_sendMessage, which tells its outcome to others too.
func (b *harness) told(result json.RawMessage, err error) sendOutcome {
	b.tb.Helper()
	v := b.judge(result, err)
	if v.result != nil {
		var r integration.SendResult
		require.NoError(b.tb, json.Unmarshal(result, &r))
		require.Equal(b.tb, v.kind == delivered, r.Success, "%s", result)
	}
	events := b.events.take()
	require.Len(b.tb, events, 1, "each send has one event")
	v.event = &events[0]
	if v.kind == delivered {
		require.Equal(b.tb, namespace+".processing.message.sent", v.event.Name)
		return v
	}
	require.Equal(b.tb, namespace+".processing.message.failed", v.event.Name)
	var payload struct {
		Error    string
		Metadata struct {
			Kind    integration.ErrorKind
			Code    string
			Outcome integration.Outcome
		}
	}
	require.NoError(b.tb, json.Unmarshal(v.event.Payload, &payload))
	require.NotEmpty(b.tb, payload.Error)
	require.Equal(b.tb, v.kind, payload.Metadata.Kind)
	require.Equal(b.tb, v.code, payload.Metadata.Code)
	outcome := integration.NotDelivered
	if v.kind == integration.FaultUnknown {
		outcome = integration.Uncertain
	}
	require.Equal(b.tb, outcome, payload.Metadata.Outcome, "of a failure that is %s", v.kind)
	switch v.kind {
	case integration.FaultInvalid, integration.FaultUnauthorized, integration.FaultForbidden, integration.FaultNotFound:
	default:
		require.Equal(b.tb, outcome, v.outcome, "of a failure that is %s", v.kind)
	}
	return v
}

func testMany(t *testing.T, p Platform) {
	t.Helper()
	b := newHarness(t, p)
	const many = 16
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			params := object{"channelId": b.channel.ID, "message": p.Sends[0].Message}
			if _, err := b.call(t.Context(), integration.ActionSendMessage, params, &action.Request{}); err != nil {
				t.Errorf("a send fails: %v", err)
			}
		})
		wg.Go(func() {
			if _, err := b.genuine(p.Webhooks[0]); err != nil {
				t.Errorf("a webhook is refused: %v", err)
			}
		})
	}
	wg.Wait()
	sent := 0
	for _, e := range b.events.take() {
		if e.Name == namespace+".processing.message.sent" {
			sent++
		}
	}
	require.Equal(t, many, sent)
}
