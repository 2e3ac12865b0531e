// Package redact keeps secrets out of texts that leave the process: logs, errors, events. It works
// by value: whoever reads a secret makes it known here, and every text passes through here last.
package redact

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"
)

// Placeholder stands where a secret was.
const Placeholder = "[redacted]"

// minLength is that of the shortest value that is replaced: shorter ones occur in texts by chance.
const minLength = 6

// Secrets is a set of values to remove. The zero value is ready to use, and safe for concurrent use.
type Secrets struct {
	mu       sync.RWMutex
	values   map[string]struct{}
	replacer *strings.Replacer // nil when values have been added since it was built
}

// Add makes values unmentionable from now on, also where a URL, JSON or Go's %q has escaped them.
func (s *Secrets) Add(values ...string) {
	for _, v := range values {
		if len(v) < minLength || s.has(v) {
			continue
		}
		s.mu.Lock()
		if s.values == nil {
			s.values = map[string]struct{}{}
		}
		s.values[v] = struct{}{}
		s.replacer = nil
		s.mu.Unlock()
	}
}

func (s *Secrets) has(v string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.values[v]
	return ok
}

// Redact returns text with a placeholder for each secret, and for the credentials in URLs.
func (s *Secrets) Redact(text string) string {
	s.mu.RLock()
	replacer := s.replacer
	s.mu.RUnlock()
	if replacer == nil {
		replacer = s.build()
	}
	return URLs(replacer.Replace(text))
}

func (s *Secrets) build() *strings.Replacer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replacer == nil {
		var all []string
		for v := range s.values {
			all = append(all, forms(v)...)
		}
		// Of two that begin alike the longer one counts: else its end would stay.
		slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
		pairs := make([]string, 0, 2*len(all))
		for _, form := range all {
			pairs = append(pairs, form, Placeholder)
		}
		s.replacer = strings.NewReplacer(pairs...)
	}
	return s.replacer
}

// forms are a value as texts hold it: itself, in a URL, in JSON, and as Go quotes it.
func forms(v string) []string {
	list := []string{v, url.QueryEscape(v), url.PathEscape(v), inside(strconv.Quote(v))}
	for _, escapeHTML := range []bool{true, false} {
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(escapeHTML)
		if enc.Encode(v) == nil {
			list = append(list, inside(strings.TrimSpace(b.String())))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// inside takes the quotation marks off a text.
func inside(quoted string) string { return quoted[1 : len(quoted)-1] }

// Levels implements logrus.Hook.
func (s *Secrets) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook: it removes secrets from a log entry's message and fields.
func (s *Secrets) Fire(entry *logrus.Entry) error {
	entry.Message = s.Redact(entry.Message)
	clean := make(logrus.Fields, len(entry.Data))
	for k, v := range entry.Data {
		switch v := v.(type) {
		case string:
			clean[k] = s.Redact(v)
		case error:
			clean[k] = s.Redact(v.Error())
		case bool, int, int64, float64:
			clean[k] = v
		default:
			clean[k] = s.Redact(fmt.Sprint(v))
		}
	}
	entry.Data = clean // not in place: the map is shared with the entry that this one was derived from
	return nil
}
