package datasource

import (
	"context"
	"sync"
	"time"
)

const (
	checkTimeout  = 2 * time.Second
	checkValid    = time.Second // how long a result is used again
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
	Type      string `json:"type,omitempty"`    // of the error, such as DATASOURCE_UNAVAILABLE
	LatencyMs int64  `json:"latencyMs"`         // how long the check took
	// Details are figures of the instance, see [Detailer].
	Details map[string]any `json:"details,omitempty"`
}

// Detailer is an instance that has figures for its [Health]. They must have no secrets. Details must not block.
type Detailer interface{ Details() map[string]any }

// finding is the result of a check.
type finding struct {
	Health
	err error // for the log
	of  *any  // the instance that was checked
	at  time.Time
}

// Health checks all datasources in parallel, each for at most 2 s, and returns their states in the order of the
// definitions. It uses results of the last second again, and concurrent callers share a check. A datasource without a
// check is healthy while it is open.
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
	// Other callers may share the check. If it does not obey its context, nobody waits for it.
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

// check sets e.last unless it is new enough.
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

// finding returns the result of a check that ended with err.
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

// watch logs when a datasource becomes unhealthy and when it is healthy again.
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
