package events_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/events/order"
)

// impatient gives an event up soon, but not before a busy machine has said why.
func impatient(_ *server.Options, o *events.Options) { o.Timeout = 2 * time.Second }

func requireError(t *testing.T, err error, permanent bool) {
	t.Helper()
	e, ok := errors.AsType[*events.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, permanent, e.Permanent(), err)
	require.Equal(t, subject, e.Subject)
	require.ErrorContains(t, err, "publish to "+subject+": ")
}

func TestPublishStoresTheEventUnchanged(t *testing.T) {
	b := newHarness(t)
	b.ensure(name)
	header := map[string][]string{"$requestID": {"r1"}, "$meta": {"e30="}, "x-original-channel": {"a.b"}}
	require.NoError(
		t, b.Store(t.Context(), order.Event{Name: name, MsgID: "parrot:c1:k1", Header: header, Payload: []byte(`{"n":1}`)}),
	)

	s, err := b.js.Stream(t.Context(), stream)
	require.NoError(t, err)
	msg, err := s.GetMsg(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, subject, msg.Subject)
	require.Equal(t, `{"n":1}`, string(msg.Data))
	require.Equal(t, nats.Header{
		"$requestID": {"r1"}, "$meta": {"e30="}, "x-original-channel": {"a.b"}, "Nats-Msg-Id": {"parrot:c1:k1"},
	}, msg.Header)
	require.Len(t, header, 3, "the caller's map is left alone")
}

func TestPublishWithALineBreakInAHeaderAddsNoHeader(t *testing.T) {
	b := newHarness(t)
	b.ensure(name)
	require.NoError(
		t,
		b.Store(
			t.Context(),
			order.Event{Name: name, MsgID: "a\r\nX-Forged: 1", Header: map[string][]string{"$requestID": {"r1\nX-Forged: 1"}}},
		),
	)
	s, err := b.js.Stream(t.Context(), stream)
	require.NoError(t, err)
	msg, err := s.GetMsg(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, msg.Header, 2)
}

func TestPublishOfTheSameIDIsStoredOnce(t *testing.T) {
	b := newHarness(t)
	b.ensure(name)
	for _, id := range []string{"m1", "m2", "m1"} {
		require.NoError(t, b.publish(id, "x"))
	}
	require.Equal(t, []string{"m1", "m2"}, b.stored(stream))
}

func TestPublishStoresInTheOrderOfTheCalls(t *testing.T) {
	b := newHarness(t)
	b.ensure(name)
	var want []string
	var sent []*publication
	for i := range 300 {
		want = append(want, fmt.Sprint("m", i))
		sent = append(sent, b.publishAsync(t.Context(), name, want[i], nil))
	}
	for _, p := range sent {
		duplicate, err := p.wait()
		require.NoError(t, err)
		require.False(t, duplicate)
	}
	duplicate, err := b.publishAsync(t.Context(), name, want[0], nil).wait()
	require.NoError(t, err)
	require.True(t, duplicate, "a second one of the same id")
	require.Equal(t, want, b.stored(stream))
	require.Zero(t, b.Pending())
}

func TestPublishRejectsAnEventThatIsTooLarge(t *testing.T) {
	small := func(o *server.Options, _ *events.Options) { o.MaxPayload = 4096 }
	for test, want := range map[string]struct {
		harness *harness
		config  jetstream.StreamConfig
	}{
		"for the server": {newHarness(t, small), jetstream.StreamConfig{Name: stream, Subjects: []string{subject}}},
		"for the stream": {
			newHarness(t), jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, MaxMsgSize: 4096},
		},
	} {
		t.Run(test, func(t *testing.T) {
			b := want.harness
			b.create(want.config)
			requireError(t, b.publish("m1", strings.Repeat("x", 5000)), true)
			require.NoError(t, b.publish("m2", "x"), "the next one is not held back")
			require.Equal(t, []string{"m2"}, b.stored(stream))
			require.Zero(t, b.Pending())
		})
	}
}

func TestPublishCreatesADeletedStreamAgain(t *testing.T) {
	b := newHarness(t)
	b.ensure(name)
	require.NoError(t, b.js.DeleteStream(t.Context(), stream))
	require.NoError(t, b.publish("m1", "x"))
	require.Equal(t, []string{"m1"}, b.stored(stream))
}

func TestPublishWithoutAServerFailsAndStoresNothingLater(t *testing.T) {
	t.Parallel()
	b := newHarness(t, impatient)
	b.ensure(name)
	b.stop()
	requireError(t, b.publish("m1", "x"), false)

	b.start()
	b.reconnected()
	require.Eventually(
		t, func() bool { return b.Store(t.Context(), order.Event{Name: name, MsgID: "m2"}) == nil }, generous,
		time.Millisecond,
	)
	require.Equal(t, []string{"m2"}, b.stored(stream), "what was given up is not stored later")
	require.Zero(t, b.Pending())
}

func TestPublishOverAServerRestartStoresEachEventOnce(t *testing.T) {
	b := newHarness(t)
	b.ensure(name)
	before := b.publishAsync(t.Context(), name, "before", nil)
	b.stop()
	during := b.publishAsync(t.Context(), name, "during", nil)
	b.start()
	for _, p := range []*publication{before, during} {
		_, err := p.wait()
		require.NoError(t, err)
	}
	require.ElementsMatch(t, []string{"before", "during"}, b.stored(stream))
}

func TestStoreWaitsNotLongerThanItsContext(t *testing.T) {
	b := newHarness(t)
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, NoAck: true})
	b.ensure(name)
	ctx, cancel := context.WithCancel(t.Context())
	p := b.publishAsync(ctx, name, "m1", nil)
	cancel()
	_, err := p.wait()
	requireError(t, err, false)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, b.Pending(), "an ack that never comes is forgotten")
}

func TestPublishOfANewNameCreatesItsStreamBesideOtherListeners(t *testing.T) {
	b := newHarness(t)
	other, err := b.nc.SubscribeSync(subject) // without a stream such a subscriber swallows the missing ack's cause
	require.NoError(t, err)
	require.NoError(t, b.publish("m1", "x"))
	require.NoError(t, b.publish("m2", "x"))
	require.Equal(t, []string{"m1", "m2"}, b.stored(stream))
	_, err = other.NextMsg(generous)
	require.NoError(t, err)
}

func TestPublishWithoutAckFailsByTheTimeout(t *testing.T) {
	t.Parallel()
	b := newHarness(t, impatient)
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, NoAck: true})
	requireError(t, b.publish("m1", "x"), false)
}

func TestPublishOnAClosedConnectionFailsByTheTimeout(t *testing.T) {
	t.Parallel()
	b := newHarness(t, impatient)
	b.ensure(name)
	b.nc.Close()
	requireError(t, b.publish("m1", "x"), false)
}

func TestPublishDuringAnOutageIsStoredBeforeLaterEvents(t *testing.T) {
	b := newHarness(t)
	b.ensure(name)
	b.stop()
	require.Eventually(t, func() bool { return !b.nc.IsConnected() }, generous, time.Millisecond)
	var sent []*publication
	for i := range 3 {
		sent = append(sent, b.publishAsync(t.Context(), name, fmt.Sprint("early-", i), []byte("x")))
	}
	b.start()
	b.reconnected()
	for i := range 3 {
		sent = append(sent, b.publishAsync(t.Context(), name, fmt.Sprint("late-", i), []byte("x")))
	}
	for _, p := range sent {
		_, err := p.wait()
		require.NoError(t, err)
	}
	require.Equal(t, strings.Fields("early-0 early-1 early-2 late-0 late-1 late-2"), b.stored(stream))
}

func TestPublishRejectedByTheClientDoesNotHoldUpOthers(t *testing.T) {
	b := newHarness(t, func(o *server.Options, _ *events.Options) { o.MaxPayload = 1 << 10 })
	b.ensure(name)
	tooLarge := b.publishAsync(t.Context(), name, "large", make([]byte, 4<<10))
	misnamed := make(chan error, 1)
	e := order.Event{Name: name, MsgID: "misnamed", Header: map[string][]string{"a:b": {"c"}}}
	b.Publish(t.Context(), e, func(_ bool, err error) { misnamed <- err })
	nowhere := b.publishAsync(t.Context(), "no.stream.yet", "first", []byte("x"))
	require.NoError(t, b.publish("small", "x"))
	_, err := tooLarge.wait()
	requireError(t, err, true)
	requireError(t, <-misnamed, true)
	_, err = nowhere.wait()
	require.NoError(t, err)
}

func TestPublishThatWaitedForItsStreamGoesFirst(t *testing.T) {
	b := newHarness(t)
	for i := range 20 {
		name := fmt.Sprint("hios.order.", i)
		first, second := b.publishAsync(t.Context(), name, "1", nil), b.publishAsync(t.Context(), name, "2", nil)
		b.ensure(name)
		third := b.publishAsync(t.Context(), name, "3", nil)
		for _, p := range []*publication{first, second, third} {
			_, err := p.wait()
			require.NoError(t, err)
		}
		require.Equal(t, []string{"1", "2", "3"}, b.stored("dev_hios_order_"+strconv.Itoa(i)))
	}
}
