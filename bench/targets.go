package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/bench/internal/stats"
)

// targetResult is a target, what was measured for it, and whether it was met.
type targetResult struct {
	target string
	got    float64 // NaN where it was not measured
	bound  float64
	atMost bool // the bound is the most, else the least
	unit   string
	met    bool
}

func (r targetResult) String() string {
	word, relation := "met   ", "≥"
	if !r.met {
		word = "MISSED"
	}
	if r.atMost {
		relation = "≤"
	}
	if math.IsNaN(r.got) {
		return fmt.Sprintf("%s %s: not measured (target %s %.3g%s)", word, r.target, relation, r.bound, r.unit)
	}
	return fmt.Sprintf("%s %s: %.3g%s (target %s %.3g%s)", word, r.target, r.got, r.unit, relation, r.bound, r.unit)
}

// judge holds the medians of a run against the targets that were measured in it.
func judge(results []result, p plan) []targetResult {
	m := medians{results}
	var list []targetResult
	add := func(target string, got, bound float64, atMost bool, unit string) {
		met := got >= bound
		if atMost {
			met = got <= bound
		}
		list = append(list, targetResult{target, got, bound, atMost, unit, met && !math.IsNaN(got)})
	}
	atMost := func(target string, got, bound float64) { add(target, got, bound, true, "×") }
	atLeast := func(target string, got, bound float64) { add(target, got, bound, false, "×") }
	at := func(scenario string, c int) bool {
		return slices.Contains(p.scenarios, scenario) && slices.Contains(p.cs, c)
	}
	for i, c := range []int{16, 64, 256} {
		if at("echo", c) {
			atMost(
				fmt.Sprintf("echo C=%d, CPU per request against Node", c), m.cpu(ours, "echo", c)/m.cpu(fetch, "echo", c),
				[]float64{0.8, 0.6, 0.6}[i],
			)
		}
		for _, webhook := range []string{"telegram", "whatsapp"} {
			if !at(webhook, c) {
				continue
			}
			name := fmt.Sprintf("%s webhook C=%d, ", webhook, c)
			atMost(
				name+"CPU per request against Node", m.cpu(ours, webhook, c)/m.cpu(fetch, webhook, c),
				[]float64{0.45, 0.4, 1.0 / 3}[i],
			)
			atLeast(
				name+"throughput against Node", m.rps(ours, webhook, c)/m.rps(fetch, webhook, c), []float64{1.4, 1.9, 2.6}[i],
			)
			if at("telegram", c) {
				atLeast(name+"throughput against the floor", m.rps(ours, webhook, c)/m.rps(limit, "relay", c), 0.8)
			}
		}
		if at("whatsapp20", c) {
			name := fmt.Sprintf("whatsapp webhook of 20 messages C=%d, ", c)
			atLeast(name+"throughput against Node", m.rps(ours, "whatsapp20", c)/m.rps(fetch, "whatsapp20", c), 6)
			atMost(name+"CPU per message against Node", m.cpu(ours, "whatsapp20", c)/m.cpu(fetch, "whatsapp20", c), 1.0/6)
		}
		if at("send0", c) {
			name := fmt.Sprintf("send, platform 0 ms, C=%d, ", c)
			atLeast(name+"throughput against Node with an http agent", m.rps(ours, "send0", c)/m.rps(agent, "send0", c), 3)
			atMost(
				name+"CPU per request against Node with an http agent", m.cpu(ours, "send0", c)/m.cpu(agent, "send0", c), 1.0/3,
			)
		}
	}
	if at("send50", 256) {
		const possible = 256 / 0.05 // 256 at once, each taking 50 ms
		atLeast("send, platform 50 ms, C=256, throughput against what is possible", m.rps(ours, "send50", 256)/possible, 0.95)
	}
	if slices.Contains(p.scenarios, gateway) {
		atMost(
			"Discord's Gateway, 2,000 messages a second, CPU per message against discord.js",
			m.cpu(ours, gateway, 1)/m.cpu(fetch, gateway, 1), 0.4,
		)
	}
	peak := math.Inf(-1) // of all cells; not a number where one was not measured
	for _, scenario := range p.scenarios {
		if scenario == gateway {
			continue
		}
		theirs := fetch
		if strings.HasPrefix(scenario, "send") {
			theirs = agent
		}
		for _, c := range p.cs {
			atMost(fmt.Sprintf("%s C=%d, p99 against Node", scenario, c), m.p99(ours, scenario, c)/m.p99(theirs, scenario, c), 1)
			peak = math.Max(peak, m.median(ours, scenario, c, func(r result) float64 { return r.Usage["service"].PeakRSSMB }))
		}
	}
	if math.IsInf(peak, -1) { // there was no such cell
		peak = math.NaN()
	}
	add("memory, peak of any cell", peak, 48, true, " MB")
	add("memory, at rest", m.median(ours, atRest, 0, func(r result) float64 { return r.RestMB }), 30, true, " MB")
	began := func(peer string) float64 {
		return m.median(peer, start, 0, func(r result) float64 { return r.StartMS })
	}
	atMost("start to the first answered call, against Node", began(ours)/began(fetch), 1.0/3)
	if p.growth {
		add(
			"CPU of an idle node among 300 others with 3,000 services, of one core",
			m.median(ours, idle, 0, func(r result) float64 { return r.IdlePct }), 1, true, " %",
		)
		atMost(
			"echo C=64 among 300 others, CPU per request against alone",
			m.cpu(ours, largeCluster, 64)/m.cpu(ours, "echo alone", 64), 1.1,
		)
		atMost(
			"telegram webhook C=64 over 10,000 channels, CPU per request against one",
			m.cpu(ours, manyOf, 64)/m.cpu(ours, "telegram1", 64), 1.1,
		)
	}
	return list
}

// medians reads results: of each cell the median, of the quiet runs where there are three of them.
type medians struct{ results []result }

func (m medians) median(peer, scenario string, c int, of func(result) float64) float64 {
	var quiet, all []float64
	for _, r := range m.results {
		if r.Peer != peer || r.Scenario != scenario || r.C != c {
			continue
		}
		all = append(all, of(r))
		if !r.Machine.Noisy {
			quiet = append(quiet, of(r))
		}
	}
	if len(quiet) >= 3 || len(quiet) > 0 && len(all) < 3 {
		all = quiet
	}
	if len(all) == 0 {
		return math.NaN()
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

func (m medians) rps(peer, scenario string, c int) float64 {
	return m.median(peer, scenario, c, func(r result) float64 { return r.RPS })
}

func (m medians) p99(peer, scenario string, c int) float64 {
	return m.median(peer, scenario, c, func(r result) float64 { return r.Lat.P99 })
}

// cpu is µs per request. /proc/PID/stat has steps of 10 ms: where a run used less than a second, the
// threads' own accounting is closer.
func (m medians) cpu(peer, scenario string, c int) float64 {
	return m.median(peer, scenario, c, func(r result) float64 { return cpuOf(r, r.Usage["service"]) })
}

// floorCPU is what a mode of command limit costs: of its responder, where it has one, else of itself.
func (m medians) floorCPU(mode string, c int) float64 {
	return m.median(limit, mode, c, func(r result) float64 {
		if responder := cpuOf(r, r.Usage["service"]); responder > 0 {
			return responder
		}
		return cpuOf(r, r.Usage["load"])
	})
}

func cpuOf(r result, u stats.Usage) float64 {
	if u.CPUus*float64(r.N) < 1e6 {
		return u.SchedUS
	}
	return u.CPUus
}
