package integration_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/integration"
)

// shelf is a spool that lists what is put.
type shelf struct {
	mu    sync.Mutex
	ids   []string
	holds bool
	late  time.Duration // what the disk takes
	err   error
	waits string   // a key of which an event waits
	asked []string // the keys that Holds has been asked for
}

func (s *shelf) Put(e order.Event, kept func(error)) {
	if s.late > 0 {
		time.AfterFunc(s.late, func() { s.take(e, kept) })
		return
	}
	s.take(e, kept)
}

func (s *shelf) take(e order.Event, kept func(error)) {
	s.mu.Lock()
	if s.err == nil {
		s.ids = append(s.ids, e.Key+" "+e.Name+" "+e.MsgID)
	}
	s.mu.Unlock()
	kept(s.err)
}

func (s *shelf) Holds(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, key)
	return s.holds || s.waits != "" && key == s.waits
}

// withShelf makes a harness whose stream takes nothing.
func withShelf(t *testing.T) (*harness, *shelf) {
	t.Helper()
	b, s := newHarness(t), &shelf{}
	b.runtime.Spool = s
	b.events.fail = func(event) error { return errors.New("no response from stream") }
	b.platform.messages = []integration.Message{
		{ID: "1", DedupKey: "1", ConversationID: "42"}, {ID: "2", DedupKey: "2", ConversationID: "43"},
	}
	return b, s
}

func TestSendOutcomeIsKeptWhileStreamIsAway(t *testing.T) {
	b, s := withShelf(t)
	b.platform.sending = failing()
	result, err := b.send()
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messageId":"42:7","metadata":{"chatId":"42"}}`, toJSON(t, result))
	require.Len(t, s.ids, 1)
	require.Regexp(t, `^sent\x00c1\x0042 hios.processing.message.sent parrot:c1:sent:`, s.ids[0])
}

func TestRedeliveredWebhookIsRefusedWhileStreamIsAway(t *testing.T) {
	b, s := withShelf(t)
	_, err := b.receive(webhookParams())
	requireError(t, err, 503, "EVENTS_UNAVAILABLE")
	require.Empty(t, s.ids)
}

func TestWebhookWithoutRedeliveryIsKept(t *testing.T) {
	for name, change := range map[string]func(*harness){
		"by the platform": func(b *harness) { b.def.NoRedelivery = true },
		"by the channel":  func(b *harness) { b.store.channel.Settings = map[string]string{"spool": "on"} },
	} {
		t.Run(name, func(t *testing.T) {
			b, s := withShelf(t)
			change(b)
			result, err := b.receive(webhookParams())
			require.NoError(t, err)
			require.JSONEq(t, `{"success":true,"messages":2,"failed":0}`, toJSON(t, result))
			require.Equal(t, []string{
				"received\x00c1\x0042 hios.processing.message.received parrot:c1:1",
				"received\x00c1\x0043 hios.processing.message.received parrot:c1:2",
			}, s.ids)
		})
	}
	t.Run("unless the channel says otherwise", func(t *testing.T) {
		b, _ := withShelf(t)
		b.def.NoRedelivery = true
		b.store.channel.Settings = map[string]string{"spool": "off"}
		_, err := b.receive(webhookParams())
		requireError(t, err, 503, "EVENTS_UNAVAILABLE")
	})
}

func TestKeptEventsHoldBackLaterOnes(t *testing.T) {
	b, s := withShelf(t)
	b.def.NoRedelivery, s.holds, b.events.fail = true, true, nil
	_, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.Len(t, s.ids, 2)
	require.Empty(t, b.events.events, "the stream would take it, before what came before")
}

func TestImpatientPlatformIsAnsweredInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := withShelf(t)
		b.def.NoRedelivery, b.def.WebhookTimeout = true, 3*time.Second
		b.runtime.Events = silent{b.events}
		started := time.Now()
		_, err := b.receive(webhookParams())
		require.NoError(t, err)
		require.Equal(t, 1500*time.Millisecond, time.Since(started), "for all messages together")
		require.Len(t, s.ids, 2)
	})
}

func TestSendIsAnsweredWhenItsOutcomeIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := withShelf(t)
		b.platform.sending, b.runtime.Events, s.late = failing(), silent{b.events}, time.Second
		_, err := b.send()
		require.NoError(t, err)
		require.Len(t, s.ids, 1, "a node that dies from here on loses nothing")
	})
}

// silent is a stream that never answers.
type silent struct{ *publisher }

func (s silent) Publish(ctx context.Context, e order.Event, onAck func(bool, error)) {
	s.publisher.Publish(ctx, e, func(bool, error) {})
	context.AfterFunc(ctx, func() { onAck(false, ctx.Err()) })
}

func TestWebhookIsRefusedWithoutStreamAndDisk(t *testing.T) {
	b, s := withShelf(t)
	b.def.NoRedelivery, s.err = true, errors.New("the spool is full")
	_, err := b.receive(webhookParams())
	requireError(t, err, 503, "EVENTS_UNAVAILABLE")
}

func TestRejectedWebhookIsNotKept(t *testing.T) {
	b, s := withShelf(t)
	b.def.NoRedelivery = true
	b.events.fail = func(e event) error {
		if e.Name == integration.DeadLetters {
			return nil
		}
		return rejected{errors.New("too large")}
	}
	result, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messages":0,"failed":2}`, toJSON(t, result))
	require.Empty(t, s.ids)
}

func TestKeptEventsDelayOnlyTheirConversation(t *testing.T) {
	b, s := withShelf(t)
	b.def.NoRedelivery, b.events.fail = true, nil
	b.platform.sending = failing()
	s.waits = "received\x00c1\x0042"
	_, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.Equal(t, []string{"received\x00c1\x0042 hios.processing.message.received parrot:c1:1"}, s.ids)
	require.Len(t, b.events.events, 1, "the other conversation goes on")

	_, err = b.send()
	require.NoError(t, err)
	require.Contains(t, s.asked, "sent\x00c1\x0042", "a send's outcome waits for those of its recipient only")
	require.Len(t, s.ids, 1)
}
