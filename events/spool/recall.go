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

// maxRecalled is how many events are looked for at once: 24 bytes of memory each.
const maxRecalled = 1 << 20

// recall knows which of the events of a name that wait are stored already. What their stream has stored is read once, for all
// of them, and later on only what was stored since. Where the stream would store none of them again, nothing is read at all.
type recall struct {
	spool  *Spool
	name   string
	from   int64 // the first event
	told   Stored
	until  time.Time // until when it holds
	upTo   int64     // for events up to this one
	seeds  [2]maphash.Seed
	batch  int        // for which the stream was asked last
	events []recalled // sorted; nil until the stream tells of an event
	stored map[int64]struct{}
}

// recalled is an event. Its id may be long, so it is known by 128 bits of hash.
type recalled struct {
	id  [2]uint64
	seq int64
}

func (e recalled) compare(id [2]uint64) int {
	return cmp.Or(cmp.Compare(e.id[0], id[0]), cmp.Compare(e.id[1], id[1]))
}

// isStored says whether an event is stored already. It asks once for a batch at most, and names those of a batch in order.
func (s *Spool) isStored(ctx context.Context, r *row, batch int) (bool, error) {
	known := s.recalls[r.Name]
	if known == nil || r.seq > known.upTo {
		known = &recall{spool: s, name: r.Name, from: r.seq, told: s.opts.Stored(r.Name, r.at), upTo: math.MaxInt64}
		s.recalls[r.Name] = known
	}
	if known.batch != batch && !time.Now().Before(known.until) {
		known.batch = batch
		if err := known.read(ctx); err != nil {
			return false, fmt.Errorf("look for what is stored already: %w", err)
		}
	}
	_, stored := known.stored[r.seq]
	return stored, nil
}

// read takes in what the stream has stored since the last time.
func (k *recall) read(ctx context.Context) error {
	var failed error
	until, err := k.told.Next(ctx, func(msgID string) {
		if k.events == nil && failed == nil {
			failed = k.list(ctx)
		}
		if failed == nil {
			k.mark(msgID)
		}
	})
	if failed != nil {
		delete(k.spool.recalls, k.name) // what it was told of is told again to another one
		return failed
	}
	k.until = until
	return err
}

// list reads the ids of the events.
func (k *recall) list(ctx context.Context) error {
	db, _, _ := k.spool.open()
	rows, err := db.QueryContext(ctx, `SELECT seq, msg_id FROM events WHERE seq >= ? AND name = ? ORDER BY seq LIMIT ?`, k.from, k.name, maxRecalled)
	if err != nil {
		return err
	}
	defer rows.Close()
	k.seeds, k.stored = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, map[int64]struct{}{}
	var events []recalled
	for rows.Next() {
		var seq int64
		var msgID sql.RawBytes
		if err := rows.Scan(&seq, &msgID); err != nil {
			return err
		}
		events = append(events, recalled{k.id(string(msgID)), seq})
	}
	if err := rows.Err(); err != nil || len(events) == 0 {
		return err
	}
	k.upTo = events[len(events)-1].seq
	slices.SortFunc(events, func(a, b recalled) int { return a.compare(b.id) })
	k.events = events
	return nil
}

func (k *recall) id(msgID string) [2]uint64 {
	return [2]uint64{maphash.String(k.seeds[0], msgID), maphash.String(k.seeds[1], msgID)}
}

// mark notes that all events of an id are stored.
func (k *recall) mark(msgID string) {
	id := k.id(msgID)
	i, found := slices.BinarySearchFunc(k.events, id, recalled.compare)
	for ; found && i < len(k.events) && k.events[i].id == id; i++ {
		k.stored[k.events[i].seq] = struct{}{}
	}
}
