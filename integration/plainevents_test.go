package integration_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

func TestPlainEventsFollowTheReliableOnes(t *testing.T) {
	down := errors.New("no answer")
	receiving := func(b *harness) { b.platform.messages = messages(2) }
	sent := func(b *harness) { b.platform.sending = failing() }
	unsent := func(b *harness) { b.platform.sending = always(trouble(integration.FaultPermanent, 0)) }
	for name, test := range map[string]struct {
		prepare func(*harness)
		action  string
		off     bool
		before  bool  // whether the stream holds the events already
		fail    error // of the reliable events
		want    []string
	}{
		"of a webhook": {prepare: receiving, action: "receive", want: []string{
			"integration.message.received", "integration.message.received",
		}},
		"of a sent message":                 {prepare: sent, action: "send", want: []string{"integration.message.sent"}},
		"of one that is not sent":           {prepare: unsent, action: "send", want: []string{"integration.message.failed"}},
		"not where they are off":            {prepare: receiving, action: "receive", off: true},
		"not again of what comes again":     {prepare: receiving, action: "receive", before: true},
		"not of what is not stored":         {prepare: receiving, action: "receive", fail: down},
		"not of what never will be":         {prepare: receiving, action: "receive", fail: rejected{down}},
		"not of an outcome that is missing": {prepare: sent, action: "send", fail: down},
	} {
		t.Run(name, func(t *testing.T) {
			b, cluster := newHarness(t), &others{}
			test.prepare(b)
			b.runtime.PlainEvents, b.events.duplicate = !test.off, test.before
			b.events.fail = func(e event) error {
				if e.Name != integration.DeadLetters {
					require.Empty(t, cluster.lines()[min(1, len(cluster.lines())):], "they come later")
				}
				return test.fail
			}
			if test.fail == nil {
				b.events.fail = nil
			}
			params, name := webhookParams(), integration.ActionReceiveWebhook
			if test.action == "send" {
				params, name = sendParams(), integration.ActionSendMessage
			}
			_, _ = b.callWith(t.Context(), name, params, &action.Request{Cluster: cluster})
			var want []string
			for i, plain := range test.want {
				want = append(want, plain+" "+string(b.events.events[i].Payload)+` {"Groups":null,"Broadcast":false}`)
			}
			require.Equal(t, want, cluster.lines(), "with the payload of the reliable one")
		})
	}
}

func TestPlainEventThatIsLostFailsNothing(t *testing.T) {
	b := newHarness(t)
	b.platform.messages, b.runtime.PlainEvents = messages(1), true
	logs := b.watch()
	_, err := b.receive(webhookParams()) // with no cluster to send it to
	require.NoError(t, err)
	require.Contains(t, linesOf(logs.AllEntries()), "a plain event could not be sent")
}
