package app_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
	service "github.com/hiliosai/switchboard/services/events"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// documentedUsers is the server configuration that docs/nats.md shows.
func documentedUsers(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/nats.md")
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```conf\n(.*?)```").FindSubmatch(page)
	require.NotNil(t, block, "docs/nats.md shows no configuration")
	return string(block[1])
}

// natsdOf is a server of a configuration file.
func natsdOf(t *testing.T, conf string) *server.Server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nats.conf")
	require.NoError(t, os.WriteFile(file, []byte(conf), 0o600))
	opts, err := server.ProcessConfigFile(file)
	require.NoError(t, err)
	opts.StoreDir = t.TempDir()
	return natsd(t, opts)
}

func restricted(t *testing.T, nats *server.Server) *config.Config {
	t.Helper()
	c := external(t, "nats://"+nats.Addr().String())
	c.NATS.User, c.NATS.Password, c.NATS.InboxPrefix = "node", "secret", "_INBOX_node"
	c.Services = []string{"telegram", "channels", "events"}
	return c
}

// ear is a service that consumes what is received, and fails.
func ear(heard chan<- struct{}) integration.ServiceDefinition {
	return integration.ServiceDefinition{Name: "ear", ReliableEvents: []integration.ReliableEvent{
		integration.NewReliableEvent("hios.processing.message.received", integration.ConsumeOptions{
			MaxRetries: 1, DeadLettering: integration.DeadLettering{Enabled: true},
		}, func(*integration.Context, map[string]any) error {
			heard <- struct{}{}
			return errors.New("not today")
		}),
	}}
}

func TestDocumentedNATSUsersAreEnough(t *testing.T) {
	t.Parallel()
	nats := natsdOf(t, documentedUsers(t))
	c := restricted(t, nats)
	c.Services = append(c.Services, "ear")
	heard := make(chan struct{}, 8)
	log, secrets, out := logged(c)
	n, err := app.Start(
		t.Context(), c, app.Extensions{Services: []integration.ServiceDefinition{ear(heard)}}, log, secrets,
	)
	require.NoError(t, err)
	defer n.Stop()
	bot := telegramtest.NewServer(botToken)
	defer bot.Close()

	cli := *c
	cli.NATS.User, cli.NATS.InboxPrefix = "cli", "_INBOX_cli"
	list, err := app.OpenChannels(t.Context(), &cli, app.Extensions{}, log, secrets)
	require.NoError(t, err)
	_, err = list.Create(t.Context(), &integration.Channel{
		ID: "shop", TenantID: "acme", Platform: "telegram",
		Credentials: map[string]string{"token": botToken, "secretToken": "secret-of-a-webhook"},
		Settings:    map[string]string{"apiBase": bot.URL(), "dedup": "horizon"},
	})
	require.NoError(t, err)
	require.NoError(t, list.Close())
	require.Equal(t, http.StatusOK, post(t, n, "shop", "secret-of-a-webhook", 1))
	require.NoError(t, send(t.Context(), n, "shop"))
	requireHeard(t, heard)

	desk, err := app.OpenEvents(t.Context(), &cli, log, secrets)
	require.NoError(t, err)
	defer desk.Close()
	received := "hios.processing.message.received"
	_, err = desk.Counts(t.Context())
	require.NoError(t, err)
	views, err := desk.List(t.Context(), received, service.Filter{}, nil)
	require.NoError(t, err)
	require.Len(t, views, 1)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, desk.Tail(ctx, []string{received}, time.Now().Add(-time.Hour), func(*service.View) { cancel() }))
	_, err = desk.Replay(t.Context(), received, service.Filter{Sequences: []uint64{views[0].Sequence}}, nil)
	require.NoError(t, err)
	requireHeard(t, heard)
	require.Eventually(t, func() bool {
		dead, err := desk.DeadLetters(t.Context(), "", service.Filter{}, nil)
		return err == nil && len(dead.Letters) == 2
	}, generous, moment)
	for _, takeOff := range []func(
		context.Context, string, service.Filter, service.TenantFilter,
	) (events.Progress, error){desk.Revive, desk.Drop} {
		_, err = takeOff(t.Context(), "", service.Filter{}, nil)
		require.NoError(t, err)
	}
	client, err := app.Dial(t.Context(), &cli, log, secrets)
	require.NoError(t, err)
	defer client.Close()
	_, err = client.Call(t.Context(), "telegram.i_status", nil, action.CallOptions{})
	require.NoError(t, err)
	require.NotContains(t, strings.ToLower(out.String()), "permissions violation")
}

func requireHeard(t *testing.T, heard <-chan struct{}) {
	t.Helper()
	require.Eventually(t, func() bool {
		select {
		case <-heard:
			return true
		default:
			return false
		}
	}, generous, moment)
}

func TestServiceThatMayNotReceiveItsEventsDoesNotStart(t *testing.T) {
	t.Parallel()
	conf := strings.Replace(documentedUsers(t), `, "hios.*.*.hios.hios.processing.>"`, "", 1)
	require.NotEqual(t, documentedUsers(t), conf)
	c := restricted(t, natsdOf(t, conf))
	c.Services = append(c.Services, "ear")
	_, err := app.Start(
		t.Context(), c, app.Extensions{Services: []integration.ServiceDefinition{ear(nil)}}, quiet(), &redact.Secrets{},
	)
	require.ErrorContains(t, err, `may not subscribe to hios.app-test.ear.hios.hios.processing.message.received`)
}

// post is a webhook of Telegram.
func post(t *testing.T, n *app.Node, channel, secret string, update int) int {
	t.Helper()
	return postBody(t, n, channel, secret, fmt.Sprintf(
		`{"update_id":%d,"message":{"message_id":%[1]d,"date":1,"chat":{"id":5,"type":"private"},"text":"hi"}}`, update))
}

// postBody posts a webhook of Telegram to the node's own listener and gives the status of the answer.
func postBody(t *testing.T, n *app.Node, channel, secret, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(
		t.Context(), http.MethodPost, "http://"+n.Address()+"/telegram/"+channel, strings.NewReader(body),
	)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", secret)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

func TestStartNamesThePermissionThatIsMissing(t *testing.T) {
	t.Parallel()
	const conf = `
		jetstream: enabled
		authorization: {users: [{user: node, password: secret, permissions: {
			publish: {allow: ">", deny: [%s]}, subscribe: {allow: ">", deny: [%s]}}}]}`
	for denied, want := range map[string]string{
		"publish hios.hios.processing.message.received": "publish to hios.hios.processing.message.received (events)",
		"publish hios.FAILED_MESSAGES":                  "publish to hios.FAILED_MESSAGES (events)",
		"publish $KV.claims-hios.>": "publish to $KV.claims-hios.switchboard-permission-chec" +
			"k (claims, see claims.driver)",
		"publish MOL-hios.>": "publish to MOL-hios.INFO.app-test (packets of the " +
			"cluster)",
		"publish $JS.API.STREAM.NAMES": "publish to $JS.API.STREAM.NAMES (the streams of events)",
		"publish $JS.API.STREAM.CREATE.>": "publish to $JS.API.STREAM.CREATE.hios_hios_processing_" +
			"message_received (to make the stream of events)",
		"publish $JS.API.STREAM.CREATE.KV_claims-hios": "publish to $JS.API.STREAM.CREATE.KV_claims-hios (to " +
			"make the bucket of claims)",
		"publish $JS.API.INFO": "publish to $JS.API.INFO (to make the bucket of claims)",
		"publish $JS.API.STREAM.MSG.GET.KV_claims-hios": "publish to $JS.API.STREAM.MSG.GET.KV_claims-hios (the " +
			"bucket of claims)",
		"subscribe _INBOX_node.>": "subscribe to _INBOX_node.",
		"subscribe MOL-hios.>": "subscribe to MOL-hios.INFO.app-test (packets of the " +
			"cluster)",
		"publish hios.>, publish $KV.>, subscribe _INBOX_node.>": "publish to hios.hios.processing.message.sent (events)," +
			" nor publish to $JS",
	} {
		t.Run(denied, func(t *testing.T) {
			t.Parallel()
			var publish, subscribe []string
			for part := range strings.SplitSeq(denied, ", ") {
				verb, subject, _ := strings.Cut(part, " ")
				if verb == "publish" {
					publish = append(publish, `"`+subject+`"`)
				} else {
					subscribe = append(subscribe, `"`+subject+`"`)
				}
			}
			nats := natsdOf(t, fmt.Sprintf(conf, strings.Join(publish, ","), strings.Join(subscribe, ",")))
			_, err := app.Start(t.Context(), restricted(t, nats), app.Extensions{}, quiet(), &redact.Secrets{})
			require.ErrorContains(t, err, "the NATS user lacks permissions, see docs/nats.md: it may not ")
			if !strings.Contains(denied, ",") {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestStartSaysWhichStreamIsInTheWay(t *testing.T) {
	t.Parallel()
	nats := natsd(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	makeStream(t, nats.ClientURL(), "hios_hios_processing_message_sent", "something.else")
	c := external(t, nats.ClientURL())
	log, secrets, out := logged(c)
	ctx, giveUp := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := app.Start(ctx, c, app.Extensions{}, log, secrets)
		failed <- err
	}()
	require.Eventually(t, func() bool {
		return strings.Contains(out.String(), "the streams of the reliable events are not there yet, trying again")
	}, generous, moment)
	giveUp()
	require.ErrorContains(t, <-failed, "create the stream of hios.hios.processing.message.sent, "+
		"hios_hios_processing_message_sent: there is a stream of this name")
}

func TestOldServerIsServedWithClaimsElsewhere(t *testing.T) {
	t.Parallel()
	nats := testserver.OldestNATS(t)
	c := external(t, nats.URL())
	_, err := app.Start(t.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
	require.ErrorContains(
		t, err,
		"claims.driver: nats does not work with this server (nats-server 2.10.0): set redis, or memory for a single node",
	)
	require.False(
		t, slices.ContainsFunc(streams(t, nats.URL()), func(name string) bool { return strings.HasPrefix(name, "KV_") }),
		"nothing is half made",
	)

	c.Claims.Driver = "memory"
	n, err := app.Start(t.Context(), c, app.Extensions{}, quiet(), &redact.Secrets{})
	require.NoError(t, err)
	defer n.Stop()
	status, body := ready(t, n)
	require.Equal(t, 200, status, body)
}
