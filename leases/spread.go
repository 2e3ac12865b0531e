package leases

import (
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

const (
	// freeAfter is how long a key may be free before any node takes it, not only the one that should.
	freeAfter = 750 * time.Millisecond
	// giveEvery and giveAtOnce bound how fast a node gives leases up for balance.
	giveEvery  = 500 * time.Millisecond
	giveAtOnce = 20
	// keepFor is how long a node gives nothing up after it took a key that another one should have taken but did not.
	keepFor = time.Minute
	// removeAfter is how long nobody must want a key before its entry is deleted. A node that comes back later finds no
	// cursor.
	removeAfter = 10 * time.Minute
)

// plan is what a group does next.
type plan struct {
	take   []take
	give   []give
	remove []take
}

// spread is how the keys of a group lie on the nodes. All members that see the same entries make the same of it.
type spread struct {
	group string
	nodes []*spreadNode
	me    *spreadNode
	share int // no node should have more
	floor int // no node should have less
}

type spreadNode struct {
	session string
	name    string
	count   int
	quiet   bool // its renewal is late
	leaving bool
}

// apart are the nodes that have a key, by Apart.
type apart map[string]map[string]bool

func (a apart) add(value, node string) {
	if value == "" {
		return
	}
	if a[value] == nil {
		a[value] = map[string]bool{}
	}
	a[value][node] = true
}

// plan looks at all keys and says what this member does. The caller holds Member.mu.
func (g *Group) plan() plan {
	m, s, now := g.m, g.m.session, g.m.now()
	if s == nil || !s.valid() || g.closing || g.number == 0 || s.listed[g.name] != g.number {
		return plan{}
	}
	sp := g.spread(now)
	if sp.me == nil {
		return plan{}
	}
	apart, free, table := apart{}, []take{}, m.tables[g.name]
	byID := map[string]*spreadNode{}
	for _, n := range sp.nodes {
		byID[n.session] = n
	}
	var p plan
	for key, value := range g.wanted {
		e := table[key]
		if l := g.leases[key]; l != nil {
			if !l.givenUp && l.Valid() {
				sp.me.count++
				apart.add(value, sp.me.name)
			}
			continue
		}
		if e == nil {
			e = &keyEntry{}
		}
		switch t := (take{key: key, old: *e}); {
		case e.Session == s.id && e.Number == g.number: // it was taken and the answer was lost
			sp.me.count++
			apart.add(value, sp.me.name)
			p.take = append(p.take, t)
		case !m.owned(g.name, e):
			free = append(free, t)
		default:
			if n := byID[e.Session]; n != nil {
				n.count++
			}
			apart.add(value, e.Node)
		}
	}
	p.take = append(p.take, g.assign(sp, free, apart, now)...)
	p.take = p.take[:min(len(p.take), takeAtOnce)]
	p.give = g.surplus(sp, apart, now)
	p.remove = g.leftovers(now)
	return p
}

// spread returns the live nodes of the group, without their keys.
func (g *Group) spread(now time.Time) *spread {
	sp := &spread{group: g.name}
	var ids []string
	present := 0
	for id, p := range g.m.peers {
		number := p.Groups[g.name]
		if number == 0 {
			continue
		}
		n := &spreadNode{session: id, name: p.Node, quiet: now.Sub(p.changed) > quietAfter, leaving: number < 0}
		sp.nodes = append(sp.nodes, n)
		if id == g.m.session.id {
			n.quiet = false
			sp.me = n
		}
		if !n.leaving {
			present++
			ids = append(ids, id)
		}
	}
	slices.SortFunc(sp.nodes, func(a, b *spreadNode) int { return strings.Compare(a.session, b.session) })
	if present > 0 {
		sp.share = (len(g.wanted) + present - 1) / present
		sp.floor = len(g.wanted) / present
	}
	slices.Sort(ids)
	if nodes := strings.Join(ids, " "); nodes != g.nodes {
		g.nodes, g.keepUntil = nodes, time.Time{}
		for _, l := range g.leases {
			l.sticky = false
		}
	}
	return sp
}

// assign shares free keys out and returns those that this member takes.
func (g *Group) assign(sp *spread, free []take, apart apart, now time.Time) []take {
	slices.SortFunc(free, compareTakes)
	since := make(map[string]time.Time, len(free))
	var mine []take
	for _, t := range free {
		began, known := g.free[t.key]
		if !known {
			began = now
		}
		since[t.key] = began
		value := g.wanted[t.key]
		n := sp.best(t.key, t.old.Node, apart[value], sp.share)
		if n == nil { // those with room have a key of the same Apart
			n = sp.best(t.key, t.old.Node, apart[value], len(g.wanted))
		}
		if n != sp.me && now.Sub(began) >= freeAfter && !apart[value][sp.me.name] {
			n, t.sticky = sp.me, true
			g.keepUntil = now.Add(keepFor)
		}
		if n == nil {
			continue
		}
		n.count++
		apart.add(value, n.name)
		if n == sp.me {
			mine = append(mine, t)
		}
	}
	g.free = since
	return mine
}

// best returns the node that should have a key: the one that had it last or should have it now, else the one whose hash
// with the key is the highest (rendezvous hashing: when a node goes, only its keys move). It returns nil if all have
// most keys or one of the same Apart.
func (sp *spread) best(key, last string, taken map[string]bool, most int) *spreadNode {
	var found *spreadNode
	var highest uint64
	for _, n := range sp.nodes {
		if n.quiet || n.leaving || n.count >= most || taken[n.name] {
			continue
		}
		if n.name == last {
			return n
		}
		if h := weight(sp.group, key, n.name); found == nil || h > highest {
			found, highest = n, h
		}
	}
	return found
}

func weight(group, key, node string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(group + "/" + key + "/" + node))
	x := h.Sum64() // FNV alone mixes the last bytes too little
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// surplus returns leases to be given up because other nodes have too few. Only who has more than its share gives, or,
// where all have at most their share, the one that has the most.
func (g *Group) surplus(sp *spread, apart apart, now time.Time) []give {
	room := map[*spreadNode]int{}
	for _, n := range sp.nodes {
		if missing := sp.floor - n.count; missing > 0 && !n.quiet && !n.leaving && n != sp.me {
			room[n] = missing
		}
	}
	least := sp.share
	if sp.me.count <= sp.share && sp.most() {
		least = sp.floor
	}
	count := min(giveAtOnce, sp.me.count-least)
	if len(room) == 0 || count <= 0 || now.Sub(g.lastGive) < giveEvery || now.Before(g.keepUntil) {
		return nil
	}
	var list []give
	for _, natural := range []bool{true, false} { // first those whose hash is another node's
		for key, l := range g.leases {
			if len(list) == count {
				break
			}
			if l.givenUp || l.sticky || !l.Valid() || slices.ContainsFunc(list, func(g give) bool { return g.lease == l }) {
				continue
			}
			n := sp.receiver(key, apart[g.wanted[key]], room, natural)
			if n == nil {
				continue
			}
			room[n]--
			apart.add(g.wanted[key], n.name)
			list = append(list, give{l, n.name})
		}
	}
	if len(list) > 0 {
		g.lastGive = now
	}
	return list
}

// most says whether no node has more keys than this one.
func (sp *spread) most() bool {
	return !slices.ContainsFunc(sp.nodes, func(n *spreadNode) bool {
		return n.count > sp.me.count || n.count == sp.me.count && n.session > sp.me.session
	})
}

// receiver returns the node with room that should have a key. natural says that it must have the highest hash of all.
func (sp *spread) receiver(key string, taken map[string]bool, room map[*spreadNode]int, natural bool) *spreadNode {
	var found *spreadNode
	var highest uint64
	for _, n := range sp.nodes {
		if !natural && (room[n] <= 0 || taken[n.name]) {
			continue
		}
		if h := weight(sp.group, key, n.name); found == nil || h > highest {
			found, highest = n, h
		}
	}
	if found == nil || room[found] <= 0 || taken[found.name] {
		return nil
	}
	return found
}

// leftovers returns entries to be deleted: those of keys that nobody owns and that this member has not wanted for long.
func (g *Group) leftovers(now time.Time) []take {
	since := map[string]time.Time{}
	var list []take
	for key, e := range g.m.tables[g.name] {
		if _, wanted := g.wanted[key]; wanted || g.leases[key] != nil || g.m.owned(g.name, e) && !g.mine(e) {
			continue
		}
		began, known := g.unwanted[key]
		if !known {
			began = now
		}
		since[key] = began
		if now.Sub(began) >= removeAfter {
			list = append(list, take{key: key, old: *e})
		}
	}
	g.unwanted = since
	return list
}

// mine says whether an entry is this group's, though it may have no lease.
func (g *Group) mine(e *keyEntry) bool { return e.Session == g.m.session.id && e.Number == g.number }
