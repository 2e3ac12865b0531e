package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/bench/internal/stats"
)

// cellOf is a result with this throughput and CPU per request.
func cellOf(peer, scenario string, c int, rps, cpu float64, noisy bool) result {
	return result{
		Peer: peer, Scenario: scenario, C: c, N: 1000, RPS: rps, StreamOK: true, Lat: stats.Lat{P99: 1000},
		Usage: map[string]stats.Usage{"service": {SchedUS: cpu, PeakRSSMB: 40}}, Machine: stats.Machine{Noisy: noisy},
	}
}

func TestTargetIsMetOrMissedByTheRatiosOfTheRun(t *testing.T) {
	p := plan{rounds: 1, cs: []int{64}, scenarios: []string{"telegram"}}
	results := []result{
		cellOf(fetch, "telegram", 64, 1000, 100, false), cellOf(ours, "telegram", 64, 2000, 41, false),
		cellOf(limit, "relay", 64, 2400, 0, false),
		{Peer: ours, Scenario: atRest, RestMB: 31},
		{Peer: ours, Scenario: start, StartMS: 100},
		{Peer: fetch, Scenario: start, StartMS: 600},
	}
	met := map[string]bool{}
	for _, v := range judge(results, p) {
		met[v.target] = v.met
	}
	require.Equal(t, map[string]bool{
		"telegram webhook C=64, CPU per request against Node": false,
		"telegram webhook C=64, throughput against Node":      true,
		"telegram webhook C=64, throughput against the floor": true,
		"telegram C=64, p99 against Node":                     true,
		"memory, peak of any cell":                            true,
		"memory, at rest":                                     false,
		"start to the first answered call, against Node":      true,
	}, met)
}

func TestTargetThatWasNotMeasuredIsNotMet(t *testing.T) {
	for _, v := range judge(
		nil, plan{rounds: 1, cs: []int{16, 64, 256}, scenarios: []string{"echo", "send50"}, growth: true},
	) {
		require.False(t, v.met, v.String())
	}
}

func TestMediansAreOfQuietRunsWhereThereAreThree(t *testing.T) {
	m := medians{[]result{
		cellOf(ours, "echo", 64, 1, 0, true), cellOf(ours, "echo", 64, 10, 0, false), cellOf(ours, "echo", 64, 30, 0, false),
		cellOf(ours, "echo", 64, 20, 0, false),
	}}
	require.Equal(t, 20.0, m.rps(ours, "echo", 64))
	m.results = m.results[:3]
	require.Equal(t, 10.0, m.rps(ours, "echo", 64), "with two of three all count")
}

func TestReportShowsWhatTheTargetsSay(t *testing.T) {
	p := plan{rounds: 1, cs: []int{64}, scenarios: []string{"telegram"}}
	results := []result{cellOf(fetch, "telegram", 64, 1000, 100, false), cellOf(ours, "telegram", 64, 2000, 41, false)}
	targets := judge(results, p)
	report := render(results, p, targets) + list(targets)
	require.Contains(t, report, "| Telegram webhook, 1 message | 64 | 1000 | 2000 | 2.00 |")
	require.Contains(t, report, "MISSED telegram webhook C=64, CPU per request against Node: 0.41× (target ≤ 0.4×)")
	require.NotContains(t, strings.ToLower(report), "nan")
}
