//go:build slow || chaos

package chaos_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/test/chaos"
)

// trial is a run of the suite.
type trial struct {
	seed   uint64
	rate   int           // webhooks per second
	length time.Duration // of the posting
	plant  string        // of faultynode; "" runs nodes as users have them
	faults []fault
	grace  time.Duration // what consumers, sends and spools may take after the last fault
}

// run lets everything happen and gives the report.
func (tr trial) run(t *testing.T) *chaos.Report {
	t.Helper()
	w := startWorld(t, tr.plant)
	journal := &chaos.Journal{}
	current, disturbed := &atomic.Pointer[string]{}, &atomic.Int64{}
	none := chaos.NoFault
	current.Store(&none)
	w.awaitRoutes(t, journal)

	posting, endPosting := context.WithTimeout(t.Context(), tr.length)
	defer endPosting()
	life, endLife := context.WithCancel(t.Context())
	defer endLife()
	posts := (&generator{gateway: w.gateway.URL(), rate: tr.rate, journal: journal, fault: current}).
		start(posting, life, tr.seed)
	sender := newSender(t, w.nc)
	sender.journal, sender.fault, sender.disturbed = journal, current, disturbed
	sends := sender.start(posting, life)
	// A test that ends early waits for them before it ends what they need.
	defer func() { endPosting(); endLife(); <-posts; <-sends }()

	wreck(t, posting, w, tr.faults, rand.New(rand.NewPCG(tr.seed, 0)), current, disturbed)
	overtime := time.AfterFunc(tr.grace, endLife)
	defer overtime.Stop()
	<-posts
	<-sends
	for _, node := range w.nodes {
		require.False(t, node.Exited(), "%s ended by itself:\n%s", node.id, tail(node.Log()))
	}
	report := w.judge(t, journal, tr.grace)
	t.Logf(
		"seed %d, %d webhooks/s asked for, %.0f/s posted\n%s", tr.seed, tr.rate,
		float64(len(journal.Webhooks()))/tr.length.Seconds(), report,
	)
	return report
}

func tail(log string) string { return log[max(0, len(log)-8000):] }

// awaitRoutes waits until the gateway reaches both platforms.
func (w *world) awaitRoutes(t *testing.T, journal *chaos.Journal) {
	t.Helper()
	g := &generator{gateway: w.gateway.URL(), client: gatewayClient()}
	defer g.client.CloseIdleConnections()
	g.ids.Store(1_000_000_000) // not those of the trial
	for number := range 2 {    // the first conversation is the batch platform's, the second Telegram's
		probe, path, body := g.webhook(number, 0, rand.New(rand.NewPCG(0, 0)))
		probe.Conversation, probe.Fault = "probe", chaos.NoFault
		require.Eventually(
			t, func() bool { return g.post(t.Context(), path, body, &chaos.Webhook{}) }, time.Minute, 100*time.Millisecond,
			path,
		)
		probe.Answered(http.StatusOK)
		journal.Webhook(probe)
	}
}

// TestShortChaos is the short form, for every change: the faults that have told most.
func TestShortChaos(t *testing.T) {
	const chosen = "node killed, NATS killed, NATS hangs, node cut off, node half open, both nodes away, Redis away, " +
		"PostgreSQL away, bot throttles"
	report := trial{
		seed: 1, rate: 100, length: 30 * time.Second, grace: 3 * time.Minute,
		faults: only(faults(3*time.Second), strings.Split(chosen, ", ")...),
	}.run(t)
	require.Empty(t, report.Violations)
}

func only(list []fault, names ...string) []fault {
	return slices.DeleteFunc(list, func(f fault) bool { return !slices.Contains(names, f.name) })
}

// TestPlantedFaultsAreFound shows that the suite sees the faults that it is for, and that nothing but the fault makes
// it do so.
func TestPlantedFaultsAreFound(t *testing.T) {
	for plant, test := range map[string]struct {
		faults string
		want   string // the promise that is broken, "" for none
	}{
		"none":  {"node killed, bot throttles", ""},
		"msgid": {"bot throttles", chaos.PromiseOnce},
		"ack":   {"node killed", chaos.PromiseStored},
		"claim": {"bot throttles", chaos.PromiseSucceeded},
	} {
		t.Run(plant, func(t *testing.T) {
			t.Parallel()
			list := only(faults(time.Second), strings.Split(test.faults, ", ")...)
			grace := 3 * time.Minute // with a fault planted some of it never comes
			if test.want != "" {
				grace = 10 * time.Second
			}
			report := trial{seed: 1, rate: 50, length: 10 * time.Second, grace: grace, plant: plant, faults: list}.run(t)
			if test.want == "" {
				require.Empty(t, report.Violations)
			} else {
				require.True(t, report.Violated(test.want))
			}
		})
	}
}
