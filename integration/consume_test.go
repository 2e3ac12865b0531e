package integration_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/integration"
)

const orders = "hios.orders.placed"

// purchase is the payload of the tests.
type purchase struct {
	ID int `json:"id"`
}

// consumer keeps what is subscribed to, and when that ends.
type consumer struct {
	ledger
	subs []integration.Subscription
	err  error // of the second subscription
}

func (c *consumer) Consume(_ context.Context, sub integration.Subscription) (func(context.Context) error, error) {
	if len(c.subs) == 1 && c.err != nil {
		return nil, c.err
	}
	c.subs = append(c.subs, sub)
	return func(context.Context) error {
		c.add("stop " + sub.Name)
		return nil
	}, nil
}

// consuming is a service that has begun to consume.
func consuming(b *harness, events ...integration.ReliableEvent) (*integration.Service, *consumer) {
	b.t.Helper()
	c := &consumer{}
	b.runtime.Consumer = c
	s := b.service(integration.ServiceDefinition{Version: "2", ReliableEvents: events})
	require.NoError(b.t, s.StartConsuming(b.t.Context()))
	return s, c
}

// deliver hands an event to the handler of a service of its own.
func (b *harness) deliver(
	header map[string][]string, payload string, options integration.ConsumeOptions,
	handle func(*integration.Context, purchase) error,
) error {
	b.t.Helper()
	_, c := consuming(b, integration.NewReliableEvent(orders, options, handle))
	return c.subs[0].Handle(
		b.t.Context(),
		&integration.Delivery{
			Name: orders, Subject: "dev." + orders, Group: "v2.users", MessageID: "m1", Attempt: 2, Header: header,
		},
		[]byte(payload),
	)
}

func nothing(*integration.Context, purchase) error { return nil }

func encoded(text string) []string {
	return []string{base64.StdEncoding.EncodeToString([]byte(text))}
}

func TestOptionsOfAConsumerAreThoseOfNode(t *testing.T) {
	rest := []time.Duration{time.Second, 5 * time.Second, 30 * time.Second}
	for test, want := range map[string]struct {
		options integration.ConsumeOptions
		sub     integration.Subscription
	}{
		"by default": {integration.ConsumeOptions{}, integration.Subscription{
			Group: "v2.users", MaxInFlight: 1, MaxRetries: 3, Backoff: rest,
		}},
		"dead letters": {integration.ConsumeOptions{
			DeadLettering: integration.DeadLettering{Enabled: true},
		}, integration.Subscription{
			Group: "v2.users", MaxInFlight: 1, MaxRetries: 3, Backoff: rest, DeadLetters: "FAILED_MESSAGES",
		}},
		"all": {integration.ConsumeOptions{
			Group: "g", MaxInFlight: 9, MaxRetries: 1, Backoff: []time.Duration{},
			DeadLettering: integration.DeadLettering{Enabled: true, QueueName: "DEAD"},
		}, integration.Subscription{
			Group: "g", MaxInFlight: 9, MaxRetries: 1, Backoff: []time.Duration{}, DeadLetters: "DEAD",
		}},
		"a queue that is off": {integration.ConsumeOptions{
			DeadLettering: integration.DeadLettering{QueueName: "DEAD"},
		}, integration.Subscription{
			Group: "v2.users", MaxInFlight: 1, MaxRetries: 3, Backoff: rest,
		}},
	} {
		t.Run(test, func(t *testing.T) {
			_, c := consuming(newHarness(t), integration.NewReliableEvent(orders, want.options, nothing))
			got := c.subs[0]
			got.Handle = nil
			want.sub.Name, want.sub.Service = orders, "v2.users"
			require.Equal(t, want.sub, got)
		})
	}
}

func TestFaultsOfConsumersAreNamed(t *testing.T) {
	event := func(name string, o integration.ConsumeOptions) integration.ReliableEvent {
		return integration.NewReliableEvent(name, o, nothing)
	}
	dead := integration.ConsumeOptions{DeadLettering: integration.DeadLettering{Enabled: true}}
	for want, events := range map[string][]integration.ReliableEvent{
		`reliable event "a b"`:      {event("a b", integration.ConsumeOptions{})},
		`reliable event "orders.*"`: {event("orders.*", integration.ConsumeOptions{})},
		`reliable event "a..b"`:     {event("a..b", integration.ConsumeOptions{})},
		`reliable event a is consumed twice`: {event("a", integration.ConsumeOptions{}), event(
			"a", integration.ConsumeOptions{Group: "g"},
		)},
		`reliable event a has no handler`: {integration.NewReliableEvent[purchase](
			"a", integration.ConsumeOptions{}, nil,
		)},
		`reliable event a: the group "g/h"`: {event("a", integration.ConsumeOptions{Group: "g/h"})},
		`reliable event a: maxInFlight`:     {event("a", integration.ConsumeOptions{MaxInFlight: -1})},
		`reliable event a: the dead letter queue "a >"`: {event(
			"a", integration.ConsumeOptions{DeadLettering: integration.DeadLettering{QueueName: "a >"}},
		)},
		`FAILED_MESSAGES would be its own dead letter que`: {event("FAILED_MESSAGES", dead)},
	} {
		t.Run(want, func(t *testing.T) {
			_, err := integration.DefineService(
				integration.ServiceDefinition{Name: "users", ReliableEvents: events}, newHarness(t).runtime,
			)
			require.ErrorContains(t, err, want)
		})
	}
}

func TestConsumersNeedANodeThatDelivers(t *testing.T) {
	s := newHarness(t).service(
		integration.ServiceDefinition{
			ReliableEvents: []integration.ReliableEvent{
				integration.NewReliableEvent(orders, integration.ConsumeOptions{}, nothing),
			},
		},
	)
	require.ErrorContains(t, s.StartConsuming(t.Context()), "service users: this node delivers no reliable events")
}

func TestConsumersThatWereBegunAreStoppedOnce(t *testing.T) {
	events := []integration.ReliableEvent{
		integration.NewReliableEvent("a", integration.ConsumeOptions{}, nothing),
		integration.NewReliableEvent("b", integration.ConsumeOptions{}, nothing),
	}
	s, c := consuming(newHarness(t), events...)
	require.NoError(t, s.StopConsuming(t.Context()))
	require.NoError(t, s.Stop(t.Context()))
	require.ElementsMatch(t, []string{"stop a", "stop b"}, c.lines())

	b := newHarness(t)
	c = &consumer{err: errors.New("no stream")}
	b.runtime.Consumer = c
	s = b.service(integration.ServiceDefinition{ReliableEvents: events})
	require.ErrorIs(t, s.StartConsuming(t.Context()), c.err)
	require.Equal(t, []string{"stop a"}, c.lines(), "what was begun is undone")

	s, c = consuming(newHarness(t), events...)
	require.NoError(t, s.Stop(t.Context()), "a stop of the service does, too")
	require.Len(t, c.lines(), 2)
}

func TestEventIsHandledInTheContextOfItsSender(t *testing.T) {
	b := newHarness(t)
	watch := b.watch()
	yes := true
	err := b.deliver(map[string][]string{
		"$requestID": {"r1"}, "$parentID": {"p1"}, "$caller": {"v1.shop"}, "$level": {"4"}, "$tracing": {"true"},
		"$meta": encoded(`{"tenantId":"t1","user":{"id":"u1"}}`), "$headers": encoded(`{"h":1}`),
		"$parentChannelName": {"dev.hios.carts"},
	}, `{"id":7}`, integration.ConsumeOptions{}, func(ctx *integration.Context, o purchase) error {
		require.Equal(t, 7, o.ID)
		r := ctx.Request
		require.Equal(
			t, []any{"r1", "p1", "v1.shop", 5, &yes, "v2.users"},
			[]any{r.RequestID, r.ParentID, r.Caller, r.Level, r.Tracing, r.Service},
		)
		require.NotEmpty(t, r.ID)
		require.JSONEq(t, `{"h":1}`, string(r.Headers))
		require.Equal(t, []string{"t1", "u1"}, []string{ctx.TenantID(), ctx.UserID()})
		d := ctx.Delivery()
		require.Equal(
			t, []any{orders, "dev." + orders, "v2.users", "m1", 2, "dev.hios.carts"},
			[]any{d.Name, d.Subject, d.Group, d.MessageID, d.Attempt, d.ParentChannel},
		)
		require.Same(t, d, integration.FromContext(ctx.Context).Delivery(), "plain contexts lead to it too")
		ctx.Log().Info("here")
		return nil
	})
	require.NoError(t, err)
	entry := watch.LastEntry()
	require.Equal(
		t, []any{orders, "r1", "t1", "users"},
		[]any{entry.Data["event"], entry.Data["requestID"], entry.Data["tenant"], entry.Data["service"]},
	)
}

func TestEventOfNobodyBeginsATrace(t *testing.T) {
	require.NoError(t, newHarness(t).deliver(map[string][]string{
		"$parentID": {"p1"}, "$caller": {"x"}, "$level": {"4"},
	}, `{}`, integration.ConsumeOptions{}, func(ctx *integration.Context, _ purchase) error {
		require.NotEmpty(t, ctx.Request.RequestID)
		require.Equal(t, []any{"", "", 1}, []any{ctx.Request.ParentID, ctx.Request.Caller, ctx.Request.Level})
		return nil
	}))
}

func TestEventSentByAHandlerNamesItsParentChannel(t *testing.T) {
	b := newHarness(t)
	header := map[string][]string{"$requestID": {"r1"}, "$level": {"4"}}
	require.NoError(t, b.deliver(header, `{}`, integration.ConsumeOptions{}, func(
		ctx *integration.Context, o purchase,
	) error {
		return ctx.SendToChannel("hios.next", o)
	}))
	sent := b.events.one(t)
	require.Equal(t, []any{[]string{"dev." + orders}, []string{"r1"}, []string{"5"}, []string{"v2.users"}},
		[]any{sent.Header["$parentChannelName"], sent.Header["$requestID"], sent.Header["$level"], sent.Header["$caller"]})
}

func TestHandlerReachesDatasourcesCacheAndCluster(t *testing.T) {
	b := newHarness(t)
	var life ledger
	c := &consumer{}
	b.runtime.Consumer, b.runtime.Cluster = c, &others{}
	s := b.service(integration.ServiceDefinition{
		Datasources: []datasource.Definition{life.source("db", nil, nil)},
		ReliableEvents: []integration.ReliableEvent{integration.NewReliableEvent(orders, integration.ConsumeOptions{}, func(
			ctx *integration.Context, _ purchase,
		) error {
			_, err := datasource.Get[*source](ctx, "db")
			require.NotNil(t, ctx.Request.Cluster)
			return errors.Join(err, ctx.Cache().Set(ctx, "k", "v", 0))
		})},
	})
	require.NoError(t, s.Start(t.Context()))
	require.NoError(t, s.StartConsuming(t.Context()))
	require.NoError(t, c.subs[0].Handle(t.Context(), &integration.Delivery{}, []byte(`{}`)))
	require.NoError(t, s.Stop(t.Context()))
}

// told is what a dead letter tells of an error.
func told(t *testing.T, err error) (header map[string]string, permanent bool) {
	t.Helper()
	f, ok := err.(interface { //nolint:errorlint // what the consumer is given
		error
		ErrorHeader() map[string]string
		Permanent() bool
	})
	require.True(t, ok, "%T", err)
	return f.ErrorHeader(), f.Permanent()
}

func TestEventThatDoesNotDecodeIsNotRetried(t *testing.T) {
	for test, event := range map[string]struct {
		header  map[string][]string
		payload string
		message string
	}{
		"no JSON": {nil, `{"id":`, "the payload of hios.orders.placed does not fit: unexpected end of JSON input"},
		"nothing": {nil, ``, "the payload of hios.orders.placed does not fit: unexpected end of JSON input"},
		"another shape": {nil, `{"id":"seven"}`, "the payload of hios.orders.placed does not fit: json: cannot unmarshal " +
			"string into Go struct field purchase.id of type int"},
		"meta of no base64": {
			map[string][]string{"$meta": {"{}"}},
			`{}`,
			"the header $meta of hios.orders.placed: illegal base64 data at input byte 0",
		},
		"meta of no JSON": {
			map[string][]string{"$meta": encoded("{")}, `{}`, "the header $meta of hios.orders.placed: it holds no JSON",
		},
		"headers of no base64": {
			map[string][]string{"$headers": {"?"}},
			`{}`,
			"the header $headers of hios.orders.placed: illegal base64 data at input byte 0",
		},
	} {
		t.Run(test, func(t *testing.T) {
			header, permanent := told(t, newHarness(t).deliver(event.header, event.payload, integration.ConsumeOptions{}, func(
				*integration.Context, purchase,
			) error {
				require.Fail(t, "handled")
				return nil
			}))
			require.True(t, permanent)
			require.Equal(t, map[string]string{
				"x-error-name": "MoleculerServerError", "x-error-code": "400", "x-error-type": "INVALID_MESSAGE_SERIALIZATION",
				"x-error-retryable": "false", "x-error-message": event.message,
			}, header)
		})
	}
}

func TestDeadLetterHoldsTheErrorAsInNode(t *testing.T) {
	data := base64.StdEncoding.EncodeToString([]byte(`{"bot":"[redacted]"}`))
	for test, want := range map[string]struct {
		err    error
		header map[string]string
	}{
		"any error": {
			errors.New("refused by " + token),
			map[string]string{"x-error-name": "Error", "x-error-message": "refused by [redacted]"},
		},
		"Moleculer's": {action.Retryable(
			503, "DB_DOWN", "no answer for %s", token,
		).With(object{"bot": token}), map[string]string{
			"x-error-name": "MoleculerRetryableError", "x-error-message": "no answer for [redacted]", "x-error-code": "503",
			"x-error-type":      "DB_DOWN",
			"x-error-retryable": "true", "x-error-data": data,
		}},
	} {
		t.Run(test, func(t *testing.T) {
			b := newHarness(t)
			b.runtime.Secrets.Add(token)
			header, permanent := told(
				t,
				b.deliver(nil, `{}`, integration.ConsumeOptions{}, func(*integration.Context, purchase) error { return want.err }),
			)
			require.False(t, permanent)
			require.Equal(t, want.header, header)
		})
	}
}

func TestEventWithFinalErrorIsNotRetried(t *testing.T) {
	remote := func(code int, retryable bool) error {
		return &action.Error{Name: "MoleculerError", Code: code, Type: "X", Retryable: retryable, NodeID: "node-2"}
	}
	for test, want := range map[string]struct {
		err   error
		final bool
	}{
		"a 422":                               {action.Client(422, "ORDER_INVALID", "no"), true},
		"a 422 inside another error":          {fmt.Errorf("store it: %w", action.Client(422, "ORDER_INVALID", "no")), true},
		"a 500 that says so":                  {action.Server(500, "BROKEN", "no"), true},
		"a 422 of another node":               {remote(422, false), true},
		"a retryable 422":                     {remote(422, true), false},
		"a retryable 503":                     {action.Retryable(503, "DB_DOWN", "no"), false},
		"a service that is not there yet":     {action.ServiceNotFound("a.b", ""), false},
		"a timeout":                           {action.RequestTimeout("a.b", ""), false},
		"a 429, whatever it says":             {action.Client(429, "SLOW", "no"), false},
		"any error":                           {errors.New("no"), false},
		"any error of another action":         {action.Internal(errors.New("no")), false},
		"any error of another node, as a 500": {remote(500, false), false},
	} {
		t.Run(test, func(t *testing.T) {
			_, permanent := told(
				t,
				newHarness(t).deliver(
					nil, `{}`, integration.ConsumeOptions{}, func(*integration.Context, purchase) error { return want.err },
				),
			)
			require.Equal(t, want.final, permanent)
		})
	}
}

// explodeWithCANARYInItsName puts a secret into the stack of its panic.
func explodeWithCANARYInItsName(*integration.Context, purchase) error { panic("oh no") }

func TestStackOfAPanicShowsNoSecretInADeadLetter(t *testing.T) {
	b := newHarness(t)
	b.runtime.Secrets.Add("explodeWithCANARYInItsName")
	header, _ := told(t, b.deliver(nil, `{}`, integration.ConsumeOptions{}, explodeWithCANARYInItsName))
	stack, err := base64.StdEncoding.DecodeString(header["x-error-stack"])
	require.NoError(t, err)
	require.Contains(t, string(stack), "[redacted]")
	require.NotContains(t, string(stack), "CANARY")
}

func TestHandlersPanicIsAnErrorWithItsStack(t *testing.T) {
	b := newHarness(t)
	err := b.deliver(
		nil, `{}`, integration.ConsumeOptions{}, func(*integration.Context, purchase) error { panic("oh no") },
	)
	header, permanent := told(t, err)
	require.False(t, permanent)
	require.Equal(t, "panic: oh no", header["x-error-message"])
	stack, err := base64.StdEncoding.DecodeString(header["x-error-stack"])
	require.NoError(t, err)
	require.Contains(t, string(stack), "goroutine")
	require.Contains(t, b.logs.String(), "the handler of hios.orders.placed panicked: oh no")
}

func TestHandlingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := newHarness(t).deliver(nil, `{}`, integration.ConsumeOptions{Timeout: time.Minute}, func(
			ctx *integration.Context, _ purchase,
		) error {
			<-ctx.Done()
			return ctx.Err()
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestPayloadMayStayRaw(t *testing.T) {
	c := &consumer{}
	b := newHarness(t)
	b.runtime.Consumer = c
	var got json.RawMessage
	s := b.service(integration.ServiceDefinition{ReliableEvents: []integration.ReliableEvent{
		integration.NewReliableEvent(orders, integration.ConsumeOptions{}, func(
			_ *integration.Context, raw json.RawMessage,
		) error {
			got = raw
			return nil
		}),
	}})
	require.NoError(t, s.StartConsuming(t.Context()))
	require.NoError(t, c.subs[0].Handle(t.Context(), &integration.Delivery{}, []byte(`{"n":12345678901234567890}`)))
	require.JSONEq(t, `{"n":12345678901234567890}`, string(got))
}
