// Package spool keeps reliable events in a file of this machine while JetStream does not take them, and hands them on
// when it does again, in the order in which they came. What was put survives the end of the process and a loss
// of power.
//
// It knows neither NATS nor platforms: how an event is published is told by its owner.
package spool

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/datasource"
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

func (e *Event) size() int64 { return int64(len(e.Key) + len(e.Name) + len(e.MsgID) + len(e.Payload)) }

// Options configure a spool.
type Options struct {
	Path     string // of the file, which is made when it is needed
	MaxBytes int64  // of events that wait; more are refused
	// MaxAge is how long events may wait. Older ones are dropped, which is logged.
	MaxAge time.Duration
	// Publish stores an event and returns when it is durable. An error with a method Permanent() bool that says
	// true means that it never will be: the event is set aside in the file.
	Publish func(ctx context.Context, e Event) error
	// Stored says which events of a name, of these ids, were stored since about a time and would be stored again: an event
	// may have been stored before it was put here, and only the ack been lost.
	Stored func(ctx context.Context, name string, since time.Time, msgIDs []string) (map[string]bool, error)
	Log    *logrus.Entry
}

const (
	// pause between attempts to hand on, at first and at most.
	firstPause, maxPause = 500 * time.Millisecond, 10 * time.Second
	// batch is how many events are written, or read, at once.
	batch = 256
	// writeTimeout bounds the writing of events to the disk.
	writeTimeout = 5 * time.Second
)

// Errors of [Spool.Put].
var (
	ErrFull   = errors.New("the spool is full")
	ErrClosed = errors.New("the spool is closed")
)

// Spool is safe for concurrent use. One process uses a file at a time.
type Spool struct {
	opts    Options
	wake    chan struct{} // for who hands on
	arrived chan struct{} // for who writes
	stop    context.CancelFunc
	done    sync.WaitGroup

	mu       sync.Mutex
	db       *sql.DB // nil until it is needed
	closed   bool
	puts     []put          // to be written
	waiting  map[string]int // events by key, those on their way into the file included
	state    State
	failedAt time.Time // when the last attempt to hand on failed; zero while all goes well
}

// State is what waits.
type State struct {
	Events   int
	Bytes    int64
	Oldest   time.Time // zero when nothing waits
	SetAside int       // that can never be published
}

type put struct {
	event Event
	kept  func(error)
}

// Open takes up what an earlier process has left in the file. The spool must be closed.
func Open(ctx context.Context, opts Options) (*Spool, error) {
	s := &Spool{opts: opts, wake: make(chan struct{}, 1), arrived: make(chan struct{}, 1), waiting: map[string]int{}}
	if _, err := os.Stat(opts.Path); err == nil {
		if err := s.openFile(ctx); err != nil {
			return nil, fmt.Errorf("open the spool %s: %w", opts.Path, err)
		}
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
	if s.db == nil {
		return nil
	}
	return s.db.Close()
}

// Holds says whether events of a key wait: later ones must be put behind them.
func (s *Spool) Holds(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting[key] > 0
}

// State tells what waits.
func (s *Spool) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Check is an error while events wait that could not be handed on.
func (s *Spool) Check(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Events == 0 || s.failedAt.IsZero() {
		return nil
	}
	return fmt.Errorf("%d events (%d bytes) wait for JetStream since %s", s.state.Events, s.state.Bytes, s.state.Oldest.UTC().Format(time.RFC3339))
}

// Put keeps an event, behind those of earlier calls, and returns at once. kept is called once, when the event is on the disk
// or with the reason why it is not; it must not block.
func (s *Spool) Put(e Event, kept func(error)) {
	if err := s.enqueue(e, kept); err != nil {
		kept(err)
		return
	}
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

func (s *Spool) enqueue(e Event, kept func(error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.state.Bytes+e.size() > s.opts.MaxBytes:
		return ErrFull
	}
	s.waiting[e.Key]++
	s.state.Events++
	s.state.Bytes += e.size()
	if s.state.Oldest.IsZero() {
		s.state.Oldest = time.Now()
	}
	s.puts = append(s.puts, put{e, kept})
	return nil
}

// forget takes an event out of the account.
func (s *Spool) forget(key string, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[key]--; s.waiting[key] == 0 {
		delete(s.waiting, key)
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
	n := min(len(s.puts), batch)
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
	if err == nil {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	for _, p := range list {
		if err != nil {
			s.forget(p.event.Key, p.event.size())
		}
		p.kept(err)
	}
}

func (s *Spool) insert(ctx context.Context, list []put) (err error) {
	db, err := s.file(ctx)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	now := time.Now().UnixMilli()
	for _, p := range list {
		header, err := json.Marshal(p.event.Header)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO events (key, name, msg_id, header, payload, at) VALUES (?, ?, ?, ?, ?, ?)`,
			p.event.Key, p.event.Name, p.event.MsgID, header, p.event.Payload, now); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// file gives the open file, and opens it the first time.
func (s *Spool) file(ctx context.Context) (*sql.DB, error) {
	s.mu.Lock()
	db := s.db
	s.mu.Unlock()
	if db != nil {
		return db, nil
	}
	if err := s.openFile(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db, nil
}

// openFile opens the file for this process alone, and counts what is in it.
func (s *Spool) openFile(ctx context.Context) error {
	db, err := datasource.OpenSQLite(ctx, s.opts.Path, "locking_mode(EXCLUSIVE)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1) // which holds the lock
	counted, err := load(ctx, db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db = db
	s.state.SetAside = counted.state.SetAside
	s.state.Events += counted.state.Events
	s.state.Bytes += counted.state.Bytes
	if counted.state.Events > 0 {
		s.state.Oldest = counted.state.Oldest
	}
	for key, n := range counted.waiting {
		s.waiting[key] += n
	}
	return nil
}

// load makes the table where it is missing and counts what is in it.
func load(ctx context.Context, db *sql.DB) (*Spool, error) {
	const schema = `CREATE TABLE IF NOT EXISTS events (
		seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, name TEXT NOT NULL, msg_id TEXT NOT NULL,
		header BLOB NOT NULL, payload BLOB NOT NULL, at INTEGER NOT NULL, set_aside TEXT)`
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, err
	}
	counted := &Spool{waiting: map[string]int{}}
	if err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM events WHERE set_aside IS NOT NULL`).Scan(&counted.state.SetAside); err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, `SELECT key, COUNT(*), SUM(LENGTH(key) + LENGTH(name) + LENGTH(msg_id) + LENGTH(payload)), MIN(at)
		FROM events WHERE set_aside IS NULL GROUP BY key`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var n int
		var bytes, at int64
		if err := rows.Scan(&key, &n, &bytes, &at); err != nil {
			return nil, err
		}
		counted.waiting[key] = n
		counted.state.Events += n
		counted.state.Bytes += bytes
		if oldest := time.UnixMilli(at); counted.state.Oldest.IsZero() || oldest.Before(counted.state.Oldest) {
			counted.state.Oldest = oldest
		}
	}
	return counted, rows.Err()
}

// drain hands events on, one after the other, for as long as there are any.
func (s *Spool) drain(ctx context.Context) {
	for pause := firstPause; ; {
		err := s.handOn(ctx)
		s.mu.Lock()
		first := s.failedAt.IsZero()
		s.failedAt = time.Time{}
		if err != nil {
			s.failedAt = time.Now()
		}
		state := s.state
		s.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			pause = firstPause
			select {
			case <-s.wake:
			case <-ctx.Done():
				return
			}
			continue
		case first: // once for each outage
			s.opts.Log.WithError(err).WithField("events", state.Events).Warn("events are kept in the spool until JetStream takes them")
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		pause = min(2*pause, maxPause)
	}
}

type row struct {
	Event
	seq int64
	at  time.Time
}

// handOn publishes all that waits, and ends with the first event that cannot be for the moment.
func (s *Spool) handOn(ctx context.Context) error {
	handed := 0
	for {
		list, err := s.next(ctx)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			if handed > 0 {
				s.opts.Log.WithField("events", handed).Info("the events in the spool are stored")
			}
			return nil
		}
		stored, err := s.stored(ctx, list)
		if err != nil {
			return err
		}
		for _, e := range list {
			if stored[e.Name][e.MsgID] {
				err = s.remove(ctx, e)
			} else {
				err = s.settle(ctx, e)
			}
			if err != nil {
				return err
			}
			handed++
		}
	}
}

// stored finds those among the oldest events that need not be published, by their names and ids.
func (s *Spool) stored(ctx context.Context, list []row) (map[string]map[string]bool, error) {
	ids := map[string][]string{}
	for _, e := range list {
		ids[e.Name] = append(ids[e.Name], e.MsgID)
	}
	since := list[0].at // they are in the order in which they came
	stored := map[string]map[string]bool{}
	for name, list := range ids {
		found, err := s.opts.Stored(ctx, name, since, list)
		if err != nil {
			return nil, fmt.Errorf("look for what is stored already: %w", err)
		}
		stored[name] = found
	}
	return stored, nil
}

// next reads the oldest events.
func (s *Spool) next(ctx context.Context) ([]row, error) {
	s.mu.Lock()
	db, events := s.db, s.state.Events
	s.mu.Unlock()
	if db == nil || events == 0 {
		return nil, nil
	}
	rows, err := db.QueryContext(ctx, `SELECT seq, key, name, msg_id, header, payload, at FROM events WHERE set_aside IS NULL ORDER BY seq LIMIT ?`, batch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []row
	for rows.Next() {
		var r row
		var header []byte
		var at int64
		if err := rows.Scan(&r.seq, &r.Key, &r.Name, &r.MsgID, &header, &r.Payload, &at); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(header, &r.Header); err != nil {
			return nil, err
		}
		r.at = time.UnixMilli(at)
		if r.Header == nil {
			r.Header = map[string][]string{}
		}
		r.Header[HeaderSpooledAt] = []string{strconv.FormatInt(at, 10)}
		list = append(list, r)
	}
	if len(list) > 0 {
		s.mu.Lock()
		s.state.Oldest = list[0].at
		s.mu.Unlock()
	}
	return list, rows.Err()
}

// settle publishes one event and takes it out of the file. Published twice, it is stored once, by its id.
func (s *Spool) settle(ctx context.Context, r row) error {
	log := s.opts.Log.WithFields(logrus.Fields{"event": r.Name, "id": r.MsgID})
	if s.opts.MaxAge > 0 && time.Since(r.at) > s.opts.MaxAge {
		log.WithField("since", r.at).Error("an event has waited for too long and is dropped")
		return s.remove(ctx, r)
	}
	err := s.opts.Publish(ctx, r.Event)
	if err == nil {
		return s.remove(ctx, r)
	}
	var permanent interface{ Permanent() bool }
	if !errors.As(err, &permanent) || !permanent.Permanent() {
		return err
	}
	log.WithError(err).Error("an event can never be stored and is set aside in the spool")
	if _, e := s.db.ExecContext(ctx, `UPDATE events SET set_aside = ? WHERE seq = ?`, err.Error(), r.seq); e != nil {
		return e
	}
	s.forget(r.Key, r.size())
	s.mu.Lock()
	s.state.SetAside++
	s.mu.Unlock()
	return nil
}

func (s *Spool) remove(ctx context.Context, r row) error {
	if _, err := s.db.ExecContext(ctx, `DELETE FROM events WHERE seq = ?`, r.seq); err != nil {
		return err
	}
	s.forget(r.Key, r.size())
	return nil
}
