// Package redact removes secrets from texts that leave the process: logs, errors, events. It knows the values: code
// that reads a secret adds it here, and every text passes through here last.
package redact

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// Placeholder replaces a secret.
const Placeholder = "[redacted]"

// What Add takes, and for how long.
const (
	// minLength is that of the shortest value, in bytes: shorter ones occur in texts by chance.
	minLength = 6
	// disuse is how long a value is known after it was last added: that of a removed channel is not added any more.
	disuse = time.Hour
	// maxValues and maxBytes bound the set, the latter over all forms of the values. Those not added for longest make
	// room.
	maxValues = 1 << 17
	maxBytes  = 64 << 20
)

// How many values are looked at to find those in disuse: each second, and when one has to make room.
const (
	sweepEach = 64
	sweepRoom = 8
)

// Secrets is a set of values to remove. The zero value is ready to use, and safe for concurrent use. What adding one
// value costs does not depend on how many there are.
type Secrets struct {
	mu     sync.RWMutex
	values map[string]*value
	ring   []*value // of those that may be dropped, in no order
	hand   int      // where in the ring the next look begins
	bytes  int      // of all forms
	index  index

	limits limits // zero values take maxValues and maxBytes

	swept atomic.Int64 // when disuse was looked for last, in s since 1970
}

type limits struct{ values, bytes int }

// value is one secret.
type value struct {
	text  string
	forms []string
	place int          // in the ring, -1 for one that is kept
	added atomic.Int64 // when it was added last, in s since 1970
}

func (v *value) size() int {
	n := 0
	for _, form := range v.forms {
		n += len(form)
	}
	return n
}

// saidIn says whether a text contains the value in any form.
func (v *value) saidIn(text string) bool {
	for _, form := range v.forms {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

// Add has values removed from texts, also where a URL, JSON or Go's %q has escaped them. They are forgotten an hour
// after they were added last. Add ignores values that are short, common words or numbers, because they occur in texts
// by chance: otherwise a user who can choose a secret could remove words from logs.
func (s *Secrets) Add(values ...string) {
	now := time.Now().Unix()
	for _, v := range values {
		if len(v) < minLength || s.touch(v, now) || isOrdinary(v) {
			continue
		}
		s.mu.Lock()
		s.insert(v, now, false)
		s.mu.Unlock()
	}
	if last := s.swept.Load(); now > last && s.swept.CompareAndSwap(last, now) {
		s.mu.Lock()
		s.dropDisused(now)
		s.mu.Unlock()
	}
}

// Keep has values removed for ever, whatever their length. It is for the operator's own secrets, such as passwords of
// the configuration.
func (s *Secrets) Keep(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		if v != "" {
			s.insert(v, 0, true)
		}
	}
}

// touch notes that a value is in use. It returns false if the value is not known.
func (s *Secrets) touch(text string, now int64) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.values[text]
	if ok && v.added.Load() != now {
		v.added.Store(now)
	}
	return ok
}

func (s *Secrets) insert(text string, now int64, keep bool) {
	if v, ok := s.values[text]; ok {
		if keep {
			s.leaveRing(v)
		}
		return
	}
	v := &value{text: text, forms: forms(text), place: -1}
	v.added.Store(now)
	size := v.size()
	if !keep {
		values, bytes := cmp.Or(s.limits.values, maxValues), cmp.Or(s.limits.bytes, maxBytes)
		if size > bytes {
			return
		}
		for len(s.ring) > 0 && (len(s.ring) >= values || s.bytes+size > bytes) {
			s.makeRoom()
		}
		v.place = len(s.ring)
		s.ring = append(s.ring, v)
	}
	if s.values == nil {
		s.values = map[string]*value{}
	}
	s.values[text] = v
	s.bytes += size
	s.index.add(v)
}

// next is the value that the hand points at.
func (s *Secrets) next() *value {
	if s.hand >= len(s.ring) {
		s.hand = 0
	}
	v := s.ring[s.hand]
	s.hand++
	return v
}

// dropDisused checks some values and drops those that are not in use any more.
func (s *Secrets) dropDisused(now int64) {
	for range min(sweepEach, len(s.ring)) {
		if len(s.ring) == 0 {
			return
		}
		if v := s.next(); now-v.added.Load() > int64(disuse/time.Second) {
			s.drop(v)
			s.hand-- // another one stands there now
		}
	}
}

// makeRoom drops that of some values that was not added for longest.
func (s *Secrets) makeRoom() {
	oldest := s.next()
	for range min(sweepRoom, len(s.ring)) - 1 {
		if v := s.next(); v.added.Load() < oldest.added.Load() {
			oldest = v
		}
	}
	s.drop(oldest)
}

func (s *Secrets) drop(v *value) {
	s.leaveRing(v)
	delete(s.values, v.text)
	s.bytes -= v.size()
	s.index.remove(v)
}

// leaveRing has the last of the ring take a value's place.
func (s *Secrets) leaveRing(v *value) {
	if v.place < 0 {
		return
	}
	last := len(s.ring) - 1
	s.ring[v.place] = s.ring[last]
	s.ring[v.place].place = v.place
	s.ring[last] = nil
	s.ring = s.ring[:last]
	v.place = -1
}

// Redact returns text with a placeholder for each secret, and for the user and password in each URL.
func (s *Secrets) Redact(text string) string { return s.redact(text, nil) }

// RedactExcept is [Secrets.Redact] for a caller who sent said. It leaves what the caller sent: otherwise a caller could
// find out by guessing which values are secrets.
func (s *Secrets) RedactExcept(text, said string) string {
	return s.redact(text, func(v *value) bool { return v.saidIn(said) })
}

func (s *Secrets) redact(text string, leave func(*value) bool) string {
	s.mu.RLock()
	clean := s.index.replace(text, leave)
	s.mu.RUnlock()
	return URLs(clean)
}

// Levels implements logrus.Hook.
func (s *Secrets) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook: it removes secrets from a log entry's message and fields. A time.Duration is shown as a
// number of milliseconds.
func (s *Secrets) Fire(entry *logrus.Entry) error {
	entry.Message = s.Redact(entry.Message)
	clean := make(logrus.Fields, len(entry.Data))
	for k, v := range entry.Data {
		switch v := v.(type) {
		case string:
			clean[k] = s.Redact(v)
		case error:
			clean[k] = s.Redact(v.Error())
		case time.Duration:
			clean[k] = v.Milliseconds()
		case bool, int, int64, uint64, float64:
			clean[k] = v
		default:
			clean[k] = s.Redact(fmt.Sprint(v))
		}
	}
	entry.Data = clean // not in place: the map is shared with the entry that this one was derived from
	return nil
}
