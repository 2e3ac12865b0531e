package events_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/events/order"
)

const (
	node    = "node-1"
	group   = "v2.sub"
	durable = "v2_sub"
)

// watchful looks after consumers all the time.
func watchful(_ *server.Options, o *events.Options) {
	o.NodeID, o.CheckInterval = node, 50*time.Millisecond
}

// inbox is a handler that keeps what it gets, and fails as it is told to.
type inbox struct {
	mu   sync.Mutex
	list []events.Delivery
	fail func(events.Delivery) error
	hold chan struct{} // a handler waits for it to be closed
	came chan events.Delivery
}

func newInbox() *inbox { return &inbox{came: make(chan events.Delivery, 1000)} }

func (i *inbox) handle(ctx context.Context, d *events.Delivery) error {
	i.mu.Lock()
	i.list = append(i.list, *d)
	fail, hold := i.fail, i.hold
	i.mu.Unlock()
	i.came <- *d
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if fail != nil {
		return fail(*d)
	}
	return nil
}

func (i *inbox) failing(fail func(events.Delivery) error) *inbox {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fail = fail
	return i
}

func always(text string) func(events.Delivery) error {
	return func(events.Delivery) error { return errors.New(text) }
}

func (i *inbox) next(t *testing.T) events.Delivery {
	t.Helper()
	select {
	case d := <-i.came:
		return d
	case <-time.After(generous):
		require.Fail(t, "no event came")
		return events.Delivery{}
	}
}

func (i *inbox) payloads() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := []string{}
	for _, d := range i.list {
		list = append(list, string(d.Payload))
	}
	return list
}

func subscription(i *inbox) events.Subscription {
	return events.Subscription{
		Name: name, Group: group, Service: group, MaxInFlight: 1, MaxRetries: 3, DeadLetters: "FAILED_MESSAGES",
		Handle: i.handle,
	}
}

func (b *harness) consume(sub events.Subscription) *events.Consumer {
	b.t.Helper()
	return consumeWith(b.t, b.Publisher, sub)
}

func consumeWith(tb testing.TB, p *events.Publisher, sub events.Subscription) *events.Consumer {
	tb.Helper()
	c, err := p.Consume(tb.Context(), sub)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), generous)
		defer cancel()
		_ = c.Stop(ctx) // a test of a broken one knows why
	})
	return c
}

// member is another node's publisher on the same server.
func (b *harness) member(id string) *events.Publisher {
	b.t.Helper()
	p, err := events.New(b.connect(nats.ReconnectBufSize(-1)), events.Options{
		Prefix: "dev", Replicas: 1, Timeout: generous, NodeID: id, CheckInterval: 50 * time.Millisecond, Log: b.log,
	})
	require.NoError(b.t, err)
	return p
}

func (b *harness) durable() *jetstream.ConsumerInfo {
	b.t.Helper()
	c, err := b.js.PushConsumer(b.t.Context(), stream, durable)
	require.NoError(b.t, err)
	return c.CachedInfo()
}

// allAcked waits until all stored events are acknowledged.
func (b *harness) allAcked() {
	b.t.Helper()
	last := b.info(stream).State.LastSeq
	require.Eventually(b.t, func() bool {
		c, err := b.js.PushConsumer(b.t.Context(), stream, durable)
		return err == nil && c.CachedInfo().NumAckPending == 0 && c.CachedInfo().AckFloor.Stream >= last
	}, generous, 5*time.Millisecond)
}

func (b *harness) send(payloads ...string) {
	b.t.Helper()
	for _, p := range payloads {
		require.NoError(b.t, b.publish("id-"+p, p))
	}
}

func TestConsumeCreatesTheDurableAsTheNodeAdapterDoes(t *testing.T) {
	b := newHarness(t, watchful)
	b.consume(subscription(newInbox()))
	ours := b.durable().Config

	// What @moleculer/channels 0.1.8 asks for, in its own words.
	require.NoError(t, b.js.DeleteConsumer(t.Context(), stream, durable))
	request := fmt.Sprintf(`{"stream_name":%q,"config":{"deliver_policy":"new","ack_policy":"explicit","ack_wait":30000000000,
		"replay_policy":"instant","max_ack_pending":1,"deliver_group":%q,"durable_name":%q,
		"deliver_subject":"dev.node-1.v2.sub.%s","filter_subject":%q}}`, stream, stream, durable, subject, subject)
	other := newHarness(t, watchful)
	other.ensure(name)
	_, err := other.js.Conn().RequestWithContext(
		t.Context(), "$JS.API.CONSUMER.DURABLE.CREATE."+stream+"."+durable, []byte(request),
	)
	require.NoError(t, err)
	theirs := other.durable().Config
	ours.Metadata, theirs.Metadata, ours.Name, theirs.Name = nil, nil, "", ""
	require.Equal(t, theirs, ours)
}

func TestConsumeInAnotherGroupUsesAnotherDeliverSubject(t *testing.T) {
	b := newHarness(t, watchful)
	sub := subscription(newInbox())
	sub.Group = "audit.log"
	b.consume(sub)
	c, err := b.js.PushConsumer(t.Context(), stream, "audit_log")
	require.NoError(t, err)
	require.Equal(t, "dev.node-1.v2.sub."+subject+".audit_log", c.CachedInfo().Config.DeliverSubject)
	require.Equal(t, stream, c.CachedInfo().Config.DeliverGroup)
}

func TestConsumerHandlesAnEventOnceAndAcksIt(t *testing.T) {
	b := newHarness(t, watchful)
	in := newInbox()
	b.consume(subscription(in))
	header := map[string][]string{"$requestID": {"r1"}}
	require.NoError(
		t, b.Store(t.Context(), order.Event{Name: name, MsgID: "m1", Header: header, Payload: []byte(`{"n":1}`)}),
	)
	d := in.next(t)
	require.Equal(
		t, []any{name, subject, group, stream, uint64(1), 1, `{"n":1}`},
		[]any{d.Name, d.Subject, d.Group, d.Stream, d.Sequence, d.Attempt, string(d.Payload)},
	)
	require.Equal(t, map[string][]string{"$requestID": {"r1"}, "Nats-Msg-Id": {"m1"}}, d.Header)
	require.WithinDuration(t, time.Now(), d.Time, generous)
	b.allAcked()
	require.Len(t, in.payloads(), 1)
	require.Empty(t, b.warnings())
}

func TestConsumerOfANewGroupGetsOnlyNewEvents(t *testing.T) {
	b := newHarness(t, watchful)
	b.ensure(name)
	b.send("before")
	in := newInbox()
	b.consume(subscription(in))
	b.send("after")
	require.Equal(t, "after", string(in.next(t).Payload))
}

func TestConsumersOfAGroupShareItsEvents(t *testing.T) {
	b := newHarness(t, watchful)
	one, two := newInbox(), newInbox()
	sub := subscription(one)
	sub.MaxInFlight = 20
	b.consume(sub)
	sub.Handle = two.handle
	consumeWith(t, b.member("node-2"), sub)
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprint(i))
	}
	b.send(want...)
	b.allAcked()
	require.ElementsMatch(t, want, append(one.payloads(), two.payloads()...))
	require.NotEmpty(t, one.payloads())
	require.NotEmpty(t, two.payloads())
}

func TestConsumerWithOneInFlightHandlesInOrder(t *testing.T) {
	b := newHarness(t, watchful)
	in := newInbox().failing(func(d events.Delivery) error {
		if string(d.Payload) == "3" && d.Attempt == 1 {
			return errors.New("once")
		}
		return nil
	})
	b.consume(subscription(in))
	b.send("1", "2", "3", "4", "5")
	b.allAcked()
	require.Equal(t, []string{"1", "2", "3", "3", "4", "5"}, in.payloads())
}

func TestConsumerHandlesAtMostMaxInFlight(t *testing.T) {
	b := newHarness(t, watchful)
	in := newInbox()
	in.hold = make(chan struct{})
	sub := subscription(in)
	sub.MaxInFlight = 100 // the durable's
	require.NoError(t, b.consume(by(sub, newInbox())).Stop(t.Context()))
	sub.MaxInFlight = 3
	b.consume(sub)
	b.send("1", "2", "3", "4", "5", "6")
	for range 3 {
		in.next(t)
	}
	require.Eventually(t, func() bool { return b.durable().NumAckPending == 6 }, generous, 5*time.Millisecond)
	require.Len(t, in.payloads(), 3)
	close(in.hold)
	b.allAcked()
	require.Len(t, in.payloads(), 6)
	requireTexts(
		t, []string{"the group handles 100 event(s) at once, as the durable v2_sub was made, not 3 (maxInFlight)"},
		b.warnings(),
	)
}

// by is a subscription with another handler.
func by(sub events.Subscription, in *inbox) events.Subscription {
	sub.Handle = in.handle
	return sub
}

// answers gives, one after the other, what consumers answer the server of events, by how it begins.
func (b *harness) answers() (next func(begin string) string) {
	b.t.Helper()
	sub, err := b.js.Conn().SubscribeSync("$JS.ACK.>")
	require.NoError(b.t, err)
	require.NoError(b.t, b.js.Conn().Flush())
	return func(begin string) string {
		b.t.Helper()
		for {
			msg, err := sub.NextMsg(generous)
			require.NoError(b.t, err, begin)
			if text := string(msg.Data); strings.HasPrefix(text, begin) {
				return text
			}
		}
	}
}

func TestConsumerRetriesAfterItsBackoff(t *testing.T) {
	b := newHarness(t, watchful)
	in := newInbox().failing(func(d events.Delivery) error {
		if d.Attempt < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	sub := subscription(in)
	sub.Backoff = []time.Duration{100 * time.Millisecond, 200 * time.Millisecond}
	answers := b.answers()
	b.consume(sub)
	b.send("x")
	require.Equal(t, []int{1, 2, 3}, []int{in.next(t).Attempt, in.next(t).Attempt, in.next(t).Attempt})
	b.allAcked()
	require.Equal(t, `-NAK {"delay": 100000000}`, answers("-NAK"), "the server is asked for the rest, in ns")
	require.Equal(t, `-NAK {"delay": 200000000}`, answers("-NAK"))
	require.Empty(t, b.stored("dev_FAILED_MESSAGES"))
}

// tellingError tells of itself as a service's errors do.
type tellingError struct{ permanent bool }

func (tellingError) Error() string     { return "told" }
func (e tellingError) Permanent() bool { return e.permanent }
func (tellingError) ErrorHeader() map[string]string {
	return map[string]string{"x-error-name": "MoleculerError", "x-error-message": "to\nld", "x-error-code": "404"}
}

func TestDeadLetterIsTheEventUnchanged(t *testing.T) {
	b := newHarness(t, watchful)
	in := newInbox().failing(func(events.Delivery) error { return tellingError{} })
	b.consume(subscription(in))
	meta := base64.StdEncoding.EncodeToString([]byte(`{"tenantId":"t1"}`))
	header := map[string][]string{
		"$requestID": {"r1"}, "$meta": {meta}, "x-error-message": {"of an earlier life"}, "Nats-Expected-Stream": {stream},
	}
	require.NoError(
		t, b.Store(t.Context(), order.Event{Name: name, MsgID: "m1", Header: header, Payload: []byte("\x00 any bytes")}),
	)
	b.allAcked()
	require.Len(t, in.payloads(), 3)

	s, err := b.js.Stream(t.Context(), "dev_FAILED_MESSAGES")
	require.NoError(t, err)
	require.EqualValues(t, 1, s.CachedInfo().State.Msgs)
	dead, err := s.GetMsg(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "\x00 any bytes", string(dead.Data))
	require.NotEmpty(t, dead.Header["x-error-timestamp"])
	delete(dead.Header, "x-error-timestamp")
	delete(dead.Header, "Nats-Msg-Id")
	require.Equal(t, nats.Header{
		"$requestID": {"r1"}, "$meta": {meta}, "x-original-channel": {subject}, "x-original-group": {group},
		"x-original-message-id": {"m1"},
		"x-error-name":          {"MoleculerError"}, "x-error-message": {"to ld"}, "x-error-code": {"404"},
	}, dead.Header)
}

func TestConsumerGivesUpAPermanentErrorAtOnce(t *testing.T) {
	b := newHarness(t, watchful)
	in := newInbox().failing(func(events.Delivery) error { return tellingError{permanent: true} })
	b.consume(subscription(in))
	b.send("x")
	b.allAcked()
	require.Len(t, in.payloads(), 1)
	require.Len(t, b.stored("dev_FAILED_MESSAGES"), 1)
}

func TestConsumerWithoutDeadLettersDropsAndLogs(t *testing.T) {
	b := newHarness(t, watchful)
	in := newInbox().failing(always("no"))
	sub := subscription(in)
	sub.DeadLetters, sub.MaxRetries = "", 0
	b.consume(sub)
	b.send("x")
	b.allAcked()
	require.Len(t, in.payloads(), 1)
	require.NotContains(t, b.streams(), "dev_FAILED_MESSAGES")
	requireTexts(t, []string{"event not handled, and dropped: dead letters are off"}, b.warnings())
}

func TestDeadLetterThatCannotBeStoredLosesNothing(t *testing.T) {
	t.Parallel()
	b := newHarness(t, watchful, func(_ *server.Options, o *events.Options) { o.Timeout = time.Second })
	in := newInbox().failing(always("no"))
	sub := subscription(in)
	sub.MaxRetries = 1
	b.consume(sub)
	s, err := b.js.Stream(t.Context(), "dev_FAILED_MESSAGES")
	require.NoError(t, err)
	config := s.CachedInfo().Config
	config.MaxMsgs, config.Discard = 1, jetstream.DiscardNew // and it is full
	_, err = b.js.UpdateStream(t.Context(), config)
	require.NoError(t, err)
	require.Eventually(
		t, func() bool { return b.Store(t.Context(), order.Event{Name: "FAILED_MESSAGES", MsgID: "older"}) == nil },
		generous, time.Millisecond,
	)

	require.Eventually(t, func() bool { return b.publish("x", "x") == nil }, generous, time.Millisecond)
	for i := range 3 {
		require.Equal(t, i+1, in.next(t).Attempt)
	}
	require.Contains(t, b.warnings(), "event not handled, and not moved to FAILED_MESSAGES either: it comes again")
	require.NoError(t, s.DeleteMsg(t.Context(), 1))
	b.allAcked()
	require.EqualValues(t, 1, b.info("dev_FAILED_MESSAGES").State.Msgs)
}

func TestDeadLetterTooLargeWithItsErrorGoesWithoutIt(t *testing.T) {
	b := newHarness(t, watchful)
	in := newInbox().failing(always(strings.Repeat("x", 3000)))
	b.create(
		jetstream.StreamConfig{Name: "dev_FAILED_MESSAGES", Subjects: []string{"dev.FAILED_MESSAGES"}, MaxMsgSize: 1000},
	)
	b.consume(subscription(in))
	b.send("x")
	b.allAcked()
	s, err := b.js.Stream(t.Context(), "dev_FAILED_MESSAGES")
	require.NoError(t, err)
	dead, err := s.GetMsg(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, []string{subject}, dead.Header["x-original-channel"])
	require.Empty(t, dead.Header["x-error-message"])
}

// brief makes the durable with a short ack wait, as a Node service may have.
func (b *harness) brief(wait time.Duration) {
	b.t.Helper()
	b.ensure(name)
	_, err := b.js.CreatePushConsumer(b.t.Context(), stream, jetstream.ConsumerConfig{
		Durable: durable, FilterSubject: subject, DeliverSubject: "dev.elsewhere." + group + "." + subject,
		DeliverGroup:  stream,
		DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckExplicitPolicy, AckWait: wait, MaxAckPending: 1,
	})
	require.NoError(b.t, err)
}

func TestConsumerKeepsTheEventOfASlowHandler(t *testing.T) {
	t.Parallel()
	b := newHarness(t, watchful)
	b.brief(1500 * time.Millisecond) // so that a busy machine lets the node say in time that it is at work
	answers := b.answers()
	in, other := newInbox(), newInbox()
	in.hold = make(chan struct{})
	b.consume(subscription(in))
	b.send("long")
	in.next(t)
	consumeWith(t, b.member("node-2"), subscription(other)) // would be given it, too
	began := b.durable()
	for range 6 { // there are three while the server waits
		answers("+WPI")
	}
	close(in.hold)
	b.allAcked()
	require.Len(t, in.payloads(), 1)
	require.Empty(t, other.payloads())
	require.Equal(t, began.NumRedelivered, b.durable().NumRedelivered)
}

func TestConsumerGetsTheEventsOfACrashedMember(t *testing.T) {
	b := newHarness(t, watchful)
	b.brief(300 * time.Millisecond)
	crashed, other := newInbox(), newInbox()
	crashed.hold = make(chan struct{})
	defer close(crashed.hold)
	nc := b.connect(nats.ReconnectBufSize(-1))
	p, err := events.New(
		nc, events.Options{Prefix: "dev", Replicas: 1, Timeout: time.Second, NodeID: "node-3", Log: b.log},
	)
	require.NoError(t, err)
	consumeWith(t, p, subscription(crashed))
	b.send("x")
	crashed.next(t)
	nc.Close() // nobody is told
	b.consume(subscription(other))
	d := other.next(t)
	require.Equal(t, "x", string(d.Payload))
	require.Equal(t, 2, d.Attempt)
	b.allAcked()
}

func TestStopWaitsForHandlersAndKeepsTheDurable(t *testing.T) {
	b := newHarness(t, watchful)
	in, other := newInbox(), newInbox()
	in.hold = make(chan struct{})
	sub := subscription(in)
	sub.MaxInFlight = 2
	c := b.consume(sub)
	b.send("1", "2", "3")
	in.next(t)
	in.next(t)
	stopped := make(chan error, 1)
	go func() { stopped <- c.Stop(t.Context()) }()
	require.Eventually(t, func() bool { return !b.durable().PushBound }, generous, 5*time.Millisecond)
	require.Empty(t, stopped)
	close(in.hold)
	require.NoError(t, <-stopped)
	require.NoError(t, c.Stop(t.Context()), "again does nothing")
	require.ElementsMatch(t, []string{"1", "2"}, in.payloads())

	consumeWith(t, b.member("node-2"), subscription(other))
	require.Equal(t, "3", string(other.next(t).Payload), "goes on where the group was")
	b.allAcked()
}

func TestStopGivesQueuedEventsToOthersAtOnce(t *testing.T) {
	b := newHarness(t, watchful)
	in, other := newInbox(), newInbox()
	in.hold = make(chan struct{})
	sub := subscription(in)
	sub.MaxInFlight = 5
	require.NoError(t, b.consume(by(sub, newInbox())).Stop(t.Context()))
	sub.MaxInFlight = 1
	c := b.consume(sub)
	b.send("1", "2", "3")
	in.next(t)
	require.Eventually(t, func() bool { return b.durable().NumAckPending == 3 }, generous, 5*time.Millisecond)
	consumeWith(t, b.member("node-2"), by(sub, other))
	go close(in.hold)
	require.NoError(t, c.Stop(t.Context()))
	b.allAcked()
	all := append(in.payloads(), other.payloads()...)
	slices.Sort(all)
	require.Equal(t, []string{"1", "2", "3"}, all)
}

func TestStopThatTakesTooLongCancelsTheHandlers(t *testing.T) {
	b := newHarness(t, watchful)
	in := newInbox()
	in.hold = make(chan struct{}) // until its context ends
	c := b.consume(subscription(in))
	b.send("1")
	in.next(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := c.Stop(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "1 handler(s) of "+subject+" still run")
	other := newInbox()
	consumeWith(t, b.member("node-2"), subscription(other))
	require.Equal(t, 2, other.next(t).Attempt, "it is given back")
	b.allAcked()
}

func TestConsumerSurvivesAServerRestart(t *testing.T) {
	b := newHarness(t, watchful)
	in := newInbox()
	in.hold = make(chan struct{})
	b.consume(subscription(in))
	b.send("1", "2")
	in.next(t)
	b.stop()
	close(in.hold) // what was handled meanwhile is told as soon as there is somebody to tell
	b.start()
	b.reconnected()
	b.send("3")
	b.allAcked()
	require.Equal(t, []string{"1", "2", "3"}, in.payloads())
}

func TestDurableThatWasDeletedIsCreatedAgainAndGoesOn(t *testing.T) {
	for what, remove := range map[string]func(*harness) error{
		"the durable": func(b *harness) error { return b.js.DeleteConsumer(b.t.Context(), stream, durable) },
		"the stream":  func(b *harness) error { return b.js.DeleteStream(b.t.Context(), stream) },
	} {
		t.Run(what, func(t *testing.T) {
			b := newHarness(t, watchful)
			in := newInbox()
			b.consume(subscription(in))
			b.send("1")
			in.next(t)
			b.allAcked()
			created := b.durable().Created
			require.NoError(t, remove(b))
			b.send("2") // which is stored while nobody consumes
			require.Eventually(t, func() bool {
				c, err := b.js.PushConsumer(t.Context(), stream, durable)
				return err == nil && c.CachedInfo().Created.After(created)
			}, generous, 5*time.Millisecond)
			b.send("3")
			require.Eventually(t, func() bool {
				got := in.payloads()
				return slices.Contains(got, "2") && slices.Contains(got, "3")
			}, generous, 5*time.Millisecond)
			b.allAcked()
			require.Contains(t, b.warnings(), "the durable v2_sub of stream "+stream+" is gone, making it again")
		})
	}
}

func TestDurableThatWasReplacedIsFollowed(t *testing.T) {
	b := newHarness(t, watchful)
	in := newInbox()
	b.consume(subscription(in))
	require.NoError(t, b.js.DeleteConsumer(t.Context(), stream, durable))
	_, err := b.js.CreatePushConsumer(t.Context(), stream, jetstream.ConsumerConfig{
		Durable: durable, FilterSubject: subject, DeliverSubject: "dev.elsewhere", DeliverGroup: stream,
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1,
	})
	if !errors.Is(err, jetstream.ErrConsumerExists) { // ours was faster
		require.NoError(t, err)
	}
	b.send("1")
	require.Equal(t, "1", string(in.next(t).Payload))
	b.allAcked()
}

func TestDurableOfAnotherKindIsRefused(t *testing.T) {
	for test, want := range map[string]struct {
		config jetstream.ConsumerConfig
		says   string
	}{
		"a pull consumer": {
			jetstream.ConsumerConfig{Durable: durable, AckPolicy: jetstream.AckExplicitPolicy}, "is a pull consumer",
		},
		"no group": {jetstream.ConsumerConfig{
			Durable: durable, DeliverSubject: "d", AckPolicy: jetstream.AckExplicitPolicy,
		}, `has the deliver group ""`},
		"another group": {jetstream.ConsumerConfig{
			Durable: durable, DeliverSubject: "d", DeliverGroup: "other", AckPolicy: jetstream.AckExplicitPolicy,
		}, `has the deliver group "other"`},
		"another subject": {
			jetstream.ConsumerConfig{
				Durable: durable, DeliverSubject: "d", DeliverGroup: stream, FilterSubject: "dev.hios.other",
				AckPolicy: jetstream.AckExplicitPolicy,
			},
			"is for dev.hios.other",
		},
		"no acks": {jetstream.ConsumerConfig{
			Durable: durable, DeliverSubject: "d", DeliverGroup: stream, AckPolicy: jetstream.AckNonePolicy,
		}, "does not take an ack for each event"},
	} {
		t.Run(test, func(t *testing.T) {
			b := newHarness(t, watchful)
			b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{"dev.hios.>"}})
			var err error
			if want.config.DeliverSubject == "" {
				_, err = b.js.CreateConsumer(t.Context(), stream, want.config)
			} else {
				_, err = b.js.CreatePushConsumer(t.Context(), stream, want.config)
			}
			require.NoError(t, err)
			_, err = b.Consume(t.Context(), subscription(newInbox()))
			require.ErrorContains(t, err, "consume "+subject+" in group "+group+": ")
			require.ErrorContains(t, err, want.says)
		})
	}
}

func TestDurableWithMaxDeliverIsWarnedOf(t *testing.T) {
	b := newHarness(t, watchful)
	b.ensure(name)
	_, err := b.js.CreatePushConsumer(t.Context(), stream, jetstream.ConsumerConfig{
		Durable: durable, DeliverSubject: "d", DeliverGroup: stream, AckPolicy: jetstream.AckExplicitPolicy,
		MaxAckPending: 1, MaxDeliver: 2,
	})
	require.NoError(t, err)
	b.consume(subscription(newInbox()))
	requireTexts(t, []string{"delivers an event 2 time(s) and then forgets it"}, b.warnings())
}

func TestDurableThatIsCreatedAgainRepeatsNothing(t *testing.T) {
	b := newHarness(t, watchful)
	in := newInbox()
	c := b.consume(subscription(in))
	b.send("1", "2", "3")
	b.allAcked()
	require.Eventually(
		t, func() bool { return c.AckFloor() == 3 }, generous, 5*time.Millisecond, "a look at the durable tells",
	)
	created := b.durable().Created
	require.NoError(t, b.js.DeleteConsumer(t.Context(), stream, durable))
	require.Eventually(t, func() bool {
		c, err := b.js.PushConsumer(t.Context(), stream, durable)
		return err == nil && c.CachedInfo().Created.After(created)
	}, generous, 5*time.Millisecond)
	b.send("4")
	b.allAcked()
	require.Equal(t, []string{"1", "2", "3", "4"}, in.payloads())
}

func TestStreamThatReplacesADeletedOneIsReadFromItsStart(t *testing.T) {
	b := newHarness(t, watchful)
	in := newInbox()
	c := b.consume(subscription(in))
	b.send("1", "2", "3")
	b.allAcked()
	require.Eventually(t, func() bool { return c.AckFloor() == 3 }, generous, 5*time.Millisecond)
	require.NoError(t, b.js.DeleteStream(t.Context(), stream))
	b.send("4", "5") // the first two of a stream made anew
	require.Eventually(
		t, func() bool { return slices.Equal(in.payloads(), []string{"1", "2", "3", "4", "5"}) }, generous,
		5*time.Millisecond,
	)
}

// cutter is a way to the server that is cut, once, as soon as something that contains a text is to go through it.
type cutter struct {
	net.Listener
	cut atomic.Pointer[string]
}

func newCutter(t *testing.T, server string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cutter{Listener: listener}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			open.Go(func() {
				_, _ = io.Copy(client, far)
				_ = client.Close()
			})
			open.Go(func() {
				c.forward(far, client)
				_, _ = far.Close(), client.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		open.Wait()
	})
	return c
}

func (c *cutter) forward(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if text := c.cut.Load(); text != nil && bytes.Contains(buffer[:n], []byte(*text)) && c.cut.CompareAndSwap(text, nil) {
			return
		}
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func TestConsumerRepeatsAnAckThatWasLost(t *testing.T) {
	t.Parallel()
	b := newHarness(t, watchful)
	way := newCutter(t, b.srv.Addr().String())
	nc, err := nats.Connect(
		"nats://"+way.Addr().String(), nats.ReconnectBufSize(-1), nats.MaxReconnects(-1),
		nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0), nats.IgnoreDiscoveredServers(),
	)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	p, err := events.New(nc, events.Options{Prefix: "dev", Replicas: 1, Timeout: generous, NodeID: "node-2", Log: b.log})
	require.NoError(t, err)
	in := newInbox()
	consumeWith(t, p, subscription(in))
	ack := "+ACK"
	way.cut.Store(&ack)
	b.send("x")
	b.allAcked() // long before the server would deliver it again
	require.Nil(t, way.cut.Load(), "the ack was lost")
	require.Len(t, in.payloads(), 1)
	require.Zero(t, b.durable().NumRedelivered)
}

func TestStoppedConsumerGivesLateEventsToOthersAtOnce(t *testing.T) {
	b := newHarness(t, watchful)
	b.brief(time.Hour) // by itself the server would not deliver it again
	stopped, other := newInbox(), newInbox()
	c := b.consume(subscription(stopped))
	require.NoError(t, c.Stop(t.Context()))
	push, err := b.js.PushConsumer(t.Context(), stream, durable)
	require.NoError(t, err)
	came := make(chan struct{}, 10)
	late, err := push.Consume(func(msg jetstream.Msg) { // what was under way to it
		c.Receive(msg)
		select {
		case came <- struct{}{}:
		default:
		}
	})
	require.NoError(t, err)
	defer late.Stop()
	b.send("x")
	<-came
	consumeWith(t, b.member("node-2"), subscription(other))
	require.Equal(t, "x", string(other.next(t).Payload))
	require.Empty(t, stopped.payloads())
	b.allAcked()
}

func TestDeadLettersOfTwoGroupsAreKeptApart(t *testing.T) {
	b := newHarness(t, watchful)
	for _, g := range []string{"mail", "audit"} {
		sub := subscription(newInbox().failing(always("no")))
		sub.Group, sub.MaxRetries = g, 1
		b.consume(sub)
	}
	b.send("x")
	require.Eventually(t, func() bool { return len(b.stored("dev_FAILED_MESSAGES")) == 2 }, generous, 5*time.Millisecond)
	var groups []string
	require.NoError(t, events.NewArchive(b.Publisher).EachDead(t.Context(), "FAILED_MESSAGES", events.Query{},
		func(r *events.Record) error {
			groups = append(groups, r.OriginalGroup())
			return nil
		}))
	require.ElementsMatch(t, []string{"mail", "audit"}, groups)
}
