package leases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Member is this node among the nodes that share a store. Safe for concurrent use.
type Member struct {
	store    Store
	node     string
	log      *logrus.Entry
	now      func() time.Time
	base     time.Time // when the member began
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	renewNow chan struct{} // has room for one
	writes   chan struct{} // has room for those that may run at once

	mu      sync.Mutex
	begun   bool
	changed chan struct{} // closed and replaced when the session or a turn changed
	synced  bool          // all entries were read
	session *session      // the newest; nil before the first
	err     error         // of the last renewal
	groups  map[string]*Group
	number  int // of the last group
	// What the watch has told of:
	peers  map[string]*peer                // by session
	tables map[string]map[string]*keyEntry // by group and key
	turns  map[string]*turn
	// vacated are the owners of whom the store was asked whether they are gone, and they were. They do not come back.
	vacated map[owner]bool
}

// peer is a session as this member sees it.
type peer struct {
	nodeRecord
	revision uint64
	changed  time.Time // when this member saw the revision first, by its own clock
}

// keyEntry is the entry of a key as this member sees it.
type keyEntry struct {
	keyRecord
	revision uint64
}

// turn is the entry of a turn as this member sees it.
type turn struct {
	revision uint64
	changed  time.Time // as in peer
}

// owner is a group of a session.
type owner struct {
	session, group string
	number         int
}

// parallelWrites is how many keys a member writes at once.
const parallelWrites = 64

// NewMember returns a member that begins to take part with its first group or turn; before that it asks the store
// nothing. [Member.Close] ends it. The store may be away: the member owns nothing until it comes.
func NewMember(store Store, opts Options) *Member {
	m := &Member{
		store: store, node: opts.Node, log: opts.Log, now: opts.Now,
		renewNow: make(chan struct{}, 1), writes: make(chan struct{}, parallelWrites), changed: make(chan struct{}),
		groups: map[string]*Group{}, peers: map[string]*peer{}, tables: map[string]map[string]*keyEntry{},
		turns: map[string]*turn{}, vacated: map[owner]bool{},
	}
	if m.log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		m.log = logrus.NewEntry(silent)
	}
	if m.now == nil {
		m.now = time.Now
	}
	m.base = m.now()
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// takePart makes the member take part. The caller holds m.mu, and the member is not closed.
func (m *Member) takePart() {
	if m.begun {
		return
	}
	m.begun = true
	m.wg.Go(func() { _ = m.store.Watch(m.ctx, m.observe) }) // its error is that of ctx
	m.wg.Go(m.live)
	m.wg.Go(m.reap)
}

// errNotJoined says that no renewal has come through yet.
var errNotJoined = errors.New("the store has not answered yet")

// Check returns why this member can own nothing now, nil if it can. It does not ask the store.
func (m *Member) Check() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.ctx.Err() != nil:
		return &Error{Op: "check", Rejected: true, Err: ErrClosed}
	case !m.begun: // there is nothing to own
		return nil
	case m.session != nil && m.session.valid():
		return nil
	case m.err != nil:
		return m.err
	}
	return &Error{Op: "check", Err: errNotJoined}
}

// Group opens the group of a name, which has no slash. A member has a group only once. The error is permanent.
func (m *Member) Group(name string, opts GroupOptions) (*Group, error) {
	refuse := func(err error) (*Group, error) { return nil, &Error{Op: "group", Rejected: true, Err: err} }
	if name == "" || strings.Contains(name, "/") || name+"/" == nodePrefix || name+"/" == turnPrefix {
		return refuse(fmt.Errorf("a group cannot have the name %q", name))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.ctx.Err() != nil:
		return refuse(ErrClosed)
	case m.groups[name] != nil:
		return refuse(fmt.Errorf("the group %s is open", name))
	}
	m.takePart()
	g := newGroup(m, name, opts)
	m.groups[name] = g
	return g, nil
}

// Close gives all leases up: other members take them over at once. When ctx ends, leases whose Run has not returned end
// all the same; the error is then that of ctx. The store stays open.
func (m *Member) Close(ctx context.Context) error {
	m.mu.Lock()
	groups := make([]*Group, 0, len(m.groups))
	for _, g := range m.groups {
		groups = append(groups, g)
	}
	m.mu.Unlock()
	errs := make([]error, len(groups))
	var closing sync.WaitGroup
	for i, g := range groups {
		closing.Go(func() { errs[i] = g.stop(ctx) })
	}
	closing.Wait()
	m.mu.Lock()
	m.cancel()
	if m.session != nil {
		m.session.end()
	}
	m.mu.Unlock()
	m.wg.Wait()
	return errors.Join(errs...)
}

// broadcast wakes all that wait for a change of the session or of a turn. The caller holds m.mu.
func (m *Member) broadcast() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *Member) wakeGroups() {
	for _, g := range m.groups {
		signal(g.wake)
	}
}

func (m *Member) notifyGroups() {
	for _, g := range m.groups {
		signal(g.wake)
		signal(g.changed)
	}
}

// signal wakes the goroutine that reads a channel with room for one.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default: // it is awake
	}
}

// observe takes what the watch tells of.
func (m *Member) observe(e Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	group, key, _ := strings.Cut(e.Key, "/")
	switch group + "/" {
	case "/":
		if !m.synced {
			m.synced = true
			m.broadcast()
		}
	case nodePrefix:
		m.observeNode(key, e)
	case turnPrefix:
		m.observeTurn(key, e)
	default:
		m.observeKey(group, key, e)
	}
}

func (m *Member) observeNode(id string, e Entry) {
	there := m.peers[id]
	if there != nil && e.Revision < there.revision {
		return
	}
	if e.Value == nil {
		delete(m.peers, id)
		if s := m.session; s != nil && s.id == id && !s.over.Load() {
			s.end() // another node has ended it
		}
		m.notifyGroups()
		return
	}
	if there != nil && e.Revision == there.revision {
		return
	}
	record := decode[nodeRecord](e.Value)
	m.peers[id] = &peer{nodeRecord: record, revision: e.Revision, changed: m.now()}
	if there == nil || len(record.Groups) != len(there.Groups) {
		m.notifyGroups()
		return
	}
	for name, number := range record.Groups {
		if there.Groups[name] != number {
			m.notifyGroups()
			return
		}
	}
}

// table returns the entries of a group by key. The caller holds m.mu.
func (m *Member) table(group string) map[string]*keyEntry {
	if m.tables[group] == nil {
		m.tables[group] = map[string]*keyEntry{}
	}
	return m.tables[group]
}

func (m *Member) observeKey(group, key string, e Entry) {
	there := m.table(group)[key]
	if there != nil && (e.Revision < there.revision || e.Value != nil && e.Revision == there.revision) {
		return
	}
	var now *keyEntry
	if e.Value != nil {
		now = &keyEntry{decode[keyRecord](e.Value), e.Revision}
	}
	m.set(group, key, now)
	g := m.groups[group]
	if g == nil {
		return
	}
	l := g.leases[key]
	if l != nil && e.Revision > l.revision.Load() && (now == nil || !now.sameOwner(l.record())) {
		l.lose()
	}
}

// set sets the entry of a key, nil for none, and wakes the group where the change matters to it. The caller holds m.mu.
func (m *Member) set(group, key string, now *keyEntry) {
	table := m.table(group)
	there := table[key]
	if now == nil {
		delete(table, key)
	} else {
		table[key] = now
	}
	g := m.groups[group]
	switch {
	case g == nil || there == nil && now == nil:
	case there == nil || now == nil || !there.sameOwner(now.keyRecord):
		signal(g.wake)
		signal(g.changed)
	case !bytes.Equal(there.State, now.State) || !bytes.Equal(there.Shared, now.Shared):
		signal(g.changed)
	}
}

// owned says whether a live session owns the entry, as far as this member sees. The caller holds m.mu.
func (m *Member) owned(group string, e *keyEntry) bool {
	p := m.peers[e.Session]
	return e.Session != "" && p != nil && p.has(group, e.Number)
}

// vacant asks the store whether the owner of an entry is gone. What this member sees may be late.
func (m *Member) vacant(ctx context.Context, o owner) (bool, error) {
	m.mu.Lock()
	known := m.vacated[o]
	m.mu.Unlock()
	if known {
		return true, nil
	}
	e, err := m.store.Get(ctx, nodePrefix+o.session)
	if err != nil {
		return false, err
	}
	if e.Value != nil && decode[nodeRecord](e.Value).has(o.group, o.number) {
		return false, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.vacated) > 1000 { // it saves reads and is no more than that
		clear(m.vacated)
	}
	m.vacated[o] = true
	return true, nil
}
