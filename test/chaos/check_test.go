package chaos_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/test/chaos"
)

// told is a journal of two webhooks and a send, and what is stored when all went well.
func told() (*chaos.Journal, *chaos.Stored, []*chaos.Webhook, *chaos.Send) {
	j := &chaos.Journal{}
	webhooks := []*chaos.Webhook{
		{Conversation: "c", Number: 1, Texts: []string{"c/1/1", "c/1/2"}, InOrder: true, Fault: "kill"},
		{Conversation: "c", Number: 2, Texts: []string{"poison"}, Poisoned: true, InOrder: true, Fault: chaos.NoFault},
	}
	for _, w := range webhooks {
		j.Webhook(w)
		w.Answered(0)
		w.Answered(503)
		w.Answered(200)
	}
	send := &chaos.Send{Text: "hello", Fault: "kill", Success: true, MessageID: "7"}
	j.Send(send)
	return j, &chaos.Stored{
		Received: []string{"c/1/1", "c/1/2", "poison"}, Sent: []string{"7"}, Failed: []string{"hello"},
		Seen: map[string][]string{"a": {"poison", "c/1/1", "c/1/1", "c/1/2"}}, Dead: map[string][]string{"a": {"poison"}},
		Platform: map[string][]string{"hello": {"7"}},
	}, webhooks, send
}

func TestCheckerReportsWhatIsBroken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		harm func(s *chaos.Stored, w []*chaos.Webhook, send *chaos.Send)
		want string // the promise; empty for none
	}{
		"nothing": {func(*chaos.Stored, []*chaos.Webhook, *chaos.Send) {}, ""},
		"a lost message": {func(
			s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send,
		) {
			s.Received = s.Received[1:]
		}, chaos.PromiseStored},
		"a doubled message": {
			func(s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send) { s.Received = append(s.Received, "c/1/1") },
			chaos.PromiseOnce,
		},
		"an order inside a webhook": {func(s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send) {
			s.Received[0], s.Received[1] = s.Received[1], s.Received[0]
		}, chaos.PromiseOrder},
		"an order of two webhooks": {func(s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send) {
			s.Received = []string{"poison", "c/1/1", "c/1/2"}
		}, chaos.PromiseOrder},
		"what was on a disk meanwhile is late": {func(s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send) {
			s.Received = []string{"poison", "c/1/1", "c/1/2"}
			s.Spooled = map[string]bool{"c/1/1": true, "c/1/2": true}
		}, ""},
		"what was repeated blindly is late": {func(s *chaos.Stored, w []*chaos.Webhook, _ *chaos.Send) {
			s.Received = []string{"poison", "c/1/1", "c/1/2"}
			w[0].Blind()
		}, ""},
		"an order inside what was repeated blindly": {func(s *chaos.Stored, w []*chaos.Webhook, _ *chaos.Send) {
			s.Received[0], s.Received[1] = s.Received[1], s.Received[0]
			w[0].Blind()
		}, chaos.PromiseOrder},
		"an order inside a webhook on a disk": {func(s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send) {
			s.Received[0], s.Received[1] = s.Received[1], s.Received[0]
			s.Spooled = map[string]bool{"c/1/1": true, "c/1/2": true}
		}, chaos.PromiseOrder},
		"an error that is final": {func(
			_ *chaos.Stored, w []*chaos.Webhook, _ *chaos.Send,
		) {
			w[0].Answered(404)
		}, chaos.PromiseRetryable},
		"an event of nobody's": {func(
			s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send,
		) {
			s.Received = append(s.Received, "ghost")
		}, chaos.PromiseCause},
		"a message that was not seen": {func(
			s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send,
		) {
			s.Seen["a"] = s.Seen["a"][:3]
		}, chaos.PromiseSeen},
		"a dead letter that is absent": {
			func(s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send) { s.Dead = nil }, chaos.PromiseDead,
		},
		"a dead letter too many": {func(
			s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send,
		) {
			s.Dead["a"] = append(s.Dead["a"], "c/1/1")
		}, chaos.PromiseDead},
		"a dead letter of others": {func(
			s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send,
		) {
			s.Dead[""] = []string{"c/1/1"}
		}, chaos.PromiseDead},
		"a send that was doubled": {func(
			s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send,
		) {
			s.Platform["hello"] = []string{"7", "8"}
		}, chaos.PromiseCall},
		"a send without its event": {func(
			s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send,
		) {
			s.Sent = nil
		}, chaos.PromiseSent},
		"a send with two events": {func(
			s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send,
		) {
			s.Sent = []string{"7", "7"}
		}, chaos.PromiseSent},
		"a send without its call": {func(
			s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send,
		) {
			s.Platform = nil
		}, chaos.PromiseSent},
		"a send that never ends": {func(
			_ *chaos.Stored, _ []*chaos.Webhook, send *chaos.Send,
		) {
			send.Success = false
		}, chaos.PromiseSucceeded},
		"a sent event of nobody's": {func(
			s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send,
		) {
			s.Sent = append(s.Sent, "9")
		}, chaos.PromiseCause},
		"a failed event of nobody's": {func(
			s *chaos.Stored, _ []*chaos.Webhook, _ *chaos.Send,
		) {
			s.Failed = []string{"ghost"}
		}, chaos.PromiseCause},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, s, w, send := told()
			test.harm(s, w, send)
			report := chaos.Check(j, s)
			if test.want == "" {
				require.Empty(t, report.Violations)
				require.Contains(t, report.String(), "\n10 passed, 0 failed\n")
				return
			}
			require.True(t, report.Violated(test.want), report.String())
			require.Regexp(t, `\n\d passed, [1-9] failed\n$`, report.String())
		})
	}
}

func TestWebhookGivenUpMayComeLate(t *testing.T) {
	t.Parallel()
	j := &chaos.Journal{}
	late := &chaos.Webhook{Conversation: "c", Number: 1, Texts: []string{"late"}, Fault: "cut"}
	late.Answered(0)
	j.Webhook(late)
	next := &chaos.Webhook{Conversation: "c", Number: 2, Texts: []string{"next"}, Fault: "cut"}
	next.Answered(200)
	j.Webhook(next)
	require.Empty(t, chaos.Check(j, &chaos.Stored{Received: []string{"next", "late"}}).Violations)
}
