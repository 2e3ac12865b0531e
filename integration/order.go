package integration

import (
	"context"
	"sync"
)

// sequencer makes those who do something about the same key do it in the order in which they joined. Nobody
// waits for those of another key. The zero value is ready.
type sequencer struct {
	mu   sync.Mutex
	last map[string]*place // of who joined last; nobody where all are done
}

// place is one's place behind those who joined before.
type place struct {
	of   *sequencer
	key  string
	left bool

	// Of the sequencer's mu:
	before *place        // nil: nobody is before
	done   bool          // this one and all before have left
	waited chan struct{} // closed when done; nil while nobody asks
}

// join takes the next place of a key. It must be left.
func (s *sequencer) join(key string) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = map[string]*place{}
	}
	p := &place{of: s, key: key, before: s.last[key]}
	s.last[key] = p
	return p
}

// turn is closed when all who were before are done; nil when they are.
func (p *place) turn() <-chan struct{} {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	if p.before == nil || p.before.done {
		p.before = nil
		return nil
	}
	if p.before.waited == nil {
		p.before.waited = make(chan struct{})
	}
	return p.before.waited
}

// wait returns when all who were before are done, or with ctx's error.
func (p *place) wait(ctx context.Context) error {
	turn := p.turn()
	if turn == nil {
		return nil
	}
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave lets the next one go on. Who gives up early lets nobody pass those who are still before. It may be
// called again.
func (p *place) leave() {
	if p.left {
		return
	}
	p.left = true
	turn := p.turn()
	if turn == nil {
		p.end()
		return
	}
	go func() {
		<-turn
		p.end()
	}()
}

func (p *place) end() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.done, p.before = true, nil
	if p.of.last[p.key] == p {
		delete(p.of.last, p.key)
	}
	if p.waited != nil {
		close(p.waited)
	}
}
