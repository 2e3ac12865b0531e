package spool

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"time"
)

// maxLookup is how many events one lookup covers, with 24 bytes of memory each.
const maxLookup = 1 << 20

// storedLookup knows which waiting events of a name are stored already. The stream is read once for all of them, and
// later only from there on. If the stream would recognize all of them as duplicates, nothing is read.
type storedLookup struct {
	spool  *Spool
	name   string
	from   int64 // sequence of the first event
	reader Stored
	until  time.Time // the stream is not read again before
	upTo   int64     // sequence of the last event
	seeds  [2]maphash.Seed
	batch  int            // number of the batch for which the stream was read last
	events []waitingEvent // sorted by id; nil until the stream has an event
	stored map[int64]struct{}
}

// waitingEvent is an event in the file. id is a hash of its message id, which may be long.
type waitingEvent struct {
	id  [2]uint64
	seq int64
}

func (e waitingEvent) compare(id [2]uint64) int {
	return cmp.Or(cmp.Compare(e.id[0], id[0]), cmp.Compare(e.id[1], id[1]))
}

// isStored says whether an event is stored already. It reads the stream at most once for each batch. Within a batch it
// must be called in the order of the events.
func (s *Spool) isStored(ctx context.Context, r *row, batch int) (bool, error) {
	lookup := s.lookups[r.Name]
	if lookup == nil || r.seq > lookup.upTo {
		lookup = &storedLookup{spool: s, name: r.Name, from: r.seq, reader: s.opts.Stored(r.Name, r.at), upTo: math.MaxInt64}
		s.lookups[r.Name] = lookup
	}
	if lookup.batch != batch && !time.Now().Before(lookup.until) {
		lookup.batch = batch
		if err := lookup.read(ctx); err != nil {
			return false, fmt.Errorf("look for what is stored already: %w", err)
		}
	}
	_, stored := lookup.stored[r.seq]
	return stored, nil
}

// read marks the events that the stream has stored since the last call.
func (l *storedLookup) read(ctx context.Context) error {
	var failed error
	until, err := l.reader.Next(ctx, func(msgID string) {
		if l.events == nil && failed == nil {
			failed = l.loadIDs(ctx)
		}
		if failed == nil {
			l.mark(msgID)
		}
	})
	if failed != nil {
		delete(l.spool.lookups, l.name) // a new lookup reads the same events again
		return failed
	}
	l.until = until
	return err
}

// loadIDs reads the message ids of the waiting events from the file.
func (l *storedLookup) loadIDs(ctx context.Context) error {
	db, _, _ := l.spool.current()
	rows, err := db.QueryContext(ctx,
		`SELECT seq, msg_id FROM events WHERE seq >= ? AND name = ? ORDER BY seq LIMIT ?`, l.from, l.name, maxLookup)
	if err != nil {
		return err
	}
	defer rows.Close()
	l.seeds, l.stored = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, map[int64]struct{}{}
	var events []waitingEvent
	for rows.Next() {
		var seq int64
		var msgID sql.RawBytes
		if err := rows.Scan(&seq, &msgID); err != nil {
			return err
		}
		events = append(events, waitingEvent{l.id(string(msgID)), seq})
	}
	if err := rows.Err(); err != nil || len(events) == 0 {
		return err
	}
	l.upTo = events[len(events)-1].seq
	slices.SortFunc(events, func(a, b waitingEvent) int { return a.compare(b.id) })
	l.events = events
	return nil
}

func (l *storedLookup) id(msgID string) [2]uint64 {
	return [2]uint64{maphash.String(l.seeds[0], msgID), maphash.String(l.seeds[1], msgID)}
}

// mark marks all events of an id as stored.
func (l *storedLookup) mark(msgID string) {
	id := l.id(msgID)
	i, found := slices.BinarySearchFunc(l.events, id, waitingEvent.compare)
	for ; found && i < len(l.events) && l.events[i].id == id; i++ {
		l.stored[l.events[i].seq] = struct{}{}
	}
}
