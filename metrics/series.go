package metrics

import (
	"maps"
	"sync"
	"sync/atomic"
)

// series finds the metric of some label values: without a lock and without an allocation, once they were seen. What
// other nodes and platforms write can be a label, so there is a limit: label values beyond it share one metric. Safe
// for concurrent use.
type series[K comparable, M any] struct {
	make  func(K) M
	rest  func(K) K // the label values beyond the limit
	limit int

	known atomic.Pointer[map[K]M]
	mu    sync.Mutex // of who adds
}

func newSeries[K comparable, M any](limit int, rest func(K) K, make func(K) M) *series[K, M] {
	s := &series[K, M]{make: make, rest: rest, limit: limit}
	s.known.Store(&map[K]M{})
	return s
}

func (s *series[K, M]) of(key K) M {
	if m, ok := (*s.known.Load())[key]; ok {
		return m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := *s.known.Load()
	if len(known) >= s.limit {
		key = s.rest(key)
	}
	m, ok := known[key]
	if !ok {
		m = s.make(key)
		next := maps.Clone(known)
		next[key] = m
		s.known.Store(&next)
	}
	return m
}

// other stands for label values beyond the limit.
const other = "other"

// limits of label values.
const (
	maxRequests = 2000 // of service, action and caller
	maxErrors   = 500
	maxEvents   = 1000
	maxLevels   = 100
	maxCalls    = 1000 // of platform, method and status
	maxCodes    = 1000 // of result and code, for each channel
)
