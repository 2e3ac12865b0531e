package channelstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// How long what a Memo has read is good for, from the moment its reading began.
const (
	freshFor   = 30 * time.Second // then it is read anew in the background
	keptFor    = 60 * time.Second // then it is read anew before it is handed out
	lastResort = 5 * time.Minute  // so long it serves a store that cannot be read
	refusedFor = time.Second      // unknown and damaged channels
)

const (
	memoSize    = 100_000          // channels; those asked for least make room
	loadTimeout = 5 * time.Second  // bounds one reading
	patience    = time.Second      // how long a reading is waited for where there is something older to hand out
	maxReadings = 4096             // at once, of channels that nothing is known of
	pause       = time.Second      // between readings of a known channel while the store cannot be read
	outage      = 10 * time.Second // so long after a failed reading no known channel waits for another; longer than that takes
	logPause    = time.Minute      // between two log lines about that, for a store that comes and goes
)

// Memo remembers the channels of a store, so that no lookup is on the hot path. Changes are
// made known to it by Invalidate. While the store cannot be read it serves the channels that it knows
// for some minutes more. What it hands out is shared: nobody may change it. Safe for concurrent use.
type Memo struct {
	store   integration.ChannelStore
	log     *logrus.Entry
	entries *otter.Cache[string, *memory]
	epoch   atomic.Uint64 // counts the calls of InvalidateAll
	changes atomic.Uint64 // counts the calls of Invalidate and InvalidateAll

	indexing chan struct{} // of the caller who reads an index of accounts

	ctx    context.Context // ends with the memo; readings run in it
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu      sync.Mutex
	flights map[string]*flight // readings whose results may be kept, by id
	failed  time.Time          // when the last reading failed, zero when it did not
	logged  time.Time          // when that was logged last

	accounts map[string]*accountIndex // by platform
}

var _ integration.ChannelStore = (*Memo)(nil)

// memory is what is known of an id.
type memory struct {
	channel *integration.Channel
	err     error     // instead of a channel: ErrChannelNotFound or ErrSealed
	read    time.Time // when the reading began
	epoch   uint64
	failed  time.Time // when reading it anew failed last; under the memo's mu
}

// flight is one reading of a channel, for all who want it.
type flight struct {
	done    chan struct{}
	channel *integration.Channel
	err     error
}

// NewMemo makes a memo of a store, which stays the caller's to close, after the memo.
func NewMemo(store integration.ChannelStore, log *logrus.Entry) (*Memo, error) {
	entries, err := otter.New(&otter.Options[string, *memory]{MaximumSize: memoSize})
	if err != nil {
		return nil, err
	}
	m := &Memo{store: store, log: log, entries: entries, flights: map[string]*flight{}, accounts: map[string]*accountIndex{}, indexing: make(chan struct{}, 1)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m, nil
}

// Close ends the readings that are under way. Later ones fail.
func (m *Memo) Close() {
	m.mu.Lock()
	m.cancel()
	m.mu.Unlock()
	m.tasks.Wait()
}

// Channel implements [integration.ChannelStore].
func (m *Memo) Channel(ctx context.Context, id string) (*integration.Channel, error) {
	known, ok := m.entries.GetIfPresent(id)
	if !ok && !possible(id) {
		return nil, integration.ErrChannelNotFound // and takes no room
	}
	if !ok {
		f := m.flyFirst(ctx, id)
		if f == nil {
			return nil, &UnavailableError{"read a channel", errManyReadings}
		}
		return m.wait(ctx, f)
	}
	age := time.Since(known.read)
	if known.epoch == m.epoch.Load() {
		switch {
		case known.err != nil && age < refusedFor:
			return nil, known.err
		case known.err == nil && age < freshFor:
			return known.channel, nil
		case known.err == nil && age < keptFor:
			m.flyAgain(m.ctx, id, known) // on behalf of nobody
			return known.channel, nil
		}
	}
	if known.err != nil || age >= lastResort {
		return m.wait(ctx, m.fly(ctx, id))
	}
	return m.readAnew(ctx, id, known)
}

// readAnew reads a channel that is known, but maybe not as it is now.
func (m *Memo) readAnew(ctx context.Context, id string, known *memory) (*integration.Channel, error) {
	f, away := m.flyAgain(ctx, id, known)
	if away {
		return known.channel, nil // the flight tells when that is over
	}
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ch, err := m.wait(short, f)
	if isTrouble(err) {
		return known.channel, nil
	}
	return ch, err
}

// Remembers says whether there is a channel that would be served now if the store could not be read.
func (m *Memo) Remembers() bool {
	for known := range m.entries.Values() {
		if known.err == nil && time.Since(known.read) < lastResort {
			return true
		}
	}
	return false
}

func (m *Memo) wait(ctx context.Context, f *flight) (*integration.Channel, error) {
	select {
	case <-f.done:
		return f.channel, f.err
	case <-ctx.Done():
		return nil, &UnavailableError{"wait for a channel", ctx.Err()}
	}
}

// isTrouble says that an error tells nothing of the channel.
func isTrouble(err error) bool {
	return err != nil && !errors.Is(err, integration.ErrChannelNotFound) && !errors.Is(err, ErrSealed)
}

// fly begins to read a channel, or joins who does so already.
func (m *Memo) fly(ctx context.Context, id string) *flight {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.flyLocked(ctx, id)
}

// flyFirst is fly for a channel that nothing is known of, nil where many are being read: anybody can make ids up, and
// neither the store nor the memory is theirs.
func (m *Memo) flyFirst(ctx context.Context, id string) *flight {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.flights[id]; !ok && len(m.flights) >= maxReadings {
		return nil
	}
	return m.flyLocked(ctx, id)
}

var errManyReadings = errors.New("many channels are being read for the first time")

// flyAgain is fly for a channel that is known. It says whether the store seems to be away, and begins
// nothing shortly after a reading of the channel failed.
func (m *Memo) flyAgain(ctx context.Context, id string, known *memory) (f *flight, away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(known.failed) < pause {
		return nil, true
	}
	return m.flyLocked(ctx, id), time.Since(m.failed) < outage
}

func (m *Memo) flyLocked(ctx context.Context, id string) *flight {
	if f, ok := m.flights[id]; ok {
		return f
	}
	f := &flight{done: make(chan struct{})}
	if err := m.ctx.Err(); err != nil {
		f.err = &UnavailableError{"read channel " + id, err}
		close(f.done)
		return f
	}
	m.flights[id] = f
	ctx = detached(ctx)
	m.tasks.Go(func() { m.load(ctx, id, f) })
	return f
}

// detached returns a context for a flight, which others may wait for when its first caller is gone. Of
// that one's call it keeps a copy, because calls are not valid for longer than they take.
func detached(ctx context.Context) context.Context {
	req := action.RequestFrom(ctx)
	ctx = context.WithoutCancel(ctx)
	if req == nil {
		return ctx
	}
	parent := *req
	parent.Params, parent.Headers, parent.Stream, parent.Meta = nil, nil, nil, req.Meta.With(nil)
	parent.SetFields(nil)
	return action.WithRequest(ctx, &parent)
}

func (m *Memo) load(ctx context.Context, id string, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	read := time.Now()
	f.channel, f.err = m.store.Channel(ctx, id)
	m.land(id, f, read)
	close(f.done)
}

// land keeps the result of a flight, unless the channel was invalidated after its beginning.
func (m *Memo) land(id string, f *flight, read time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	trouble := isTrouble(f.err)
	if m.ctx.Err() == nil {
		m.note(f.err, trouble)
	}
	if m.flights[id] != f {
		return
	}
	delete(m.flights, id)
	if !trouble {
		m.entries.Set(id, &memory{channel: f.channel, err: f.err, read: read, epoch: m.epoch.Load()})
	} else if known, ok := m.entries.GetIfPresent(id); ok {
		known.failed = time.Now()
	}
}

// note notes whether the store can be read, and logs once that it cannot.
func (m *Memo) note(err error, trouble bool) {
	began := trouble && m.failed.IsZero()
	m.failed = time.Time{}
	if trouble {
		m.failed = time.Now()
	}
	if began && time.Since(m.logged) >= logPause {
		m.logged = time.Now()
		m.log.WithError(err).Warnf("the channel store cannot be read; known channels are served for up to %s more", lastResort)
	}
}

// Invalidate forgets a channel that was changed. A reading that has begun is not kept.
func (m *Memo) Invalidate(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.flights, id)
	m.entries.Invalidate(id)
	m.changes.Add(1)
}

// InvalidateAll has every channel read anew before it is handed out, because any may have been changed.
// Unlike with Invalidate, which knows of a change, they still serve while the store cannot be read.
func (m *Memo) InvalidateAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.flights)
	m.epoch.Add(1)
	m.changes.Add(1)
}
