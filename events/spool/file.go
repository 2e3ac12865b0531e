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
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/internal/filelock"
)

// On a full disk events must still leave the file. To delete rows SQLite needs room for its journal. So the journal is
// a file that stays and has its full size from the start. A write-ahead log would not do: its contents need room in the
// database later, and without that room the log cannot be reused.
const (
	journalSuffix = "-journal"
	lockSuffix    = "-lock"
	// journalRoom is the size of the journal in bytes. It is enough to delete some hundred events, each on a page of
	// its own. If the disk has no room for a larger journal, more events are deleted in several steps.
	journalRoom = 4 << 20
)

const schema = `CREATE TABLE IF NOT EXISTS events (
	seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, name TEXT NOT NULL, msg_id TEXT NOT NULL,
	header BLOB NOT NULL, payload BLOB NOT NULL, at INTEGER NOT NULL, set_aside TEXT)`

// file returns the open database, and opens it if it is not open. If somebody has deleted or replaced the file, it
// returns ErrGone until all events that were in it are stored, and then creates a new file.
func (s *Spool) file(ctx context.Context) (*sql.DB, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	db, opened, inFile := s.current()
	if db != nil {
		if !s.gone(opened) {
			return db, nil
		}
		if inFile > 0 {
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
	db, _, _ = s.current()
	return db, nil
}

// current returns the open database, nil if none is open, the file as it was when opened, and the number of events in
// it.
func (s *Spool) current() (db *sql.DB, opened os.FileInfo, inFile int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db, s.opened, s.inFile
}

func (s *Spool) setFile(db *sql.DB, opened os.FileInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db, s.opened = db, opened
}

// gone says whether the open file was deleted or replaced.
func (s *Spool) gone(opened os.FileInfo) bool {
	now, err := os.Stat(s.opts.Path)
	return errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(now, opened)
}

// openFile opens the file for this process alone, and counts its events.
func (s *Spool) openFile(ctx context.Context) error {
	err := s.unlock() // if the file is gone, the lock may be, too
	if err == nil {
		s.lock, err = filelock.Acquire(s.opts.Path+lockSuffix, s.opts.Owner)
	}
	if err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, s.opts.Path,
		"journal_mode(PERSIST)", "locking_mode(EXCLUSIVE)", "temp_store(MEMORY)", "page_size(16384)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1) // which holds the lock
	found, err := s.countEvents(ctx, db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	opened, err := os.Stat(s.opts.Path)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	if err := reserve(s.opts.Path + journalSuffix); err != nil {
		s.opts.Log.WithError(err).
			Warn("the disk has no room for the spool's journal: on a full disk events cannot leave the spool")
	}
	s.setFile(db, opened)
	defer s.signal()
	s.mu.Lock()
	defer s.mu.Unlock()
	for hash, n := range found.byKey {
		s.waiting[hash] += n
	}
	s.inFile += found.Events
	s.state.SetAside = found.SetAside
	s.state.Events += found.Events
	s.state.Bytes += found.Bytes
	if found.Events > 0 {
		s.state.Oldest = found.Oldest
	}
	return nil
}

// reserve extends the journal to its full size with zeros, which SQLite ignores. It keeps what is in the journal.
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

// contents counts the events in a file.
type contents struct {
	State
	byKey map[uint64]int // number of waiting events by the hash of their key
}

// countEvents creates the table if it is missing, and counts the events in it.
func (s *Spool) countEvents(ctx context.Context, db *sql.DB) (*contents, error) {
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, `SELECT key, COUNT(*) - COUNT(set_aside), COUNT(set_aside),
		SUM(IIF(set_aside IS NULL,
			OCTET_LENGTH(key) + OCTET_LENGTH(name) + OCTET_LENGTH(msg_id) + LENGTH(header) + LENGTH(payload), 0)),
		MIN(IIF(set_aside IS NULL, at, NULL)) FROM events GROUP BY key`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := &contents{byKey: map[uint64]int{}}
	for rows.Next() {
		var key string
		var events, setAside int
		var bytes int64
		var at sql.NullInt64
		if err := rows.Scan(&key, &events, &setAside, &bytes, &at); err != nil {
			return nil, err
		}
		found.SetAside += setAside
		if events == 0 {
			continue
		}
		found.byKey[s.hash(key)] += events
		found.Events += events
		found.Bytes += bytes
		if oldest := time.UnixMilli(at.Int64); found.Oldest.IsZero() || oldest.Before(found.Oldest) {
			found.Oldest = oldest
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return found, nil
}

func (s *Spool) unlock() error {
	if s.lock == nil {
		return nil
	}
	lock := s.lock
	s.lock = nil
	return lock.Release()
}

// release closes the file and then releases its lock.
func (s *Spool) release() error {
	var err error
	if db, _, _ := s.current(); db != nil {
		err = db.Close()
	}
	return errors.Join(err, s.unlock())
}

// transact runs do in a transaction.
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
		insert, err := tx.PrepareContext(ctx,
			`INSERT INTO events (key, name, msg_id, header, payload, at) VALUES (?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		defer func() { _ = insert.Close() }() // the end of the transaction closes it, too
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
	order.Event
	seq  int64
	at   time.Time
	size int64
}

// next reads the oldest waiting events behind a sequence: at most count, and no more than maxBatchBytes, but at least
// one.
func (s *Spool) next(ctx context.Context, after int64, count int) ([]row, error) {
	db, _, inFile := s.current()
	if db == nil || inFile == 0 {
		return nil, nil
	}
	rows, err := db.QueryContext(ctx, `SELECT seq, key, name, msg_id, header, payload, at FROM events
		WHERE seq > ? AND set_aside IS NULL ORDER BY seq`, after) // not LIMIT: the bytes count, too
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
		if _, ignored := s.ignored[r.seq]; ignored {
			continue
		}
		if bytes += r.size; bytes > maxBatchBytes && len(list) > 0 {
			break
		}
		list = append(list, r)
	}
	// Close comes before Err: after a Scan into RawBytes, Err waits forever if ctx ends meanwhile.
	if err := rows.Close(); err != nil {
		return nil, err
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

// remove deletes events. If the disk has no room for the journal of many, it deletes them in smaller transactions.
func (s *Spool) remove(ctx context.Context, seqs []int64) error {
	db, opened, _ := s.current()
	if len(seqs) == 0 || db == nil {
		return nil
	}
	err := transact(ctx, db, func(tx *sql.Tx) error { return deleteRows(ctx, tx, seqs) })
	switch {
	case err == nil:
		return nil
	case s.gone(opened):
		s.ignore(seqs)
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

// deleteRows deletes rows, each run of consecutive sequences in one statement, which is faster.
func deleteRows(ctx context.Context, tx *sql.Tx, seqs []int64) error {
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

// ignore notes rows that cannot be deleted, because SQLite does not write to a file that is gone. No other process will
// find them there.
func (s *Spool) ignore(seqs []int64) {
	if s.ignored == nil {
		s.ignored = map[int64]struct{}{}
	}
	for _, seq := range seqs {
		s.ignored[seq] = struct{}{}
	}
}

func isFull(err error) bool {
	e, ok := errors.AsType[*driver.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_FULL // the upper bits are details
}

// setAside marks an event in the file as one that can never be stored.
func (s *Spool) setAside(ctx context.Context, r *row, reason error) error {
	db, opened, _ := s.current()
	// First without the reason: then the row does not grow, so it works on a full disk.
	for _, text := range []string{"", reason.Error()} {
		_, err := db.ExecContext(ctx, `UPDATE events SET set_aside = ? WHERE seq = ?`, text, r.seq)
		if err != nil && text == "" && !s.gone(opened) {
			return fmt.Errorf("set an event aside: %w", err)
		}
	}
	return nil
}
