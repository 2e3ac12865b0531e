// Package spool keeps reliable events in a file of this machine while JetStream does not take them, and hands them on
// when it does again. Events of a key are handed on in the order in which they came. What was put survives the end of the
// process and a loss of power.
//
// It knows neither NATS nor platforms: how an event is published is told by its owner.
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
	"github.com/hiliosai/switchboard/internal/filelock"
)

// HeaderSpooledAt marks an event that was kept on a node's disk before it was stored, with the time at which it was put
// there (ms since 1970): later events of the same conversation may have been stored before it, by other nodes.
const HeaderSpooledAt = "x-spooled-at"

// Event is a reliable event to be published later.
type Event struct {
	Key     string // events of one key stay in their order
	Name    string
	MsgID   string
	Header  map[string][]string
	Payload []byte
}

// Options configure a spool.
type Options struct {
	Path     string // of the file
	Owner    string // who uses the file, for another process that wants to
	MaxBytes int64  // of events that wait; more are refused
	// MaxAge is how long events may wait. Older ones are dropped, which is logged.
	MaxAge time.Duration
	// Publish has an event stored and returns at once. Events of a key must be stored in the order of the calls. It calls
	// settled once, when the event is durable or given up, at the latest soon after the end of ctx. An error with a method
	// Permanent() bool that says true means that the event can never be stored: it is set aside in the file.
	Publish func(ctx context.Context, e Event, settled func(duplicate bool, err error))
	// Stored gives what tells which events of a name were stored since about a time: an event may have been stored before it
	// was put here, and only the ack been lost.
	Stored func(name string, since time.Time) Stored
	Log    *logrus.Entry
}

// Stored tells what a stream has stored.
type Stored interface {
	// Next calls each with the message ids of what was stored since the last call, or since the beginning. It may leave out
	// what the stream would not store twice anyway. What is stored later need not be looked for before the time that it gives.
	Next(ctx context.Context, each func(msgID string)) (until time.Time, err error)
}

const (
	// maxPut is how many events are written at once.
	maxPut = 256
	// writeTimeout bounds the writing of events to the disk.
	writeTimeout = 5 * time.Second
)

// Errors of [Spool.Put].
var (
	ErrFull   = errors.New("the spool is full")
	ErrClosed = errors.New("the spool is closed")
	// ErrGone says that the file was deleted or replaced while events in it still wait.
	ErrGone = errors.New("the spool's file was deleted or replaced, and events that were in it wait for JetStream")
)

// Spool is safe for concurrent use. One process uses a file at a time.
type Spool struct {
	opts    Options
	wake    chan struct{} // for who hands on
	arrived chan struct{} // for who writes
	stop    context.CancelFunc
	done    sync.WaitGroup

	opening sync.Mutex // one opening of the file at a time
	lock    *filelock.Lock

	mu       sync.Mutex
	db       *sql.DB // nil while it could not be opened
	opened   os.FileInfo
	closed   bool
	puts     []put // to be written
	seed     maphash.Seed
	waiting  map[uint64]int // events by the hash of their key, those on their way into the file included
	kept     int            // events of state that are in the file
	state    State
	failedAt time.Time // when the last attempt to hand on failed; zero while all goes well

	// Of who hands on:
	stored  []int64            // the rows of events that are stored, and have to be deleted
	deleted map[int64]struct{} // the rows of such events that could not be, because the file has gone
	recalls map[string]*recall // by the name of events
	batches int                // counts them
}

// State is what waits.
type State struct {
	Events   int
	Bytes    int64
	Oldest   time.Time // zero when nothing waits
	SetAside int       // that can never be published
}

type put struct {
	Event
	header []byte // as it is written
	kept   func(error)
}

func (p *put) size() int64 {
	return int64(len(p.Key) + len(p.Name) + len(p.MsgID) + len(p.header) + len(p.Payload))
}

// Open opens the file, makes it where it is missing, and hands on what an earlier process has left in it. Where no file can be
// made, or another process uses it, there is no error: the spool says so in the log and in [Spool.Check], and tries
// again. The spool must be closed.
func Open(ctx context.Context, opts Options) (*Spool, error) {
	s := &Spool{
		opts: opts, wake: make(chan struct{}, 1), arrived: make(chan struct{}, 1), seed: maphash.MakeSeed(), waiting: map[uint64]int{},
		recalls: map[string]*recall{},
	}
	_, missing := os.Stat(opts.Path)
	if _, err := s.file(ctx); err != nil {
		if _, inUse := errors.AsType[*filelock.InUseError](err); missing == nil && !inUse {
			return nil, errors.Join(fmt.Errorf("open the spool %s: %w", opts.Path, err), s.release())
		}
		opts.Log.WithError(err).WithField("path", opts.Path).Error("the spool cannot be used: events that JetStream does not take will be lost, or their webhooks refused")
	}
	if s.state.Events > 0 {
		opts.Log.WithFields(logrus.Fields{"events": s.state.Events, "since": s.state.Oldest}).Warn("events that could not be stored before are handed on now")
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.done.Go(func() { s.write(background) })
	s.done.Go(func() { s.drain(background) })
	return s, nil
}

// Close stops handing on. What waits stays in the file for the next one to open it.
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

// Holds says whether events of a key wait: later ones must be put behind them. Rarely it says so of another key, too.
func (s *Spool) Holds(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) > 0 && s.waiting[s.hash(key)] > 0
}

// hash stands for a key, which may be long.
func (s *Spool) hash(key string) uint64 { return maphash.String(s.seed, key) }

// State tells what waits.
func (s *Spool) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Details tells what waits, for a report of the node's health.
func (s *Spool) Details() map[string]any {
	state := s.State()
	details := map[string]any{"events": state.Events, "bytes": state.Bytes, "setAside": state.SetAside}
	if state.Events > 0 {
		details["oldestMs"] = time.Since(state.Oldest).Milliseconds()
	}
	return details
}

// Check is an error while the file cannot be used, or while events wait that could not be handed on.
func (s *Spool) Check(ctx context.Context) error {
	if _, err := s.file(ctx); err != nil {
		return fmt.Errorf("%w: %w", unavailable("%s", reason(err)), err) // the log tells all, the report of health only the first
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Events == 0 || s.failedAt.IsZero() {
		return nil
	}
	return unavailable("%d events (%d bytes) wait for JetStream since %s.", s.state.Events, s.state.Bytes, s.state.Oldest.UTC().Format(time.RFC3339))
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

// Put keeps an event, behind those of earlier calls, and returns at once. kept is called once, when the event is on the disk
// or with the reason why it is not; it must not block.
func (s *Spool) Put(e Event, kept func(error)) {
	if err := s.enqueue(put{e, encodeHeader(e.Header), kept}); err != nil {
		kept(err)
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

// forget takes an event out of the account. s.mu must be held.
func (s *Spool) forget(key string, size int64) {
	hash := s.hash(key)
	if s.waiting[hash]--; s.waiting[hash] == 0 {
		delete(s.waiting, hash)
	}
	s.state.Events--
	if s.state.Bytes -= size; s.state.Events == 0 {
		s.state.Oldest = time.Time{}
	}
}

// write takes events in, as many as there are in one transaction: a disk can do only so many a second.
func (s *Spool) write(ctx context.Context) {
	for {
		over := ctx.Err() != nil // looked at before: what came until then is written
		for list := s.take(); len(list) > 0; list = s.take() {
			s.keep(ctx, list)
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

// take gives the next events to be written.
func (s *Spool) take() []put {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.puts), maxPut)
	list := s.puts[:n:n]
	if s.puts = s.puts[n:]; len(s.puts) == 0 {
		s.puts = nil
	}
	return list
}

func (s *Spool) keep(ctx context.Context, list []put) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	err := s.insert(ctx, list)
	s.mu.Lock()
	if err == nil {
		s.kept += len(list)
	} else {
		for i := range list {
			s.forget(list[i].Key, list[i].size())
		}
	}
	s.mu.Unlock()
	for i := range list {
		list[i].kept(err)
	}
	if err == nil {
		s.signal()
	}
}

// signal wakes who hands on.
func (s *Spool) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
