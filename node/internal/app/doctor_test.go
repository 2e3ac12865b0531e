package app_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
	"github.com/hiliosai/switchboard/node/internal/strictyaml"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// patient is a node's configuration with its NATS, and a channel shop whose bot is set up. All is well with it.
type patient struct {
	*testing.T
	nats     *server.Server
	config   *config.Config
	bot      *telegramtest.Server
	examined app.Examined
	loadErr  error
}

// Secrets that no finding may show.
const (
	canaryBot     = "123456:CANARY-of-a-bot"
	canaryWebhook = "CANARY-of-a-webhook"
	canaryNATS    = "CANARY-of-nats"
)

const (
	publicURL      = "https://gw.example.org/"
	receivedStream = "hios_hios_processing_message_received"
)

func newPatient(t *testing.T) *patient {
	t.Helper()
	opts := &server.Options{
		JetStream: true, StoreDir: t.TempDir(), MaxPayload: 8 << 20, MaxPending: 64 << 20,
		Username: "node", Password: canaryNATS,
	}
	p := &patient{T: t, nats: natsd(t, opts), bot: telegramtest.NewServer(canaryBot)}
	t.Cleanup(p.bot.Close)
	p.config = external(t, "nats://"+p.nats.Addr().String())
	p.config.NATS.User, p.config.NATS.Password = "node", canaryNATS
	p.examined = app.Examined{URL: publicURL}
	n, err := app.Start(t.Context(), p.config, app.Extensions{}, quiet(), &redact.Secrets{}) // it makes the streams
	require.NoError(t, err)
	n.Stop()
	p.manage(func(list *app.Channels) {
		_, err := list.Create(t.Context(), p.channel("shop"))
		require.NoError(t, err)
		_, err = list.SetUp(t.Context(), "shop", integration.Setup{URL: publicURL}, false)
		require.NoError(t, err)
	})
	return p
}

func (p *patient) channel(id string) *integration.Channel {
	return &integration.Channel{
		ID: id, TenantID: "acme", Platform: "telegram", Status: integration.ChannelActive,
		Credentials: map[string]string{"token": canaryBot, "secretToken": canaryWebhook},
		Settings:    map[string]string{"apiBase": p.bot.URL()},
	}
}

func (p *patient) manage(do func(*app.Channels)) {
	p.Helper()
	list, err := app.OpenChannels(p.Context(), p.config, app.Extensions{}, quiet(), &redact.Secrets{})
	require.NoError(p, err)
	do(list)
	require.NoError(p, list.Close())
}

// change changes the channel shop.
func (p *patient) change(do func(*integration.Channel)) {
	p.Helper()
	p.manage(func(list *app.Channels) {
		_, err := list.Store.Update(p.Context(), "shop", func(ch *integration.Channel) error {
			do(ch)
			return nil
		})
		require.NoError(p, err)
	})
}

func (p *patient) webhook(change func(*telegramtest.WebhookInfo)) {
	info := telegramtest.WebhookInfo{URL: publicURL + "telegram/shop"}
	change(&info)
	p.bot.SetWebhookInfo(info)
}

func (p *patient) jetStream() jetstream.JetStream {
	p.Helper()
	nc, err := nats.Connect(p.nats.ClientURL(), nats.UserInfo("node", canaryNATS))
	require.NoError(p, err)
	p.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(p, err)
	return js
}

// edit changes the stream of received messages.
func (p *patient) edit(change func(*jetstream.StreamConfig)) {
	p.Helper()
	js := p.jetStream()
	stream, err := js.Stream(p.Context(), receivedStream)
	require.NoError(p, err)
	c := stream.CachedInfo().Config
	change(&c)
	_, err = js.UpdateStream(p.Context(), c)
	require.NoError(p, err)
}

func (p *patient) store(subject string, header nats.Header) {
	p.Helper()
	_, err := p.jetStream().PublishMsg(p.Context(), &nats.Msg{Subject: subject, Header: header, Data: []byte(`{}`)})
	require.NoError(p, err)
}

// replaceNATS lets the patient have another server.
func (p *patient) replaceNATS(opts *server.Options) {
	p.Helper()
	opts.Username, opts.Password, opts.StoreDir = "node", canaryNATS, p.TempDir()
	p.nats = natsd(p.T, opts)
	p.config.NATS.Servers = []config.URL{config.URL("nats://" + p.nats.Addr().String())}
}

// examine returns the findings. None may show a secret, and each trouble says what to do.
func (p *patient) examine() *app.Findings {
	p.Helper()
	load := func() (*config.Config, error) { return p.config, p.loadErr }
	found := app.Examine(p.Context(), load, app.Extensions{}, p.examined, quiet(), &redact.Secrets{})
	text, err := json.Marshal(found)
	require.NoError(p, err)
	require.NotContains(p, string(text), "CANARY")
	require.Equal(p, len(found.Findings), found.OK+found.Warnings+found.Faults)
	for _, f := range found.Findings {
		require.NotEmpty(p, f.Message, f)
		require.Equal(p, f.Level == app.LevelOK, f.Fix == "", f)
	}
	return found
}

func TestDoctorFindsNothingWhereAllIsWell(t *testing.T) {
	t.Parallel()
	found := newPatient(t).examine()
	for _, f := range found.Findings {
		require.Equal(t, app.LevelOK, f.Level, f)
	}
	var checks []string
	for _, f := range found.Findings {
		checks = append(checks, strings.TrimSpace(f.Channel+" "+f.Check))
	}
	require.Equal(t, []string{
		"config", "nats", "permissions", "clock", "streams", "streams", "streams", "streams", "claims", "dead letters",
		"store", "shop fields", "shop status", "shop credentials", "shop health", "shop webhook",
	}, checks)
}

func TestDoctorFindsPlantedFaults(t *testing.T) {
	t.Parallel()
	const fault, warning = app.LevelFault, app.LevelWarning
	for name, test := range map[string]struct {
		plant        func(*patient)
		level, check string
		says, fix    string
	}{
		"a configuration with a fault": {func(p *patient) {
			p.loadErr = errors.New(`config.yaml:2: nats.servrs: unknown key, did you mean "servers"?`)
		}, fault, "config", "nats.servrs: unknown key", "mend the configuration"},
		"an unknown service": {func(p *patient) {
			p.config.Services = []string{"telegram", "pigeon"}
		}, fault, "config", `no such service "pigeon"`, "mend the configuration"},
		"a platform that is not hosted": {func(p *patient) {
			p.config.Services = []string{"slack"}
		}, warning, "config", "channels of telegram, and this node does not host it", "add telegram to services"},
		"a key that is none": {func(p *patient) {
			p.config.Channels.Keys = []strictyaml.Secret{"k1:CANARY"}
		}, fault, "keys", "channels.keys", "keys generate"},

		"no NATS": {func(p *patient) {
			p.config.NATS.Servers = []config.URL{"nats://node:" + canaryNATS + "@127.0.0.1:1"}
		}, fault, "nats", "cannot reach NATS at nats://", "see that the servers of nats.servers run"},
		"no embedded NATS": {func(p *patient) {
			p.config.NATS.Servers, p.config.NATS.Embedded = []config.URL{"nats://127.0.0.1:1"}, true
		}, fault, "nats", "cannot reach NATS", "start the node"},
		"a refused login": {func(p *patient) {
			p.config.NATS.Password = "CANARY-of-another"
		}, fault, "nats", "refuses the login", "nats.user"},
		"small packets": {func(p *patient) {
			p.replaceNATS(&server.Options{JetStream: true})
		}, warning, "nats", "packets of at most 1024 KB", "max_payload: 8MB"},
		"a missing permission": {func(p *patient) {
			p.replaceNATS(&server.Options{JetStream: true, Users: []*server.User{{
				Username: "node", Password: canaryNATS,
				Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.NAMES"}}},
			}}})
		}, fault, "permissions", "may not publish to $JS.API.STREAM.NAMES", "docs/nats.md"},
		"no JetStream": {func(p *patient) {
			p.replaceNATS(&server.Options{})
		}, fault, "jetstream", "JetStream is not enabled", "nats-server with -js"},
		"a missing stream": {func(p *patient) {
			require.NoError(p, p.jetStream().DeleteStream(p.Context(), receivedStream))
		}, warning, "streams", "no stream for hios.hios.processing.message.received", "start a node"},
		"a stream that is nearly full": {func(p *patient) {
			p.edit(func(c *jetstream.StreamConfig) { c.MaxMsgs = 1 })
			p.store("hios.hios.processing.message.received", nil)
		}, warning, "streams", "it has 1 of 1 events (max_msgs)", "give it more room"},
		"a stream with little room": {func(p *patient) {
			p.store("hios.hios.processing.message.received", nats.Header{"X": {strings.Repeat("x", 4000)}})
			p.edit(func(c *jetstream.StreamConfig) { c.MaxBytes = 4200 })
		}, warning, "streams", "(max_bytes)", "--max-bytes"},
		"a stream that refuses": {func(p *patient) {
			p.edit(func(c *jetstream.StreamConfig) { c.MaxMsgs, c.Discard = 1, jetstream.DiscardNew })
			p.store("hios.hios.processing.message.received", nil)
		}, fault, "streams", receivedStream + " is full", "give the stream more room"},
		"a short duplicate window": {func(p *patient) {
			p.edit(func(c *jetstream.StreamConfig) { c.Duplicates = time.Second })
		}, warning, "streams", "duplicate_window is 1s", "--dupe-window=2m"},
		"too few replicas": {func(p *patient) {
			p.config.Events.Replicas = 3
		}, warning, "streams", "1 replica(s), and events.replicas is 3", "--replicas=3"},
		"no bucket": {func(p *patient) {
			require.NoError(p, p.jetStream().DeleteStream(p.Context(), "KV_claims-hios"))
		}, warning, "claims", "there is no bucket claims-hios", "start a node"},
		"dead letters": {func(p *patient) {
			p.store("hios.FAILED_MESSAGES", nats.Header{"x-original-channel": {"hios.a"}, "x-original-group": {"g"}})
		}, warning, "dead letters", "1 dead letter(s) wait in FAILED_MESSAGES", "dlq list"},
		"a clock that is five minutes ahead": {func(p *patient) {
			p.examined.Now = func() time.Time { return time.Now().Add(5 * time.Minute) }
		}, fault, "clock", "differ by ", "NTP"},
		"a clock that is ten seconds late": {func(p *patient) {
			p.examined.Now = func() time.Time { return time.Now().Add(-10 * time.Second) }
		}, warning, "clock", "differ by ", "NTP"},

		"a cache that cannot be reached": {func(p *patient) {
			p.config.Cache.Driver, p.config.Cache.URL = "redis", "redis://:CANARY-of-redis@127.0.0.1:1/0"
		}, fault, "cache", "cannot be reached", "cache.url"},
		"claims that cannot be reached": {func(p *patient) {
			p.config.Claims.Driver, p.config.Claims.URL = "redis", "redis://:CANARY-of-redis@127.0.0.1:1/0"
		}, fault, "claims", "cannot be reached", "claims.url"},
		"a database that cannot be reached": {func(p *patient) {
			p.config.Channels.Store, p.config.Channels.Keys = "postgres", []strictyaml.Secret{newKey(p.T, "k1")}
			p.config.Channels.DSN = "postgres://switchboard:CANARY-of-pg@127.0.0.1:1/db"
		}, fault, "store", "the channel store cannot be used", "channels.dsn"},
		"no store": {func(p *patient) {
			p.config.Channels.DSN += "-elsewhere"
		}, warning, "store", "there is no channel store yet", "working directory"},
		"a lost key": {func(p *patient) {
			require.NoError(p, os.Remove(string(p.config.Channels.DSN)+".key"))
		}, fault, "store", "the channel store cannot be used", ".key"},
		"another key": {func(p *patient) {
			p.config.Channels.Keys = []strictyaml.Secret{newKey(p.T, "k2")}
		}, fault, "keys", "no channel can be", "channels.keys"},
		"a channel of another key": {func(p *patient) {
			first := p.config.Channels.Keys
			p.config.Channels.Keys = []strictyaml.Secret{newKey(p.T, "k2")}
			p.manage(func(list *app.Channels) {
				require.NoError(p, list.Store.Create(p.Context(), p.channel("other")))
			})
			p.config.Channels.Keys = first
		}, fault, "keys", `"k2", which is not configured`, "channels.keys"},
		"no such channel": {func(p *patient) {
			p.examined.Channel = "nobody"
		}, fault, "store", `there is no channel "nobody"`, "channels list"},
		"no channels": {func(p *patient) {
			p.manage(func(list *app.Channels) { require.NoError(p, list.Store.Remove(p.Context(), "shop")) })
		}, warning, "store", "there are no channels", "channels create"},

		"an unknown platform": {func(p *patient) {
			p.change(func(ch *integration.Channel) { ch.Platform = "pigeon" })
		}, fault, "platform", `no platform "pigeon"`, "remove the channel"},
		"an inactive channel": {func(p *patient) {
			p.change(func(ch *integration.Channel) { ch.Status = integration.ChannelInactive })
		}, warning, "status", "switched off", "--status ACTIVE"},
		"a missing field": {func(p *patient) {
			p.change(func(ch *integration.Channel) { delete(ch.Credentials, "secretToken") })
		}, fault, "fields", "secretToken", "set credentials.secretToken"},
		"a wrong token": {func(p *patient) {
			p.change(func(ch *integration.Channel) { ch.Credentials["token"] = "123456:CANARY-of-yesterday" })
		}, fault, "credentials", "Telegram refuses the credentials", "replace them: token"},
		"a platform that does not answer": {func(p *patient) {
			p.change(func(ch *integration.Channel) { ch.Settings["apiBase"] = "http://127.0.0.1:1" })
		}, fault, "credentials", "telegram getMe", "can be reached from this machine"},
		"no webhook": {func(p *patient) {
			p.webhook(func(info *telegramtest.WebhookInfo) { info.URL = "" })
		}, fault, "webhook", "it has no URL for url", "channels setup shop --url " + publicURL},
		"a webhook of somebody else": {func(p *patient) {
			p.webhook(func(info *telegramtest.WebhookInfo) { info.URL = "https://other.example.org/CANARY" })
		}, fault, "webhook", "url is https://other.example.org/…, and should be " + publicURL + "telegram/shop", "channels "},
		"a webhook with too few updates": {func(p *patient) {
			p.webhook(func(info *telegramtest.WebhookInfo) { info.AllowedUpdates = []string{"message"} })
		}, warning, "webhook", "allowed_updates is message, and should be ", "channels setup"},
		"an error of the platform's": {func(p *patient) {
			p.webhook(func(info *telegramtest.WebhookInfo) {
				info.LastErrorDate = time.Now().Unix()
				info.LastErrorMessage = "Wrong response from the webhook: 401 Unauthorized"
			})
		}, fault, "health", "Wrong response from the webhook: 401", "settings of this channel"},
		"an unknown URL": {func(p *patient) {
			p.examined.URL = ""
		}, warning, "webhook", "not known where the webhooks should go", "publicUrl"},
		"polling beside a webhook": {func(p *patient) {
			p.change(func(ch *integration.Channel) { ch.Settings["receive"] = "polling" })
		}, fault, "health", "go to its webhook at gw.example.org, so polling gets none", "settings of this channel"},
		"a webhook where polling is wanted": {func(p *patient) {
			p.change(func(ch *integration.Channel) { ch.Settings["receive"] = "polling" })
		}, fault, "webhook", "and should be none", "channels setup shop"},
		"a connection that no node keeps": {func(p *patient) {
			p.change(func(ch *integration.Channel) { ch.Settings["receive"] = "polling" })
		}, fault, "receiving", "no node keeps the channel's connection", "start a node"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			test.plant(p)
			found := p.examine()
			require.True(t, slices.ContainsFunc(found.Findings, func(f app.Finding) bool {
				return f.Level == test.level && f.Check == test.check && strings.Contains(f.Message, test.says) &&
					strings.Contains(f.Fix, test.fix)
			}), "%+v", found.Findings)
			require.Equal(t, test.level == fault, found.Faults > 0, "%+v", found.Findings)
		})
	}
}
