package datasource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/singleflight"
)

const (
	openTimeout  = 30 * time.Second
	closeTimeout = 10 * time.Second
	// The pauses between attempts to open a datasource double from the first to the longest.
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
	// waitLog is the time between two log lines about a datasource that does not open.
	waitLog = 5 * time.Second
)

// Set has the datasources of a service. Safe for concurrent use.
type Set struct {
	log     *logrus.Entry
	entries []*entry // in the order of the definitions
	checks  singleflight.Group

	mu      sync.Mutex // one Open or Close at a time
	opened  bool
	unwatch func() // stops the watcher and waits for its end
}

// entry is a datasource and its instance.
type entry struct {
	Definition
	instance atomic.Pointer[any] // nil while it is not open
	last     finding             // of the last check; only the running check uses it
}

// NewSet returns a set of datasources, which is not open yet. The error joins all faults of the definitions.
func NewSet(log *logrus.Entry, definitions ...Definition) (*Set, error) {
	s := &Set{log: log}
	var faults []error
	for i, d := range definitions {
		if d.Name == "" {
			faults = append(faults, fmt.Errorf("datasource %d has no name", i+1))
		} else if s.find(d.Name) != nil {
			faults = append(faults, fmt.Errorf("there are two datasources %q", d.Name))
		}
		if d.Invalid != nil {
			faults = append(faults, fmt.Errorf("datasource %q: %w", d.Name, d.Invalid))
		} else if d.Open == nil {
			faults = append(faults, fmt.Errorf("datasource %q: there is no function to open it", d.Name))
		}
		s.entries = append(s.entries, &entry{Definition: d})
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
}

func (s *Set) find(name string) *entry {
	for _, e := range s.entries { // few enough
		if e.Name == name {
			return e
		}
	}
	return nil
}

// Open opens the datasources in order and then checks them every five seconds to log outages. It waits for datasources
// that cannot be reached yet. If one fails, the earlier ones are closed again. ctx bounds only Open itself. A closed
// set may be opened again.
func (s *Set) Open(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened {
		return errors.New("the datasources are open already")
	}
	for _, e := range s.entries {
		if err := s.open(ctx, e); err != nil {
			err = fmt.Errorf("open datasource %q: %w", e.Name, err)
			return errors.Join(err, s.closeAll(context.WithoutCancel(ctx)))
		}
	}
	s.opened = true
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	var watcher sync.WaitGroup
	watcher.Go(func() { s.watch(watching) })
	s.unwatch = func() { stop(); watcher.Wait() }
	return nil
}

func (s *Set) open(ctx context.Context, e *entry) error {
	ctx, cancel := withOpenTimeout(ctx, e.Timeout)
	defer cancel()
	var last atomic.Pointer[error] // the error of the last attempt
	defer s.logWaiting(ctx, e.Name, &last)()
	var reason error // the error of the last attempt that ctx did not end
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		instance, err := e.Open(s.Context(ctx))
		if err == nil {
			e.instance.Store(&instance)
			return nil
		}
		if reason == nil || ctx.Err() == nil {
			reason = err
			last.Store(&err)
		}
		if !MayPass(reason) {
			return reason
		}
		if pause == firstPause {
			s.log.WithError(err).WithField("datasource", e.Name).Warn("waiting for a datasource")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; no longer waited for: %w", reason, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// withOpenTimeout returns a context with the datasource's own timeout, else the deadline of ctx, else openTimeout.
func withOpenTimeout(ctx context.Context, own time.Duration) (context.Context, context.CancelFunc) {
	if _, bounded := ctx.Deadline(); bounded && own == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, cmp.Or(own, openTimeout))
}

// logWaiting logs every few seconds that a datasource is not open yet, until stop is called.
func (s *Set) logWaiting(ctx context.Context, name string, last *atomic.Pointer[error]) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var saying sync.WaitGroup
	saying.Go(func() {
		ticker := time.NewTicker(waitLog)
		defer ticker.Stop()
		for began := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case now := <-ticker.C:
				entry := s.log.WithField("datasource", name)
				if err := last.Load(); err != nil {
					entry = entry.WithError(*err)
				}
				entry.Warnf("still waiting for a datasource, since %s", now.Sub(began).Round(time.Second))
			}
		}
	})
	return func() { cancel(); saying.Wait() }
}

// Close closes the datasources in reverse order, each within 10 s. Nobody should use them any more. Close does nothing
// if the set is not open. It waits for an Open in progress; cancel its context first.
func (s *Set) Close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.opened {
		return nil
	}
	s.opened = false
	s.unwatch()
	return s.closeAll(ctx)
}

func (s *Set) closeAll(ctx context.Context) error {
	var errs []error
	for _, e := range slices.Backward(s.entries) {
		instance := e.instance.Swap(nil)
		if instance == nil {
			continue
		}
		if err := closeInstance(ctx, *instance); err != nil {
			errs = append(errs, fmt.Errorf("close datasource %q: %w", e.Name, err))
		}
	}
	return errors.Join(errs...)
}

// closeInstance stops waiting when ctx ends or after closeTimeout, because some Close methods take no context.
func closeInstance(ctx context.Context, instance any) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- safely(ctx, closeOf(instance)) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("it is still not closed: %w", ctx.Err())
	}
}
