package slack_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/slack/slacktest"
)

const inThread = channelID + ":1700000000.000100"

// contextWith is the replyContext with these names and values.
func contextWith(pairs ...string) string {
	m := integration.Message{}
	for i := 0; i < len(pairs); i += 2 {
		m.PutReplyValue(pairs[i], pairs[i+1])
	}
	return m.ReplyContext
}

func TestReplyContextHasWhatAnAnswerNeeds(t *testing.T) {
	const link = "https://hooks.slack.com/commands/T1/1/abc"
	command := url.Values{
		"command": {"/order"}, "channel_id": {"C1"}, "thread_ts": {"1700000000.000100"}, "user_id": {"U1"},
		"trigger_id": {"1.2.3"}, "response_url": {link},
	}
	m := normalize(t, []byte(command.Encode()), nil)[0]
	require.Equal(
		t, contextWith("triggerId", "1.2.3", "responseUrl", link, "thread", "C1:1700000000.000100"), m.ReplyContext,
	)
	require.Equal(t, link, m.Metadata["responseUrl"], "the old name is still written")
	require.Equal(t, "1.2.3", m.Metadata["triggerId"], "the old name is still written")

	event := eventBody("Ev1", `{"type":"message","user":"U1","text":"hi","channel":"C1","ts":"1799999000.000100"}`)
	require.Empty(t, normalize(t, event, nil)[0].ReplyContext, "a message outside of a thread needs nothing")
	perThread := normalize(t, event, map[string]string{"conversations": "thread"})[0]
	require.Equal(t, contextWith("thread", "C1:1799999000.000100"), perThread.ReplyContext)

	command.Set("response_url", link+strings.Repeat("x", 4096))
	m = normalize(t, []byte(command.Encode()), nil)[0]
	require.Equal(t, contextWith("triggerId", "1.2.3", "thread", "C1:1700000000.000100"), m.ReplyContext, "4 KB at most")
}

func TestReplyContextLeadsToTheResponseURL(t *testing.T) {
	server, ch := newServer(t)
	m := text("done")
	m.To.ID = ""
	m.ReplyContext = contextWith("triggerId", "1.2.3", "responseUrl", server.ResponseURL(), "thread", inThread)
	m.Metadata = map[string]any{"responseUrl": "https://example.org/old", "responseType": "in_channel"}
	_, err := newPlatform(t).Send(t.Context(), m, ch)
	require.NoError(t, err)
	require.JSONEq(t, `{"text":"done","mrkdwn":false,"thread_ts":"1700000000.000100","response_type":"in_channel"}`,
		bodies(server, slacktest.Respond)[0])

	m.ReplyContext = contextWith("responseUrl", "https://example.org/actions/T1/1/a")
	_, err = newPlatform(t).Send(t.Context(), m, ch)
	requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
	require.Len(t, server.Requests(), 1)
}

func TestReplyContextLeadsToTheThread(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*integration.Message)
		body   string
	}{
		"of its channel": {
			func(*integration.Message) {}, `{"channel":"C024BE91L","thread_ts":"1700000000.000100","text":"hi","mrkdwn":false}`,
		},
		"unless another is named": {
			func(m *integration.Message) { m.ThreadID = "1700000000.000200" },
			`{"channel":"C024BE91L","thread_ts":"1700000000.000200","text":"hi","mrkdwn":false}`,
		},
		"but not to another place": {
			func(m *integration.Message) { m.To.ID = "C2A" }, `{"channel":"C2A","text":"hi","mrkdwn":false}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			m := text("hi", test.change)
			m.ReplyContext = contextWith("thread", inThread)
			_, err := newPlatform(t).Send(t.Context(), m, ch)
			require.NoError(t, err)
			require.JSONEq(t, test.body, string(server.Requests()[0].Raw))
		})
	}
}

func TestReplyContextOfAnotherFormIsRefused(t *testing.T) {
	server, ch := newServer(t)
	m := text("hi")
	for _, context := range []string{"%", "thread=C024BE91L%3Ax"} {
		m.ReplyContext = context
		_, err := newPlatform(t).Send(t.Context(), m, ch)
		requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
	}
	require.Empty(t, server.Requests())
}
