// Package spool keeps reliable events in a file of this machine while JetStream does not store them, and publishes them
// when it does again. Events of a key are published in the order of Put. Events in the file survive the end of the
// process and a loss of power.
//
// The package knows neither NATS nor platforms: [Options.Publish] publishes an event.
package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/internal/filelock"
)

// HeaderSpooledAt marks an event that was in a node's spool before it was stored. Its value is the time of [Spool.Put],
// in ms since 1970. Other nodes may have stored later events of the same conversation before it.
const HeaderSpooledAt = "x-spooled-at"

// Options configure a spool.
type Options struct {
	Path     string // of the file
	Owner    string // name of this process, for the error of another process that opens the file
	MaxBytes int64  // of waiting events; Put refuses more
	// MaxAge is how long events may wait. Older ones are dropped and logged. Zero is no limit.
	MaxAge time.Duration
	// Publish publishes an event and returns at once. Events of a key must be stored in the order of the calls. Publish
	// calls onAck once, when the event is durable or given up, at the latest soon after ctx ends. If the error has a
	// method Permanent() bool that returns true, the event can never be stored and is set aside in the file.
	Publish func(ctx context.Context, e order.Event, onAck func(duplicate bool, err error))
	// Stored returns a reader of the events of a name that were stored since about a time. It is needed because an
	// event may have been stored before it was put here, and only its ack was lost.
	Stored func(name string, since time.Time) Stored
	Log    *logrus.Entry
}

// Stored reads which events a stream has stored.
type Stored interface {
	// Next calls each with the message ids of the events that were stored since the last call, or since the time given
	// to Options.Stored. It may leave out events that the stream would not store twice. It need not be called again
	// before until.
	Next(ctx context.Context, each func(msgID string)) (until time.Time, err error)
}

const (
	// maxPut is how many events are written in one transaction.
	maxPut = 256
	// writeTimeout bounds one such transaction.
	writeTimeout = 5 * time.Second
)

// Errors of [Spool.Put].
var (
	ErrFull   = errors.New("the spool is full")
	ErrClosed = errors.New("the spool is closed")
	// ErrGone says that the file was deleted or replaced while events in it still wait.
	ErrGone = errors.New("the spool's file was deleted or replaced, and events that were in it wait for JetStream")
)

// Spool keeps events in a file and publishes them. Safe for concurrent use. Only one process can use a file at a time.
type Spool struct {
	opts    Options
	wake    chan struct{} // wakes drain
	arrived chan struct{} // wakes write
	stop    context.CancelFunc
	done    sync.WaitGroup

	opening sync.Mutex // one opening of the file at a time
	lock    *filelock.Lock

	mu       sync.Mutex
	db       *sql.DB // nil if the file could not be opened
	opened   os.FileInfo
	closed   bool
	puts     []put // not written yet
	seed     maphash.Seed
	waiting  map[uint64]int // number of waiting events by the hash of their key, also of those not written yet
	inFile   int            // number of events of state that are in the file
	state    State
	failedAt time.Time // of the last attempt to publish; zero if it succeeded

	// Only drain uses these.

	stored  []int64                  // rows of stored events, which have to be deleted
	ignored map[int64]struct{}       // rows of stored events that cannot be deleted, because the file is gone
	lookups map[string]*storedLookup // by the name of events
	batches int                      // number of batches so far
}

// State counts the events in a spool.
type State struct {
	Events   int
	Bytes    int64
	Oldest   time.Time // zero when nothing waits
	SetAside int       // events that can never be published; not counted above
}

type put struct {
	order.Event
	header []byte // encoded
	onKept func(error)
}

func (p *put) size() int64 {
	return int64(len(p.Key) + len(p.Name) + len(p.MsgID) + len(p.header) + len(p.Payload))
}

// Open opens the file, or creates it, and publishes the events that an earlier process left in it. If the file cannot
// be created, or another process uses it, Open logs that and returns no error: the spool tries again, and [Spool.Check]
// reports it. A file that exists and is no spool is an error. The caller must close the spool.
func Open(ctx context.Context, opts Options) (*Spool, error) {
	s := &Spool{
		opts: opts, wake: make(chan struct{}, 1), arrived: make(chan struct{}, 1), seed: maphash.MakeSeed(),
		waiting: map[uint64]int{}, lookups: map[string]*storedLookup{},
	}
	_, missing := os.Stat(opts.Path)
	if _, err := s.file(ctx); err != nil {
		if _, inUse := errors.AsType[*filelock.InUseError](err); missing == nil && !inUse {
			return nil, errors.Join(fmt.Errorf("open the spool %s: %w", opts.Path, err), s.release())
		}
		opts.Log.WithError(err).WithField("path", opts.Path).
			Error("the spool cannot be used: events that JetStream does not take will be lost, or their webhooks refused")
	}
	if s.state.Events > 0 {
		opts.Log.WithFields(logrus.Fields{"events": s.state.Events, "since": s.state.Oldest}).
			Warn("events that could not be stored before are published now")
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.done.Go(func() { s.write(background) })
	s.done.Go(func() { s.drain(background) })
	return s, nil
}

// Close stops publishing. Waiting events stay in the file until it is opened again.
func (s *Spool) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.stop()
	s.done.Wait()
	return s.release()
}

// Holds says whether events of a key wait. Then later events of the key must be put, too, to stay in order. It may
// rarely return true for another key, because it compares hashes.
func (s *Spool) Holds(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) > 0 && s.waiting[s.hash(key)] > 0
}

// hash returns the hash of a key, because keys may be long.
func (s *Spool) hash(key string) uint64 { return maphash.String(s.seed, key) }

// State returns the counts of waiting events.
func (s *Spool) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Details returns the counts for the node's health report.
func (s *Spool) Details() map[string]any {
	state := s.State()
	details := map[string]any{"events": state.Events, "bytes": state.Bytes, "setAside": state.SetAside}
	if state.Events > 0 {
		details["oldestMs"] = time.Since(state.Oldest).Milliseconds()
	}
	return details
}

// Check returns an error while the file cannot be used, or while events wait that could not be published. It is a
// retryable [action.Error].
func (s *Spool) Check(ctx context.Context) error {
	if _, err := s.file(ctx); err != nil {
		// The health report shows only the first error, the log both.
		return fmt.Errorf("%w: %w", unavailable("%s", reason(err)), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Events == 0 || s.failedAt.IsZero() {
		return nil
	}
	return unavailable("%d events (%d bytes) wait for JetStream since %s.",
		s.state.Events, s.state.Bytes, s.state.Oldest.UTC().Format(time.RFC3339))
}

func unavailable(format string, args ...any) *action.Error {
	return action.Retryable(http.StatusServiceUnavailable, datasource.TypeUnavailable, format, args...)
}

// reason says why the file cannot be used.
func reason(err error) string {
	_, inUse := errors.AsType[*filelock.InUseError](err)
	switch {
	case inUse:
		return "Another process uses the spool's file."
	case errors.Is(err, ErrGone):
		return "The spool's file was deleted or replaced."
	default:
		return "The spool's file cannot be made or opened."
	}
}

// Put queues an event behind those of earlier calls and returns at once. onKept is called once: with nil when the event
// is on the disk, or with the reason why it is not. It must not block.
func (s *Spool) Put(e order.Event, onKept func(error)) {
	if err := s.enqueue(put{e, encodeHeader(e.Header), onKept}); err != nil {
		onKept(err)
		return
	}
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

func (s *Spool) enqueue(p put) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.state.Bytes+p.size() > s.opts.MaxBytes:
		return ErrFull
	}
	s.waiting[s.hash(p.Key)]++
	s.state.Events++
	s.state.Bytes += p.size()
	if s.state.Oldest.IsZero() {
		s.state.Oldest = time.Now()
	}
	s.puts = append(s.puts, p)
	return nil
}

// uncount removes an event from the counts. s.mu must be held.
func (s *Spool) uncount(key string, size int64) {
	hash := s.hash(key)
	if s.waiting[hash]--; s.waiting[hash] == 0 {
		delete(s.waiting, hash)
	}
	s.state.Events--
	if s.state.Bytes -= size; s.state.Events == 0 {
		s.state.Oldest = time.Time{}
	}
}

// write writes the events of Put to the file, many in one transaction: a disk can do only so many transactions a
// second.
func (s *Spool) write(ctx context.Context) {
	for {
		over := ctx.Err() != nil // checked first, so that all events put before the end are written
		for list := s.nextPuts(); len(list) > 0; list = s.nextPuts() {
			s.writePuts(ctx, list)
		}
		if over {
			return
		}
		select {
		case <-s.arrived:
		case <-ctx.Done():
		}
	}
}

// nextPuts takes the next events to write off the queue.
func (s *Spool) nextPuts() []put {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.puts), maxPut)
	list := s.puts[:n:n]
	if s.puts = s.puts[n:]; len(s.puts) == 0 {
		s.puts = nil
	}
	return list
}

func (s *Spool) writePuts(ctx context.Context, list []put) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	err := s.insert(ctx, list)
	s.mu.Lock()
	if err == nil {
		s.inFile += len(list)
	} else {
		for i := range list {
			s.uncount(list[i].Key, list[i].size())
		}
	}
	s.mu.Unlock()
	for i := range list {
		list[i].onKept(err)
	}
	if err == nil {
		s.signal()
	}
}

// signal wakes drain.
func (s *Spool) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
