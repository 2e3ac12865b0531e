package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

var titles = map[string]string{
	"echo": "echo", "telegram": "Telegram webhook, 1 message", "whatsapp": "WhatsApp webhook, signed, 1 message",
	"whatsapp20": "WhatsApp webhook, signed, 20 messages", "send0": "send, platform answers at once",
	"send50": "send, platform answers after 50 ms",
}

// render writes the table of a run, in Markdown.
func render(results []result, p plan, targets []targetResult) string {
	m := medians{results}
	var b strings.Builder
	met := 0
	for _, target := range targets {
		if target.met {
			met++
		}
	}
	fmt.Fprintf(&b, `# Benchmarks

Switchboard beside a Node.js peer (Moleculer 0.14, @moleculer/channels; its sends with Node's fetch and with a
keep-alive agent) and beside a floor: the same traffic without Moleculer and JSON. All in one run on one machine, so
the ratios are what counts: a ratio of CPU below 1 and one of throughput above 1 are in our favour. CPU is that of the
node's own process per request; what the NATS server beside it takes for the same requests stands in its own column.
Medians of %d round(s). %d of %d targets met.

Repeat it with `+"`make bench`"+` (three minutes) or `+"`make bench-full`"+` (half an hour). Switchboard runs with its
defaults: SQLite, memoised channels, %s.

`+"%s\n%s\n", p.rounds, met, len(targets), "reliable events with acks, checks, redaction, order",
		"| scenario | C | Node req/s | ours req/s | ratio | floor | of floor | Node CPU µs | ours CPU µs | ratio "+
			"| floor CPU µs | NATS CPU µs | Node p99 ms | ours p99 ms | ours peak MB |",
		"| --- "+strings.Repeat("| ---: ", 14)+"|")
	for _, scenario := range p.scenarios {
		if scenario == gateway {
			continue
		}
		theirs, floor := fetch, ""
		if strings.HasPrefix(scenario, "send") {
			theirs = agent
		}
		switch scenario {
		case "echo":
			floor = "pingpong"
		case "telegram", "whatsapp":
			floor = "relay"
		case "send0":
			floor = "http"
		}
		for _, c := range p.cs {
			possible := m.rps(limit, floor, c)
			peak := m.median(ours, scenario, c, func(r result) float64 { return r.Usage["service"].PeakRSSMB })
			fmt.Fprintf(
				&b, "| %s | %d | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", titles[scenario], c,
				number(m.rps(theirs, scenario, c), 0), number(m.rps(ours, scenario, c), 0),
				number(m.rps(ours, scenario, c)/m.rps(theirs, scenario, c), 2),
				number(possible, 0), number(m.rps(ours, scenario, c)/possible, 2),
				number(m.cpu(theirs, scenario, c), 1), number(m.cpu(ours, scenario, c), 1),
				number(m.cpu(ours, scenario, c)/m.cpu(theirs, scenario, c), 2),
				number(m.floorCPU(floor, c), 1),
				number(m.median(ours, scenario, c, func(r result) float64 { return cpuOf(r, r.Usage["nats"]) }), 1),
				number(m.p99(theirs, scenario, c)/1e3, 2), number(m.p99(ours, scenario, c)/1e3, 2), number(peak, 0))
		}
	}
	if slices.Contains(p.scenarios, gateway) {
		fmt.Fprintf(
			&b, "\nMessages over Discord's Gateway, %d a second, discord.js into @moleculer/channels beside ours: Node %s "+
				"µs of CPU for each, "+
				"ours %s µs, ratio %s; memory at the peak %s and %s MB.\n", gatewayRate, number(m.cpu(fetch, gateway, 1), 1),
			number(m.cpu(ours, gateway, 1), 1), number(m.cpu(ours, gateway, 1)/m.cpu(fetch, gateway, 1), 2),
			number(m.median(fetch, gateway, 1, func(r result) float64 { return r.Usage["service"].PeakRSSMB }), 0),
			number(m.median(ours, gateway, 1, func(r result) float64 { return r.Usage["service"].PeakRSSMB }), 0),
		)
	}
	rest := func(peer string) string {
		return number(m.median(peer, atRest, 0, func(r result) float64 { return r.RestMB }), 0)
	}
	began := func(peer string) string {
		return number(m.median(peer, start, 0, func(r result) float64 { return r.StartMS }), 0)
	}
	fmt.Fprintf(
		&b, "\nMemory at rest: Node %s MB, ours %s MB. Start to the first answered call: Node %s ms, ours %s ms.\n\n",
		rest(fetch), rest(ours), began(fetch), began(ours),
	)
	b.WriteString(noise(results))
	return b.String()
}

// list writes the list of targets that stands behind the table.
func list(targets []targetResult) string {
	var b strings.Builder
	b.WriteString("\n## Targets\n\n```\n")
	for _, target := range targets {
		fmt.Fprintln(&b, target)
	}
	b.WriteString("```\n")
	return b.String()
}

func number(x float64, digits int) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, x)
}

// noise tells how quiet the machine was, and what was checked.
func noise(results []result) string {
	var requests, wrong, off, noisy, runs int
	var other, steal []float64
	for _, r := range results {
		if r.N == 0 {
			continue
		}
		runs++
		requests += r.N
		wrong += r.Errors
		if !r.StreamOK {
			off++
		}
		if r.Machine.Noisy {
			noisy++
		}
		other, steal = append(other, r.Machine.OtherPct), append(steal, r.Machine.StealPct)
	}
	return fmt.Sprintf("%s, %d processors (%s), %s. %d runs, %d measured requests, every answer checked: %d wrong, "+
		"%d runs in which the stream did not grow by exactly what the answers claim. %d runs were noisy and were repeated; "+
		"CPU of other work on the machine: %.1f %% on average, steal %.1f %%.\n",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), processor(), runtime.Version(),
		runs, requests, wrong, off, noisy, mean(other), mean(steal))
}

func mean(list []float64) float64 {
	sum := 0.0
	for _, x := range list {
		sum += x
	}
	return sum / float64(max(len(list), 1))
}

func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.SplitSeq(string(data), "\n") {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				return strings.TrimLeft(name, "\t :")
			}
		}
	}
	return runtime.GOARCH
}
