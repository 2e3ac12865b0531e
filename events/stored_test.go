package events_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/events/order"
)

// found gives which of some ids are stored since a time.
func found(t *testing.T, a *events.Archive, since time.Time, ids ...string) map[string]bool {
	t.Helper()
	stored, _, err := look(t.Context(), a.Stored(name, since), ids...)
	require.NoError(t, err)
	return stored
}

// look gives which of some ids are among the next that are stored, and until when that holds.
func look(ctx context.Context, s *events.Stored, ids ...string) (map[string]bool, time.Time, error) {
	stored := map[string]bool{}
	until, err := s.Next(ctx, func(id string) {
		if slices.Contains(ids, id) {
			stored[id] = true
		}
	})
	return stored, until, err
}

func TestStoredFindsEventsOutsideTheDuplicateWindow(t *testing.T) {
	t.Parallel()
	b, a := newArchive(t)
	require.Empty(t, found(t, a, time.Now(), "a"), "there is no stream")

	b.create(jetstream.StreamConfig{Name: "wide", Subjects: []string{"dev.hios.>"}, Duplicates: 100 * time.Millisecond})
	require.Empty(t, found(t, a, time.Now(), "a"), "nothing is stored")
	for i := range 12_000 { // more than are read at once
		_, err := b.js.PublishAsync(
			subject, []byte("event"), jetstream.WithMsgID(fmt.Sprint(i)), jetstream.WithStallWait(generous),
		)
		require.NoError(t, err)
	}
	<-b.js.PublishAsyncComplete()
	require.NoError(t, b.Store(t.Context(), order.Event{Name: "hios.other", MsgID: "other", Payload: []byte("other")}))

	require.Equal(
		t, map[string]bool{"0": true, "7000": true, "11999": true},
		found(t, a, time.Now(), "0", "7000", "11999", "12000", "other", ""),
	)
	require.Empty(t, found(t, a, time.Now().Add(time.Hour), "0"), "it is older")
}

func TestStoredReadsNothingInsideTheDuplicateWindow(t *testing.T) {
	b, a := newArchive(t)
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, Duplicates: 2 * time.Minute})
	require.NoError(t, b.publish("a", "event"))
	require.Empty(t, found(t, a, time.Now(), "a"))
	require.Equal(t, map[string]bool{"a": true}, found(t, a, time.Now().Add(-90*time.Second), "a"))
}

func TestStoredReadsEachEventOnce(t *testing.T) {
	b, a := newArchive(t)
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, Duplicates: 100 * time.Millisecond})
	read := func(s *events.Stored) (ids []string) {
		until, err := s.Next(t.Context(), func(id string) { ids = append(ids, id) })
		require.NoError(t, err)
		require.True(t, until.Before(time.Now()), "the stream soon forgets what it stores")
		return ids
	}
	require.NoError(t, b.publish("a", "event"))
	require.NoError(t, b.publish("b", "event"))
	s := a.Stored(name, time.Now())
	require.Equal(t, []string{"a", "b"}, read(s))
	require.Empty(t, read(s))
	require.NoError(t, b.publish("c", "event"))
	require.Equal(t, []string{"c"}, read(s))

	require.NoError(t, b.js.DeleteStream(t.Context(), stream))
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, Duplicates: 100 * time.Millisecond})
	require.NoError(t, b.publish("d", "event"))
	require.Equal(t, []string{"d"}, read(s), "it is another stream, which counts anew")
}

func TestStoredHoldsForTheDuplicateWindow(t *testing.T) {
	b, a := newArchive(t)
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, Duplicates: 10 * time.Minute})
	since := time.Now().Add(-time.Minute)
	_, until, err := look(t.Context(), a.Stored(name, since))
	require.NoError(t, err)
	require.Equal(t, since.Add(9*time.Minute), until, "nothing has to be read before")
	before := time.Now()
	_, until, err = look(t.Context(), a.Stored(name, before.Add(-time.Hour)))
	require.NoError(t, err)
	require.False(t, until.Before(before.Add(9*time.Minute)))
	require.False(t, until.After(time.Now().Add(9*time.Minute)))
}

func TestStoredOfAStreamThatRefusesReportsNothing(t *testing.T) {
	const user = "switchboard"
	for title, test := range map[string]struct {
		stream jetstream.StreamConfig
		denied []string
	}{
		"a work queue":           {stream: jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy}},
		"no consumers":           {stream: jetstream.StreamConfig{}, denied: []string{"$JS.API.CONSUMER.>"}},
		"nothing but publishing": {stream: jetstream.StreamConfig{}, denied: []string{"$JS.API.>"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			b := newHarness(t, watchful, func(o *server.Options, _ *events.Options) {
				o.NoAuthUser = "admin"
				o.Users = []*server.User{{Username: "admin", Password: "p"}, {
					Username: user, Password: "p",
					Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: test.denied}},
				}}
			})
			a := events.NewArchive(b.Publisher)
			test.stream.Name, test.stream.Subjects = stream, []string{subject}
			b.create(test.stream)
			if test.denied != nil {
				p, err := events.New(
					b.connect(nats.UserInfo(user, "p")), events.Options{Prefix: "dev", Replicas: 1, Timeout: generous, Log: b.log},
				)
				require.NoError(t, err)
				a = events.NewArchive(p)
			}
			require.NoError(t, b.publish("a", "event"))
			b.logs.Reset()
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second) // an answer never comes
				stored, _, err := look(ctx, a.Stored(name, time.Now().Add(-time.Hour)), "a")
				cancel()
				require.NoError(t, err)
				require.Empty(t, stored)
			}
			require.Len(t, b.logs.AllEntries(), 1, "it is asked and warned of once in a while")
			require.Contains(t, b.logs.LastEntry().Message, "some may be stored twice")
		})
	}
}

func TestStoredWithoutAServerIsAnError(t *testing.T) {
	b, a := newArchive(t)
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}})
	b.nc.Close()
	_, _, err := look(t.Context(), a.Stored(name, time.Now().Add(-time.Hour)), "a")
	require.Error(t, err)
}
