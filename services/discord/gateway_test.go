package discord_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

func TestGatewayMessagesAreStoredInOrder(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		n := c.Node("n1")
		pass(10 * time.Second)
		require.Equal(t, "ready", c.only(n).State, c.Logs())
		require.Empty(t, c.only(n).Message)
		c.publish(guild, 1, 100)
		c.gateway.Publish("", "CHANNEL_UPDATE", map[string]any{"id": "500"}) // of which nothing is made
		pass(time.Second)
		require.Equal(t, numbers(1, 100), c.Stream.IDs())
		n.Stop()
		synctest.Wait()
		require.Equal(t, []int{4000}, c.gateway.Counts().Closes, "the session can be resumed")
	})
}

func TestGatewayConnectionIsHandedOver(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		n1 := c.Node("n1")
		pass(10 * time.Second)
		c.publish(guild, 1, 10)
		pass(time.Second)
		n2 := c.Node("n2")
		pass(10 * time.Second)
		require.Equal(t, "n1", c.only(n2).Node)
		n1.Stop()
		c.publish(guild, 11, 20)
		pass(time.Second)
		require.Equal(t, "n2", c.only(n2).Node, "within a second")
		require.Equal(t, numbers(1, 20), c.Stream.IDs())
		require.Zero(t, c.Stream.Repeated(), "nothing is stored again after a graceful stop")
		counts := c.gateway.Counts()
		require.Equal(t, 1, counts.Identifies)
		require.Equal(t, 1, counts.Resumes)
	})
}

func TestGatewayConnectionOfKilledNodeIsTakenOver(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		nodes := map[string]*integrationtest.Node{"n1": c.Node("n1")}
		pass(10 * time.Second)
		nodes["n2"] = c.Node("n2")
		pass(5 * time.Second)
		last := 0
		publishFor := func(d time.Duration) {
			for range d / (50 * time.Millisecond) {
				last++
				c.publish(guild, last, last)
				pass(50 * time.Millisecond)
			}
		}
		publishFor(2 * time.Second)
		nodes["n1"].Kill()
		publishFor(15 * time.Second)
		require.Equal(t, "n2", c.only(nodes["n2"]).Node)
		pass(5 * time.Second)
		require.Equal(t, numbers(1, last), c.Stream.IDs(), "nothing is lost, nothing comes twice")
		require.Equal(t, 1, c.gateway.Counts().Identifies)
	})
}

func TestGatewayNodeThatLosesTheOthersReceivesNothing(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		n1 := c.Node("n1")
		pass(10 * time.Second)
		n2 := c.Node("n2")
		pass(5 * time.Second)
		require.Equal(t, "n1", c.only(n2).Node)
		n1.LoseOthers() // Discord and the stream are still there
		for last := range 300 {
			c.publish(guild, last+1, last+1)
			pass(100 * time.Millisecond)
		}
		pass(5 * time.Second)
		require.Equal(t, "n2", c.only(n2).Node)
		require.Equal(t, numbers(1, 300), c.Stream.IDs())
		require.Equal(t, 1, c.gateway.Sessions())
		require.Equal(t, 1, c.gateway.Counts().Identifies, "the session went on")
	})
}

func TestGatewaySessionIsResumedAfterDrops(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		c.Node("n1")
		pass(10 * time.Second)
		last := 0
		for range 20 {
			for range rand.N(20) + 1 {
				last++
				c.publish(guild, last, last)
			}
			if rand.N(2) == 0 {
				synctest.Wait()
			}
			c.gateway.Drop()
			last++
			c.publish(guild, last, last) // while nobody is connected
			pass(2 * time.Minute)
		}
		require.Equal(t, numbers(1, last), c.Stream.IDs())
		counts := c.gateway.Counts()
		require.Equal(t, 1, counts.Identifies)
		require.Equal(t, 20, counts.Resumes)
	})
}

func TestGatewayReconnectIsObeyedAtOnce(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		n := c.Node("n1")
		pass(10 * time.Second)
		c.gateway.Reconnect()
		c.publish(guild, 1, 5)
		pass(100 * time.Millisecond)
		require.Equal(t, "ready", c.only(n).State)
		require.Equal(t, numbers(1, 5), c.Stream.IDs())
		require.Equal(t, 1, c.gateway.Counts().Resumes)
	})
}

func TestGatewayInvalidSessionBeginsAnew(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		n := c.Node("n1")
		pass(10 * time.Second)
		c.publish(guild, 1, 5)
		c.gateway.Invalidate(true)
		pass(10 * time.Second)
		require.Equal(t, 1, c.gateway.Counts().Resumes, "a session that can be resumed is")
		c.gateway.Invalidate(false)
		pass(time.Second - time.Millisecond)
		require.Equal(t, 1, c.gateway.Counts().Identifies, "Discord wants a pause of a second at least")
		pass(10 * time.Second)
		require.Equal(t, 2, c.gateway.Counts().Identifies)
		c.gateway.Forget() // as after some minutes without a connection
		c.gateway.Drop()
		pass(20 * time.Second)
		require.Equal(t, 3, c.gateway.Counts().Identifies)
		require.Equal(t, "ready", c.only(n).State)
		c.publish(guild, 6, 9)
		pass(time.Second)
		require.Equal(t, numbers(1, 9), c.Stream.IDs())
	})
}

func TestGatewayHeartbeats(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		c.Node("n1")
		pass(10 * time.Minute)
		counts := c.gateway.Counts()
		require.InDelta(t, 14, counts.Heartbeats, 1)
		require.Equal(t, 1, counts.Connects)
		c.gateway.AskForHeartbeat()
		pass(time.Millisecond)
		require.Equal(t, counts.Heartbeats+1, c.gateway.Counts().Heartbeats, "at once")
		for range 300 {
			c.gateway.AskForHeartbeat()
			pass(100 * time.Millisecond)
		}
		pass(time.Minute)
		require.Equal(t, 1, c.gateway.Counts().Connects, "not more than 120 sends a minute")
	})
}

func TestGatewayZombieIsResumed(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		n := c.Node("n1")
		pass(10 * time.Second)
		c.gateway.Configure(func(g *discordtest.GatewayConfig) { g.Zombie, g.Silent = true, true })
		c.publish(guild, 1, 5)
		pass(2 * 41250 * time.Millisecond)
		c.gateway.Configure(func(g *discordtest.GatewayConfig) { g.Zombie, g.Silent = false, false })
		pass(2 * time.Minute)
		require.Equal(t, "ready", c.only(n).State)
		require.Equal(t, numbers(1, 5), c.Stream.IDs())
		require.Contains(t, c.gateway.Counts().Closes, 4000)
		require.GreaterOrEqual(t, c.gateway.Counts().Resumes, 1)
		require.Equal(t, 1, c.gateway.Counts().Identifies)
	})
}

func TestGatewayCloseCodes(t *testing.T) {
	const resumed, begun, refused = "resumed", "begun", "refused"
	for code, test := range map[int]struct{ then, errorCode, says string }{
		1000: {then: resumed}, 1001: {then: resumed}, 1011: {then: resumed}, 4000: {then: resumed}, 4001: {then: resumed},
		4002: {then: resumed}, 4003: {then: begun}, 4005: {then: resumed}, 4007: {then: begun}, 4008: {then: resumed},
		4009: {then: begun}, 4010: {then: begun}, 4011: {then: begun}, 4999: {then: resumed},
		4004: {refused, "CREDENTIALS_REFUSED", "enter the token"},
		4012: {refused, "GATEWAY_REFUSED", "update Switchboard"},
		4013: {refused, "INTENTS_REFUSED", "settings.intents"},
		4014: {refused, "INTENTS_REFUSED", `MESSAGE_CONTENT needs "Message Content Intent"`},
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			inBubble(t, func(c *cluster) {
				t := c.t
				n := c.Node("n1")
				pass(10 * time.Second)
				c.gateway.Close(code, false)
				if test.then == refused {
					pass(5 * time.Second)
					only := c.only(n)
					require.Equal(t, "refused", only.State, only.Message)
					require.Equal(t, test.errorCode, only.Code)
					require.Contains(t, only.Message, test.says)
					require.Equal(t, 1, c.gateway.Counts().Connects, "after a long pause")
					return
				}
				pass(100 * time.Millisecond)
				require.Equal(t, "waiting", c.only(n).State)
				require.Contains(t, c.only(n).Message, fmt.Sprint(code))
				pass(3 * time.Minute)
				require.Equal(t, "ready", c.only(n).State)
				counts := c.gateway.Counts()
				require.Equal(t, test.then == resumed, counts.Resumes == 1, "%+v", counts)
				require.Equal(t, test.then == begun, counts.Identifies == 2, "%+v", counts)
			})
		})
	}
}

func TestGatewayRefusesWhatItIsToldAtTheStart(t *testing.T) {
	for name, test := range map[string]struct {
		change          func(*cluster)
		state, code     string
		says            string
		connects, stays int
	}{
		"a wrong token": {
			change: func(c *cluster) { c.channel.Credentials["botToken"] = "another" }, state: "refused",
			code: "CREDENTIALS_REFUSED", says: "401: Unauthorized: enter the token",
		},
		"intents that are not switched on": {
			change: func(c *cluster) { c.channel.Settings["intents"] = "GUILDS,GUILD_MEMBERS,GUILD_PRESENCES" },
			state:  "refused",
			code:   "INTENTS_REFUSED", says: `GUILD_PRESENCES needs "Presence Intent", GUILD_MEMBERS needs "Server Members ` +
				`Intent"`,
		},
		"too many sessions today": {
			change: func(c *cluster) {
				c.gateway.Configure(func(g *discordtest.GatewayConfig) { g.Starts, g.ResetAfter = 0, time.Hour })
			}, state: "waiting", code: "RATE_LIMITED", says: "no more sessions today",
		},
		"no Gateway at all": {
			change: func(c *cluster) {
				c.discord.Script(discordtest.ConnectGateway, discordtest.Response{Status: http.StatusBadGateway})
			}, state: "ready", connects: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(c *cluster) {
				t := c.t
				test.change(c)
				n := c.Node("n1")
				pass(30 * time.Minute)
				only := c.only(n)
				require.Equal(t, test.state, only.State, only.Message)
				require.Equal(t, test.code, only.Code)
				require.Contains(t, only.Message, test.says)
				require.Equal(t, test.connects, c.gateway.Counts().Connects)
				if name == "too many sessions today" {
					require.LessOrEqual(t, c.gateway.Counts().Asked, 2)
				}
			})
		})
	}
}

func TestGatewayWithoutMessageContentSaysSo(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		c.gateway.Configure(func(g *discordtest.GatewayConfig) { g.Privileged = 0 })
		n := c.Node("n1")
		pass(10 * time.Second)
		only := c.only(n)
		require.Equal(t, "ready", only.State)
		require.Contains(t, only.Message, `switch "Message Content Intent" on`)
		health, err := n.Service.Call(t.Context(), integration.ActionHealthCheck,
			&action.Request{Params: json.RawMessage(`{"channelId":"ch-1"}`)})
		require.NoError(t, err)
		require.Contains(t, fmt.Sprint(health), "MESSAGE_CONTENT")
		c.publish(guild, 1, 1)
		pass(time.Second)
		require.NotContains(t, c.Stream.Payloads()[0], "text 1")
		// Once it is switched on, the next connection begins a session with it.
		c.gateway.Configure(func(g *discordtest.GatewayConfig) { g.Privileged = 1 << 15 })
		c.gateway.Drop()
		pass(30 * time.Second)
		require.Empty(t, c.only(n).Message)
		c.publish(guild, 2, 2)
		pass(time.Second)
		require.Contains(t, c.Stream.Payloads()[1], "text 2")
	})
}

func TestGatewayIntentsOfTheSetting(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		c.channel.Settings["intents"] = "GUILDS, DIRECT_MESSAGES"
		c.channel.Settings["presence"] = "idle: back at nine"
		n := c.Node("n1")
		pass(10 * time.Second)
		c.publish(guild, 1, 5)
		c.publish("", 6, 7)
		pass(time.Second)
		require.Equal(t, numbers(6, 7), c.Stream.IDs())
		require.Empty(t, c.only(n).Message)
		c.gateway.Drop()
		pass(10 * time.Second)
		presences := c.gateway.Counts().Presences
		require.Len(t, presences, 2)
		require.JSONEq(t, `{"since":null,"status":"idle","afk":false,
			"activities":[{"name":"Custom Status","type":4,"state":"back at nine"}]}`, presences[1])
	})
}

func TestGatewayShardsAreSplitOverNodes(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		c.gateway.Configure(func(g *discordtest.GatewayConfig) { g.Shards, g.MinShards, g.MaxConcurrency = 8, 8, 2 })
		n1, n2 := c.Node("n1"), c.Node("n2")
		pass(2 * time.Minute)
		nodes := map[string]int{}
		for _, conn := range n1.Connections() {
			require.Equal(t, "ready", conn.State, "%+v", conn)
			require.Equal(t, 8, conn.Of)
			nodes[conn.Node]++
		}
		require.Equal(t, map[string]int{"n1": 4, "n2": 4}, nodes)
		require.Equal(t, 8, c.gateway.Sessions())
		for shard := range 8 {
			c.publish(guildOf(shard), 10*shard, 10*shard+9)
		}
		pass(time.Second)
		require.ElementsMatch(t, numbers(0, 79), c.Stream.IDs())
		require.Zero(t, c.Stream.Repeated(), "each message comes over one connection")
		require.Equal(t, 8, c.gateway.Counts().Identifies, "within the limits, see the violations")
		require.Less(t, c.gateway.Counts().Asked, 8, "the shards of a node ask together")
		n1.Stop()
		pass(2 * time.Second)
		require.Equal(t, 8, c.gateway.Sessions(), "the other node resumes them at once")
		require.Equal(t, 8, c.gateway.Counts().Identifies)
		_ = n2
	})
}

func TestGatewayLimitsHoldOnSlowNetworks(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		c.gateway.Configure(func(g *discordtest.GatewayConfig) { g.Shards = 6 })
		c.Delay(func() time.Duration { return rand.N(4 * time.Second) })
		c.Node("n1")
		c.Node("n2")
		pass(5 * time.Minute)
		require.Equal(t, 6, c.gateway.Sessions(), c.Logs())
		require.Equal(t, 6, c.gateway.Counts().Identifies)
	})
}

func TestGatewayShardsThatBecomeMoreAreOpenedAnew(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		c.gateway.Configure(func(g *discordtest.GatewayConfig) { g.Shards = 2 })
		n := c.Node("n1")
		pass(time.Minute)
		require.Len(t, n.Connections(), 2)
		c.gateway.Configure(func(g *discordtest.GatewayConfig) { g.Shards, g.MinShards = 4, 4 })
		c.gateway.Close(4011, true)
		pass(3 * time.Minute)
		require.Equal(t, 4, c.gateway.Sessions(), c.Logs())
		for shard := range 4 {
			c.publish(guildOf(shard), shard, shard)
		}
		pass(time.Second)
		require.ElementsMatch(t, numbers(0, 3), c.Stream.IDs())
		require.Zero(t, c.Stream.Repeated())
	})
}

// Sequence numbers begin anew with each session: a reaction there is another one, with the same number, too.
func TestGatewayReactionInAnotherSessionIsAnotherOne(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		c.Node("n1")
		react := func() {
			c.gateway.Publish(guild, "MESSAGE_REACTION_ADD", map[string]any{
				"message_id": "1", "channel_id": "500", "user_id": "9", "emoji": map[string]any{"id": nil, "name": "👍"},
			})
		}
		pass(10 * time.Second)
		react()
		pass(time.Second)
		c.gateway.Drop()
		react()
		pass(10 * time.Second)
		require.Len(t, c.Stream.IDs(), 2)
		require.Equal(t, sessionOf(t, c, 0), sessionOf(t, c, 1), "the session was resumed")
		c.gateway.Close(4007, true)
		pass(time.Minute)
		require.Equal(t, 2, c.gateway.Counts().Identifies)
		react()
		pass(time.Second)
		require.Len(t, c.Stream.IDs(), 3)
		require.Equal(t, c.Stream.IDs()[0], c.Stream.IDs()[2], "both have the same number, with which their keys end")
		require.NotEqual(t, sessionOf(t, c, 0), sessionOf(t, c, 2))
	})
}

// sessionOf is the key of the nth reaction that was stored, without its number in the session.
func sessionOf(t *testing.T, c *cluster, n int) string {
	t.Helper()
	var event struct{ Message integration.Message }
	require.NoError(t, json.Unmarshal([]byte(c.Stream.Payloads()[n]), &event))
	key := event.Message.DedupKey
	require.Contains(t, key, ":")
	return key[:strings.LastIndex(key, ":")]
}

func TestGatewayReadsNothingWhileNothingIsStored(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		n := c.Node("n1")
		pass(10 * time.Second)
		c.Stream.Refuse(true)
		c.publish(guild, 1, 3000)
		pass(10 * time.Minute)
		sent := c.gateway.Counts().Sent
		require.Less(t, sent, 1500)
		require.Equal(t, "ready", c.only(n).State)
		require.Equal(t, 1, c.gateway.Counts().Connects, "heartbeats go on, and the silence is no zombie's")
		require.Greater(t, c.gateway.Counts().Heartbeats, 10)
		c.Stream.Refuse(false)
		pass(time.Minute)
		require.Equal(t, numbers(1, 3000), c.Stream.IDs())
	})
}

func TestGatewayGarbageAndLargeFramesOpenAnew(t *testing.T) {
	large := strings.Repeat("x", 10<<20)
	for name, disturb := range map[string]func(g *discordtest.Gateway){
		"bytes that are not compressed": func(g *discordtest.Gateway) { g.SendFrame([]byte("garbage")) },
		"a frame of more than 10 MB":    func(g *discordtest.Gateway) { g.SendFrame([]byte(large + "x")) },
		"a payload that inflates":       func(g *discordtest.Gateway) { g.Send(map[string]any{"op": 0, "d": large}) },
		"JSON of another form":          func(g *discordtest.Gateway) { g.Send([]int{1}) },
		"a dispatch without a number":   func(g *discordtest.Gateway) { g.Send(map[string]any{"op": 0}) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(c *cluster) {
				t := c.t
				n := c.Node("n1")
				pass(10 * time.Second)
				c.publish(guild, 1, 5)
				synctest.Wait()
				disturb(c.gateway)
				c.publish(guild, 6, 9)
				pass(10 * time.Second)
				require.Equal(t, "ready", c.only(n).State)
				require.Equal(t, numbers(1, 9), c.Stream.IDs())
				require.Equal(t, 1, c.gateway.Counts().Resumes)
			})
		})
	}
}

func TestGatewayEventThatIsTooLargeIsNotResumedForEver(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		n := c.Node("n1")
		pass(10 * time.Second)
		c.gateway.Publish(guild, "MESSAGE_CREATE", map[string]any{"id": "1", "content": strings.Repeat("x", 11<<20)})
		pass(2 * time.Minute)
		require.Equal(t, "ready", c.only(n).State)
		require.Equal(t, 2, c.gateway.Counts().Identifies)
		c.publish(guild, 2, 3)
		pass(time.Second)
		require.Equal(t, numbers(2, 3), c.Stream.IDs())
	})
}

func TestGatewayInteractionIsAnsweredByItsCallback(t *testing.T) {
	command := func() map[string]any {
		return map[string]any{
			"type": 2, "channel_id": "500", "user": map[string]any{"id": "9", "username": "ada"},
			"data": map[string]any{"id": "1", "name": "order", "type": 1},
		}
	}
	inBubble(t, func(c *cluster) {
		t := c.t
		n := c.Node("n1")
		pass(10 * time.Second)
		c.discord.PublishInteraction("", "900", "token-1", command())
		pass(time.Second)
		require.Equal(t, []string{"900"}, c.Stream.IDs())
		require.Equal(t, 5, c.discord.Answer("token-1"))

		c.discord.Script(discordtest.InteractionCallback, discordtest.Response{Status: 502})
		c.discord.PublishInteraction("", "901", "token-2", command())
		pass(time.Second)
		require.Equal(t, 5, c.discord.Answer("token-2"), "it is tried again")

		c.Stream.Refuse(true)
		c.discord.PublishInteraction("", "902", "token-3", command())
		pass(2 * time.Second)
		require.Zero(t, c.discord.Answer("token-3"), "not before it is durable")
		c.Stream.Refuse(false)
		pass(10 * time.Second)
		require.Equal(t, []string{"900", "901", "902"}, c.Stream.IDs())

		c.discord.PublishInteraction("", "903", "token-4", command())
		n.Stop()
		require.Equal(t, c.discord.Answer("token-4") == 5, len(c.Stream.IDs()) == 4,
			"what is stored is answered before the end")
	})
}

func TestGatewayIsNotOpenedForWebhooks(t *testing.T) {
	inBubble(t, func(c *cluster) {
		t := c.t
		c.channel.Settings["receive"] = "webhook"
		n := c.Node("n1")
		pass(time.Minute)
		require.Zero(t, c.gateway.Counts().Connects)
		require.Empty(t, n.Connections())
	})
}
