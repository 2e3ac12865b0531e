package spool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/datasource/sqlite"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/events/spool"
	"github.com/hiliosai/switchboard/internal/filelock"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("SPOOL_VICTIM"); path != "" {
		victim(path)
	}
	if path := os.Getenv("SPOOL_DRAINER"); path != "" {
		drainer(path)
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
	lookedSince map[string]time.Time
	refuse      map[string]int // how often ids are refused
}

type rejection struct{ error }

func (rejection) Permanent() bool { return true }

func (s *stream) publish(_ context.Context, e order.Event, onAck func(bool, error)) {
	onAck(false, s.store(e))
}

func (s *stream) store(e order.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.away:
		return errors.New("no response from stream")
	case s.refuse[e.MsgID] > 0:
		s.refuse[e.MsgID]--
		return errors.New("insufficient resources")
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
	name  string
	since time.Time
	told  bool
}

func (s *stream) storedBefore(name string, since time.Time) spool.Stored {
	return &before{stream: s, name: name, since: since}
}

func (b *before) Next(_ context.Context, each func(string)) (time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return time.Time{}, errors.New("no response from stream")
	}
	b.looks++
	if b.lookedSince == nil {
		b.lookedSince = map[string]time.Time{}
	}
	b.lookedSince[b.name] = b.since
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
func put(s *spool.Spool, e order.Event) error {
	kept := make(chan error, 1)
	s.Put(e, func(err error) { kept <- err })
	return <-kept
}

const received = "hios.processing.message.received"

// generous bounds what has to happen at some time.
const generous = time.Minute

func event(key, id string) order.Event {
	return order.Event{
		Key: key, Name: received, MsgID: id, Header: map[string][]string{"$caller": {"parrot"}},
		Payload: []byte(`{"id":"` + id + `"}`),
	}
}

func line(id string) string { return id + ` {"id":"` + id + `"} parrot` }

func open(t *testing.T, path string, s *stream, change ...func(*spool.Options)) *spool.Spool {
	t.Helper()
	log, _ := logtest.NewNullLogger()
	opts := spool.Options{
		Path: path, Owner: "node-1", MaxBytes: 1 << 20, MaxAge: time.Hour, Publish: s.publish, Stored: s.storedBefore,
		Log: logrus.NewEntry(log),
	}
	for _, f := range change {
		f(&opts)
	}
	sp, err := spool.Open(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sp.Close()) })
	return sp
}

func TestSpoolPublishesInOrderWhenTheStreamIsBack(t *testing.T) {
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
	require.Eventually(t, func() bool { return sp.Check(t.Context()) != nil }, generous, time.Millisecond)
	require.ErrorContains(t, sp.Check(t.Context()), "500 events")

	s.set(false)
	require.Eventually(t, func() bool { return sp.State().Events == 0 }, generous, time.Millisecond)
	require.Equal(t, want, s.list())
	require.Equal(t, spool.State{}, sp.State())
	require.False(t, sp.Holds("c1"))
	require.NoError(t, sp.Check(t.Context()))
}

func TestSpoolDoesNotPublishWhatIsStored(t *testing.T) {
	s := &stream{away: true, storedIDs: []string{"2", "4"}, holds: time.Hour}
	path := filepath.Join(t.TempDir(), "spool.db")
	sp := open(t, path, s)
	began := time.Now()
	for n := range 6 {
		require.NoError(t, put(sp, event("c1", fmt.Sprint(n))))
	}
	s.set(false)
	require.Eventually(t, func() bool { return sp.State().Events == 0 }, generous, time.Millisecond)
	require.Equal(t, []string{line("0"), line("1"), line("3"), line("5")}, s.list())
	require.False(t, sp.Holds("c1"))
	require.WithinDuration(t, began, s.lookedSince[received], generous, "it is looked for from when the first was put on")
}

func TestSpoolTakesManyPutsAtOnce(t *testing.T) {
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

func TestSpoolPublishesWhatAnEarlierProcessLeft(t *testing.T) {
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
	require.Eventually(t, func() bool { return len(s.list()) == 2 }, generous, time.Millisecond)
	require.Equal(t, []string{line("1"), line("3")}, s.list())
}

// victim puts events and says so, until it is killed.
func victim(path string) {
	log := logrus.New()
	sp, err := spool.Open(context.Background(), spool.Options{
		Path: path, MaxBytes: 1 << 30, Log: logrus.NewEntry(log),
		Publish: func(_ context.Context, _ order.Event, onAck func(bool, error)) { onAck(false, errors.New("away")) },
		Stored:  (&stream{away: true}).storedBefore,
	})
	for n := 0; err == nil; n++ {
		if err = put(sp, event("c1", fmt.Sprint(n))); err == nil {
			fmt.Println(n)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestSpoolSurvivesAKill(t *testing.T) {
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
	require.Eventually(t, func() bool { return sp.State().Events == 0 }, generous, time.Millisecond)
	stored := s.list()
	require.GreaterOrEqual(t, len(stored), last+1, "all that it had said were kept, and no more than one beyond")
	require.LessOrEqual(t, len(stored), last+2)
	for n, text := range stored {
		require.Equal(t, line(fmt.Sprint(n)), text)
	}
}

func TestSpoolSetsAsideEventsThatCanNeverBeStored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := &stream{}
	sp := open(t, path, s)
	require.NoError(t, put(sp, event("c1", "bad")))
	require.NoError(t, put(sp, event("c1", "good")))
	require.Eventually(t, func() bool { return sp.State() == spool.State{SetAside: 1} }, generous, time.Millisecond)
	require.Equal(t, []string{line("good")}, s.list())
	require.NoError(t, sp.Close())
	require.Equal(t, spool.State{SetAside: 1}, open(t, path, s).State(), "it is still there to look at")
}

func TestSpoolIsBounded(t *testing.T) {
	s := &stream{away: true}
	sp := open(t, filepath.Join(t.TempDir(), "spool.db"), s, func(o *spool.Options) { o.MaxBytes = 80 })
	require.NoError(t, put(sp, event("c1", "1")))
	require.ErrorIs(t, put(sp, event("c1", "2")), spool.ErrFull)
	require.Equal(t, 1, sp.State().Events)
}

func TestSpoolDropsWhatIsTooOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := &stream{away: true}
	sp := open(t, path, s)
	require.NoError(t, put(sp, event("c1", "1")))
	require.NoError(t, sp.Close())
	s.set(false)
	sp = open(t, path, s, func(o *spool.Options) { o.MaxAge = time.Nanosecond })
	require.Eventually(t, func() bool { return sp.State() == spool.State{} }, generous, time.Millisecond)
	require.Empty(t, s.list())
}

func TestSpoolFileIsForOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := &stream{away: true}
	first := open(t, path, s)
	require.NoError(t, put(first, event("c1", "1")))

	log, logs := logtest.NewNullLogger()
	second := open(t, path, s, func(o *spool.Options) { o.Log = logrus.NewEntry(log) })
	require.NotEmpty(t, logs.AllEntries(), "it is said at once")
	inUse := (*filelock.InUseError)(nil)
	require.ErrorAs(t, logs.AllEntries()[0].Data[logrus.ErrorKey].(error), &inUse)
	require.Regexp(t, fmt.Sprintf(`^node-1 \(process %d on .+\)$`, os.Getpid()), inUse.Owner)
	require.ErrorContains(t, second.Check(t.Context()), "Another process uses")
	require.Error(t, put(second, event("c1", "2")))
	require.Equal(t, spool.State{}, second.State())

	require.NoError(t, first.Close())
	require.NoError(t, put(second, event("c1", "2")), "it takes the file over")
	s.set(false)
	require.Eventually(t, func() bool { return second.State().Events == 0 }, generous, time.Millisecond)
	require.NoError(t, second.Check(t.Context()))
	require.Equal(t, []string{line("1"), line("2")}, s.list())
}

func TestSpoolRefusesAFileThatIsNotASpool(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("no database", 1000)), 0o600))
	log, _ := logtest.NewNullLogger()
	_, err := spool.Open(t.Context(), spool.Options{Path: path, Log: logrus.NewEntry(log)})
	require.ErrorContains(t, err, path)
}

func TestSpoolPublishesInBoundedBatches(t *testing.T) {
	for name, test := range map[string]struct{ events, size, most int }{
		"small ones": {events: 5000, size: 100, most: 1024},
		"large ones": {events: 40, size: 1 << 20, most: 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stream{away: true}
			var under, most, read int
			var mu sync.Mutex
			hold := func(_ context.Context, e order.Event, onAck func(bool, error)) {
				if err := s.store(e); err != nil {
					onAck(false, err)
					return
				}
				mu.Lock()
				under++
				read++
				most = max(most, under)
				mu.Unlock()
				time.AfterFunc(time.Millisecond, func() {
					mu.Lock()
					under--
					mu.Unlock()
					onAck(false, nil)
				})
			}
			sp := open(
				t, filepath.Join(t.TempDir(), "spool.db"), s, func(o *spool.Options) { o.MaxBytes, o.Publish = 1<<30, hold },
			)
			payload := strings.Repeat("x", test.size)
			var kept sync.WaitGroup
			var want []string
			for n := range test.events {
				e := event("c1", fmt.Sprint(n))
				e.Payload = []byte(payload)
				kept.Add(1)
				sp.Put(e, func(error) { kept.Done() })
				want = append(want, fmt.Sprint(n)+" "+payload+" parrot")
			}
			kept.Wait()
			s.set(false)
			require.Eventually(t, func() bool { return sp.State().Events == 0 }, generous, time.Millisecond)
			require.True(t, slices.Equal(want, s.list()), "in order, each once")
			mu.Lock()
			defer mu.Unlock()
			require.Greater(t, most, 1)
			require.LessOrEqual(t, most, test.most)
		})
	}
}

func TestSpoolShrinksItsBatchesForASlowStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	synctest.Test(t, func(t *testing.T) {
		s := &stream{away: true}
		const each = 10 * time.Millisecond // what an event takes, those behind it wait
		var mu sync.Mutex
		var free time.Time
		under, most := 0, 0
		sp := open(t, path, s, func(o *spool.Options) {
			o.Publish = func(_ context.Context, e order.Event, onAck func(bool, error)) {
				if err := s.store(e); err != nil {
					onAck(false, err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				under++
				most = max(most, under)
				if now := time.Now(); free.Before(now) {
					free = now
				}
				free = free.Add(each)
				time.AfterFunc(time.Until(free), func() {
					mu.Lock()
					under--
					mu.Unlock()
					onAck(false, nil)
				})
			}
		})
		fill(t, sp, 2000)
		s.set(false)
		for tick := time.NewTicker(time.Second); sp.State().Events > 0; {
			<-tick.C
		}
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, s.list(), 2000)
		require.LessOrEqual(t, most, 64, "a new event is stored before a second is over")
		require.GreaterOrEqual(t, most, 32)
		require.NoError(t, sp.Close())
	})
}

func TestSpoolPublishesNothingBeforeARefusedEvent(t *testing.T) {
	s := &stream{away: true, refuse: map[string]int{"0": 3}}
	sp := open(t, filepath.Join(t.TempDir(), "spool.db"), s)
	fill(t, sp, 100)
	var want []string
	for n := range 100 {
		want = append(want, line(fmt.Sprint(n)))
	}
	s.set(false)
	require.Eventually(t, func() bool { return sp.State().Events == 0 }, generous, time.Millisecond)
	require.Equal(t, want, s.list())
}

func TestSpoolReadsTheStreamOnceForABacklog(t *testing.T) {
	for name, test := range map[string]struct {
		holds time.Duration
		least int
		most  int
	}{
		"while it remembers":                {holds: time.Hour, least: 1, most: 1},
		"but for each batch if it does not": {holds: -time.Minute, least: 5, most: 20},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stream{away: true, holds: test.holds, storedIDs: []string{"4000"}}
			sp := open(t, filepath.Join(t.TempDir(), "spool.db"), s)
			fill(t, sp, 5000)
			s.set(false)
			require.Eventually(t, func() bool { return sp.State().Events == 0 }, generous, time.Millisecond)
			require.Len(t, s.list(), 4999)
			s.mu.Lock()
			defer s.mu.Unlock()
			require.GreaterOrEqual(t, s.looks, test.least)
			require.LessOrEqual(t, s.looks, test.most)
		})
	}
}

// fill puts events with the numbers from 0 on.
func fill(t *testing.T, sp *spool.Spool, events int) {
	t.Helper()
	var kept sync.WaitGroup
	for n := range events {
		kept.Add(1)
		sp.Put(event("c1", fmt.Sprint(n)), func(err error) {
			if err != nil {
				t.Error(err)
			}
			kept.Done()
		})
	}
	kept.Wait()
}

func TestSpoolReadsTheStreamSinceTheOldestOfABatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := &stream{away: true, storedIDs: []string{"0", "1", "2"}, holds: time.Hour}
	sp := open(t, path, s)
	fill(t, sp, 4)
	require.NoError(t, sp.Close())
	oldest, other := time.Now().Add(-10*time.Minute), time.Now().Add(-5*time.Minute)
	change(t, path, `UPDATE events SET at = ? WHERE msg_id = '0'`, oldest.UnixMilli())
	change(t, path, `UPDATE events SET at = ?, name = 'other' WHERE msg_id = '1'`, other.UnixMilli())
	change(t, path, `UPDATE events SET name = 'other' WHERE msg_id = '2'`)

	s.set(false)
	sp = open(t, path, s)
	require.Eventually(t, func() bool { return sp.State().Events == 0 }, generous, time.Millisecond)
	require.Equal(t, []string{line("3")}, s.list())
	require.Equal(t, oldest.UnixMilli(), s.lookedSince[received].UnixMilli())
	require.Equal(t, other.UnixMilli(), s.lookedSince["other"].UnixMilli(), "also where a newer one is on its way with it")
}

// change changes a file that no spool has open.
func change(t *testing.T, path, statement string, args ...any) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, "journal_mode(PERSIST)")
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func TestSpoolPublishesWhatAnEarlierVersionLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := &stream{away: true}
	sp := open(t, path, s)
	fill(t, sp, 2)
	require.NoError(t, sp.Close())
	change(t, path, `UPDATE events SET header = ?`, []byte(`{"$caller":["parrot"]}`))
	s.set(false)
	sp = open(t, path, s)
	require.Eventually(t, func() bool { return sp.State().Events == 0 }, generous, time.Millisecond)
	require.Equal(t, []string{line("0"), line("1")}, s.list())
}

func TestSpoolIsFilledToTheLastByte(t *testing.T) {
	s := &stream{away: true}
	path := filepath.Join(t.TempDir(), "spool.db")
	sp := open(t, path, s)
	require.NoError(t, put(sp, event("c1\x00\xc3\xbc", "1")))
	size := sp.State().Bytes
	require.NoError(t, sp.Close())
	sp = open(t, path, s, func(o *spool.Options) { o.MaxBytes = 2 * size })
	require.Equal(t, size, sp.State().Bytes, "it is counted as before")
	require.True(t, sp.Holds("c1\x00\xc3\xbc"))
	require.NoError(t, put(sp, event("c1\x00\xc3\xbc", "2")))
	require.Equal(t, 2*size, sp.State().Bytes)
	require.ErrorIs(t, put(sp, event("", "")), spool.ErrFull)
}

func TestSpoolDoesNotPublishWhatIsStoredAfterAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := &stream{away: true}
	sp := open(t, path, s)
	fill(t, sp, 3000)
	require.NoError(t, sp.Close())

	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "SPOOL_DRAINER="+path)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if s.storedIDs = append(s.storedIDs, lines.Text()); len(s.storedIDs) == 1500 {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	_ = cmd.Wait() // it was killed

	s.set(false)
	s.holds = time.Hour
	sp = open(t, path, s)
	require.Positive(t, sp.State().Events)
	require.Eventually(t, func() bool { return sp.State().Events == 0 }, generous, time.Millisecond)
	stored := s.storedIDs
	for _, text := range s.list() {
		id, _, _ := strings.Cut(text, " ")
		stored = append(stored, id)
	}
	var want []string
	for n := range 3000 {
		want = append(want, fmt.Sprint(n))
	}
	require.True(t, slices.Equal(want, stored), "in order, each once")
}

// drainer publishes what is in a file and says so, until it is killed. Its events are stored when that is said.
func drainer(path string) {
	_, err := spool.Open(context.Background(), spool.Options{
		Path: path, MaxBytes: 1 << 30, Log: logrus.NewEntry(logrus.New()), Stored: (&stream{}).storedBefore,
		Publish: func(_ context.Context, e order.Event, onAck func(bool, error)) {
			_, err := fmt.Println(e.MsgID)
			onAck(false, err)
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

func TestSpoolThatCannotBeCreatedFailsAtOnce(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(folder, nil, 0o600))
	log, logs := logtest.NewNullLogger()
	sp := open(
		t, filepath.Join(folder, "spool.db"), &stream{away: true}, func(o *spool.Options) { o.Log = logrus.NewEntry(log) },
	)
	require.NotEmpty(t, logs.AllEntries())
	require.Equal(t, logrus.ErrorLevel, logs.AllEntries()[0].Level)
	require.ErrorContains(t, sp.Check(t.Context()), "cannot be made")
	require.Error(t, put(sp, event("c1", "1")))
	require.Equal(t, spool.State{}, sp.State())

	require.NoError(t, os.Remove(folder))
	require.NoError(t, sp.Check(t.Context()), "it is made as soon as it can be")
	require.NoError(t, put(sp, event("c1", "1")))
}

func TestSpoolIsCreatedByOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "spool.db")
	sp := open(t, path, &stream{})
	require.FileExists(t, path)
	require.Equal(t, spool.State{}, sp.State())
	require.NoError(t, sp.Check(t.Context()))
}

func TestSpoolDoesNotWriteIntoADeletedFile(t *testing.T) {
	for name, change := range map[string]func(*testing.T, string){
		"deleted": func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Remove(path)) },
		"replaced": func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.WriteFile(path, nil, 0o600))
		},
		"with its folder": func(
			t *testing.T, path string,
		) {
			t.Helper()
			require.NoError(t, os.RemoveAll(filepath.Dir(path)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data", "spool.db")
			s := &stream{away: true}
			sp := open(t, path, s)
			fill(t, sp, 2000)
			require.NoError(t, sp.Close())
			sp = open(t, path, s) // which has written nothing into the file yet
			change(t, path)
			require.ErrorIs(t, sp.Check(t.Context()), spool.ErrGone)
			require.ErrorIs(t, put(sp, event("c1", "late")), spool.ErrGone)

			s.mu.Lock()
			s.refuse = map[string]int{"1500": 1} // so that it is read anew from its beginning
			s.mu.Unlock()
			s.set(false)
			require.Eventually(t, func() bool { return sp.State().Events == 0 }, generous, time.Millisecond)
			require.ElementsMatch(
				t, s.list(), slices.Compact(slices.Sorted(slices.Values(s.list()))), "what was in it is stored once",
			)
			require.Len(t, s.list(), 2000)
			require.NoError(t, sp.Check(t.Context()))
			s.set(true)
			require.NoError(t, put(sp, event("c1", "1")))
			require.NoError(t, sp.Close())
			require.Equal(t, 1, open(t, path, s).State().Events, "it is in a new file")
		})
	}
}

func TestSpoolDetailsReportWhatWaits(t *testing.T) {
	s := &stream{away: true}
	sp := open(t, filepath.Join(t.TempDir(), "spool.db"), s)
	require.Equal(t, map[string]any{"events": 0, "bytes": int64(0), "setAside": 0}, sp.Details())
	require.NoError(t, put(sp, event("c1", "1")))
	details := sp.Details()
	require.Equal(t, 1, details["events"])
	require.Equal(t, sp.State().Bytes, details["bytes"])
	require.GreaterOrEqual(t, details["oldestMs"], int64(0))
}
