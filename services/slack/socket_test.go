package slack_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/slack"
	"github.com/hiliosai/switchboard/services/slack/slacktest"
)

const appToken = "xapp-1-A0000APP-canary"

// socketCluster is nodes that receive by Socket Mode.
type socketCluster struct {
	*integrationtest.Cluster
	slack *slacktest.Server
}

// withSockets runs a test in a bubble.
func withSockets(t *testing.T, test func(t *testing.T, c *socketCluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake := slacktest.New(botToken)
		fake.Socket.SetAppToken(appToken)
		c := &socketCluster{
			Cluster: integrationtest.NewCluster(t, slack.Definition, socketChannel(), fake, fake.Close), slack: fake,
		}
		defer c.Close()
		test(t, c)
		require.Empty(t, fake.Socket.Counts().Violations)
		for _, secret := range []string{appToken, botToken, "ticket-"} {
			require.NotContains(t, c.Logs(), secret)
		}
	})
}

func socketChannel() *integration.Channel {
	ch := channelAt(integrationtest.ClusterURL + "/api")
	delete(ch.Credentials, "signingSecret")
	ch.Credentials["appToken"] = appToken
	ch.Settings["receive"] = "socket"
	return ch
}

// pass lets time go by, of which there is as much as wanted within a bubble.
func pass(d time.Duration) { <-time.After(d) }

// timestamp is that of the event with the number.
func timestamp(n int) string { return fmt.Sprintf("%d.000100", 1_700_000_000+n) }

// event is an event whose id is E and the number.
func event(n int) map[string]any {
	return map[string]any{
		"type": "event_callback", "event_id": fmt.Sprint("E", n), "team_id": "T1", "event_time": 1_700_000_000,
		"event": map[string]any{
			"type": "message", "channel": "C1", "user": "U1", "text": fmt.Sprint("text ", n), "channel_type": "channel",
			"ts": timestamp(n), "event_ts": timestamp(n),
		},
	}
}

// ids are the ends of the dedup keys of the events from first to last.
func ids(first, last int) []string {
	var list []string
	for n := first; n <= last; n++ {
		list = append(list, timestamp(n))
	}
	return list
}

func TestSocketAcknowledgesWhatIsDurable(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		n := c.Node("n1")
		pass(10 * time.Second)
		require.Equal(t, 1, c.slack.Socket.Sockets(), "one node has one of the two sockets")
		acked := c.slack.Socket.PushEvent(event(1))
		pass(time.Second)
		require.Len(t, acked, 1)
		require.Equal(t, ids(1, 1), c.Stream.IDs())

		c.Stream.Refuse(true)
		acked = c.slack.Socket.PushEvent(event(2))
		pass(20 * time.Second)
		require.Empty(t, acked, "nothing is acknowledged that is not durable")
		c.Stream.Refuse(false)
		pass(20 * time.Second)
		require.Len(t, acked, 1)
		require.Equal(t, ids(1, 2), c.Stream.IDs(), "and nothing is stored twice that Slack sent again")

		states := n.Connections()
		require.Len(t, states, 2)
		require.Equal(t, integration.ConnectionReady, states[0].State+states[1].State)
	})
}

func TestSocketsAreOnTwoNodes(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		first, _, _ := c.Node("n1"), c.Node("n2"), c.Node("n3")
		pass(30 * time.Second)
		require.Equal(t, 2, c.slack.Socket.Sockets())
		nodes := map[string]bool{}
		for _, conn := range first.Connections() {
			nodes[conn.Node] = true
			require.Equal(t, integration.ConnectionReady, conn.State)
		}
		require.Len(t, nodes, 2)
	})
}

func TestSocketOfADeadNodeLosesNothing(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		dying := c.Node("n1")
		c.Node("n2")
		pass(10 * time.Second)
		for n := 1; n <= 20; n++ {
			c.slack.Socket.PushEvent(event(n))
		}
		dying.Kill()
		for n := 21; n <= 40; n++ {
			c.slack.Socket.PushEvent(event(n))
		}
		pass(time.Minute)
		require.ElementsMatch(t, ids(1, 40), c.Stream.IDs())
		require.Equal(t, 40, c.slack.Socket.Counts().Acked)
	})
}

func TestSocketIsReplacedBeforeSlackClosesIt(t *testing.T) {
	for _, reason := range []string{"warning", "refresh_requested"} {
		t.Run(reason, func(t *testing.T) {
			withSockets(t, func(t *testing.T, c *socketCluster) {
				t.Helper()
				n := c.Node("n1")
				pass(10*time.Second + time.Second/2) // so that nothing is pushed while Slack closes a socket
				for second := 1; second <= 60; second++ {
					if second%20 == 1 {
						c.slack.Socket.Disconnect(reason)
					}
					c.slack.Socket.PushEvent(event(second))
					pass(time.Second - time.Millisecond)
					if second%20 == 5 {
						require.Equal(t, 2, c.slack.Socket.Sockets(), "the old one is read until Slack closes it")
					}
				}
				require.Equal(t, 1, c.slack.Socket.Sockets())
				counts := c.slack.Socket.Counts()
				require.Equal(t, 4, counts.Connects)
				require.Zero(t, counts.Homeless, "each envelope found a socket")
				require.Equal(t, 60, counts.Acked)
				require.Equal(t, 60, counts.Delivered, "each was acknowledged on the socket that it came on")
				require.ElementsMatch(t, ids(1, 60), c.Stream.IDs())
				require.Contains(t, n.Connections()[0].State+n.Connections()[1].State, integration.ConnectionReady)
			})
		})
	}
}

func TestSocketIsReadWhileItsSuccessorCannotBeOpened(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		c.Node("n1")
		pass(10 * time.Second)
		c.slack.Socket.SetAppToken("")
		c.slack.Socket.Disconnect("warning")
		pass(time.Second)
		acked := c.slack.Socket.PushEvent(event(1))
		pass(time.Second)
		require.Len(t, acked, 1)
		c.slack.Socket.SetAppToken(appToken)
		pass(6 * time.Second)
		require.Equal(t, 2, c.slack.Socket.Counts().Connects, "it is tried again while the old one lasts")
		pass(10 * time.Second)
		c.slack.Socket.SetAppToken("")
		c.slack.Socket.Disconnect("refresh_requested")
		pass(15 * time.Second)
		require.Zero(t, c.slack.Socket.Sockets())
		require.NotContains(t, c.Logs(), "panic")
		c.slack.Socket.SetAppToken(appToken)
		pass(time.Minute)
		require.Equal(t, 1, c.slack.Socket.Sockets())
	})
}

func TestSocketIsNotReplacedWithoutAPause(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		c.Node("n1")
		pass(10 * time.Second)
		for range 500 {
			c.slack.Socket.Disconnect("refresh_requested")
			pass(10 * time.Millisecond)
		}
		require.LessOrEqual(t, c.slack.Socket.Counts().Connects, 5)
		pass(time.Minute)
		require.Equal(t, 1, c.slack.Socket.Sockets())
	})
}

func TestSocketReadsEnvelopesWithFieldsOfAnotherType(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		c.Node("n1")
		pass(10 * time.Second)
		encoded, err := json.Marshal(event(1))
		require.NoError(t, err)
		c.slack.Socket.SendFrame(`{"type":"events_api","envelope_id":"e","retry_attempt":"many","retry_reason":5,"payload":` +
			string(encoded) + `}`)
		pass(time.Second)
		require.Equal(t, ids(1, 1), c.Stream.IDs())
		require.Equal(t, 1, c.slack.Socket.Counts().Connects)
	})
}

func TestSocketAnswersPingsWhileNothingIsDurable(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		c.Node("n1")
		pass(10 * time.Second)
		c.Stream.Refuse(true)
		for n := 1; n <= 1500; n++ { // more than a session takes
			c.slack.Socket.PushEvent(event(n))
		}
		pass(time.Minute)
		counts := c.slack.Socket.Counts()
		require.Zero(t, counts.Acked)
		require.Zero(t, counts.Unanswered)
		require.Equal(t, 1, counts.Connects, "the socket lasts")
		c.slack.Socket.Disconnect("warning")
		pass(15 * time.Second)
		require.Equal(t, 2, c.slack.Socket.Counts().Connects, "it is replaced nevertheless")
		require.Equal(t, 1, c.slack.Socket.Sockets())
		c.Stream.Refuse(false)
		pass(2 * time.Minute)
		counts = c.slack.Socket.Counts()
		require.Equal(t, 1500, counts.Acked)
		require.Zero(t, counts.Homeless)
		require.ElementsMatch(t, ids(1, 1500), c.Stream.IDs())
	})
}

// receive hands a webhook over as a gateway does.
func receive(t *testing.T, n *integrationtest.Node, body []byte, contentType string) {
	t.Helper()
	headers := sign(channel(), body, time.Now())
	headers["content-type"] = contentType
	params, err := json.Marshal(map[string]any{
		"channelId": "ch-1", "payload": map[string]any{}, "headers": headers, "timestamp": time.Now().UnixMilli(),
		"rawBody": base64.StdEncoding.EncodeToString(body), "rawBodyEncoding": "base64",
	})
	require.NoError(t, err)
	_, err = n.Service.Call(t.Context(), integration.ActionReceiveWebhook, &action.Request{Params: params})
	require.NoError(t, err)
}

func TestEventOverHTTPAndTheSocketIsStoredOnce(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		both := socketChannel()
		both.Credentials["signingSecret"] = signingSecret
		c.SetChannel(both)
		n := c.Node("n1")
		pass(10 * time.Second)
		body := func(number int) []byte {
			encoded, err := json.Marshal(event(number))
			require.NoError(t, err)
			return encoded
		}
		receive(t, n, body(1), "application/json")
		c.slack.Socket.PushEvent(event(1))
		c.slack.Socket.PushEvent(event(2))
		pass(time.Second)
		receive(t, n, body(2), "application/json")
		pass(time.Second)
		require.Equal(t, ids(1, 2), c.Stream.IDs())
		require.Equal(t, 2, c.Stream.Repeated())
		require.Equal(t, 2, c.slack.Socket.Counts().Acked)
	})
}

// TestSocketMessagesEqualThoseByHTTP sends each of testdata's webhooks in both ways, and compares the events in full.
func TestSocketMessagesEqualThoseByHTTP(t *testing.T) {
	all := 0
	for _, w := range webhooks(t) {
		t.Run(w.Name, func(t *testing.T) {
			stored := func(send func(t *testing.T, c *socketCluster, n *integrationtest.Node)) (events []string) {
				withSockets(t, func(t *testing.T, c *socketCluster) {
					t.Helper()
					both := socketChannel()
					both.Credentials["signingSecret"] = signingSecret
					c.SetChannel(both)
					n := c.Node("n1")
					pass(10 * time.Second)
					send(t, c, n)
					pass(time.Second)
					events = c.Stream.Payloads()
				})
				return events
			}
			byHTTP := stored(func(t *testing.T, _ *socketCluster, n *integrationtest.Node) {
				t.Helper()
				receive(t, n, asSent(t, w.Body), w.Headers["content-type"])
			})
			overSocket := stored(func(t *testing.T, c *socketCluster, _ *integrationtest.Node) {
				t.Helper()
				acked := pushWebhook(t, c.slack.Socket, w.Body)
				pass(time.Second)
				require.Len(t, acked, 1)
			})
			require.Equal(t, byHTTP, overSocket)
			all += len(byHTTP)
		})
	}
	require.Greater(t, all, 50)
}

// asSent is a webhook's body with its JSON written as the fake writes it: what has no id is known by its bytes.
func asSent(t *testing.T, body []byte) []byte {
	t.Helper()
	encode := func(text string) string {
		encoded, err := json.Marshal(json.RawMessage(text))
		require.NoError(t, err)
		return string(encoded)
	}
	if body[0] == '{' {
		return []byte(encode(string(body)))
	}
	values, err := url.ParseQuery(string(body))
	require.NoError(t, err)
	if values.Has("payload") {
		values.Set("payload", encode(values.Get("payload")))
	}
	return []byte(values.Encode())
}

// pushWebhook sends over the socket what the webhook with that body says.
func pushWebhook(t *testing.T, to *slacktest.SocketMode, body []byte) <-chan slacktest.Answer {
	t.Helper()
	if body[0] == '{' {
		return to.PushEvent(json.RawMessage(body))
	}
	form, err := url.ParseQuery(string(body))
	require.NoError(t, err)
	if form.Has("payload") {
		return to.PushInteraction(json.RawMessage(form.Get("payload")))
	}
	fields := map[string]string{}
	for name := range form {
		fields[name] = form.Get(name)
	}
	return to.PushCommand(fields)
}

func TestSocketInteractionsAndCommandsAreAnswered(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		c.Node("n1")
		pass(10 * time.Second)
		interaction, err := os.ReadFile("testdata/interactions/button_pressed.json")
		require.NoError(t, err)
		acked := c.slack.Socket.PushInteraction(json.RawMessage(interaction))
		command := c.slack.Socket.PushCommand(map[string]any{
			"command": "/weather", "text": "94070", "user_id": "U1", "channel_id": "C1", "team_id": "T1", "trigger_id": "1.2.x",
			"response_url": "https://hooks.slack.com/commands/1", "is_enterprise_install": "false",
		})
		options := c.slack.Socket.PushInteraction(map[string]any{
			"type": "block_suggestion", "action_id": "a", "block_id": "b", "value": "x", "user": map[string]any{"id": "U1"},
			"team": map[string]any{"id": "T1"},
		})
		pass(time.Second)
		require.Nil(t, (<-acked).Payload)
		require.Nil(t, (<-command).Payload)
		require.JSONEq(t, `{"options":[]}`, string((<-options).Payload), "what HTTP would be answered")
		all := strings.Join(c.Stream.Payloads(), "\n")
		require.Contains(t, all, "/weather 94070")
		require.Contains(t, all, `"replyContext"`)
	})
}

func TestSocketEnvelopeThatIsAcknowledgedLateIsStoredOnce(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		c.Node("n1")
		pass(10 * time.Second)
		c.Stream.Refuse(true)
		var acked []<-chan slacktest.Answer
		for n := 1; n <= 10; n++ {
			acked = append(acked, c.slack.Socket.PushEvent(event(n)))
		}
		c.slack.Socket.Disconnect("warning")
		pass(4 * time.Second) // Slack has sent each again, over either socket
		require.Equal(t, 20, c.slack.Socket.Counts().Delivered)
		require.Zero(t, c.slack.Socket.Counts().Acked)
		c.Stream.Refuse(false)
		pass(30 * time.Second)
		for _, one := range acked {
			require.Len(t, one, 1)
		}
		require.ElementsMatch(t, ids(1, 10), c.Stream.IDs())
		require.NotContains(t, strings.Join(c.Stream.Payloads(), ""), "retryNumber", "those that came first were stored")
	})
}

func TestSocketEnvelopeThatIsSentAgainSaysSo(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		dying := c.Node("n1")
		pass(10 * time.Second)
		c.Stream.Refuse(true)
		c.slack.Socket.PushEvent(event(1))
		pass(time.Second)
		dying.Kill()
		c.Stream.Refuse(false)
		c.Node("n2")
		pass(time.Minute)
		require.Equal(t, ids(1, 1), c.Stream.IDs())
		require.Contains(t, c.Stream.Payloads()[0], `"retryNumber":1,"retryReason":"timeout"`)
	})
}

func TestSocketThatIsRefusedSaysWhatToDo(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		c.slack.Socket.SetAppToken("")
		n := c.Node("n1")
		pass(time.Minute)
		opened := len(c.slack.Requests())
		require.Less(t, opened, 10, "it is tried again calmly")
		conn := n.Connections()[0]
		require.Equal(t, integration.ConnectionRefused, conn.State)
		require.Contains(t, conn.Message, "connections:write")
		c.slack.Socket.SetAppToken(appToken)
		pass(10 * time.Minute)
		require.Equal(t, 1, c.slack.Socket.Sockets())
		c.slack.Socket.Disconnect("link_disabled")
		pass(time.Second)
		require.Contains(t, n.Connections()[0].Message, "switched off")
	})
}

func TestSocketBeyondTheLimitWaits(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		n := c.Node("n1")
		pass(10 * time.Second)
		for _, reason := range []string{"too_many_websockets", "reason_of_a_later_version"} {
			connects := c.slack.Socket.Counts().Connects
			for range 20 {
				c.slack.Socket.Disconnect(reason)
				pass(time.Second)
			}
			require.LessOrEqual(t, c.slack.Socket.Counts().Connects-connects, 8, reason)
		}
		c.slack.Socket.Disconnect("too_many_websockets")
		pass(5 * time.Second)
		require.Contains(t, n.Connections()[0].State+n.Connections()[1].State, integration.ConnectionWaiting)
		pass(3 * time.Minute)
		require.Equal(t, 1, c.slack.Socket.Sockets())
	})
}

func TestSocketThatIsHalfOpenIsOpenedAnew(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		c.Node("n1")
		pass(10 * time.Second)
		c.slack.Socket.SetSilent(true)
		pass(time.Minute)
		require.Greater(t, c.slack.Socket.Counts().Connects, 1)
		c.slack.Socket.SetSilent(false)
		c.slack.Socket.Drop()
		pass(2 * time.Minute)
		c.slack.Socket.PushEvent(event(1))
		pass(10 * time.Second)
		require.Equal(t, ids(1, 1), c.Stream.IDs())
	})
}

func TestSocketSurvivesGarbageAndLargeMessages(t *testing.T) {
	for name, frame := range map[string]string{
		"garbage": `{"type":`, "a list": `[1]`, "too large": `"` + strings.Repeat("x", 11<<20) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			withSockets(t, func(t *testing.T, c *socketCluster) {
				t.Helper()
				c.Node("n1")
				pass(10 * time.Second)
				c.slack.Socket.SendFrame(frame)
				pass(time.Minute)
				c.slack.Socket.PushEvent(event(1))
				pass(10 * time.Second)
				require.Equal(t, ids(1, 1), c.Stream.IDs())
				require.Equal(t, 2, c.slack.Socket.Counts().Connects)
			})
		})
	}
}

func TestSocketTakesEnvelopesUpToTenMegabytes(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		c.Node("n1")
		pass(10 * time.Second)
		const rest = 2 << 10 // of the envelope around it
		for n, field := range []string{"field_of_a_later_version", "text"} {
			e := event(n)
			e["event"].(map[string]any)[field] = strings.Repeat("x", 10<<20-rest)
			acked := c.slack.Socket.PushEvent(e)
			pass(2 * time.Second)
			require.Len(t, acked, 1, field)
		}
		c.slack.Socket.PushEvent(event(2))
		pass(time.Second)
		require.Equal(t, 1, c.slack.Socket.Counts().Connects)
		require.Subset(t, c.Stream.IDs(), []string{timestamp(0), timestamp(2)})
	})
}

func TestSocketAcknowledgesEnvelopesThatCannotBeRead(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		c.Node("n1")
		pass(10 * time.Second)
		first, second := c.slack.Socket.PushEvent("no event"), c.slack.Socket.PushCommand("no command")
		third := c.slack.Socket.PushEvent(event(1))
		pass(time.Second)
		require.Len(t, first, 1, "it would come again and again")
		require.Len(t, second, 1)
		require.Len(t, third, 1)
		require.Equal(t, ids(1, 1), c.Stream.IDs())
	})
}

func TestSocketHandsOverWhenItsNodeStops(t *testing.T) {
	withSockets(t, func(t *testing.T, c *socketCluster) {
		t.Helper()
		leaving := c.Node("n1")
		pass(10 * time.Second)
		c.Node("n2")
		pass(10 * time.Second)
		for n := 1; n <= 10; n++ {
			c.slack.Socket.PushEvent(event(n))
		}
		leaving.Stop()
		for n := 11; n <= 20; n++ {
			c.slack.Socket.PushEvent(event(n))
		}
		pass(10 * time.Second)
		require.ElementsMatch(t, ids(1, 20), c.Stream.IDs())
		require.Zero(t, c.Stream.Repeated(), "what was under way was acknowledged before")
	})
}
