package leases

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Group is a set of keys that the members which have the group share. Safe for concurrent use.
type Group struct {
	m    *Member
	name string
	opts GroupOptions
	log  *logrus.Entry

	wake    chan struct{} // has room for one: something may be to be taken or given up
	changed chan struct{} // has room for one: OnChange is to be called
	ctx     context.Context
	cancel  context.CancelFunc
	loops   sync.WaitGroup
	runs    sync.WaitGroup

	// Under Member.mu:
	number    int               // in the node's entry; 0 before the first Want
	wanted    map[string]string // Apart by key
	leases    map[string]*Lease // until their Run has returned and the store was written
	free      map[string]time.Time
	unwanted  map[string]time.Time
	nodes     string    // the live sessions at the last look
	lastGive  time.Time // when leases were given up for balance
	keepUntil time.Time // none are given up for balance before
	closing   bool
	slow      bool     // closing takes long: each lease is given up as soon as its Run has returned
	returned  []*Lease // those that have nothing to write, while the group closes
	closed    chan struct{}
}

const (
	// lookEvery is how often a group looks for what to do where nothing wakes it.
	lookEvery = 500 * time.Millisecond
	// lookPause is the shortest time between two looks.
	lookPause = 20 * time.Millisecond
	// takeAtOnce bounds the keys that are taken between two looks.
	takeAtOnce = 1024
	// slowClose is how long a group that closes waits for all runs before it gives their leases up one by one.
	slowClose = 300 * time.Millisecond
	// runPause is the pause before Run is called again.
	runPause = 100 * time.Millisecond
)

func newGroup(m *Member, name string, opts GroupOptions) *Group {
	g := &Group{
		m: m, name: name, opts: opts, log: opts.Log,
		wake: make(chan struct{}, 1), changed: make(chan struct{}, 1), closed: make(chan struct{}),
		wanted: map[string]string{}, leases: map[string]*Lease{},
		free: map[string]time.Time{}, unwanted: map[string]time.Time{},
	}
	if g.log == nil {
		g.log = m.log
	}
	g.log = g.log.WithField("group", name)
	g.ctx, g.cancel = context.WithCancel(m.ctx)
	g.loops.Go(g.look)
	if opts.OnChange != nil {
		g.loops.Go(g.notify)
	}
	return g
}

// Want sets all keys that should have an owner. A key that is not in the list any more is given up, and its entry is
// deleted some minutes later. The member takes no key of the group before the first call. The same list again changes
// nothing.
func (g *Group) Want(keys []Wanted) {
	wanted := make(map[string]string, len(keys))
	for _, w := range keys {
		wanted[w.Key] = w.Apart
	}
	m := g.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if g.closing || g.number != 0 && maps.Equal(g.wanted, wanted) {
		return
	}
	g.wanted = wanted
	for key, l := range g.leases {
		if _, ok := wanted[key]; !ok {
			l.giveUp("")
		}
	}
	if g.number == 0 {
		m.number++
		g.number = m.number
		signal(m.renewNow)
	}
	signal(g.wake)
	signal(g.changed)
}

// Owners returns who owns the wanted keys, in the order of the keys.
func (g *Group) Owners() []Owner {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	list := make([]Owner, 0, len(g.wanted))
	for key := range g.wanted {
		list = append(list, g.owner(key))
	}
	slices.SortFunc(list, func(a, b Owner) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// Owner returns who owns a key, whether it is wanted or not.
func (g *Group) Owner(key string) Owner {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	return g.owner(key)
}

func (g *Group) owner(key string) Owner {
	o := Owner{Key: key}
	e := g.m.tables[g.name][key]
	if l := g.leases[key]; l != nil && l.Valid() {
		r := l.record()
		return Owner{
			Key: key, Node: g.m.node, Epoch: r.Epoch, State: r.State, Shared: r.Shared, Since: time.UnixMilli(r.Since),
			Mine: true,
		}
	}
	if e == nil {
		return o
	}
	o.Epoch, o.Shared = e.Epoch, e.Shared
	if s := g.m.session; g.m.owned(g.name, e) && (s == nil || e.Session != s.id) {
		o.Node, o.State, o.Since = e.Node, e.State, time.UnixMilli(e.Since)
	}
	return o
}

func (g *Group) notify() {
	for {
		select {
		case <-g.changed:
			g.opts.OnChange()
		case <-g.ctx.Done():
			return
		}
	}
}

// look takes keys and gives keys up until the group closes.
func (g *Group) look() {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		select {
		case <-g.wake:
		case <-timer.C:
		case <-g.ctx.Done():
			return
		}
		pause := g.act()
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-g.ctx.Done():
			return
		}
		timer.Reset(lookEvery)
	}
}

// act does what is to be done now, and returns the pause before the next look.
func (g *Group) act() time.Duration {
	m := g.m
	m.mu.Lock()
	p := g.plan()
	for _, give := range p.give {
		give.lease.giveUp(give.node)
	}
	s := m.session
	m.mu.Unlock()
	if len(p.give) > 0 {
		g.log.WithField("connections", len(p.give)).Info("Connections are handed over to other nodes, for balance")
	}
	ok := each(p.take, func(t take) bool { return g.take(s, t) })
	ok = each(p.remove, g.remove) && ok
	switch {
	case !ok:
		return retryWait
	case len(p.take) == takeAtOnce:
		signal(g.wake)
	}
	return lookPause
}

// each calls do for all items, some at once, until it returns false for one.
func each[T any](items []T, do func(T) bool) bool {
	var workers sync.WaitGroup
	var mu sync.Mutex
	next, ok := 0, true
	for range min(parallelWrites, len(items)) {
		workers.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(items) {
					return
				}
				if !do(items[i]) {
					mu.Lock()
					next, ok = len(items), false
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	return ok
}

// take takes a key and starts its Run. It returns false if the store does not answer.
func (g *Group) take(s *session, t take) bool {
	m := g.m
	ctx, cancel := context.WithTimeout(s.ctx, callTimeout)
	defer cancel()
	defer context.AfterFunc(g.ctx, cancel)()
	if t.old.Session != "" && t.old.Session != s.id {
		vacant, err := m.vacant(ctx, owner{t.old.Session, g.name, t.old.Number})
		if err != nil || !vacant {
			return err == nil
		}
	}
	record := keyRecord{
		Node: m.node, Session: s.id, Number: g.number, Epoch: t.old.Epoch + 1, Since: m.now().UnixMilli(),
		Cursor: t.old.Cursor, Shared: t.old.Shared,
	}
	if !s.valid() {
		return true
	}
	key := g.name + "/" + t.key
	revision, err := m.store.Put(ctx, key, encode(record), t.old.revision)
	if errors.Is(err, ErrConflict) { // another node was faster
		e, err := m.store.Get(ctx, key)
		if err != nil {
			return false
		}
		m.replace(g.name, t.key, e)
		return true
	}
	if err != nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := newLease(g, s, t.key, record, revision)
	l.sticky = t.sticky
	m.remember(g.name, t.key, record, revision)
	g.leases[t.key] = l
	signal(g.changed)
	g.runs.Go(l.run)
	if _, wanted := g.wanted[t.key]; !wanted {
		l.giveUp("")
	}
	return true
}

// remember keeps what this member has written, before the watch tells of it. The caller holds m.mu.
func (m *Member) remember(group, key string, record keyRecord, revision uint64) {
	if there := m.table(group)[key]; there == nil || there.revision < revision {
		m.set(group, key, &keyEntry{record, revision})
	}
}

// replace sets the entry of a key as the store has it now. Unlike the watch it may go back to an older revision: after
// a failure a store may have lost its latest writes.
func (m *Member) replace(group, key string, e Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.Value == nil {
		m.set(group, key, nil)
		return
	}
	m.set(group, key, &keyEntry{decode[keyRecord](e.Value), e.Revision})
}

// remove deletes the entry of a key that nobody wants. It returns false if the store does not answer.
func (g *Group) remove(t take) bool {
	ctx, cancel := context.WithTimeout(g.ctx, callTimeout)
	defer cancel()
	if t.old.Session != "" {
		vacant, err := g.m.vacant(ctx, owner{t.old.Session, g.name, t.old.Number})
		if err != nil || !vacant {
			return err == nil
		}
	}
	err := g.m.store.Delete(ctx, g.name+"/"+t.key, t.old.revision)
	return err == nil || errors.Is(err, ErrConflict)
}

// Close gives the leases of the group up: other members take them over at once. When ctx ends, leases whose Run has not
// returned end all the same; the error is then that of ctx.
func (g *Group) Close(ctx context.Context) error {
	err := g.stop(ctx)
	m := g.m
	for {
		m.mu.Lock()
		s, changed := m.session, m.changed
		m.mu.Unlock()
		if s == nil || m.ctx.Err() != nil || g.left(s) {
			return err
		}
		signal(m.renewNow)
		select {
		case <-changed:
		case <-m.ctx.Done():
		case <-ctx.Done():
			return errors.Join(err, &Error{Op: "close", Err: ctx.Err()})
		}
	}
}

// left says whether the node's entry has the group no more.
func (g *Group) left(s *session) bool {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	number := s.listed[g.name]
	return s.over.Load() || number != g.number && number != -g.number
}

// stop ends all runs and takes the group out of the member. The node's entry is written later.
func (g *Group) stop(ctx context.Context) error {
	m := g.m
	m.mu.Lock()
	if g.closing {
		m.mu.Unlock()
		select {
		case <-g.closed:
			return nil
		case <-ctx.Done():
			return &Error{Op: "close", Err: ctx.Err()}
		}
	}
	g.closing = true
	m.mu.Unlock()
	signal(m.renewNow) // others count no more on this node
	g.cancel()
	g.loops.Wait()
	m.mu.Lock()
	held := len(g.leases)
	for _, l := range g.leases {
		l.cancel()
	}
	m.mu.Unlock()
	err := g.waitRuns(ctx)
	m.mu.Lock()
	for _, l := range g.leases { // their runs do not end
		l.lose()
	}
	for _, l := range g.returned {
		l.over.Store(true)
	}
	if m.groups[g.name] == g {
		delete(m.groups, g.name)
	}
	m.mu.Unlock()
	close(g.closed)
	if held > 0 {
		g.log.WithField("connections", held).Info("Connections are handed over to other nodes, because this one stops")
	}
	return err
}

// waitRuns waits until all leases are ended.
func (g *Group) waitRuns(ctx context.Context) error {
	done := make(chan struct{})
	go func() { g.runs.Wait(); close(done) }()
	slow := time.NewTimer(slowClose)
	defer slow.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-slow.C:
			g.m.mu.Lock()
			g.slow = true
			returned := g.returned
			g.returned = nil
			g.m.mu.Unlock()
			_ = each(returned, func(l *Lease) bool {
				_ = l.release(ctx) // where it fails the group's end ends the lease
				l.over.Store(true)
				return true
			})
		case <-ctx.Done():
			return &Error{Op: "close", Err: ctx.Err()}
		}
	}
}

// give is a lease to be given up, and the node that should have it.
type give struct {
	lease *Lease
	node  string
}

// take is a key to be taken, and its entry.
type take struct {
	key    string
	old    keyEntry
	sticky bool
}

// compareTakes orders keys.
func compareTakes(a, b take) int { return cmp.Compare(a.key, b.key) }
