package integration

import (
	"context"
	"sync"
)

// sequencer makes those who do something about the same key do it in the order in which they joined. Nobody
// waits for those of another key. The zero value is ready.
type sequencer struct {
	mu   sync.Mutex
	last map[string]chan struct{} // closed when the last one who joined is done
}

// place is one's place behind those who joined before.
type place struct {
	of     *sequencer
	key    string
	before <-chan struct{} // nil: nobody is before
	own    chan struct{}
	left   bool
}

// join takes the next place of a key. It must be left.
func (s *sequencer) join(key string) *place {
	p := &place{of: s, key: key, own: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = map[string]chan struct{}{}
	}
	p.before, s.last[key] = s.last[key], p.own
	return p
}

// wait returns when all who were before are done, or with ctx's error.
func (p *place) wait(ctx context.Context) error {
	if p.before == nil {
		return nil
	}
	select {
	case <-p.before:
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
	if p.before != nil {
		select {
		case <-p.before:
		default:
			go func() {
				<-p.before
				p.done()
			}()
			return
		}
	}
	p.done()
}

func (p *place) done() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	if p.of.last[p.key] == p.own {
		delete(p.of.last, p.key)
	}
	close(p.own)
}
