package redact

// Len is how many secrets there are that may be forgotten, Bytes how much room their forms and those of all others
// take.
func (s *Secrets) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.ring)
}

func (s *Secrets) Bytes() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bytes
}

// Bounded is an empty set of at most so many values, and bytes of their forms.
func Bounded(values, bytes int) *Secrets { return &Secrets{limits: limits{values, bytes}} }
