package app_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
)

func TestVisitorSaysSoAndBeatsAsConfigured(t *testing.T) {
	c := config.Default()
	c.Node.HeartbeatInterval, c.Node.HeartbeatTimeout = 100*time.Millisecond, time.Second
	srv := natsd(t, &server.Options{})
	c.NATS.Servers = servers(srv)
	packets, err := nats.Connect(srv.ClientURL())
	require.NoError(t, err)
	defer packets.Close()
	infos, err := packets.SubscribeSync("MOL-hios.INFO")
	require.NoError(t, err)
	beats, err := packets.SubscribeSync("MOL-hios.HEARTBEAT")
	require.NoError(t, err)
	require.NoError(t, packets.Flush())

	client, err := app.Dial(t.Context(), c, quiet(), &redact.Secrets{})
	require.NoError(t, err)
	defer client.Close()
	msg, err := infos.NextMsg(30 * time.Second)
	require.NoError(t, err)
	var info struct {
		Metadata map[string]any `json:"metadata"`
	}
	require.NoError(t, json.Unmarshal(msg.Data, &info))
	require.Equal(t, map[string]any{"visitor": true}, info.Metadata)
	for range 3 { // by default the first comes after ten seconds
		_, err = beats.NextMsg(9 * time.Second)
		require.NoError(t, err)
	}
}

func TestNodeBeatsAsConfigured(t *testing.T) {
	for name, want := range map[string]struct{ interval, timeout time.Duration }{
		"slowly": {time.Minute, 3 * time.Minute}, "not at all": {0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := settings(t)
			c.Node.HeartbeatInterval, c.Node.HeartbeatTimeout = want.interval, want.timeout
			n, err := app.Start(t.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
			require.NoError(t, err)
			defer n.Stop()
			c.NATS.Embedded, c.NATS.Servers = false, []config.URL{config.URL(n.NATSURL())}
			client, err := app.Dial(t.Context(), c, quiet(), &redact.Secrets{})
			require.NoError(t, err)
			defer client.Close()
			client.Services(t.Context()) // now it knows the node
			data, err := client.Call(t.Context(), "$node.options", nil, action.CallOptions{NodeID: c.Node.ID})
			require.NoError(t, err)
			var options struct {
				HeartbeatInterval float64 `json:"heartbeatInterval"`
				HeartbeatTimeout  float64 `json:"heartbeatTimeout"`
			}
			require.NoError(t, json.Unmarshal(data, &options))
			require.Equal(
				t, []float64{want.interval.Seconds(), want.timeout.Seconds()},
				[]float64{options.HeartbeatInterval, options.HeartbeatTimeout},
			)
		})
	}
}
