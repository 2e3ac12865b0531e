package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/internal/testserver/overdue"
)

// silent is a stream whose events are never acknowledged.
var silent = jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, NoAck: true}

func TestPublishKeepsOrderOverLostConnections(t *testing.T) {
	for test, want := range map[string]struct {
		disturb       func(*harness)
		times, events int // events between two times
	}{
		"with its server":  {func(b *harness) { b.stop(); b.start() }, 4, 300},
		"with work on it":  {func(b *harness) { require.NoError(b.t, b.nc.ForceReconnect()) }, 20, 100},
		"and again, early": {func(b *harness) { require.NoError(b.t, b.nc.ForceReconnect()) }, 200, 3},
	} {
		t.Run(test, func(t *testing.T) {
			b := newHarness(t)
			b.ensure(name)
			var ids []string
			var sent []*publication
			for i := range want.times {
				var disturbed sync.WaitGroup
				for j := range want.events {
					if j == want.events/2 {
						disturbed.Go(func() { want.disturb(b) })
					}
					ids = append(ids, fmt.Sprint(i, "-", j))
					sent = append(sent, b.publishAsync(t.Context(), name, ids[len(ids)-1], []byte("x")))
				}
				disturbed.Wait()
			}
			for _, p := range sent {
				_, err := p.wait()
				require.NoError(t, err)
			}
			require.Equal(t, ids, b.stored(stream))
			require.Zero(t, b.Pending())
			b.reconnected() // whatever else was under way to this side has come
			for _, p := range sent {
				require.EqualValues(t, 1, p.times.Load())
			}
		})
	}
}

func TestPublishAfterReconnectSendsUnackedEventsFirst(t *testing.T) {
	b := newHarness(t)
	b.create(silent)
	b.ensure(name)
	wire, err := b.js.Conn().SubscribeSync(subject)
	require.NoError(t, err)
	require.NoError(t, b.js.Conn().Flush())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, id := range []string{"m1", "m2"} {
		b.publishAsync(ctx, name, id, nil)
	}
	b.reconnected()
	require.NoError(t, b.nc.ForceReconnect())
	b.reconnected()
	b.publishAsync(ctx, name, "m3", nil)
	for _, id := range strings.Fields("m1 m2 m1 m2 m3") {
		msg, err := wire.NextMsg(generous)
		require.NoError(t, err)
		require.Equal(t, id, msg.Header.Get(jetstream.MsgIDHeader))
	}
}

func TestPublishKeepsOrderOverADeletedStream(t *testing.T) {
	b := newHarness(t)
	b.ensure(name)
	require.NoError(t, b.js.DeleteStream(t.Context(), stream))
	var ids []string
	var sent []*publication
	for i := range 100 {
		ids = append(ids, fmt.Sprint("m", i))
		sent = append(sent, b.publishAsync(t.Context(), name, ids[i], nil))
	}
	for _, p := range sent {
		_, err := p.wait()
		require.NoError(t, err)
	}
	require.Equal(t, ids, b.stored(stream))
}

func TestPublishWithoutAStreamFailsByTheTimeout(t *testing.T) {
	t.Parallel()
	b := newHarness(t, impatient)
	b.ensure(name)
	require.NoError(t, b.js.DeleteStream(t.Context(), stream))
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{"something.else"}})
	err := b.publish("m1", "x")
	requireError(t, err, false)
	require.ErrorIs(t, err, jetstream.ErrNoStreamResponse)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestPublishRetriesARefusedEventUntilTheTimeout(t *testing.T) {
	t.Parallel()
	// enough for what is taken
	b := newHarness(t, func(_ *server.Options, o *events.Options) { o.Timeout = 5 * time.Second })
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, MaxMsgs: 1, Discard: jetstream.DiscardNew})
	require.NoError(t, b.publish("m1", "x"))
	err := b.publish("m2", "x")
	requireError(t, err, false)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "maximum messages exceeded")

	p := b.publishAsync(t.Context(), name, "m3", nil)
	s, err := b.js.Stream(t.Context(), stream)
	require.NoError(t, err)
	require.NoError(t, s.Purge(t.Context()))
	_, err = p.wait()
	require.NoError(t, err, "there is room again")
}

func TestPublishHoldsBackTheKeyOfARefusedEvent(t *testing.T) {
	t.Parallel()
	b := newHarness(t)
	full := jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, MaxMsgs: 1, Discard: jetstream.DiscardNew}
	b.create(full)
	b.ensure(name)
	require.NoError(t, b.publish("m1", "x"))
	wire, err := b.js.Conn().SubscribeSync(subject)
	require.NoError(t, err)
	require.NoError(t, b.js.Conn().Flush())
	heard := map[string]int{}
	await := func(id string, times int) {
		for heard[id] < times {
			msg, err := wire.NextMsg(generous)
			require.NoError(t, err)
			heard[msg.Header.Get(jetstream.MsgIDHeader)]++
		}
	}
	handOver := func(key, id string) *publication {
		return b.publishEvent(t.Context(), order.Event{Name: name, MsgID: id, Key: key})
	}

	refused := handOver("talk", "m2")
	parcels := []*publication{refused}
	for i := range 5 { // also while the refused one is on its way again
		await("m2", i+2)
		parcels = append(parcels, handOver("talk", fmt.Sprint("behind", i)))
	}
	parcels = append(parcels, handOver("another", "beside"))
	await("beside", 1)
	for i := range 5 {
		require.Zero(t, heard[fmt.Sprint("behind", i)], "it waits behind the one of its key")
	}

	full.MaxMsgs = 10
	_, err = b.js.UpdateStream(t.Context(), full)
	require.NoError(t, err)
	for _, p := range parcels {
		_, err := p.wait()
		require.NoError(t, err)
	}
	stored := slices.DeleteFunc(b.stored(stream), func(id string) bool { return id == "beside" })
	require.Equal(t, []string{"m1", "m2", "behind0", "behind1", "behind2", "behind3", "behind4"}, stored)
}

func TestPublishRepeatsAnEventWithoutAckUnderItsID(t *testing.T) {
	t.Parallel()
	b := newHarness(t)
	b.create(silent)
	b.ensure(name)
	p := b.publishAsync(t.Context(), name, "m1", nil)
	require.Eventually(t, func() bool { return b.info(stream).State.Msgs == 1 }, generous, 5*time.Millisecond)
	talking := silent
	talking.NoAck = false
	_, err := b.js.UpdateStream(t.Context(), talking)
	require.NoError(t, err)
	duplicate, err := p.wait()
	require.NoError(t, err)
	require.True(t, duplicate)
	require.Equal(t, []string{"m1"}, b.stored(stream))
}

func TestPublishEndsWithItsContext(t *testing.T) {
	b := newHarness(t)
	b.create(silent)
	b.ensure(name)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.publishAsync(ended, name, "never", nil).wait()
	requireError(t, err, false)
	require.ErrorIs(t, err, context.Canceled)

	short, expire := overdue.Context(t.Context())
	p := b.publishAsync(short, name, "m1", nil)
	require.Eventually(t, func() bool { return b.info(stream).State.Msgs == 1 }, generous, time.Millisecond)
	expire()
	_, err = p.wait()
	requireError(t, err, false)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	ctx, cancel := context.WithCancel(t.Context())
	stored := make(chan error, 1)
	go func() { stored <- b.Store(ctx, order.Event{Name: name, MsgID: "m2"}) }()
	require.Eventually(t, func() bool { return b.info(stream).State.Msgs == 2 }, generous, time.Millisecond)
	cancel()
	err = <-stored
	requireError(t, err, false)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"m1", "m2"}, b.stored(stream), "what is over before it begins is not published")
	require.Zero(t, b.Pending())
}

func TestPublishQueueIsCheckedOnlyWhileEventsArePending(t *testing.T) {
	b := newHarness(t)
	require.False(t, b.CheckScheduled())
	b.create(silent)
	b.ensure(name)
	ctx, cancel := context.WithCancel(t.Context())
	p := b.publishAsync(ctx, name, "m1", nil)
	require.True(t, b.CheckScheduled())
	cancel()
	_, err := p.wait()
	require.Error(t, err)
	require.Eventually(t, func() bool { return !b.CheckScheduled() }, generous, time.Millisecond)
	_, err = b.publishAsync(t.Context(), name, "m2", make([]byte, 2<<20)).wait()
	requireError(t, err, true)
	require.Eventually(t, func() bool { return !b.CheckScheduled() }, generous, time.Millisecond)
}

func TestAckFuncMayPublish(t *testing.T) {
	b := newHarness(t)
	b.ensure(name)
	again := make(chan *publication, 1)
	b.Publish(
		t.Context(), order.Event{Name: name, MsgID: "m1"},
		func(bool, error) { again <- b.publishAsync(t.Context(), name, "m2", nil) },
	)
	_, err := (<-again).wait()
	require.NoError(t, err)
	require.Equal(t, []string{"m1", "m2"}, b.stored(stream))
}

func TestPublishBoundsEventsInFlight(t *testing.T) {
	b := newHarness(t)
	b.create(silent)
	b.ensure(name)
	ctx, cancel := context.WithCancel(t.Context())
	var sent []*publication
	for i := range events.MaxPending + 10 {
		sent = append(sent, b.publishAsync(ctx, name, fmt.Sprint(i), nil))
	}
	require.Equal(t, events.MaxPending, b.InFlight())
	cancel()
	for _, p := range sent {
		_, err := p.wait()
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Zero(t, b.InFlight())
}

// acknowledge answers as a server would. The publisher's client has the answer when it returns, and deals with it
// before any later one.
func (b *harness) acknowledge(token, ack string) {
	b.t.Helper()
	b.t.Log("answer", token, ack)
	require.NoError(b.t, b.js.Conn().Publish(b.Acks()+token, []byte(ack)))
	require.NoError(b.t, b.js.Conn().Flush())
	require.NoError(b.t, b.nc.Flush())
}

func TestAckOfNoEventIsIgnored(t *testing.T) {
	b := newHarness(t)
	b.ensure(name)
	p := b.publishAsync(t.Context(), name, "m1", nil)
	_, err := p.wait()
	require.NoError(t, err)
	// The second event's own token is not among them: the last of these answers may arrive when that is out already.
	for _, token := range []string{"1", "0", "3", "zzzz", "-1", "not_a_token", "zzzzzzzzzzzzzzzzzzzzzzzz", "é"} {
		for _, ack := range []string{
			`{"stream":"s","seq":1}`, `{"error":{"code":503,"err_code":10077}}`, "", "{", `{"error":{"err_code":10054}}`,
		} {
			b.acknowledge(token, ack)
		}
	}
	require.NoError(t, b.publish("m2", "x"))
	require.EqualValues(t, 1, p.times.Load())
	require.Equal(t, []string{"m1", "m2"}, b.stored(stream))
}

func TestAckThatIsMalformedRemovesNoEvent(t *testing.T) {
	b := newHarness(t)
	b.create(silent)
	b.ensure(name)
	p := b.publishAsync(t.Context(), name, "m1", nil)
	for _, ack := range []string{
		"", "null", "[]", "{}", `{"stream":""}`, `{"stream":"","seq":1}`, `{"stream":5}`, `{"stream":"s","seq":1`,
		`{"stream":"s","seq":1}}`, "\x00\xff", `{"stream":"s","seq":-1}`,
	} {
		b.acknowledge("1", ack)
	}
	require.Equal(t, 1, b.Pending())
	b.acknowledge("1", `{"stream":"s","domain":"d", "seq":1, "val":"5", "duplicate":true}`)
	duplicate, err := p.wait()
	require.NoError(t, err)
	require.True(t, duplicate)
	b.acknowledge("1", `{"stream":"s","seq":1}`)
	require.EqualValues(t, 1, p.times.Load())
}

func TestParseAckReadsWhatServersWrite(t *testing.T) {
	for ack, want := range map[string]struct{ duplicate, usual bool }{
		`{"stream":"S","seq":1}`:                                       {false, true},
		`{"stream":"S","domain":"hub","seq":18446744}`:                 {false, true},
		`{"stream":"S","seq":12,"duplicate": true}`:                    {true, true},
		`{"stream":"S","seq":12,"duplicate":true}`:                     {true, false},
		`{"stream":"S", "seq":12, "domain":"hub", "other":[{}]}`:       {false, false},
		`{"stream":"S","seq":18446744073709551615}`:                    {false, false},
		`{"stream":"S\u0041","seq":1}`:                                 {false, false},
		`{"stream":"S","seq":3,"batch":"b","count":2}`:                 {false, false},
		`{"type":"x","stream":"S","seq":0,"duplicate":false}`:          {false, false},
		"{\"stream\":\"S\",\"seq\":3,\"duplicate\":true,\"val\":\"\"}": {true, false},
	} {
		duplicate, err := events.ParseAck([]byte(ack))
		require.NoError(t, err, ack)
		require.Equal(t, want.duplicate, duplicate, ack)
		_, usual := events.UsualAck([]byte(ack))
		require.Equal(t, want.usual, usual, ack)
	}
	_, err := events.ParseAck(
		[]byte(
			`{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"},"stream":"S","seq":0}`,
		),
	)
	require.Equal(
		t, &jetstream.APIError{Code: 400, ErrorCode: 10054, Description: "message size exceeds maximum allowed"}, err,
	)
}

func FuzzParseAck(f *testing.F) {
	for _, seed := range []string{
		`{"stream":"S","seq":1}`, `{"stream":"S","domain":"d","seq":1}`, `{"stream":"S","seq":1,"duplicate": true}`,
		`{"error":{"code":1}}`,
		`{"stream":"S","seq":01}`, `{"stream":"\"","seq":1}`, "{\"stream\":\"\xff\",\"seq\":1}",
		`{"stream":"S","seq":99999999999999999999}`, "", "null", "[",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := slices.Clone(data)
		duplicate, err := events.ParseAck(data)
		require.Equal(t, before, data)
		var ack struct {
			jetstream.PubAck
			Error *jetstream.APIError `json:"error"`
		}
		stored := json.Unmarshal(data, &ack) == nil && ack.Error == nil && ack.Stream != ""
		require.Equal(t, stored, err == nil)
		require.Equal(t, stored && ack.Duplicate, duplicate)
	})
}

func TestPublishOfAFencedEventIsGivenUp(t *testing.T) {
	t.Parallel()
	b := newHarness(t)
	b.ensure(name)
	closed := func() bool { return false }
	_, err := b.publishEvent(t.Context(), order.Event{Name: name, MsgID: "m1", Fence: closed}).wait()
	require.ErrorIs(t, err, order.ErrFenced)
	require.Empty(t, b.stored(stream), "it is never sent")
}

func TestPublishAgainAsksTheFence(t *testing.T) {
	t.Parallel()
	b := newHarness(t)
	full := jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, MaxMsgs: 1, Discard: jetstream.DiscardNew}
	b.create(full)
	b.ensure(name)
	require.NoError(t, b.publish("m1", "x"))
	wire, err := b.js.Conn().SubscribeSync(subject)
	require.NoError(t, err)
	require.NoError(t, b.js.Conn().Flush())
	var open atomic.Bool
	open.Store(true)
	refused := b.publishEvent(t.Context(), order.Event{Name: name, MsgID: "m2", Key: "talk", Fence: open.Load})
	_, err = wire.NextMsg(generous)
	require.NoError(t, err)
	open.Store(false)
	_, err = refused.wait()
	require.ErrorIs(t, err, order.ErrFenced)
	full.MaxMsgs = 10
	_, err = b.js.UpdateStream(t.Context(), full)
	require.NoError(t, err)
	require.Equal(t, []string{"m1"}, b.stored(stream))
}
