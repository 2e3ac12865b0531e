package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hiliosai/switchboard/datasource/sqlite"
	"github.com/hiliosai/switchboard/internal/filelock"
)

// A full disk must not keep events in the file: to delete them, SQLite needs room for its journal. So the journal is a file
// that stays, and has its room from the beginning. A write-ahead log would not do: what is written into it needs room in the
// database later, and without that the log cannot be used again.
const (
	journalSuffix = "-journal"
	lockSuffix    = "-lock"
	// journalRoom, in bytes, is enough to delete some hundred events, each from a page of its own. Without room for more, more are
	// deleted in several steps.
	journalRoom = 4 << 20
)

const schema = `CREATE TABLE IF NOT EXISTS events (
	seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, name TEXT NOT NULL, msg_id TEXT NOT NULL,
	header BLOB NOT NULL, payload BLOB NOT NULL, at INTEGER NOT NULL, set_aside TEXT)`

// file gives the open file, and opens it where it is not open. One that somebody has deleted or replaced is given up when
// all that was in it is stored; until then nothing can be written.
func (s *Spool) file(ctx context.Context) (*sql.DB, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	db, opened, kept := s.open()
	if db != nil {
		if !s.gone(opened) {
			return db, nil
		}
		if kept > 0 {
			return nil, ErrGone
		}
		if err := db.Close(); err != nil {
			s.opts.Log.WithError(err).Debug("the spool's file that was deleted did not close cleanly")
		}
		s.setFile(nil, nil)
		s.opts.Log.WithField("path", s.opts.Path).Warn("the spool's file was deleted or replaced, it is made anew")
	}
	if err := s.openFile(ctx); err != nil {
		return nil, err
	}
	db, _, _ = s.open()
	return db, nil
}

// open gives what is open.
func (s *Spool) open() (db *sql.DB, opened os.FileInfo, kept int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db, s.opened, s.kept
}

func (s *Spool) setFile(db *sql.DB, opened os.FileInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db, s.opened = db, opened
}

// gone says whether another file, or none, is where the open one was.
func (s *Spool) gone(opened os.FileInfo) bool {
	now, err := os.Stat(s.opts.Path)
	return errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(now, opened)
}

// openFile opens the file for this process alone, and counts what is in it.
func (s *Spool) openFile(ctx context.Context) error {
	err := s.unlock() // where the file has gone, the lock may have, too
	if err == nil {
		s.lock, err = filelock.Acquire(s.opts.Path+lockSuffix, s.opts.Owner)
	}
	if err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, s.opts.Path, "journal_mode(PERSIST)", "locking_mode(EXCLUSIVE)", "temp_store(MEMORY)", "page_size(16384)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1) // which holds the lock
	counted, err := s.load(ctx, db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	opened, err := os.Stat(s.opts.Path)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	if err := reserve(s.opts.Path + journalSuffix); err != nil {
		s.opts.Log.WithError(err).Warn("the disk has no room for the spool's journal: on a full disk events cannot leave the spool")
	}
	s.setFile(db, opened)
	defer s.signal()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept += counted.Events
	s.state.SetAside = counted.SetAside
	s.state.Events += counted.Events
	s.state.Bytes += counted.Bytes
	if counted.Events > 0 {
		s.state.Oldest = counted.Oldest
	}
	return nil
}

// reserve makes a journal as large as it may get, with zeros, which SQLite takes for no journal. What is in it stays.
func reserve(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- beside the spool
	if err != nil {
		return err
	}
	size, err := file.Seek(0, io.SeekEnd)
	for zeros := make([]byte, 1<<16); err == nil && size < journalRoom; {
		var n int
		n, err = file.Write(zeros)
		size += int64(n)
	}
	return errors.Join(err, file.Close())
}

// load makes the table where it is missing and counts what is in it.
func (s *Spool) load(ctx context.Context, db *sql.DB) (counted State, err error) {
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return State{}, err
	}
	rows, err := db.QueryContext(ctx, `SELECT key, COUNT(*) - COUNT(set_aside), COUNT(set_aside),
		SUM(IIF(set_aside IS NULL, OCTET_LENGTH(key) + OCTET_LENGTH(name) + OCTET_LENGTH(msg_id) + LENGTH(header) + LENGTH(payload), 0)),
		MIN(IIF(set_aside IS NULL, at, NULL)) FROM events GROUP BY key`)
	if err != nil {
		return State{}, err
	}
	defer rows.Close()
	waiting := map[uint64]int{}
	for rows.Next() {
		var key string
		var events, setAside int
		var bytes int64
		var at sql.NullInt64
		if err := rows.Scan(&key, &events, &setAside, &bytes, &at); err != nil {
			return State{}, err
		}
		counted.SetAside += setAside
		if events == 0 {
			continue
		}
		waiting[s.hash(key)] += events
		counted.Events += events
		counted.Bytes += bytes
		if oldest := time.UnixMilli(at.Int64); counted.Oldest.IsZero() || oldest.Before(counted.Oldest) {
			counted.Oldest = oldest
		}
	}
	if err := rows.Err(); err != nil {
		return State{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for hash, n := range waiting {
		s.waiting[hash] += n
	}
	return counted, nil
}

func (s *Spool) unlock() error {
	if s.lock == nil {
		return nil
	}
	lock := s.lock
	s.lock = nil
	return lock.Release()
}

// release closes the file, then gives it up to other processes.
func (s *Spool) release() error {
	var err error
	if db, _, _ := s.open(); db != nil {
		err = db.Close()
	}
	return errors.Join(err, s.unlock())
}

// transact has all or nothing of do done.
func transact(ctx context.Context, db *sql.DB, do func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (s *Spool) insert(ctx context.Context, list []put) error {
	db, err := s.file(ctx)
	if err != nil {
		return err
	}
	return transact(ctx, db, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT INTO events (key, name, msg_id, header, payload, at) VALUES (?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		defer func() { _ = insert.Close() }() // the transaction's end does it, too
		now := time.Now().UnixMilli()
		for i := range list {
			p := &list[i]
			if _, err := insert.ExecContext(ctx, p.Key, p.Name, p.MsgID, p.header, p.Payload, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// row is an event in the file.
type row struct {
	Event
	seq  int64
	at   time.Time
	size int64
}

// next reads the oldest events behind one: at most count, and of more than maxBatchBytes only one.
func (s *Spool) next(ctx context.Context, after int64, count int) ([]row, error) {
	db, _, kept := s.open()
	if db == nil || kept == 0 {
		return nil, nil
	}
	rows, err := db.QueryContext(ctx, `SELECT seq, key, name, msg_id, header, payload, at FROM events
		WHERE seq > ? AND set_aside IS NULL ORDER BY seq`, after) // of which only some are read
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []row
	var bytes int64
	for len(list) < count && bytes < maxBatchBytes && rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		if _, gone := s.deleted[r.seq]; gone {
			continue
		}
		if bytes += r.size; bytes > maxBatchBytes && len(list) > 0 {
			break
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

func scan(rows *sql.Rows) (row, error) {
	var r row
	var header sql.RawBytes
	var at int64
	if err := rows.Scan(&r.seq, &r.Key, &r.Name, &r.MsgID, &header, &r.Payload, &at); err != nil {
		return row{}, err
	}
	r.at = time.UnixMilli(at)
	var err error
	if r.Header, err = decodeHeader(header, r.at); err != nil {
		return row{}, fmt.Errorf("the header of event %d: %w", r.seq, err)
	}
	r.size = int64(len(r.Key) + len(r.Name) + len(r.MsgID) + len(header) + len(r.Payload))
	return r, nil
}

// remove deletes events: fewer at once where the disk has no room for the journal of many.
func (s *Spool) remove(ctx context.Context, seqs []int64) error {
	db, opened, _ := s.open()
	if len(seqs) == 0 || db == nil {
		return nil
	}
	err := transact(ctx, db, func(tx *sql.Tx) error { return remove(ctx, tx, seqs) })
	switch {
	case err == nil:
		return nil
	case s.gone(opened):
		s.overlook(seqs)
		return nil
	case len(seqs) == 1 || !isFull(err):
		return fmt.Errorf("delete what is stored: %w", err)
	}
	half := len(seqs) / 2
	if err := s.remove(ctx, seqs[:half]); err != nil {
		return err
	}
	return s.remove(ctx, seqs[half:])
}

// remove deletes events, in runs where nothing else is between them: that is faster than one by one.
func remove(ctx context.Context, tx *sql.Tx, seqs []int64) error {
	for i := 0; i < len(seqs); {
		n := 1
		for i+n < len(seqs) && seqs[i+n] == seqs[i]+int64(n) {
			n++
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM events WHERE seq BETWEEN ? AND ?`, seqs[i], seqs[i+n-1]); err != nil {
			return err
		}
		i += n
	}
	return nil
}

// overlook notes what cannot be deleted because SQLite writes into no file that has gone. No other process will find it there.
func (s *Spool) overlook(seqs []int64) {
	if s.deleted == nil {
		s.deleted = map[int64]struct{}{}
	}
	for _, seq := range seqs {
		s.deleted[seq] = struct{}{}
	}
}

func isFull(err error) bool {
	e, ok := errors.AsType[*driver.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_FULL // the rest of the code is detail
}

// setAside leaves an event in the file that can never be stored.
func (s *Spool) setAside(ctx context.Context, r *row, reason error) error {
	db, opened, _ := s.open()
	// Without a reason the row does not grow: a full disk has room for that.
	for _, text := range []string{"", reason.Error()} {
		if _, err := db.ExecContext(ctx, `UPDATE events SET set_aside = ? WHERE seq = ?`, text, r.seq); err != nil && text == "" && !s.gone(opened) {
			return fmt.Errorf("set an event aside: %w", err)
		}
	}
	return nil
}
