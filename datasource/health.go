package datasource

import (
	"context"
	"sync"
	"time"
)

const (
	checkTimeout  = 2 * time.Second
	checkValid    = time.Second // for so long a result answers for the next check
	watchInterval = 5 * time.Second
)

// The states of a datasource.
const (
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
)

// Health is the state of a datasource. It holds no secrets and may be sent to anybody.
type Health struct {
	Name      string `json:"name"`
	Status    string `json:"status"`            // Healthy or Unhealthy
	Message   string `json:"message,omitempty"` // why it is unhealthy
	Type      string `json:"type,omitempty"`    // of the error that says so, such as DATASOURCE_UNAVAILABLE
	LatencyMs int64  `json:"latencyMs"`         // how long the check took
	// Details are what the instance tells of itself, see [Detailer].
	Details map[string]any `json:"details,omitempty"`
}

// Detailer is an instance that tells figures of itself for its [Health]. They hold no secrets. It must not block.
type Detailer interface{ Details() map[string]any }

// finding is the result of a check.
type finding struct {
	Health
	err error // for the log
	of  *any  // the instance that was checked
	at  time.Time
}

// Health checks all datasources side by side, each for 2 s at most, and returns their states in the
// order of the definitions. What was found within the last second is not checked again; callers at
// the same time share a check. A datasource that has no check is healthy while it is open.
func (s *Set) Health(ctx context.Context) []Health {
	report := make([]Health, len(s.entries))
	for i, f := range s.findings(ctx) {
		report[i] = f.Health
	}
	return report
}

func (s *Set) findings(ctx context.Context) []finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	found := make([]finding, len(s.entries))
	var wg sync.WaitGroup
	for i, e := range s.entries {
		wg.Go(func() { found[i] = s.finding(ctx, e) })
	}
	wg.Wait()
	return found
}

func (s *Set) finding(ctx context.Context, e *entry) finding {
	start := time.Now()
	// The check is not this caller's alone, and one that doesn't obey its context isn't waited for.
	shared := s.checks.DoChan(e.Name, func() (any, error) {
		e.check(context.WithoutCancel(ctx))
		return e.last, nil
	})
	select {
	case result := <-shared:
		return result.Val.(finding)
	case <-ctx.Done():
		return e.finding(start, ctx.Err())
	}
}

// check sets e.last, unless that is new enough.
func (e *entry) check(ctx context.Context) {
	instance, start := e.instance.Load(), time.Now()
	if instance == nil {
		e.last = e.finding(start, &NotOpenError{e.Name})
		return
	}
	if e.last.of == instance && start.Sub(e.last.at) < checkValid {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	e.last = e.finding(start, safely(ctx, e.checkOf(*instance)))
	if d, ok := (*instance).(Detailer); ok {
		e.last.Details = d.Details()
	}
	e.last.of, e.last.at = instance, time.Now()
}

// finding is the result of a check that ended with err.
func (e *entry) finding(start time.Time, err error) finding {
	h := Health{Name: e.Name, Status: Healthy, LatencyMs: time.Since(start).Milliseconds()}
	if err != nil {
		h.Status, h.Message = Unhealthy, "its check failed; the node's log says why"
		if m := moleculer(err); m != nil {
			h.Message, h.Type = m.Message, m.Type
		}
	}
	return finding{Health: h, err: err}
}

// watch logs when a datasource goes bad and when it is back.
func (s *Set) watch(ctx context.Context) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	bad := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		found := s.findings(ctx)
		if ctx.Err() != nil {
			return
		}
		for _, f := range found {
			log := s.log.WithField("datasource", f.Name)
			switch isBad := f.err != nil; {
			case isBad && !bad[f.Name]:
				log.WithError(f.err).Warn("a datasource does not work")
			case !isBad && bad[f.Name]:
				log.Info("a datasource works again")
			}
			bad[f.Name] = f.err != nil
		}
	}
}
