package events_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/events/spool"
)

// spoolOptions are those of a spool that hands on to a publisher, as a node has it.
func spoolOptions(path string, p *events.Publisher, log *logrus.Entry) spool.Options {
	archive := events.NewArchive(p)
	return spool.Options{
		Path: path, Owner: "test", MaxBytes: 1 << 30, MaxAge: time.Hour, Log: log,
		Publish: func(ctx context.Context, e order.Event, onAck func(bool, error)) {
			event := order.Event{Name: e.Name, MsgID: e.MsgID, Header: e.Header, Payload: e.Payload, Key: e.Key}
			p.Publish(ctx, event, onAck)
		},
		Stored: func(name string, since time.Time) spool.Stored { return archive.Stored(name, since) },
	}
}

// openSpool opens a spool. It takes nothing off it before its gates are open.
func openSpool(tb testing.TB, b *harness, path string, p *events.Publisher, gates ...*gate) *spool.Spool {
	tb.Helper()
	opts := spoolOptions(path, p, b.log)
	for _, g := range gates {
		opts.Publish = g.around(opts.Publish)
	}
	s, err := spool.Open(tb.Context(), opts)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

// gate is a publisher that takes nothing before it is opened.
type gate struct {
	open  atomic.Bool
	began atomic.Pointer[time.Time] // of publishing
}

// publishing is what a spool publishes with.
type publishing = func(ctx context.Context, e order.Event, onAck func(duplicate bool, err error))

func (g *gate) around(publish publishing) publishing {
	return func(ctx context.Context, e order.Event, onAck func(bool, error)) {
		if !g.open.Load() {
			onAck(false, errors.New("away"))
			return
		}
		if g.began.Load() == nil {
			now := time.Now()
			g.began.Store(&now)
		}
		publish(ctx, e, onAck)
	}
}

// fill puts events into a spool: event i of a backlog is one of conversation i modulo conversations.
func fill(tb testing.TB, s *spool.Spool, backlog, conversations int, payload []byte) {
	tb.Helper()
	var kept sync.WaitGroup
	var failed atomic.Pointer[error]
	for i := range backlog {
		kept.Add(1)
		s.Put(numbered(i, conversations, payload), func(err error) {
			if err != nil {
				failed.Store(&err)
			}
			kept.Done()
		})
	}
	kept.Wait()
	require.Nil(tb, failed.Load())
}

func numbered(i, conversations int, payload []byte) order.Event {
	return order.Event{
		Key: fmt.Sprint("c", i%conversations), Name: name, MsgID: fmt.Sprint("spooled:", i), Header: usualHeader(),
		Payload: payload,
	}
}

func usualHeader() map[string][]string {
	return map[string][]string{
		"$requestID": {"01234567-89ab-cdef-0123-456789abcdef"}, "$parentID": {"01234567-89ab-cdef-0123-456789abcdef"},
		"$tracing": {"true"}, "$level": {"1"}, "$caller": {"hios.parrot"}, "$meta": {strings.Repeat("bWV0", 24)},
	}
}

// requireBacklog holds a stream to a backlog: each event once, those of a conversation in order.
func requireBacklog(t *testing.T, b *harness, backlog, conversations int) {
	t.Helper()
	last := make([]int, conversations)
	for c := range last {
		last[c] = c - conversations
	}
	ids := b.stored(stream)
	for _, id := range ids {
		n, err := strconv.Atoi(strings.TrimPrefix(id, "spooled:"))
		require.NoError(t, err)
		want := last[n%conversations] + conversations
		require.Equal(
			t, want, n, "the next event of its conversation, which is at %d of the stream's",
			slices.Index(ids, fmt.Sprint("spooled:", want)),
		)
		last[n%conversations] = n
	}
	require.Len(t, ids, backlog)
}

func drained(t *testing.T, s *spool.Spool) {
	t.Helper()
	require.Eventually(t, func() bool { return s.State().Events == 0 }, generous, time.Millisecond)
}

func TestBacklogIsPublishedInOrderAndOnceOverLostConnections(t *testing.T) {
	t.Parallel()
	for title, test := range map[string]struct {
		times   int
		disturb func(*harness)
	}{
		"with its server": {1, func(b *harness) { b.stop(); b.start() }},
		"with work on it": {10, func(b *harness) { require.NoError(b.t, b.nc.ForceReconnect()) }},
	} {
		t.Run(title, func(t *testing.T) {
			const backlog, conversations = 10_000, 50
			b := newHarness(t)
			b.ensure(name)
			g := &gate{}
			s := openSpool(t, b, filepath.Join(t.TempDir(), "spool.db"), b.Publisher, g)
			fill(t, s, backlog, conversations, []byte("event"))
			g.open.Store(true)
			for i := range test.times {
				share := backlog - (i+1)*backlog/(test.times+2)
				require.Eventually(t, func() bool { return s.State().Events < share }, generous, 100*time.Microsecond)
				test.disturb(b)
			}
			drained(t, s)
			requireBacklog(t, b, backlog, conversations)
		})
	}
}

func TestBacklogIsStoredOnceOverAKill(t *testing.T) {
	t.Parallel()
	const backlog, conversations = 20_000, 50
	b := newHarness(t)
	// Which ids are stored is nothing that this stream tells by itself.
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, Duplicates: 100 * time.Millisecond})
	b.ensure(name)
	path := filepath.Join(t.TempDir(), "spool.db")
	s := openSpool(t, b, path, b.Publisher, &gate{})
	fill(t, s, backlog, conversations, []byte("event"))
	require.NoError(t, s.Close())

	self, err := os.Executable()
	require.NoError(t, err)
	for _, share := range []uint64{backlog / 4, backlog / 2} {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), victimSpool+"="+path, victimNATS+"="+b.srv.ClientURL())
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		require.Eventually(t, func() bool { return b.info(stream).State.Msgs >= share }, generous, 100*time.Microsecond)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
		require.Less(t, b.info(stream).State.Msgs, uint64(backlog), "it was killed on the way")
	}
	s = openSpool(t, b, path, b.Publisher)
	require.Positive(t, s.State().Events)
	drained(t, s)
	requireBacklog(t, b, backlog, conversations)
}

// What a victim is told in its environment.
const victimSpool, victimNATS = "EVENTS_VICTIM_SPOOL", "EVENTS_VICTIM_NATS"

// victim hands on what is in a spool until it is killed.
func victim(path, url string) {
	log := logrus.NewEntry(logrus.New())
	nc, err := nats.Connect(url, nats.ReconnectBufSize(-1))
	if err != nil {
		log.Fatal(err)
	}
	p, err := events.New(nc, events.Options{Prefix: "dev", Replicas: 1, Timeout: generous, Log: log})
	if err == nil {
		err = p.Ensure(context.Background(), name)
	}
	if err == nil {
		_, err = spool.Open(context.Background(), spoolOptions(path, p, log))
	}
	if err != nil {
		log.Fatal(err)
	}
	select {}
}

func TestBacklogIsPublishedToAStreamThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	const backlog, conversations = 3000, 10
	b := newHarness(t)
	b.create(
		jetstream.StreamConfig{
			Name: stream, Subjects: []string{subject}, Retention: jetstream.WorkQueuePolicy, Duplicates: 100 * time.Millisecond,
		},
	)
	b.ensure(name)
	s := openSpool(t, b, filepath.Join(t.TempDir(), "spool.db"), b.Publisher)
	fill(t, s, backlog, conversations, []byte("event"))
	drained(t, s)
	requireBacklog(t, b, backlog, conversations)
	require.Len(
		t, slices.DeleteFunc(b.warnings(), func(text string) bool { return !strings.Contains(text, "stored twice") }), 1,
	)
}

// ordered hands an event over that is kept elsewhere when it is given up, and notes then that it was told so.
func (b *harness) ordered(ctx context.Context, key, id string, told func(id string, err error)) {
	b.Publish(ctx, order.Event{Name: name, MsgID: id, Key: key}, func(_ bool, err error) { told(id, err) })
}

func TestPublishGivesUpTheKeyOfAnExpiredEvent(t *testing.T) {
	b := newHarness(t)
	b.create(silent)
	b.ensure(name)
	short, cancel := context.WithCancel(t.Context())
	long, cancelLong := context.WithCancel(t.Context())
	defer cancelLong()
	var ids []string
	done := make(chan struct{})
	told := func(id string, err error) {
		if id == "a1" {
			requireError(t, err, false)
			// Its conversation goes on before all have been told.
			b.ordered(long, "a", "a4", func(id string, err error) {
				ids = append(ids, id+" "+err.Error())
				close(done)
			})
		}
		ids = append(ids, id+" "+err.Error())
	}
	b.ordered(short, "a", "a1", told)
	b.ordered(long, "b", "b1", func(id string, _ error) { ids = append(ids, id) })
	b.ordered(long, "a", "a2", told)
	b.ordered(long, "a", "a3", told)
	cancel()
	select {
	case <-done:
	case <-time.After(generous):
		require.Fail(t, "the event that came last is not given up")
	}
	const behind = ": an event of the same conversation before this one was given up"
	at := "publish to " + subject
	require.Equal(
		t, []string{"a1 " + at + ": context canceled", "a2 " + at + behind, "a3 " + at + behind, "a4 " + at + behind}, ids,
	)
	require.Equal(t, 1, b.Pending(), "the other conversation goes on")
	require.Eventually(t, func() bool { // all have been told a moment after the last one is
		b.ordered(long, "a", "later", func(string, error) {})
		return b.Pending() == 2
	}, generous, time.Millisecond, "and so does this one, when all have been told")
}

func TestPublishFailsAtOnceForAHeldKey(t *testing.T) {
	b := newHarness(t)
	b.ensure(name)
	held := order.Event{Name: name, MsgID: "a1", Key: "a", Held: func(key string) bool { return key == "a" }}
	done := make(chan error, 1)
	b.Publish(t.Context(), held, func(_ bool, err error) { done <- err })
	requireError(t, <-done, false)
	require.Zero(t, b.Pending())
	require.Empty(t, b.stored(stream))
}
