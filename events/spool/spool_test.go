package spool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/events/spool"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("SPOOL_VICTIM"); path != "" {
		victim(path)
	}
	goleak.VerifyTestMain(m)
}

// stream is where events go: away at times, and picky.
type stream struct {
	mu     sync.Mutex
	away   bool
	stored []string

	storedIDs   []string      // ids of what was stored before
	holds       time.Duration // how long it need not be looked again
	looks       int           // how often it was
	lookedSince time.Time
}

type rejection struct{ error }

func (rejection) Permanent() bool { return true }

func (s *stream) publish(_ context.Context, e spool.Event, settled func(bool, error)) {
	settled(false, s.store(e))
}

func (s *stream) store(e spool.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.away:
		return errors.New("no response from stream")
	case len(e.Header[spool.HeaderSpooledAt]) != 1:
		return rejection{errors.New("it does not say that it is late")}
	case strings.HasPrefix(e.MsgID, "bad"):
		return rejection{errors.New("too large")}
	}
	s.stored = append(s.stored, e.MsgID+" "+string(e.Payload)+" "+e.Header["$caller"][0])
	return nil
}

// before is what tells what a stream has stored before.
type before struct {
	*stream
	since time.Time
	told  bool
}

func (s *stream) storedBefore(_ string, since time.Time) spool.Stored {
	return &before{stream: s, since: since}
}

func (b *before) Next(_ context.Context, each func(string)) (time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return time.Time{}, errors.New("no response from stream")
	}
	b.looks++
	b.lookedSince = b.since
	for _, id := range b.storedIDs {
		if !b.told {
			each(id)
		}
	}
	b.told = true
	return time.Now().Add(b.holds), nil
}

func (s *stream) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *stream) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.stored...)
}

// put waits until an event is kept.
func put(s *spool.Spool, e spool.Event) error {
	kept := make(chan error, 1)
	s.Put(e, func(err error) { kept <- err })
	return <-kept
}

func event(key, id string) spool.Event {
	return spool.Event{Key: key, Name: "hios.processing.message.received", MsgID: id, Header: map[string][]string{"$caller": {"parrot"}}, Payload: []byte(`{"id":"` + id + `"}`)}
}

func line(id string) string { return id + ` {"id":"` + id + `"} parrot` }

func open(t *testing.T, path string, s *stream, change ...func(*spool.Options)) *spool.Spool {
	t.Helper()
	log, _ := logtest.NewNullLogger()
	opts := spool.Options{Path: path, Owner: "node-1", MaxBytes: 1 << 20, MaxAge: time.Hour, Publish: s.publish, Stored: s.storedBefore, Log: logrus.NewEntry(log)}
	for _, f := range change {
		f(&opts)
	}
	sp, err := spool.Open(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sp.Close()) })
	return sp
}

func TestEventsAreHandedOnInTheirOrderWhenTheStreamIsBack(t *testing.T) {
	s := &stream{away: true}
	sp := open(t, filepath.Join(t.TempDir(), "spool.db"), s)
	var want []string
	for n := range 500 {
		id := fmt.Sprint(n)
		require.NoError(t, put(sp, event("c1", id)))
		want = append(want, line(id))
	}
	require.True(t, sp.Holds("c1"))
	require.False(t, sp.Holds("c2"))
	state := sp.State()
	require.Equal(t, 500, state.Events)
	require.Positive(t, state.Bytes)
	require.WithinDuration(t, time.Now(), state.Oldest, time.Minute)
	require.Eventually(t, func() bool { return sp.Check(t.Context()) != nil }, 10*time.Second, time.Millisecond)
	require.ErrorContains(t, sp.Check(t.Context()), "500 events")

	s.set(false)
	require.Eventually(t, func() bool { return sp.State().Events == 0 }, 20*time.Second, time.Millisecond)
	require.Equal(t, want, s.list())
	require.Equal(t, spool.State{}, sp.State())
	require.False(t, sp.Holds("c1"))
	require.NoError(t, sp.Check(t.Context()))
}

func TestWhatWasStoredBeforeIsNotPublishedAgain(t *testing.T) {
	s := &stream{away: true, storedIDs: []string{"2", "4"}, holds: time.Hour}
	path := filepath.Join(t.TempDir(), "spool.db")
	sp := open(t, path, s)
	began := time.Now()
	for n := range 6 {
		require.NoError(t, put(sp, event("c1", fmt.Sprint(n))))
	}
	s.set(false)
	require.Eventually(t, func() bool { return sp.State().Events == 0 }, 20*time.Second, time.Millisecond)
	require.Equal(t, []string{line("0"), line("1"), line("3"), line("5")}, s.list())
	require.False(t, sp.Holds("c1"))
	require.WithinDuration(t, began, s.lookedSince, 10*time.Second, "it is looked for from when the first was put on")
}

func TestManyAreKeptAtOnce(t *testing.T) {
	s := &stream{away: true}
	sp := open(t, filepath.Join(t.TempDir(), "spool.db"), s)
	var wg sync.WaitGroup
	for n := range 300 {
		wg.Go(func() {
			if err := put(sp, event("c1", fmt.Sprint(n))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 300, sp.State().Events)
}

func TestWhatAnEarlierProcessLeftIsHandedOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := &stream{away: true}
	first := open(t, path, s)
	require.NoError(t, put(first, event("c1", "1")))
	require.NoError(t, first.Close())
	require.ErrorIs(t, put(first, event("c1", "2")), spool.ErrClosed)

	second := open(t, path, s)
	require.True(t, second.Holds("c1"), "new events of the channel come behind")
	require.NoError(t, put(second, event("c1", "3")))
	s.set(false)
	require.Eventually(t, func() bool { return len(s.list()) == 2 }, 20*time.Second, time.Millisecond)
	require.Equal(t, []string{line("1"), line("3")}, s.list())
}

// victim puts events and says so, until it is killed.
func victim(path string) {
	log := logrus.New()
	sp, err := spool.Open(context.Background(), spool.Options{
		Path: path, MaxBytes: 1 << 30, Log: logrus.NewEntry(log),
		Publish: func(_ context.Context, _ spool.Event, settled func(bool, error)) { settled(false, errors.New("away")) }, Stored: (&stream{away: true}).storedBefore,
	})
	for n := 0; err == nil; n++ {
		if err = put(sp, event("c1", fmt.Sprint(n))); err == nil {
			fmt.Println(n)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestWhatWasPutSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "SPOOL_VICTIM="+path)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	last := -1
	for last < 50 {
		_, err := fmt.Fscan(out, &last)
		require.NoError(t, err)
	}
	require.NoError(t, cmd.Process.Kill())
	for {
		if _, err := fmt.Fscan(out, &last); err != nil {
			break
		}
	}
	_ = cmd.Wait() // it was killed

	s := &stream{}
	sp := open(t, path, s)
	require.Eventually(t, func() bool { return sp.State().Events == 0 }, 20*time.Second, time.Millisecond)
	stored := s.list()
	require.GreaterOrEqual(t, len(stored), last+1, "all that it had said were kept, and no more than one beyond")
	require.LessOrEqual(t, len(stored), last+2)
	for n, text := range stored {
		require.Equal(t, line(fmt.Sprint(n)), text)
	}
}

func TestAnEventThatCanNeverBeStoredIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := &stream{}
	sp := open(t, path, s)
	require.NoError(t, put(sp, event("c1", "bad")))
	require.NoError(t, put(sp, event("c1", "good")))
	require.Eventually(t, func() bool { return sp.State() == spool.State{SetAside: 1} }, 20*time.Second, time.Millisecond)
	require.Equal(t, []string{line("good")}, s.list())
	require.NoError(t, sp.Close())
	require.Equal(t, spool.State{SetAside: 1}, open(t, path, s).State(), "it is still there to look at")
}

func TestASpoolIsBounded(t *testing.T) {
	s := &stream{away: true}
	sp := open(t, filepath.Join(t.TempDir(), "spool.db"), s, func(o *spool.Options) { o.MaxBytes = 80 })
	require.NoError(t, put(sp, event("c1", "1")))
	require.ErrorIs(t, put(sp, event("c1", "2")), spool.ErrFull)
	require.Equal(t, 1, sp.State().Events)
}

func TestWhatIsTooOldIsDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := &stream{away: true}
	sp := open(t, path, s)
	require.NoError(t, put(sp, event("c1", "1")))
	require.NoError(t, sp.Close())
	s.set(false)
	sp = open(t, path, s, func(o *spool.Options) { o.MaxAge = time.Nanosecond })
	require.Eventually(t, func() bool { return sp.State() == spool.State{} }, 20*time.Second, time.Millisecond)
	require.Empty(t, s.list())
}

func TestAFileIsForOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := &stream{away: true}
	require.NoError(t, put(open(t, path, s), event("c1", "1")))
	log, _ := logtest.NewNullLogger()
	_, err := spool.Open(t.Context(), spool.Options{Path: path, MaxBytes: 1 << 20, Publish: s.publish, Log: logrus.NewEntry(log)})
	require.ErrorContains(t, err, fmt.Sprintf("held by node-1 (process %d on ", os.Getpid()))
}
