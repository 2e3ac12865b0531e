package chaos

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// Pushed is a message that a platform sent over a connection.
type Pushed struct {
	Text         string // tells it from all others
	Conversation string // whose messages stay in order, unless Unordered
	Unordered    bool   // the platform itself keeps no order
	Platform     string
	Fault        string // what was broken then
	At           time.Time
}

// Pushes keeps what was pushed, in order. Safe for concurrent use.
type Pushes struct {
	mu   sync.Mutex
	list []Pushed
}

// Add notes a message.
func (p *Pushes) Add(m Pushed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, m)
}

// All returns what was pushed so far.
func (p *Pushes) All() []Pushed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list)
}

// Kept is a message as the stream has it.
type Kept struct {
	Text string
	At   time.Time
}

// The promises of connections.
const (
	PromisePushStored = "every message that a platform sent is stored"
	PromisePushOnce   = "no message is stored twice"
	PromisePushOrder  = "the messages of a conversation are stored in their order"
	PromiseFenced     = "a node that was stopped publishes nothing old when it goes on"
	PromiseLimits     = "no limit of a platform is exceeded"
)

var connectionPromises = []string{
	PromisePushStored, PromisePushOnce, PromisePushOrder, PromiseFenced, PromiseLimits,
}

// ConnectionReport is what became of what was pushed.
type ConnectionReport struct {
	Violations []Violation
	pushed     []Pushed
	at         map[string]time.Time // when a message was stored
}

// CheckConnections compares what was pushed with what is stored, in its order.
func CheckConnections(pushed []Pushed, kept []Kept) *ConnectionReport {
	r := &ConnectionReport{pushed: pushed, at: map[string]time.Time{}}
	place := map[string]int{}
	for i, k := range kept {
		if _, again := place[k.Text]; again {
			r.Violated(PromisePushOnce, "", "%s", k.Text)
			continue
		}
		place[k.Text], r.at[k.Text] = i, k.At
	}
	last := map[string]Pushed{}
	for _, p := range pushed {
		at, stored := place[p.Text]
		if !stored {
			r.Violated(PromisePushStored, p.Fault, "%s, sent at %s", p.Text, p.At.Format("15:04:05.000"))
			continue
		}
		if before, ok := last[p.Conversation]; ok && !p.Unordered && place[before.Text] > at {
			r.Violated(PromisePushOrder, p.Fault, "%s is stored before %s", p.Text, before.Text)
		}
		last[p.Conversation] = p
	}
	return r
}

// Violated notes that a promise was not kept.
func (r *ConnectionReport) Violated(promise, fault, format string, args ...any) {
	r.Violations = append(r.Violations, Violation{Promise: promise, Fault: fault, Detail: fmt.Sprintf(format, args...)})
}

// Missing says whether something is not stored yet.
func (r *ConnectionReport) Missing() bool {
	return slices.ContainsFunc(r.Violations, func(v Violation) bool { return v.Promise == PromisePushStored })
}

// delays are how long messages took from the platform to the stream: the longest of each conversation, by fault.
func (r *ConnectionReport) delays() map[string][]time.Duration {
	longest := map[string]map[string]time.Duration{}
	for _, p := range r.pushed {
		if at, ok := r.at[p.Text]; ok {
			if longest[p.Fault] == nil {
				longest[p.Fault] = map[string]time.Duration{}
			}
			longest[p.Fault][p.Conversation] = max(longest[p.Fault][p.Conversation], at.Sub(p.At))
		}
	}
	delays := map[string][]time.Duration{}
	for fault, conversations := range longest {
		delays[fault] = slices.Sorted(maps.Values(conversations))
	}
	return delays
}

// String is the table by fault, what was violated, and a last line "N passed, M failed" that counts the promises.
func (r *ConnectionReport) String() string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "fault\tsent\tstored\tdelay, median\tdelay, worst\t")
	delays := r.delays()
	counts := map[string][2]int{}
	for _, p := range r.pushed {
		c := counts[p.Fault]
		c[0]++
		if _, ok := r.at[p.Text]; ok {
			c[1]++
		}
		counts[p.Fault] = c
	}
	for _, fault := range slices.SortedFunc(maps.Keys(counts), cmp.Compare[string]) {
		var median, worst time.Duration
		if list := delays[fault]; len(list) > 0 {
			median, worst = list[len(list)/2], list[len(list)-1]
		}
		fmt.Fprintf(
			table, "%s\t%d\t%d\t%s\t%s\t\n", fault, counts[fault][0], counts[fault][1],
			median.Round(time.Millisecond), worst.Round(time.Millisecond),
		)
	}
	_ = table.Flush() // into memory
	fmt.Fprint(&out, "\n")
	failed := 0
	for _, promise := range connectionPromises {
		var list []Violation
		for _, v := range r.Violations {
			if v.Promise == promise {
				list = append(list, v)
			}
		}
		if len(list) == 0 {
			fmt.Fprintln(&out, "ok    ", promise)
			continue
		}
		failed++
		fmt.Fprintf(&out, "FAULT  %s: %d times not\n", promise, len(list))
		for _, v := range list[:min(shown, len(list))] {
			fmt.Fprintf(&out, "         %s [%s]\n", v.Detail, v.Fault)
		}
	}
	fmt.Fprintf(&out, "%d passed, %d failed\n", len(connectionPromises)-failed, failed)
	return out.String()
}
