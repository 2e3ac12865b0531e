package app_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/moleculer-go/moleculer"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/metrics"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// read reads a page of an address.
func read(t *testing.T, address, path string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(data)
}

func TestAdminListenerTellsOfTheNode(t *testing.T) {
	t.Parallel()
	c := settings(t)
	c.Admin.Listen = "127.0.0.1:0"
	n, err := app.Start(t.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
	require.NoError(t, err)
	defer n.Stop()
	status, text := read(t, n.AdminAddress(), "/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, `moleculer_broker_started{namespace="hios",nodeID="app-test"} 1`)
	require.Contains(t, text, `moleculer_registry_service_endpoints_total{namespace="hios",nodeID="app-test",`+
		`service="telegram"} 1`)
	require.Contains(t, text, `go_goroutines{namespace="hios",nodeID="app-test"}`)
	status, text = read(t, n.AdminAddress(), "/-/ready")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"ready":true,"state":"ready"}`, text)
	status, _ = read(t, n.AdminAddress(), "/-/live")
	require.Equal(t, http.StatusNoContent, status)
	status, _ = read(t, n.AdminAddress(), "/debug/pprof/")
	require.Equal(t, http.StatusNotFound, status)
	status, _ = read(t, n.AdminAddress(), "/telegram/shop")
	require.Equal(t, http.StatusNotFound, status, "webhooks go elsewhere")
	status, _ = read(t, n.Address(), "/metrics")
	require.NotEqual(t, http.StatusOK, status)
}

func TestAdminListenerServesTheProfilerWhereItMay(t *testing.T) {
	t.Parallel()
	c := settings(t)
	c.Admin.Listen, c.Admin.Pprof, c.Metrics.Enabled = "127.0.0.1:0", true, false
	n, err := app.Start(t.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
	require.NoError(t, err)
	defer n.Stop()
	status, _ := read(t, n.AdminAddress(), "/debug/pprof/goroutine?debug=1")
	require.Equal(t, http.StatusOK, status)
	status, _ = read(t, n.AdminAddress(), "/metrics")
	require.Equal(t, http.StatusNotFound, status)
	_, err = n.Call(t.Context(), "$node.metrics", nil, action.CallOptions{})
	require.Equal(t, "METRICS_DISABLED", action.AsError(err, "", "").Type)
}

func TestAdminListenerThatCannotListenEndsTheStart(t *testing.T) {
	t.Parallel()
	var listen net.ListenConfig
	taken, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	c := settings(t)
	c.Admin.Listen = taken.Addr().String()
	_, err = app.Start(t.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
	require.EqualError(t, err, "admin.listen "+c.Admin.Listen+": bind: address already in use")
}

func TestDrainCanBeWatched(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	slow := func(*integration.Context, struct{}) (string, error) {
		close(begun)
		<-end
		return "done", nil
	}
	c := external(t, natsd(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).ClientURL())
	c.Admin.Listen, c.Services = "127.0.0.1:0", []string{"slow"}
	n, err := app.Start(t.Context(), c, app.Extensions{Services: []integration.ServiceDefinition{{
		Name: "slow", Actions: []moleculer.Action{integration.NewAction("wait", slow, action.Spec{})},
	}}}, quiet(), &redact.Secrets{})
	require.NoError(t, err)
	other := *c
	other.Node.ID, other.Admin.Listen, other.HTTP.Listen, other.Services = "other", "", "", []string{}
	other.Events.Spool.Path, other.Channels.DSN = "", c.Channels.DSN+"2"
	caller, err := app.Start(t.Context(), &other, app.Extensions{}, quiet(), &redact.Secrets{})
	require.NoError(t, err)
	defer caller.Stop()
	require.NoError(t, caller.WaitForServices(t.Context(), "slow"))
	called := make(chan error, 1)
	go func() {
		_, err := caller.Call(t.Context(), "slow.wait", nil, action.CallOptions{})
		called <- err
	}()
	<-begun
	stopped := make(chan struct{})
	go func() { n.Stop(); close(stopped) }()
	require.Eventually(t, func() bool {
		status, text := read(t, n.AdminAddress(), "/-/ready")
		return status == http.StatusServiceUnavailable && text == `{"ready":false,"state":"stopping"}`
	}, generous, moment)
	_, text := read(t, n.AdminAddress(), "/metrics")
	require.Contains(t, text, `moleculer_request_active{action="slow.wait",caller="null",namespace="hios",nodeID="`+
		n.ID()+`",service="slow",type="local"} 1`)
	close(end)
	require.NoError(t, <-called)
	<-stopped
	_, err = net.Dial("tcp", n.AdminAddress())
	require.Error(t, err)
}

func TestPlatformIsCounted(t *testing.T) {
	t.Parallel()
	telegram := telegramtest.NewServer(botToken)
	defer telegram.Close()
	c := settings(t)
	c.Admin.Listen, c.Media.AllowPrivate, c.Services = "127.0.0.1:0", true, []string{"telegram", "channels", "events"}
	n, err := app.Start(t.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
	require.NoError(t, err)
	defer n.Stop()
	require.NoError(t, n.ApplyChannels(t.Context(), &integration.Channel{
		ID: "shop", TenantID: "acme", Platform: "telegram", Status: integration.ChannelActive,
		Credentials: map[string]string{"token": botToken, "secretToken": webhookSecret},
		Settings:    map[string]string{"apiBase": telegram.URL()},
	}))
	require.Equal(t, http.StatusOK, post(t, n, "shop", webhookSecret, 1))
	require.Equal(t, http.StatusOK, post(t, n, "shop", webhookSecret, 1))
	require.Equal(t, http.StatusUnauthorized, post(t, n, "shop", "wrong", 2))
	telegram.Script("sendMessage", telegramtest.Failure(400, "Bad Request: chat not found", nil))
	message := json.RawMessage(`{"channelId":"shop","message":{"to":{"id":"5"},"content":{"type":"TEXT","text":"hi"}}}`)
	for range 2 {
		_, err = n.Call(t.Context(), "telegram.i_sendMessage", message, action.CallOptions{})
		require.NoError(t, err)
	}

	_, text := read(t, n.AdminAddress(), "/metrics")
	const node = `namespace="hios",nodeID="app-test",`
	for _, line := range []string{
		`switchboard_webhooks_total{` + node + `outcome="stored",platform="telegram"} 1`,
		`switchboard_webhooks_total{` + node + `outcome="duplicate",platform="telegram"} 1`,
		`switchboard_webhooks_total{` + node + `outcome="refused",platform="telegram"} 1`,
		`switchboard_webhook_seconds_count{` + node + `platform="telegram"} 1`,
		`switchboard_messages_total{` + node + `outcome="stored",platform="telegram"} 1`,
		`switchboard_sends_total{code="",` + node + `platform="telegram",result="sent"} 1`,
		`switchboard_sends_total{code="RECIPIENT_UNKNOWN",` + node + `platform="telegram",result="not_delivered"} 1`,
		`switchboard_platform_call_seconds_count{method="sendMessage",` + node + `platform="telegram",status="200"} 1`,
		`switchboard_platform_call_seconds_count{method="sendMessage",` + node + `platform="telegram",status="400"} 1`,
		`switchboard_channels_suspended{` + node + `platform="telegram"} 0`,
		`switchboard_spool_events{namespace="hios",nodeID="app-test"} 0`,
		`moleculer_channels_messages_sent{channel="hios.processing.message.received",` +
			`namespace="hios",nodeID="app-test"} 2`,
	} {
		require.Contains(t, text, line+"\n")
	}
	require.NotContains(t, text, botToken)
	require.NotContains(t, text, "shop", "no channel is a label, unless it is asked for")

	// What is read when it is asked for is there, too.
	for _, f := range []*metrics.Family{
		metrics.TransitActive, metrics.TransitReady, metrics.RegistryNodes, metrics.RegistryEvents, metrics.Services,
		metrics.NodeProtocol, metrics.Connections, metrics.OwnConnections, metrics.SpoolBytes, metrics.SpoolOldest,
		metrics.SpoolSetAside,
	} {
		require.Contains(t, text, "\n"+f.PrometheusName()+"{", f.Name)
	}
}
