package app_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// One node of two has suspended a channel: whoever asks, of the other node or by the command line, is told which.
func TestChannelListAndTestNameNodesThatSuspendedIt(t *testing.T) {
	t.Parallel()
	telegram := telegramtest.NewServer("123456:CANARY-token")
	defer telegram.Close()
	nats := natsd(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	dsn := external(t, nats.ClientURL()).Channels.DSN
	var nodes []*app.Node
	for _, id := range []string{"ill", "well"} {
		c := external(t, nats.ClientURL())
		c.Node.ID, c.Channels.DSN, c.Media.AllowPrivate = id, dsn, true
		c.Services = []string{"telegram", "channels"}
		if len(nodes) == 0 {
			file := filepath.Join(t.TempDir(), "channels.yaml")
			require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `{channels: [
				{id: shop, tenantId: acme, platform: telegram, credentials: {token: "123456:CANARY-token", secretToken: CANARY-secret}, settings: {apiBase: %q}},
				{id: other, tenantId: acme, platform: telegram, credentials: {token: "123456:CANARY-token", secretToken: CANARY-secret}, settings: {apiBase: %q}}]}`,
				telegram.URL(), telegram.URL()), 0o600))
			log, secrets, _ := logged(c)
			list, err := app.OpenChannels(t.Context(), c, app.Extensions{}, log, secrets)
			require.NoError(t, err)
			_, err = list.ApplyFile(t.Context(), file)
			require.NoError(t, err)
			require.NoError(t, list.Close())
		}
		log, secrets, _ := logged(c)
		n, err := app.Start(t.Context(), c, app.Extensions{}, log, secrets)
		require.NoError(t, err)
		defer n.Stop()
		nodes = append(nodes, n)
	}
	c := external(t, nats.ClientURL())
	c.Channels.DSN, c.Media.AllowPrivate = dsn, true
	log, secrets, _ := logged(c)
	client, err := app.Dial(t.Context(), c, log, secrets)
	require.NoError(t, err)
	defer client.Close()
	for range 10 {
		telegram.Script("sendMessage", telegramtest.Failure(401, "Unauthorized", nil))
		_, err := client.Call(
			t.Context(), "telegram.i_sendMessage",
			json.RawMessage(`{"channelId":"shop","message":{"to":{"id":"5"},"content":{"type":"TEXT","text":"hi"}}}`),
			action.CallOptions{NodeID: "ill"})
		require.NoError(t, err, "which is an answer: refused")
	}

	meta := json.RawMessage(`{"user":{"id":"u1","tenantId":"acme","permissions":["channels.read"]}}`)
	answer, err := client.Call(t.Context(), "channels.list", nil, action.CallOptions{NodeID: "well", Meta: meta})
	require.NoError(t, err)
	var views []struct {
		ID        string
		Suspended []struct{ NodeID, Code, Kind string }
	}
	require.NoError(t, json.Unmarshal(answer, &views))
	require.Len(t, views, 2)
	require.Empty(t, views[0].Suspended)
	require.Len(t, views[1].Suspended, 1)
	require.Equal(
		t, []string{"shop", "ill", "auth"}, []string{views[1].ID, views[1].Suspended[0].NodeID, views[1].Suspended[0].Kind},
	)

	list, err := app.OpenChannels(t.Context(), c, app.Extensions{}, log, secrets)
	require.NoError(t, err)
	defer func() { require.NoError(t, list.Close()) }()
	all, err := list.List(t.Context(), channelstore.Query{})
	require.NoError(t, err)
	require.Len(t, all[1].Suspended, 1)
	require.Equal(t, "ill", all[1].Suspended[0].NodeID)
	diagnosis, err := list.Test(t.Context(), "shop")
	require.NoError(t, err)
	require.False(t, diagnosis.OK)
	last := diagnosis.Findings[len(diagnosis.Findings)-1]
	require.Equal(t, "sending", last.Check)
	require.Contains(t, last.Message, "node ill has suspended the channel since 20")
	require.Contains(t, last.Message, "after 10 failures in a row")
	diagnosis, err = list.Test(t.Context(), "other")
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(diagnosis.Findings), "suspended")
}
