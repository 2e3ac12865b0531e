package spool

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"time"
)

// maxRecalled is how many events are looked for at once: 24 bytes of memory each.
const maxRecalled = 1 << 20

// recall knows which of the events that wait are stored already. What the streams have stored is read once, for all of
// them, and later on only what was stored since.
type recall struct {
	seeds  [2]maphash.Seed
	events []recalled // sorted
	upTo   int64      // the last one of them
	until  time.Time  // until when it holds
	stored map[int64]struct{}
	names  []recalledName
}

// recalled is an event. Its id may be long, so it is known by 128 bits of hash.
type recalled struct {
	id  [2]uint64
	seq int64
}

func (e recalled) compare(id [2]uint64) int {
	return cmp.Or(cmp.Compare(e.id[0], id[0]), cmp.Compare(e.id[1], id[1]))
}

type recalledName struct {
	name   string
	stored Stored
}

// lookUp makes sure that it is known which of some events are stored already.
func (s *Spool) lookUp(ctx context.Context, list []row) error {
	if s.recall == nil || list[len(list)-1].seq > s.recall.upTo {
		known, err := s.remember(ctx, &list[0])
		if err != nil {
			return err
		}
		s.recall = known
	}
	if time.Now().Before(s.recall.until) {
		return nil
	}
	if err := s.recall.read(ctx); err != nil {
		return fmt.Errorf("look for what is stored already: %w", err)
	}
	return nil
}

// remember reads the ids of an event and of those behind it.
func (s *Spool) remember(ctx context.Context, first *row) (*recall, error) {
	db, _, _ := s.open()
	known := &recall{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, stored: map[int64]struct{}{}}
	rows, err := db.QueryContext(ctx, `SELECT seq, name, msg_id FROM events WHERE seq >= ? ORDER BY seq LIMIT ?`, first.seq, maxRecalled)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, msgID string
		if err := rows.Scan(&known.upTo, &name, &msgID); err != nil {
			return nil, err
		}
		known.events = append(known.events, recalled{known.id(name, msgID), known.upTo})
		if !slices.ContainsFunc(known.names, func(n recalledName) bool { return n.name == name }) {
			known.names = append(known.names, recalledName{name, s.opts.Stored(name, first.at)}) // the first is the oldest
		}
	}
	slices.SortFunc(known.events, func(a, b recalled) int { return a.compare(b.id) })
	return known, rows.Err()
}

func (k *recall) id(name, msgID string) [2]uint64 {
	var id [2]uint64
	for i, seed := range k.seeds {
		var h maphash.Hash
		h.SetSeed(seed)
		_, _ = h.WriteString(name)
		_ = h.WriteByte(0)
		_, _ = h.WriteString(msgID)
		id[i] = h.Sum64()
	}
	return id
}

// read takes in what the streams have stored since the last time.
func (k *recall) read(ctx context.Context) error {
	var holds time.Time
	for _, n := range k.names {
		until, err := n.stored.Next(ctx, func(msgID string) { k.mark(k.id(n.name, msgID)) })
		if err != nil {
			return err
		}
		if holds.IsZero() || until.Before(holds) {
			holds = until
		}
	}
	k.until = holds
	return nil
}

// mark notes that all events of an id are stored.
func (k *recall) mark(id [2]uint64) {
	i, found := slices.BinarySearchFunc(k.events, id, recalled.compare)
	for ; found && i < len(k.events) && k.events[i].id == id; i++ {
		k.stored[k.events[i].seq] = struct{}{}
	}
}

// has says whether an event is stored.
func (k *recall) has(r *row) bool {
	_, ok := k.stored[r.seq]
	return ok
}
