package events_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/events/order"
)

// archive is a harness with an archive.
func newArchive(t *testing.T) (*harness, *events.Archive) {
	t.Helper()
	b := newHarness(t, watchful)
	return b, events.NewArchive(b.Publisher)
}

func payloadsOf(t *testing.T, a *events.Archive, name string, q events.Query) []string {
	t.Helper()
	list := []string{}
	require.NoError(t, a.Each(t.Context(), name, q, func(r *events.Record) error {
		list = append(list, string(r.Payload))
		return nil
	}))
	return list
}

func TestArchiveQueryChoosesEvents(t *testing.T) {
	b, a := newArchive(t)
	b.create(jetstream.StreamConfig{Name: "wide", Subjects: []string{"dev.hios.>"}})
	var times []time.Time
	for i := range 9 {
		require.NoError(
			t, b.Store(t.Context(), order.Event{Name: "hios.other", MsgID: fmt.Sprint("o", i), Payload: []byte("other")}),
		)
		b.send(fmt.Sprint(i))
	}
	require.NoError(t, a.Each(t.Context(), name, events.Query{}, func(r *events.Record) error {
		times = append(times, r.Time)
		return nil
	}))
	s, err := b.js.Stream(t.Context(), "wide")
	require.NoError(t, err)
	require.NoError(t, s.DeleteMsg(t.Context(), 10)) // number 4
	for what, test := range map[string]struct {
		query events.Query
		want  []string
	}{
		"all":                       {events.Query{}, []string{"0", "1", "2", "3", "5", "6", "7", "8"}},
		"since a moment":            {events.Query{Since: times[6]}, []string{"6", "7", "8"}},
		"since one that is deleted": {events.Query{Since: times[4]}, []string{"5", "6", "7", "8"}},
		"since long ago": {events.Query{Since: times[0].Add(-time.Hour)}, []string{
			"0", "1", "2", "3", "5", "6", "7", "8",
		}},
		"since some time to come":    {events.Query{Since: times[8].Add(time.Hour)}, []string{}},
		"until a moment":             {events.Query{Until: times[1]}, []string{"0", "1"}},
		"between two":                {events.Query{Since: times[2], Until: times[5]}, []string{"2", "3", "5"}},
		"after a sequence":           {events.Query{After: 14}, []string{"7", "8"}},
		"some of them":               {events.Query{Sequences: []uint64{4, 2, 10, 3, 99}}, []string{"1", "0"}},
		"each once":                  {events.Query{Sequences: []uint64{4, 4, 2, 4, 2}}, []string{"1", "0"}},
		"up to a sequence":           {events.Query{After: 4, Through: 8}, []string{"2", "3"}},
		"only so many bytes":         {events.Query{Bytes: 1 + len("0Nats-Msg-Idid-0")}, []string{"0", "1"}},
		"more than those, but one":   {events.Query{Bytes: 1}, []string{"0"}},
		"until time is over":         {events.Query{By: time.Now()}, []string{}},
		"as long as there is time":   {events.Query{By: time.Now().Add(time.Hour), Limit: 1}, []string{"0"}},
		"by message id":              {events.Query{MessageIDs: []string{"id-3", "id-7", "id-9", ""}}, []string{"3", "7"}},
		"only so many":               {events.Query{Limit: 2}, []string{"0", "1"}},
		"only so many after another": {events.Query{After: 4, Limit: 2}, []string{"2", "3"}},
		"as a function has it": {events.Query{
			Match: func(r *events.Record) bool { return r.Sequence > 12 },
		}, []string{"6", "7", "8"}},
	} {
		t.Run(what, func(t *testing.T) { require.Equal(t, test.want, payloadsOf(t, a, name, test.query)) })
	}
	summary, err := a.Summarize(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, events.Summary{Count: 8, Oldest: times[0], Newest: times[8]}, summary)
}

func TestArchiveWithoutAStreamIsEmpty(t *testing.T) {
	b, a := newArchive(t)
	require.Empty(t, payloadsOf(t, a, name, events.Query{}))
	summary, err := a.Summarize(t.Context(), name)
	require.NoError(t, err)
	require.Zero(t, summary)
	n, err := a.Drop(t.Context(), "FAILED_MESSAGES", events.Query{})
	require.NoError(t, err)
	require.Zero(t, n.Count)
	require.Empty(t, b.streams(), "looking makes none")
	b.ensure(name)
	summary, err = a.Summarize(t.Context(), name)
	require.NoError(t, err)
	require.Zero(t, summary)
}

func TestReplayStoresTheEventAgainAndMarksIt(t *testing.T) {
	b, a := newArchive(t)
	b.ensure(name)
	header := map[string][]string{"$requestID": {"r1"}, "Nats-TTL": {"1h"}, "x-replayed-group": {"v2.sub"}}
	b.create(jetstream.StreamConfig{Name: "replayed", Subjects: []string{"dev.replayed"}, AllowMsgTTL: true})
	require.NoError(
		t, b.Store(t.Context(), order.Event{Name: "replayed", MsgID: "m1", Header: header, Payload: []byte("x")}),
	)
	for range 2 { // within the duplicate window
		n, err := a.Replay(t.Context(), "replayed", events.Query{Sequences: []uint64{1}})
		require.NoError(t, err)
		require.Equal(t, 1, n.Count)
	}
	s, err := b.js.Stream(t.Context(), "replayed")
	require.NoError(t, err)
	require.EqualValues(t, 3, s.CachedInfo().State.LastSeq)
	msg, err := s.GetMsg(t.Context(), 3)
	require.NoError(t, err)
	require.Equal(t, "x", string(msg.Data))
	at := msg.Header["x-replayed-at"]
	require.Len(t, at, 1)
	require.NotEmpty(t, msg.Header.Get("Nats-Msg-Id"))
	require.NotEqual(t, "m1", msg.Header.Get("Nats-Msg-Id"))
	delete(msg.Header, "Nats-Msg-Id")
	delete(msg.Header, "x-replayed-at")
	require.Equal(
		t, map[string][]string{"$requestID": {"r1"}, "x-original-message-id": {"m1"}, "x-replayed-from": {"replayed:1"}},
		map[string][]string(msg.Header),
	)
}

// kill lets a group give events up.
func (b *harness) kill(group string, payloads ...string) {
	b.t.Helper()
	in := newInbox().failing(always("it is " + group))
	sub := subscription(in)
	sub.Group, sub.MaxRetries = group, 1
	c := b.consume(sub)
	before, err := events.NewArchive(b.Publisher).Summarize(b.t.Context(), "FAILED_MESSAGES")
	require.NoError(b.t, err)
	b.send(payloads...)
	require.Eventually(b.t, func() bool {
		now, err := events.NewArchive(b.Publisher).Summarize(b.t.Context(), "FAILED_MESSAGES")
		return err == nil && now.Count == before.Count+len(payloads)
	}, generous, 5*time.Millisecond)
	require.NoError(b.t, c.Stop(b.t.Context()))
}

func TestReviveReachesOnlyTheGroupOfTheDeadLetter(t *testing.T) {
	b, a := newArchive(t)
	b.kill("mail", "1", "2")
	mail, audit := newInbox(), newInbox()
	sub := subscription(mail)
	sub.Group = "mail"
	b.consume(sub)
	sub = subscription(audit)
	b.consume(sub)

	n, err := a.Revive(t.Context(), "FAILED_MESSAGES", events.Query{MessageIDs: []string{"id-2"}})
	require.NoError(t, err)
	require.Equal(t, 1, n.Count)
	d := mail.next(t)
	require.Equal(t, "2", string(d.Payload))
	require.Equal(t, "dev_FAILED_MESSAGES:2", d.Header["x-replayed-from"][0])
	require.Equal(t, "id-2", d.Header["x-original-message-id"][0])
	for key := range d.Header {
		require.NotContains(t, key, "x-error-")
		require.NotContains(t, []string{"x-original-channel", "x-original-group"}, key)
	}
	require.Equal(t, []string{"1"}, payloadsOf(t, a, "FAILED_MESSAGES", events.Query{}), "it is off the queue")
	b.allAcked()
	require.Empty(t, audit.payloads(), "the other group has had it")

	n, err = a.Replay(t.Context(), name, events.Query{Sequences: []uint64{d.Sequence}})
	require.NoError(t, err)
	require.Equal(t, 1, n.Count)
	require.Equal(t, "2", string(audit.next(t).Payload), "a replay of an event is for all")
}

func TestReviveThatWasInterruptedStoresNothingTwice(t *testing.T) {
	b, a := newArchive(t)
	b.kill("mail", "1")
	s, err := b.js.Stream(t.Context(), "dev_FAILED_MESSAGES")
	require.NoError(t, err)
	config := s.CachedInfo().Config
	config.DenyDelete = true // what is published cannot be taken off
	_, err = b.js.UpdateStream(t.Context(), config)
	require.NoError(t, err)
	for range 2 {
		n, err := a.Revive(t.Context(), "FAILED_MESSAGES", events.Query{})
		require.ErrorContains(t, err, "take dead letter 1 off the queue")
		require.Zero(t, n.Count)
	}
	require.Len(t, payloadsOf(t, a, name, events.Query{}), 2, "it and one replay")
}

func TestReviveLeavesWhatCannotBeReplayed(t *testing.T) {
	b, a := newArchive(t)
	b.ensure("FAILED_MESSAGES", name)
	for id, header := range map[string]map[string][]string{
		"a record":   {"x-original-channel": {subject}},
		"an API":     {"x-original-channel": {"$JS.API.STREAM.DELETE." + stream}, "x-original-group": {group}},
		"a wildcard": {"x-original-channel": {"dev.>"}, "x-original-group": {group}},
		"no letter":  {},
	} {
		require.NoError(t, b.Store(t.Context(), order.Event{Name: "FAILED_MESSAGES", MsgID: id, Header: header}))
	}
	b.kill("mail", "1")
	n, err := a.Revive(t.Context(), "FAILED_MESSAGES", events.Query{})
	require.Equal(t, 1, n.Count, "the others are no hindrance")
	require.ErrorIs(t, err, events.ErrNotReplayable)
	require.ErrorContains(t, err, `"dev.>" is no event's subject`)
	require.ErrorContains(t, err, `is no event's subject`)
	require.Len(t, payloadsOf(t, a, "FAILED_MESSAGES", events.Query{}), 4)

	n, err = a.Drop(t.Context(), "FAILED_MESSAGES", events.Query{})
	require.NoError(t, err)
	require.Equal(t, 3, n.Count, "what is no dead letter is left")
	n, err = a.Drop(t.Context(), name, events.Query{})
	require.NoError(t, err)
	require.Zero(t, n.Count, "in other streams all is left")
}

func TestDeadLetterNamesItsOrigin(t *testing.T) {
	b, a := newArchive(t)
	b.kill("mail", "1")
	var r *events.Record
	require.NoError(t, a.EachDead(t.Context(), "FAILED_MESSAGES", events.Query{}, func(found *events.Record) error {
		r = found
		return nil
	}))
	require.Equal(
		t, []string{subject, "mail", "it is mail", "id-1"},
		[]string{r.OriginalSubject(), r.OriginalGroup(), r.Failure(), r.MessageID()},
	)
}

func TestArchiveEachEndsWithTheErrorOfItsFunction(t *testing.T) {
	b, a := newArchive(t)
	b.ensure(name)
	b.send("1", "2")
	enough := errors.New("enough")
	require.ErrorIs(t, a.Each(t.Context(), name, events.Query{}, func(*events.Record) error { return enough }), enough)
}

func TestTailShowsNewEvents(t *testing.T) {
	b, a := newArchive(t)
	b.ensure(name, "hios.other")
	b.send("old")
	for what, test := range map[string]struct {
		since time.Time
		want  []string
	}{
		"from now on":   {time.Time{}, []string{"new from now on", "other from now on"}},
		"since a while": {time.Now().Add(-time.Hour), nil},
	} {
		t.Run(what, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			shown, done := make(chan string, 100), make(chan error, 1)
			go func() {
				done <- a.Tail(
					ctx, []string{name, "hios.other", "nobody.knows"}, test.since,
					func(r *events.Record) { shown <- string(r.Payload) },
				)
			}()
			require.Eventually(t, func() bool { return b.readers() == 2 }, generous, 5*time.Millisecond)
			b.send("new " + what)
			require.NoError(
				t, b.Store(t.Context(), order.Event{Name: "hios.other", MsgID: what, Payload: []byte("other " + what)}),
			)
			var got []string
			for !slices.Contains(got, "new "+what) || !slices.Contains(got, "other "+what) {
				select {
				case text := <-shown:
					got = append(got, text)
				case <-time.After(generous):
					require.Fail(t, "nothing more is shown", "%v", got)
				}
			}
			require.Equal(t, !test.since.IsZero(), slices.Contains(got, "old"))
			if test.want != nil {
				require.ElementsMatch(t, test.want, got)
			}
			cancel()
			require.NoError(t, <-done)
			require.Eventually(t, func() bool { return b.readers() == 0 }, generous, 5*time.Millisecond)
		})
	}
}

// readers is how many consumers there are.
func (b *harness) readers() int {
	n := 0
	for _, s := range b.streams() {
		n += b.info(s).State.Consumers
	}
	return n
}

func TestWarnOfOtherPublishersFindsTheirEvents(t *testing.T) {
	for test, want := range map[string]struct {
		stored []string
		warns  bool
	}{
		"there alone":       {[]string{name}, true},
		"here too":          {[]string{name, subject}, false},
		"neither":           {nil, false},
		"of another events": {[]string{"hios.other"}, false},
	} {
		t.Run(test, func(t *testing.T) {
			b := newHarness(t)
			b.create(jetstream.StreamConfig{Name: "all", Subjects: []string{"hios.>", "dev.>"}})
			for _, s := range want.stored {
				_, err := b.js.Publish(t.Context(), s, nil)
				require.NoError(t, err)
			}
			b.WarnOfOtherPublishers(t.Context(), "dev", name)
			if !want.warns {
				require.Empty(t, b.warnings())
				return
			}
			requireTexts(t, []string{"events are published to " + name + ", but this node consumes " + subject}, b.warnings())
		})
	}
}

func TestEnsureWithReplicasNeedsACluster(t *testing.T) {
	b := newHarness(t, func(_ *server.Options, o *events.Options) { o.Replicas = 3 })
	require.ErrorIs(t, b.Ensure(t.Context(), name), events.ErrNoCluster)
}

func TestEnsureWarnsOfADifferingStreamOnce(t *testing.T) {
	b := newHarness(t)
	b.create(jetstream.StreamConfig{
		Name: stream, Subjects: []string{subject}, MaxAge: time.Hour, MaxMsgs: 9, MaxBytes: 1 << 20, MaxMsgsPerSubject: 8,
		MaxMsgSize: 4096,
		Discard:    jetstream.DiscardNew, Duplicates: time.Second, Retention: jetstream.WorkQueuePolicy,
	})
	for range 3 {
		b.ensure(name)
	}
	requireTexts(t, []string{"may double or refuse events: retention WorkQueue, duplicate_window 1s"}, b.warnings())
}

func TestWarnOfServerFindsSingleCopiesOnce(t *testing.T) {
	b := newHarness(t)
	b.ensure(name)
	b.WarnOfServer(t.Context(), name)
	require.Empty(t, b.warnings(), "a server alone cannot have more")

	p, log := newCluster(t)
	require.NoError(t, p.Ensure(t.Context(), name, "FAILED_MESSAGES"))
	p.WarnOfServer(t.Context(), name, "FAILED_MESSAGES", "nobody.knows")
	requireTexts(
		t,
		[]string{
			"set events.replicas to 3, and change the streams dev_hios_processing_message_received, dev_FAILED_MESSAGES",
		},
		log(),
	)
}

func TestReplayThatReachesALimitSaysWhereToGoOn(t *testing.T) {
	b, a := newArchive(t)
	b.ensure(name)
	b.send("1", "2", "3", "4", "5")
	var parts []events.Progress
	for q := (events.Query{Limit: 2}); ; {
		p, err := a.Replay(t.Context(), name, q)
		require.NoError(t, err)
		parts = append(parts, p)
		if !p.More {
			break
		}
		q.After, q.Through = p.Last, p.Through
	}
	require.Equal(t, []events.Progress{
		{Count: 2, Last: 2, Through: 5, More: true},
		{Count: 2, Last: 4, Through: 5, More: true},
		{Count: 1, Last: 5, Through: 5},
	}, parts, "what the replay itself stores is left")
	require.EqualValues(t, 10, b.info(stream).State.LastSeq)
}

func TestReplayEndsWithItsContextAndReportsProgress(t *testing.T) {
	b, a := newArchive(t)
	b.ensure(name)
	b.send("1", "2", "3", "4", "5")
	ctx, cancel := context.WithCancel(t.Context())
	p, err := a.Replay(ctx, name, events.Query{Match: func(r *events.Record) bool {
		if r.Sequence == 4 {
			cancel() // the caller is gone
		}
		return true
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, events.Progress{Count: 3, Last: 3, Through: 5}, p)
	require.EqualValues(t, 8, b.info(stream).State.LastSeq)
}

func TestReplayOfASequenceTwiceStoresItOnce(t *testing.T) {
	b, a := newArchive(t)
	b.ensure(name)
	b.send("1", "2")
	p, err := a.Replay(t.Context(), name, events.Query{Sequences: []uint64{2, 2, 1, 2}})
	require.NoError(t, err)
	require.Equal(t, events.Progress{Count: 2, Last: 1}, p)
	require.EqualValues(t, 4, b.info(stream).State.LastSeq)
}

func TestGroupsReportTheirProgress(t *testing.T) {
	b, a := newArchive(t)
	b.create(jetstream.StreamConfig{Name: "wide", Subjects: []string{"dev.shop.>"}})
	_, err := b.js.CreateConsumer(
		t.Context(), "wide",
		jetstream.ConsumerConfig{Durable: "pulls", FilterSubjects: []string{"dev.shop.a", "dev.shop.b"}},
	)
	require.NoError(t, err)
	require.NoError(t, b.Store(t.Context(), order.Event{Name: "shop.a", MsgID: "1"}))
	b.create(jetstream.StreamConfig{Name: "other", Subjects: []string{"prod.x", "$weird"}})
	_, err = b.js.CreateConsumer(t.Context(), "other", jetstream.ConsumerConfig{Durable: "elsewhere"})
	require.NoError(t, err)
	_, err = b.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "dev"})
	require.NoError(t, err)

	in := newInbox()
	in.hold = make(chan struct{})
	c := b.consume(subscription(in))
	b.send("1", "2", "3")
	in.next(t)
	var groups []events.Group
	require.Eventually(t, func() bool { // the server counts a moment later
		groups, err = a.Groups(t.Context())
		return err == nil && len(groups) == 3 && groups[0].Pending == 2
	}, generous, 5*time.Millisecond)
	busy := groups[0]
	require.WithinDuration(t, time.Now(), busy.LastActive, generous)
	busy.LastActive = time.Time{}
	require.Equal(t, events.Group{Event: name, Group: durable, Pending: 2, Unacknowledged: 1, Members: true}, busy)
	require.Equal(
		t, []events.Group{{Event: "shop.a", Group: "pulls", Pending: 1}, {Event: "shop.b", Group: "pulls", Pending: 1}},
		groups[1:],
	)

	names, err := a.Names(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"FAILED_MESSAGES", name, "shop.a", "shop.b"}, names)
	queues, err := a.Queues(t.Context())
	require.NoError(t, err)
	require.Empty(t, queues)

	close(in.hold)
	b.allAcked()
	require.NoError(t, c.Stop(t.Context()))
	require.Eventually(t, func() bool {
		groups, err := a.Groups(t.Context())
		return err == nil && groups[0].Pending == 0 && groups[0].Unacknowledged == 0 && !groups[0].Members
	}, generous, 5*time.Millisecond)
}
