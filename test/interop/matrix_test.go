package interop_test

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// behaviour is what a member of a cluster can be seen to do.
type behaviour struct {
	name   string
	faults []int // faults of stock moleculer-go that it rules out: rows of docs/design/moleculer-wire.md §10
	ways   way
	only   string // the line on which it can be seen; empty means all
	show   func(r *row)
}

// way says who acts upon whom.
type way int

const (
	toGo way = 1 << iota
	toNode
	both = toGo | toNode
)

func (w way) String() string {
	return map[way]string{toGo: "Node→Go", toNode: "Go→Node"}[w]
}

// behaviours are all rows of the matrix. The last ones wait for what takes its time to come.
func behaviours() []behaviour {
	return slices.Concat(
		registryBehaviours(), packetBehaviours(), callBehaviours(), errorBehaviours(), timeoutBehaviours(),
		eventBehaviours(), balancedBehaviours(),
		streamBehaviours(), nodeServiceBehaviours(), hostileBehaviours(), outageBehaviours(), departureBehaviours(),
		finalBehaviours(),
	)
}

// faults is the number of rows in docs/design/moleculer-wire.md §10.
const faults = 33

// shares are parts of the matrix that are shown side by side.
const shares = 3

// TestMatrix shows every behaviour on both lines of Moleculer, from Node.js to Go and from Go to Node.js.
func TestMatrix(t *testing.T) {
	t.Parallel()
	var m matrix
	all := behaviours()
	t.Run("on", func(t *testing.T) {
		for _, line := range lines {
			// Each share of the rows has a world of its own: they wait more than they work.
			for share := range shares {
				t.Run(fmt.Sprint(line.name, " ", share), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, line)
					for i := share; i < len(all); i += shares {
						m.run(t, w, i, all[i])
					}
				})
			}
		}
	})
	m.print()
	require.Equal(t, 0, m.failed())
}

func TestMatrixIsComplete(t *testing.T) {
	t.Parallel()
	ruledOut := map[int]bool{}
	names := map[string]bool{}
	for _, b := range behaviours() {
		require.NotContains(t, names, b.name)
		names[b.name] = true
		for _, fault := range b.faults {
			ruledOut[fault] = true
		}
	}
	require.GreaterOrEqual(t, len(names), 60)
	for fault := 1; fault <= faults; fault++ {
		require.True(t, ruledOut[fault], "no behaviour rules out fault %d of docs/design/moleculer-wire.md §10", fault)
	}
}

// matrix collects what was seen. Safe for concurrent use.
type matrix struct {
	mu      sync.Mutex
	results []result
}

type result struct {
	behaviour
	place int // in the table
	way   way
	line  string
	ok    bool
}

func (m *matrix) run(t *testing.T, w *world, place int, b behaviour) {
	t.Helper()
	if b.only != "" && b.only != w.line.name {
		return
	}
	for _, way := range []way{toGo, toNode} {
		if b.ways&way == 0 {
			continue
		}
		ok := t.Run(fmt.Sprint(way, " ", b.name), func(t *testing.T) {
			defer func() { // a row may stumble over what it does not find; the others go on
				if reason := recover(); reason != nil {
					t.Errorf("%v\n%s", reason, debug.Stack())
				}
			}()
			b.show(newRow(t, w, way))
		})
		m.mu.Lock()
		m.results = append(m.results, result{b, place, way, w.line.name, ok})
		m.mu.Unlock()
	}
}

func (m *matrix) failed() int {
	failed := 0
	for _, r := range m.results {
		if !r.ok {
			failed++
		}
	}
	return failed
}

// print writes the matrix in the order of the table. `make interop` shows what is between its first and its last line.
func (m *matrix) print() {
	slices.SortFunc(m.results, func(a, b result) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.way, b.way), cmp.Compare(a.line, b.line))
	})
	fmt.Printf("\n%-4s  %-7s  %-4s  %-10s  %s\n", "SEEN", "WAY", "LINE", "FAULTS", "BEHAVIOUR")
	for _, r := range m.results {
		seen := "ok"
		if !r.ok {
			seen = "FAIL"
		}
		fmt.Printf("%-4s  %-7s  %-4s  %-10s  %s\n", seen, r.way, r.line, list(r.faults), r.name)
	}
	fmt.Printf("%d passed, %d failed\n", len(m.results)-m.failed(), m.failed())
}

func list(numbers []int) string {
	text := ""
	for i, n := range numbers {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprint(n)
	}
	return text
}
