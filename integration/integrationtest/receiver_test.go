package integrationtest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSuiteOfReceivers(t *testing.T) {
	plant := receiverFaults[os.Getenv(faultVariable)].plant
	runStarling(t, func() *habits {
		h := &habits{}
		if plant != nil {
			plant(h)
		}
		return h
	})
}

func TestSuiteFindsFaultsOfReceivers(t *testing.T) {
	for name, f := range receiverFaults {
		t.Run(name, func(t *testing.T) { findFault(t, name, "TestSuiteOfReceivers/"+f.found, f.says) })
	}
}

// A law without a fault that it finds could be one that finds nothing.
func TestSuiteOfReceiversHasAFaultForEachLaw(t *testing.T) {
	binary, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), binary, "-test.v", "-test.run=^TestSuiteOfReceivers$")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
	found := map[string]bool{}
	for _, f := range receiverFaults {
		found[strings.ReplaceAll(f.found, " ", "_")] = true
	}
	laws := 0
	for line := range strings.Lines(string(output)) {
		if law, ok := strings.CutPrefix(strings.TrimSpace(line), "=== RUN   TestSuiteOfReceivers/"); ok {
			laws++
			require.Contains(t, found, law)
		}
	}
	require.Len(t, found, laws)
}

// The laws of receivers.
const (
	lawOrder        = "what comes is stored in order"
	lawDurability   = "nothing is lost while the stream is away"
	lawLonely       = "an owner that loses the other nodes stores nothing"
	lawHandOver     = "an owner that stops loses and doubles nothing"
	lawBackpressure = "a stream that is away for long holds the platform back"
	lawTakeOver     = "an owner that dies loses and doubles nothing"
	lawConfirmation = "what is not durable comes again when its owner died"
	lawStop         = "a stop during delivery loses and doubles nothing"
	lawRefused      = "refused credentials are told, and tried again calmly"
	lawRestart      = "a platform that restarts is found again"
	lawSilence      = "a silent connection is opened anew"
	lawGarbage      = "garbage ends nothing for good"
	lawSwitchedOff  = "a channel that is switched off is not connected"
	lawRemoved      = "a channel that is removed is not connected"
	lawChanged      = "a channel that is changed is connected anew"
	lawCredentials  = "wrong credentials are told, and right ones taken at once"
	lawAcknowledged = "an acknowledgement that is lost doubles nothing"
	lawBounded      = "no more is taken than may wait"
	lawLarge        = "a message of 10 MB ends nothing"
	lawLargeBounded = "messages of 10 MB wait at the platform"
	lawTooLarge     = "a message of 60 MB is not taken in"
	lawEnds         = "a receiver ends when its ctx does"
)

// receiverFaults are planted into the starling, and found by that law, which says so.
var receiverFaults = map[string]struct {
	plant func(*habits)
	found string
	says  string
}{
	"items change places": {func(h *habits) { h.swaps = true }, lawOrder, "Not equal"},
	"a connection is never ready": {
		func(h *habits) { h.keepsQuiet = true }, lawOrder, "does not say that it is ready",
	},
	"what is not durable is given up":             {func(h *habits) { h.impatient = true }, lawDurability, "Not equal"},
	"what came meanwhile is not handed over":      {func(h *habits) { h.startsAfresh = true }, lawHandOver, "Not equal"},
	"it is acknowledged by an owner that is none": {func(h *habits) { h.acksAtOnce = true }, lawLonely, "Not equal"},
	"all comes again after a stop": {
		func(h *habits) { h.forgetsPlace = true }, lawHandOver, "what was durable came again",
	},
	"a message of some size is too large": {func(h *habits) { h.modest = true }, lawLarge, "Not equal"},
	"an item is dropped on backpressure": {
		func(h *habits) { h.dropsWhenBusy = true }, lawBackpressure, "Not equal",
	},
	"what came meanwhile is not taken over":   {func(h *habits) { h.startsAfresh = true }, lawTakeOver, "Not equal"},
	"it is acknowledged before it is durable": {func(h *habits) { h.acksAtOnce = true }, lawConfirmation, "Not equal"},
	"a stop acknowledges all":                 {func(h *habits) { h.acksAtEnd = true }, lawStop, "Not equal"},
	"refused credentials are hammered": {
		func(h *habits) { h.hammers = true }, lawRefused, "again and again without a pause",
	},
	"a refusal is no error": {
		func(h *habits) { h.saysNothing = true }, lawRefused, `expected: "refused"`,
	},
	"what came meanwhile is not asked for":    {func(h *habits) { h.startsAfresh = true }, lawRestart, "Not equal"},
	"a half-open connection is waited for":    {func(h *habits) { h.waitsForever = true }, lawSilence, "Not equal"},
	"garbage ends it":                         {func(h *habits) { h.faints = true }, lawGarbage, "Not equal"},
	"a connection outlives its channel":       {func(h *habits) { h.clings = true }, lawSwitchedOff, "still open"},
	"a connection outlives a removed channel": {func(h *habits) { h.clings = true }, lawRemoved, "still open"},
	"a connection outlives a change":          {func(h *habits) { h.clings = true }, lawChanged, "still open"},
	"old credentials are gone on with": {
		func(h *habits) { h.remembers = true }, lawCredentials, "nothing says so",
	},
	"a lost acknowledgement doubles": {func(h *habits) { h.forgets = true }, lawAcknowledged, "Not equal"},
	"it reads on while nothing is stored": {
		func(h *habits) { h.hoards = true }, lawBounded, "so many items were taken",
	},
	"large frames pile up": {
		func(h *habits) { h.hoards = true }, lawLargeBounded, "so many bytes were read",
	},
	"a large frame ends it for good": {func(h *habits) { h.narrow = true }, lawLarge, "Not equal"},
	"a frame may have any size":      {func(h *habits) { h.wide = true }, lawTooLarge, "the size of one has no bound"},
	"a platform that is away is said to refuse": {
		func(h *habits) { h.despairs = true }, lawRestart, "is said to refuse the channel",
	},
	"it ends only with its connection": {func(h *habits) { h.deaf = true }, lawEnds, "Receive has not returned"},
	"it never ends": {
		func(h *habits) { h.deafForGood = true }, lawEnds, "Receive of node idle returns neither",
	},
	"a secret is logged": {
		func(h *habits) { h.logsKey = true }, lawOrder, "the secret apiKey is in the log",
	},
	"a secret is logged where few look": {
		func(h *habits) { h.logsKeyQuietly = true }, lawOrder, "the secret apiKey is in the log",
	},
	"a secret is in a state": {
		func(h *habits) { h.statesKey = true }, lawOrder, "the secret apiKey is in what nodes tell",
	},
	"a secret is in a refusal": {
		func(h *habits) { h.errsKey = true }, lawRefused, "the secret apiKey is in",
	},
	"a secret is in a cursor": {
		func(h *habits) { h.savesKey = true }, lawOrder, "the secret apiKey is in what nodes tell",
	},
	"a secret is stored": {
		func(h *habits) { h.storesKey = true }, lawOrder, "the secret apiKey is in the events",
	},
}
