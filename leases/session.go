package leases

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	// renewEvery is the time between the starts of two renewals.
	renewEvery = 3 * time.Second
	// validFor is how long a session is valid after the start of a renewal.
	validFor = 8 * time.Second
	// deadAfter is how long others must have seen no renewal to end a session. It is longer than validFor: the owner stops
	// before others begin.
	deadAfter = 10 * time.Second
	// quietAfter is how long others must have seen no renewal to give a session no more keys.
	quietAfter = 5 * time.Second
	// retryWait is the pause after the store failed.
	retryWait = 500 * time.Millisecond
	// callTimeout bounds one call of the store.
	callTimeout = 2 * time.Second
	// joinWait is how long a session that finds traces of other nodes waits for them before it has groups. After an outage
	// of the store all nodes come back within it.
	joinWait = time.Second
)

// session is a time in which this node may own keys. It ends when the node could not renew it, and does not come back.
type session struct {
	m      *Member
	id     string
	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	over   atomic.Bool
	until  atomic.Pointer[moment] // nil before the first renewal

	// Of the goroutine that renews:
	revision uint64
	beat     uint64

	// Under Member.mu:
	listed    map[string]int // what the last renewal has written
	restUntil time.Time      // it has no groups before
	expiry    *time.Timer
	held      int // leases when it ended
}

// moment is a time on two clocks of this process. The monotonic one may stand still while the machine sleeps, the other
// one may be set back. A session ends by the one that comes first.
type moment struct {
	monotonic time.Duration // since Member.base
	wall      int64         // Unix ns
}

func (s *session) valid() bool {
	until := s.until.Load()
	if until == nil || s.over.Load() {
		return false
	}
	now := s.m.now()
	return now.Sub(s.m.base) < until.monotonic && now.UnixNano() < until.wall
}

// end ends the session. The caller holds Member.mu.
func (s *session) end() {
	if s.over.Swap(true) {
		return
	}
	for _, g := range s.m.groups {
		s.held += len(g.leases)
	}
	s.cancel()
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.m.broadcast()
	s.m.notifyGroups()
}

// live keeps this node in sessions, one after the other, until the member is closed.
func (m *Member) live() {
	for m.waitSynced() {
		s := m.begin()
		for !s.over.Load() {
			pause := m.renew(s)
			m.wait(s, pause)
		}
		if m.ctx.Err() == nil {
			m.lost(s)
		}
		m.discard(s)
	}
}

func (m *Member) waitSynced() bool {
	for {
		m.mu.Lock()
		synced, changed := m.synced, m.changed
		m.mu.Unlock()
		if synced || m.ctx.Err() != nil {
			return m.ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-m.ctx.Done():
		}
	}
}

// begin makes the next session.
func (m *Member) begin() *session {
	s := &session{m: m, id: newSession(), listed: map[string]int{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.othersSeen() {
		s.restUntil = m.now().Add(joinWait)
	}
	m.session = s
	if m.ctx.Err() != nil {
		s.end()
	}
	return s
}

// othersSeen says whether the store has traces of other nodes.
func (m *Member) othersSeen() bool {
	for _, p := range m.peers {
		if p.Node != m.node {
			return true
		}
	}
	for _, table := range m.tables {
		for _, e := range table {
			if e.Node != "" && e.Node != m.node {
				return true
			}
		}
	}
	return false
}

// wait waits for the next renewal, or for something that must be renewed at once.
func (m *Member) wait(s *session, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.renewNow:
	case <-s.ctx.Done():
	}
}

// renew writes the node's entry and returns the pause before the next renewal.
func (m *Member) renew(s *session) time.Duration {
	if m.endLate(s) {
		return 0
	}
	groups, rest := m.groupsOf(s)
	s.beat++
	record := nodeRecord{Node: m.node, Groups: groups, Beat: s.beat}
	start := m.now()
	ctx, cancel := context.WithTimeout(s.ctx, callTimeout)
	defer cancel()
	revision, err := m.store.Put(ctx, nodePrefix+s.id, encode(record), s.revision)
	if errors.Is(err, ErrConflict) {
		return m.reread(ctx, s)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
	if err != nil {
		return retryWait
	}
	s.revision = revision
	if s.late() {
		s.end()
		return 0
	}
	until := start.Add(validFor)
	s.until.Store(&moment{until.Sub(m.base), until.UnixNano()})
	s.listed = groups
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.expiry = time.AfterFunc(until.Sub(m.now()), func() { m.endLate(s) })
	m.peers[s.id] = &peer{nodeRecord: record, revision: revision, changed: m.now()}
	m.broadcast()
	m.wakeGroups()
	if rest > 0 {
		return rest
	}
	return max(0, renewEvery-m.now().Sub(start))
}

// late says whether the session was valid and is not any more. What was not valid once stays so.
func (s *session) late() bool { return s.until.Load() != nil && !s.valid() }

// endLate ends a session that is late, and says whether it was.
func (m *Member) endLate(s *session) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	late := s.late()
	if late {
		s.end()
	}
	return late
}

// groupsOf returns the groups for the node's entry. There are none while the session rests; then it returns for how
// long.
func (m *Member) groupsOf(s *session) (groups map[string]int, rest time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	groups = map[string]int{}
	if rest = s.restUntil.Sub(m.now()); rest > 0 {
		return groups, rest
	}
	for name, g := range m.groups {
		if g.number != 0 {
			groups[name] = g.number
			if g.closing {
				groups[name] = -g.number
			}
		}
	}
	return groups, 0
}

// reread finds out why the node's entry has another revision. Nobody but this session writes it: an earlier renewal
// came through whose answer was lost. If it is gone, another node has seen no renewal for too long and has ended the
// session.
func (m *Member) reread(ctx context.Context, s *session) time.Duration {
	e, err := m.store.Get(ctx, nodePrefix+s.id)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil:
		m.err = err
		return retryWait
	case e.Value == nil:
		s.end()
	default:
		s.revision = e.Revision
	}
	return 0
}

// lost says what the end of a session means.
func (m *Member) lost(s *session) {
	m.mu.Lock()
	count, err := s.held, m.err
	m.mu.Unlock()
	if s.until.Load() == nil {
		return
	}
	entry := m.log.WithField("connections", count)
	if err != nil {
		entry = entry.WithError(err)
	}
	entry.Warn("This node could not renew its leases: it closes its connections, and other nodes may take them over")
}

// discard deletes the entry of a session that is over. If it cannot, other nodes do so later.
func (m *Member) discard(s *session) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	key := nodePrefix + s.id
	err := m.store.Delete(ctx, key, s.revision)
	if errors.Is(err, ErrConflict) {
		if e, getErr := m.store.Get(ctx, key); getErr == nil {
			err = m.store.Delete(ctx, key, e.Revision)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
	if err == nil {
		delete(m.peers, s.id)
	}
}

// reap ends the sessions of nodes that are dead, until the member is closed.
func (m *Member) reap() {
	tick := time.NewTicker(retryWait)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-m.ctx.Done():
			return
		}
		for _, p := range m.dead() {
			m.bringDown(p)
		}
	}
}

type deadPeer struct {
	id       string
	node     string
	revision uint64
	silent   time.Duration
}

// dead returns the sessions whose entries have not changed for too long. A node that is not valid itself ends none.
func (m *Member) dead() []deadPeer {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == nil || !m.session.valid() {
		return nil
	}
	var list []deadPeer
	for id, p := range m.peers {
		if silent := m.now().Sub(p.changed); id != m.session.id && silent > deadAfter {
			list = append(list, deadPeer{id, p.Node, p.revision, silent})
		}
	}
	return list
}

// bringDown deletes the entry of a session if nobody has renewed it: that ends the session for everyone.
func (m *Member) bringDown(p deadPeer) {
	ctx, cancel := context.WithTimeout(m.ctx, callTimeout)
	defer cancel()
	key := nodePrefix + p.id
	err := m.store.Delete(ctx, key, p.revision)
	if errors.Is(err, ErrConflict) { // it lives, and the watch is late
		if e, err := m.store.Get(ctx, key); err == nil {
			m.seen(p.id, e)
		}
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	there := m.peers[p.id]
	if err != nil || there == nil || there.revision != p.revision {
		return
	}
	delete(m.peers, p.id)
	m.log.WithFields(logrus.Fields{"owner": p.node, "silent": p.silent.Round(time.Millisecond).String()}).
		Warn("A node has not renewed its leases; its connections are taken over")
	m.notifyGroups()
}

// seen sets the entry of another session as the store has it now.
func (m *Member) seen(id string, e Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.peers, id)
	if e.Value != nil {
		m.peers[id] = &peer{nodeRecord: decode[nodeRecord](e.Value), revision: e.Revision, changed: m.now()}
	}
	m.notifyGroups()
}
