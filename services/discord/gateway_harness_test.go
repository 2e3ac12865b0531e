package discord_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/discord"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

// cluster is nodes that share a fake of Discord, a stream and leases, all of them within a synctest bubble.
type cluster struct {
	*integrationtest.Cluster
	t       *testing.T
	discord *discordtest.Server
	gateway *discordtest.Gateway
	channel *integration.Channel // to be changed before the first node
}

// inBubble runs a test with a cluster. At its end nothing may be left running, and nothing may have been done that
// Discord forbids.
func inBubble(t *testing.T, test func(c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake, ch := discordtest.New(app()), gatewayTestChannel()
		fake.Gateway.Configure(func(g *discordtest.GatewayConfig) { g.Privileged = 1 << 15 })
		c := &cluster{
			Cluster: integrationtest.NewCluster(t, discord.Definition, ch, fake, fake.Close),
			t:       t, discord: fake, gateway: fake.Gateway, channel: ch,
		}
		defer c.Close()
		test(c)
		require.Empty(t, c.gateway.Counts().Violations)
		require.NotContains(t, c.Logs(), canary)
		require.NotContains(t, c.Logs(), "panicked")
	})
}

// gatewayTestChannel receives over the Gateway, and has no key for webhooks.
func gatewayTestChannel() *integration.Channel {
	ch := channel()
	delete(ch.Credentials, "publicKey")
	delete(ch.Settings, "receive")
	ch.Settings["apiBase"] = integrationtest.ClusterURL + discordtest.Root
	return ch
}

// only is the only connection.
func (c *cluster) only(n *integrationtest.Node) integration.Connection {
	c.t.Helper()
	list := n.Connections()
	require.Len(c.t, list, 1)
	return list[0]
}

// guild is a server whose events go to shard 0 of any number of shards that is a power of two.
const guild = "0"

// guildOf returns a server of a shard.
func guildOf(shard int) string { return fmt.Sprint(uint64(shard)<<22 | 7) }

// publish makes messages in a server, numbered from first to last.
func (c *cluster) publish(guildID string, first, last int) {
	for n := first; n <= last; n++ {
		c.gateway.Publish(guildID, "MESSAGE_CREATE", map[string]any{
			"id": fmt.Sprint(n), "channel_id": "500", "content": fmt.Sprint("text ", n),
			"author": map[string]any{"id": "9", "username": "ada"},
		})
	}
}

// numbers are the ids from first to last.
func numbers(first, last int) []string {
	var list []string
	for n := first; n <= last; n++ {
		list = append(list, fmt.Sprint(n))
	}
	return list
}

// pass lets time go by, of which there is as much as wanted within a synctest bubble.
func pass(d time.Duration) { <-time.After(d) }
