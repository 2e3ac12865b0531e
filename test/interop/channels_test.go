package interop_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/node"
	"github.com/hiliosai/switchboard/services/channels"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// host is a node as programs start it, set up by the test.
type host struct {
	ID      string
	URL     string // of its own webhook listener
	Log     *logbook
	running *node.Node
	stop    func()
}

// startHost runs a node until the test ends.
func startHost(t *testing.T, natsURL string, options ...node.Option) *host {
	t.Helper()
	h, err := tryHost(t, natsURL, options...)
	require.NoError(t, err)
	return h
}

// tryHost is startHost for a node that may not start. Its log is there in any case.
func tryHost(t *testing.T, natsURL string, options ...node.Option) (*host, error) {
	t.Helper()
	h := &host{Log: &logbook{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of host %s:\n%s", h.ID, h.Log.String())
		}
	})
	// Not to t.Output: moleculer-go logs to the process's one logger, which is that of the last node.
	running, err := node.Start(t.Context(), append(hostOptions(t, natsURL, options...), node.LogTo(h.Log))...)
	if err != nil {
		return h, err
	}
	h.ID, h.URL, h.running, h.stop = running.ID(), running.URL(), running, sync.OnceFunc(running.Close)
	t.Cleanup(h.stop)
	return h, nil
}

// hostOptions are those of every host, and more that go over them. Calls and channels may name addresses of this
// machine, where the platforms' fakes are.
func hostOptions(t *testing.T, natsURL string, more ...node.Option) []node.Option {
	t.Helper()
	dir := t.TempDir()
	return append([]node.Option{node.LogTo(io.Discard), settings(`
node: {id: "host-%d"}
nats: {servers: [%q]}
channels: {dsn: %q}
events: {spool: {path: %q}}
http: {listen: "127.0.0.1:0"}
media: {allowPrivate: true}
log: {level: trace}
`, nodes.Add(1), natsURL, filepath.Join(dir, "switchboard.db"), filepath.Join(dir, "spool.db"))}, more...)
}

// settings are some of a node's configuration. In the format, %q is a text.
func settings(format string, args ...any) node.Option {
	return node.Config(fmt.Sprintf(format, args...))
}

// logbook keeps what is written to it. Safe for concurrent use.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// startKeeper runs a Node.js node with the services of channels.js, too.
func startKeeper(t *testing.T, natsURL string, opts peerOptions) *peer {
	t.Helper()
	p := &peer{NodeID: fmt.Sprintf("keeper-%d", peers.Add(1)), pending: map[int]chan reply{}, lines: newInbox[event]()}
	env := []string{"NATS_URL=" + natsURL, "NAMESPACE=" + namespace, "NODE_ID=" + p.NodeID}
	if opts.Channels {
		env = append(env, "CHANNELS=1")
	}
	broker, err := json.Marshal(opts.Broker)
	require.NoError(t, err)
	env = append(env, "OPTIONS="+string(broker))
	dir := peerDir
	if opts.Line == "0.15" {
		dir = peer15Dir
	}
	p.process = startProcess(t, p.NodeID, dir, env, p.receive, "../peer/channels.js")
	for _, s := range opts.Services {
		p.CreateService(t, s)
	}
	p.require(t, "start", nil)
	return p
}

// reachable waits until a peer can call an action on a node.
func reachable(t *testing.T, p *peer, nodeID, action string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := p.Call(t.Context(), action, nil, fields{"nodeID": nodeID, "timeout": 5000}) // a lost one is made again
		return err == nil
	}, patience, tick, "%s of %s", action, nodeID)
}

// at are the options of a call to one node.
func at(nodeID string) fields { return fields{"nodeID": nodeID, "timeout": patience.Milliseconds()} }

// text sends a text through a channel, as an answer to nobody.
func text(p *peer, nodeID, channel string) error {
	return textVia(p, "telegram", nodeID, channel)
}

func textVia(p *peer, service, nodeID, channel string) error {
	_, err := p.Call(context.Background(), service+".i_sendMessage", fields{
		"channelId": channel,
		"message":   fields{"to": fields{"id": "42"}, "content": fields{"type": "TEXT", "text": "hello"}},
	}, fields{
		"nodeID": nodeID, "timeout": patience.Milliseconds(), "requestID": "trace-" + channel,
		"meta": fields{"tenantId": tenantID},
	})
	return err
}

// failsWith requires a failure of this code and type.
func failsWith(t *testing.T, err error, code float64, typ string, retryable bool) {
	t.Helper()
	ce := asCallError(t, err)
	require.InDelta(t, code, ce.Code, 0, ce.Error())
	require.Equal(t, typ, ce.Type, ce.Error())
	require.Equal(t, retryable, ce.Retryable, ce.Error())
}

// newKey is a key as channels.keys has it.
func newKey(t *testing.T, id string) string {
	t.Helper()
	key, err := channelstore.GenerateKey(id)
	require.NoError(t, err)
	return key
}

// cable is a connection to a server that can be cut.
type cable struct {
	listener net.Listener
	server   string

	mu      sync.Mutex
	cut     bool
	closers []func() // of the connections
}

// startCable lays a cable to the server of a URL and gives the URL of its end.
func startCable(t *testing.T, server string) (*cable, string) {
	t.Helper()
	u, err := url.Parse(server)
	require.NoError(t, err)
	c := &cable{server: u.Host}
	c.listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := c.listener.Accept()
			if err != nil {
				return
			}
			c.connect(conn)
		}
	})
	t.Cleanup(func() {
		require.NoError(t, c.listener.Close())
		done.Wait()
		c.Cut()
	})
	u.Host = c.listener.Addr().String()
	return c, u.String()
}

func (c *cable) connect(near net.Conn) {
	far, err := (&net.Dialer{}).Dial("tcp", c.server)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		_ = near.Close()
		return
	}
	closeBoth := func() { _, _ = near.Close(), far.Close() }
	if c.cut {
		closeBoth()
		return
	}
	c.closers = append(c.closers, closeBoth)
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		go func() {
			_, _ = io.Copy(way[0], way[1]) // until either side, or Cut, closes
			closeBoth()
		}()
	}
}

// Cut breaks all connections and refuses new ones until Mend.
func (c *cable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for _, closeBoth := range c.closers {
		closeBoth()
	}
	c.closers = nil
}

// Mend lets connections through again.
func (c *cable) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
}

// Two bots, for a channel that changes from one to the other.
const (
	oldToken, newToken   = "111111:OLD-token-of-a-bot", "222222:NEW-token-of-a-bot"
	oldSecret, newSecret = "OLD-webhook-secret", "NEW-webhook-secret"
)

// bots are stand-ins for Telegram for both.
type bots struct{ old, new *telegramtest.Server }

func startBots(t *testing.T) bots {
	t.Helper()
	b := bots{telegramtest.NewServer(oldToken), telegramtest.NewServer(newToken)}
	t.Cleanup(b.old.Close)
	t.Cleanup(b.new.Close)
	return b
}

func (b bots) channel(id string) *integration.Channel {
	return &integration.Channel{
		ID: id, TenantID: tenantID, Platform: "telegram", Status: "ACTIVE",
		Credentials: map[string]string{"token": oldToken, "secretToken": oldSecret},
		Settings:    map[string]string{"apiBase": b.old.URL()},
	}
}

func (b bots) change() channels.Change {
	token, secret, base := newToken, newSecret, b.new.URL()
	return channels.Change{
		Credentials: map[string]*string{"token": &token, "secretToken": &secret},
		Settings:    map[string]*string{"apiBase": &base},
	}
}

// anyone is allowed to do anything.
func anyone(*integration.Channel) error { return nil }

// town is two Go nodes over one PostgreSQL and one Redis, and a Node.js node.
type town struct {
	bots
	nats  *natsd
	peer  *peer
	a, b  *host
	cable *cable        // between b and NATS
	admin []node.Option // for who changes channels beside the nodes

	changes *nats.Subscription // to the events for b
}

func startTown(t *testing.T) *town {
	t.Helper()
	server := natsServer(t)
	natsURL, redis := server.URL(), testserver.Redis(t)
	database, key := testserver.Postgres(t), newKey(t, "k1")
	share := func(services string) node.Option {
		return settings(`
channels: {store: postgres, dsn: %q, keys: [%q]}
cache: {driver: redis, url: %q}
services: [%s]
`, database, key, redis, services)
	}
	w := &town{bots: startBots(t), nats: server, admin: hostOptions(t, natsURL, share("telegram"))}
	var through string
	w.cable, through = startCable(t, natsURL)
	w.a = startHost(t, natsURL, share("telegram, channels"))
	w.b = startHost(t, through, share("telegram"))
	w.peer = startKeeper(t, natsURL, peerOptions{Channels: true})
	tap, err := nats.Connect(natsURL)
	require.NoError(t, err)
	t.Cleanup(tap.Close)
	w.changes, err = tap.SubscribeSync("MOL-" + namespace + ".EVENT." + w.b.ID)
	require.NoError(t, err)
	require.NoError(t, tap.Flush())
	reachable(t, w.peer, w.b.ID, "telegram.i_status")
	w.peer.WaitForServices(t, "channels")
	for _, event := range []string{"registered", "unregistered"} {
		require.NoError(t, w.peer.Consume(t.Context(), "hios.processing.integration."+event, "audit", nil))
	}
	return w
}

// manager is a user who may change his tenant's channels.
var manager = fields{
	"meta": fields{"user": fields{"id": "u1", "tenantId": tenantID, "permissions": []string{"channels.write"}}},
}

// command calls the service channels of node A from the Node.js node.
func (w *town) command(t *testing.T, action string, params any) json.RawMessage {
	t.Helper()
	result, err := w.peer.Call(t.Context(), "channels."+action, params, manager)
	require.NoError(t, err)
	require.NotContains(t, string(result.Data), "token-of-a-bot")
	require.NotContains(t, string(result.Data), "webhook-secret")
	return result.Data
}

// administer changes channels as the command line does.
func (w *town) administer(t *testing.T, do func(*node.Channels) error) {
	t.Helper()
	list, err := node.OpenChannels(t.Context(), w.admin...)
	require.NoError(t, err)
	require.NoError(t, do(list))
	require.NoError(t, list.Close())
}

// awaitB waits until node B answers again.
func (w *town) awaitB(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := w.peer.Call(t.Context(), "telegram.i_status", nil, fields{"nodeID": w.b.ID, "timeout": 2000})
		return err == nil
	}, patience, tick)
}

// soon requires that node B is told of a change of a channel, and that the change is there then. By itself node B would
// read a channel anew after half a minute, which these tries do not take.
func (w *town) soon(t *testing.T, id string, try func() error) {
	t.Helper()
	for {
		msg, err := w.changes.NextMsg(patience)
		require.NoError(t, err, "node B is not told that %s has changed", id)
		if strings.Contains(string(msg.Data), `"channels.changed"`) && strings.Contains(string(msg.Data), `"`+id+`"`) {
			break
		}
	}
	err := try()
	for tries := 1; err != nil && tries < 100; tries++ {
		pause := time.NewTimer(tick)
		select {
		case <-pause.C:
		case <-t.Context().Done():
			pause.Stop()
		}
		err = try()
	}
	require.NoError(t, err, id)
}

// uses requires that node B works with the old or the new bot's token and secret, both or neither.
func (w *town) uses(id string, isNew bool) error {
	bot, other, secret, stale := w.old, w.new, oldSecret, newSecret
	if isNew {
		bot, other, secret, stale = w.new, w.old, newSecret, oldSecret
	}
	sent, notSent := len(bot.Requests()), len(other.Requests())
	if err := text(w.peer, w.b.ID, id); err != nil {
		return err
	}
	if len(bot.Requests()) <= sent || len(other.Requests()) > notSent {
		return fmt.Errorf("%s: the message went to the other bot", id)
	}
	if _, err := w.peer.Call(
		context.Background(), "telegram.i_receiveWebhook", w.webhook(id, secret), at(w.b.ID),
	); err != nil {
		return err
	}
	if _, err := w.peer.Call(
		context.Background(), "telegram.i_receiveWebhook", w.webhook(id, stale), at(w.b.ID),
	); err == nil {
		return fmt.Errorf("%s: the other secret is good", id)
	}
	res, err := w.peer.Call(context.Background(), "telegram.i_healthCheck", fields{"channelId": id}, at(w.b.ID))
	if err == nil && !strings.Contains(string(res.Data), `"status"`) {
		return fmt.Errorf("%s: no health: %s", id, res.Data)
	}
	return err
}

func (w *town) webhook(id, secret string) fields {
	params := webhook(update(1, "hello"))
	params["channelId"], params["headers"] = id, fields{"x-telegram-bot-api-secret-token": secret}
	return params
}

// gone requires that node B knows no such channel.
func (w *town) gone(id string) error {
	err := text(w.peer, w.b.ID, id)
	if ce, ok := err.(*callError); ok && ce.Type == "CHANNEL_NOT_FOUND" { //nolint:errorlint // as Call returns it
		return nil
	}
	return fmt.Errorf("%s is still there: %w", id, err)
}

// told requires the next reliable event about a channel.
func (w *town) told(t *testing.T, name, id string) {
	t.Helper()
	m := w.peer.NextMessage(t)
	require.Equal(t, "hios.processing.integration."+name, m.Channel)
	var event struct {
		TenantID  string              `json:"tenantId"`
		ChannelID string              `json:"channelId"`
		Platform  string              `json:"platform"`
		Timestamp int64               `json:"timestamp"`
		Config    integration.Channel `json:"config"`
	}
	require.NoError(t, json.Unmarshal(m.Payload, &event))
	require.Equal(t, []string{tenantID, id, "telegram"}, []string{event.TenantID, event.ChannelID, event.Platform})
	require.NotZero(t, event.Timestamp)
	require.NotContains(t, string(m.Payload), "token-of-a-bot")
	require.NotContains(t, string(m.Payload), "webhook-secret")
	if name == "registered" {
		require.Equal(t, map[string]string{"token": "****ot", "secretToken": "****et"}, event.Config.Credentials)
		require.Equal(t, "ACTIVE", event.Config.Status)
	} else {
		require.NotContains(t, string(m.Payload), "config")
	}
}

func TestChangedChannelIsUsedByEveryNodeWithinASecond(t *testing.T) {
	t.Parallel()
	w := startTown(t)
	ways := map[string]struct {
		create, update, remove func(id string)
	}{
		"through the service": {
			func(id string) {
				ch := w.channel(id)
				w.command(
					t, "create", fields{"id": id, "platform": "telegram", "credentials": ch.Credentials, "settings": ch.Settings},
				)
			},
			func(id string) {
				change := w.change()
				w.command(t, "update", fields{"id": id, "credentials": change.Credentials, "settings": change.Settings})
			},
			func(id string) { w.command(t, "remove", fields{"id": id}) },
		},
		"by the command line": {
			func(id string) {
				w.administer(t, func(list *node.Channels) error {
					_, err := list.Create(t.Context(), w.channel(id))
					return err
				})
			},
			func(id string) {
				w.administer(t, func(list *node.Channels) error {
					_, err := list.Update(t.Context(), id, w.change(), anyone)
					return err
				})
			},
			func(id string) {
				w.administer(t, func(list *node.Channels) error { return list.Remove(t.Context(), id, anyone) })
			},
		},
	}
	for _, name := range []string{"through the service", "by the command line"} {
		way := ways[name]
		t.Run(name, func(t *testing.T) {
			id := strings.ReplaceAll(name, " ", "-")
			require.NoError(t, w.gone(id), "node B remembers that there is none")
			way.create(id)
			w.soon(t, id, func() error { return w.uses(id, false) })
			w.told(t, "registered", id)
			way.update(id)
			w.soon(t, id, func() error { return w.uses(id, true) })
			w.told(t, "registered", id)
			way.remove(id)
			w.soon(t, id, func() error { return w.gone(id) })
			w.told(t, "unregistered", id)
		})
	}

	t.Run("while a node was cut off", func(t *testing.T) {
		for _, id := range []string{"changed", "removed"} {
			ways["through the service"].create(id)
			w.soon(t, id, func() error { return w.uses(id, false) })
			w.told(t, "registered", id)
		}
		require.NoError(t, w.gone("added"))
		w.cable.Cut()
		ways["through the service"].update("changed")
		w.told(t, "registered", "changed")
		ways["by the command line"].remove("removed")
		w.told(t, "unregistered", "removed")
		ways["by the command line"].create("added")
		w.told(t, "registered", "added")
		require.Eventually(
			t, func() bool { return strings.Contains(w.b.Log.String(), "lost the connection to NATS") }, patience, tick,
		)
		w.cable.Mend()
		w.awaitB(t)
		require.NoError(t, w.uses("changed", true), "the first send after the reconnect")
		require.NoError(t, w.gone("removed"))
		require.NoError(t, w.uses("added", false))
	})

	t.Run("while NATS was away", func(t *testing.T) { // the command line alone can change anything then
		require.NoError(t, w.gone("added-then"))
		w.nats.Stop()
		ways["by the command line"].update("added")
		ways["by the command line"].create("added-then")
		w.nats.Restart(t)
		w.awaitB(t)
		require.NoError(t, w.uses("added", true))
		require.NoError(t, w.uses("added-then", false))
	})
}

func TestChannelsOfANodeServiceAreUsed(t *testing.T) {
	t.Parallel()
	natsURL := natsServer(t).URL()
	bot := telegramtest.NewServer(oldToken)
	t.Cleanup(bot.Close)
	known := func(id string) fields {
		return fields{
			"id": "config-of-" + id, "channelId": id, "tenantId": tenantID, "platform": "telegram", "name": "Shop",
			"status": "active", "version": 3,
			"credentials": fields{"token": oldToken, "secretToken": oldSecret}, "settings": fields{"apiBase": bot.URL()},
		}
	}
	keeping := service{Name: "channels", Params: fields{"known": fields{"shop": known("shop"), "late": known("late")}}}
	peer := startKeeper(t, natsURL, peerOptions{Services: []service{keeping}})
	h := startHost(t, natsURL, settings("channels: {store: action, action: channels.get}"))
	reachable(t, peer, h.ID, "telegram.i_status")

	t.Run("a known one, within the trace and with the meta of the call", func(t *testing.T) {
		require.NoError(t, text(peer, h.ID, "shop"))
		require.Equal(t, "sendMessage", bot.Requests()[0].Route)
		asked, err := peer.nextLine(
			t.Context(), func(e event) bool { return e.kind == "asked" && strings.Contains(string(e.line), `"shop"`) },
		)
		require.NoError(t, err)
		require.JSONEq(
			t,
			fmt.Sprintf(
				`{"event":"asked","channel":"shop","requestID":"trace-shop","caller":"telegram","meta":{"tenantId":%q}}`, tenantID,
			),
			string(asked),
		)
	})
	t.Run("a webhook for it", func(t *testing.T) {
		params := webhook(update(1, "hello"))
		params["headers"] = fields{"x-telegram-bot-api-secret-token": oldSecret}
		_, err := peer.Call(t.Context(), "telegram.i_receiveWebhook", params, at(h.ID))
		require.NoError(t, err)
	})
	for name, id := range map[string]string{"null": "nobody", "a 404": "gone-for-good"} {
		t.Run("an unknown one, told by "+name, func(t *testing.T) {
			failsWith(t, text(peer, h.ID, id), http.StatusNotFound, "CHANNEL_NOT_FOUND", false)
		})
	}
	t.Run("while the service is gone", func(t *testing.T) {
		peer.require(t, "removeService", fields{"name": "channels"})
		require.Eventually(t, func() bool {
			err, ok := text(peer, h.ID, "late").(*callError) //nolint:errorlint // as Call returns it
			return ok && err.Type == "CHANNELS_UNAVAILABLE"
		}, patience, tick)
		failsWith(t, text(peer, h.ID, "never-seen"), http.StatusServiceUnavailable, "CHANNELS_UNAVAILABLE", true)
		require.NoError(t, text(peer, h.ID, "shop"), "a known channel keeps working")
		require.Eventually(t, func() bool {
			return get(t, h.URL+"/-/ready").body == `{"ready":true,"state":"degraded"}` // it remembers some
		}, patience, tick)
	})
	t.Run("when the service is back", func(t *testing.T) {
		peer.CreateService(t, keeping)
		require.Eventually(t, func() bool { return text(peer, h.ID, "late") == nil }, patience, tick)
		failsWith(t, text(peer, h.ID, "never-seen"), http.StatusNotFound, "CHANNEL_NOT_FOUND", false)
		require.Eventually(t, func() bool { return get(t, h.URL+"/-/ready").status == http.StatusOK }, patience, tick)
	})
}

// canaries are the secrets of a channel, first as it is made and then as it is changed.
var canaries = [2]map[string]string{
	{"token": "123456:CANARY-token-one", "secretToken": "CANARY-secret-one"},
	{"token": "123456:CANARY-token-two", "secretToken": "CANARY-secret-two"},
}

// clumsy is a platform whose sends panic with the channel in hand.
type clumsy struct{}

func (clumsy) Normalize(context.Context, *integration.Webhook) ([]integration.Message, error) {
	return nil, nil
}

func (clumsy) Send(
	_ context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	switch m.Content.Text {
	case "error":
		panic(fmt.Errorf("cannot send with %+v", ch.Credentials))
	case "json":
		data, _ := json.Marshal(ch)
		panic(string(data))
	case "quoted":
		panic(fmt.Sprintf("%q", ch.Credentials))
	default:
		panic(*ch)
	}
}

func clumsyPlatform() integration.Definition {
	return integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "clumsy"},
		Title:             "Clumsy",
		Fields: []integration.Field{
			{In: integration.InCredentials, Name: "password", Required: true, Secret: true},
		},
		Platform: clumsy{},
	}
}

// canaryStore is a store of channels of which all that it has written can be read.
type canaryStore struct{ name, dsn string }

func canaryStores(t *testing.T) []canaryStore {
	t.Helper()
	return []canaryStore{
		{"sqlite", filepath.Join(t.TempDir(), "switchboard.db")},
		{"postgres", testserver.Postgres(t)},
	}
}

func (s canaryStore) dump(t *testing.T) string {
	t.Helper()
	if s.name == "sqlite" {
		return dumpFolder(t, filepath.Dir(s.dsn))
	}
	return dumpDatabase(t, s.dsn)
}

func dumpFolder(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(data)
	}
	return all.String()
}

// dumpDatabase gives all rows of all tables as text, in which bytes are hexadecimal, and these as they are, too.
func dumpDatabase(t *testing.T, database string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	rows, err := conn.Query(t.Context(), `SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, tables, "switchboard_channels")
	var all strings.Builder
	for _, table := range tables {
		rows, err := conn.Query(t.Context(), `SELECT t::text FROM `+table+` t`)
		require.NoError(t, err)
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		fmt.Fprintln(&all, table, list)
	}
	for _, digits := range regexp.MustCompile(`\\x[0-9a-f]+`).FindAllString(all.String(), -1) {
		data, err := hex.DecodeString(digits[2:])
		require.NoError(t, err)
		all.Write(data)
	}
	return all.String()
}

// dumpRedis gives all keys and values.
func dumpRedis(t *testing.T, address string) string {
	t.Helper()
	opts, err := redis.ParseURL(address)
	require.NoError(t, err)
	client := redis.NewClient(opts)
	defer func() { require.NoError(t, client.Close()) }()
	keys, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	all := fmt.Sprint(keys)
	for _, key := range keys {
		value, err := client.Dump(t.Context(), key).Result()
		require.NoError(t, err)
		all += value
	}
	return all
}

// overhear keeps all that is said on NATS, but for the calls by which a peer hands secrets over.
func overhear(t *testing.T, natsURL string, peer *peer) *logbook {
	t.Helper()
	heard := &logbook{}
	nc, err := nats.Connect(natsURL)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	_, err = nc.Subscribe(">", func(m *nats.Msg) {
		if strings.Contains(m.Subject, ".REQ.") && strings.Contains(string(m.Data), `"sender":"`+peer.NodeID+`"`) {
			return
		}
		fmt.Fprintln(heard, m.Subject, m.Header, string(m.Data))
	})
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	return heard
}

func TestChannelSecretIsNotToldOrStored(t *testing.T) {
	// Not parallel: moleculer-go logs to the process's one logger, which must be this node's.
	for _, store := range canaryStores(t) {
		t.Run(store.name, func(t *testing.T) {
			natsURL, cacheURL := natsServer(t).URL(), testserver.Redis(t)
			old, next := newKey(t, "k1"), newKey(t, "k2")
			options := func(first, second string) []node.Option {
				return []node.Option{offered(clumsyPlatform()), settings(`
channels: {store: %s, dsn: %q, keys: [%q, %q]}
cache: {driver: redis, url: %q}
services: [telegram, clumsy, channels]
events: {plain: true}
`, store.name, store.dsn, first, second, cacheURL)}
			}
			// what nobody listens to is not sent
			listening := service{Name: "listener", Params: fields{"pattern": "integration.message.*"}}
			peer := startKeeper(t, natsURL, peerOptions{Services: []service{listening}})
			heard := overhear(t, natsURL, peer)
			h := startHost(t, natsURL, options(old, next)...)
			peer.WaitForServices(t, "channels")

			answers := &logbook{}
			call := func(action string, params any) error {
				result, err := peer.Call(t.Context(), action, params, manager)
				fmt.Fprintln(answers, string(result.Data), string(result.Meta), err)
				if ce, ok := err.(*callError); ok { //nolint:errorlint // as Call returns it
					fmt.Fprintln(answers, string(ce.Data), string(ce.Meta))
				}
				return err
			}
			silent := func(when string) {
				t.Helper()
				for where, told := range map[string]string{
					"the log": h.Log.String(), "NATS": heard.String(), "an answer": answers.String(),
					"the store": store.dump(t), "Redis": dumpRedis(t, cacheURL),
				} {
					if i := strings.Index(told, "CANARY"); i >= 0 {
						require.Fail(t, "a secret is told", "%s, by %s: %q", when, where, told[max(0, i-300):min(len(told), i+50)])
					}
				}
			}
			bots := map[string]*telegramtest.Server{}
			use := func(secrets map[string]string) {
				t.Helper()
				token, bot := secrets["token"], bots[secrets["token"]]
				status, answer := postUpdate(t, h.URL+"/telegram/shop", []byte(`{"update_id":1}`), secrets["secretToken"])
				require.Equal(t, http.StatusOK, status, string(answer))
				status, answer = postUpdate(t, h.URL+"/telegram/shop", []byte(`{"update_id":3}`), "wrong")
				require.Equal(t, http.StatusUnauthorized, status, string(answer))
				fmt.Fprintln(
					answers, string(answer),
					get(t, h.URL+"/telegram/shop?hub.mode=subscribe&hub.challenge=c&hub.verify_token=wrong").body,
				)
				failure := telegramtest.Failure(500, "Internal: /bot"+token+"/sendMessage", map[string]any{"token": token})
				bot.Script(
					"sendMessage", telegramtest.Failure(400, "Bad Request: no bot "+token, nil),
					telegramtest.Failure(401, token, nil),
					telegramtest.Failure(
						403, url.QueryEscape(token), nil,
					), telegramtest.Response{Status: 502, Body: token}, telegramtest.Response{Reset: true})
				for range 5 {
					_ = call(
						"telegram.i_sendMessage",
						fields{
							"channelId": "shop",
							"message":   fields{"to": fields{"id": "5"}, "content": fields{"type": "TEXT", "text": "hi"}},
						},
					)
				}
				bot.Script("getMe", failure)
				bot.SetWebhookInfo(
					telegramtest.WebhookInfo{
						URL: "https://example.com/" + secrets["secretToken"], LastErrorMessage: "wrong " + secrets["secretToken"],
						LastErrorDate: time.Now().Unix(),
					},
				)
				for range 2 {
					require.NoError(t, call("telegram.i_healthCheck", fields{"channelId": "shop"}))
				}
				_ = call("telegram.i_getMedia", fields{"channelId": "shop", "mediaId": "none"})
				for _, action := range []string{"channels.get", "channels.test"} {
					require.NoError(t, call(action, fields{"id": "shop"}))
				}
				require.NoError(t, call("channels.list", nil))
				_ = call(
					"channels.update", fields{"id": "shop", "credentials": fields{"token": "CANARY no token", "colour": "CANARY"}},
				)
				_ = call("channels.update", fields{"id": "shop", "credentials": "CANARY no object"})
				_ = call(
					"telegram.i_validateCredentials",
					fields{"credentials": fields{"token": token}, "settings": fields{"apiBase": bot.URL()}},
				)
				for _, what := range []string{"list", "services", "actions", "events", "health", "options", "metrics"} {
					_, _ = peer.Call(t.Context(), "$node."+what, nil, at(h.ID))
					result, err := peer.Call(t.Context(), "$node."+what, fields{"withActions": true, "withEndpoints": true}, at(h.ID))
					fmt.Fprintln(answers, string(result.Data), err)
				}
				silent("in use")
			}
			for _, secrets := range canaries {
				bots[secrets["token"]] = telegramtest.NewServer(secrets["token"])
				t.Cleanup(bots[secrets["token"]].Close)
			}

			first, second := canaries[0], canaries[1]
			require.NoError(t, call("channels.create", fields{
				"id": "shop", "platform": "telegram", "credentials": first,
				"settings": fields{"apiBase": bots[first["token"]].URL()},
			}))
			silent("created")
			require.Error(
				t, call("channels.create", fields{"id": "shop", "platform": "telegram", "credentials": first}),
				"it is there already",
			)
			require.Error(
				t,
				call(
					"channels.create",
					fields{
						"id": "s2", "platform": "telegram",
						"credentials": fields{"token": "CANARY", "secretToken": first["secretToken"]},
					},
				),
			)
			use(first)
			require.NoError(
				t,
				call(
					"channels.update",
					fields{"id": "shop", "credentials": second, "settings": fields{"apiBase": bots[second["token"]].URL()}},
				),
			)
			require.Eventually(t, func() bool {
				status, _ := postUpdate(t, h.URL+"/telegram/shop", []byte(`{"update_id":2}`), second["secretToken"])
				return status == http.StatusOK
			}, patience, tick, "the changed channel")
			use(second)

			require.NoError(
				t,
				call(
					"channels.create",
					fields{"id": "hand", "platform": "clumsy", "credentials": fields{"password": `CANARY-"clumsy"\<pass>&word`}},
				),
			)
			for _, way := range []string{"value", "error", "json", "quoted"} {
				require.Error(
					t,
					call(
						"clumsy.i_sendMessage",
						fields{
							"channelId": "hand", "message": fields{"to": fields{"id": "5"}, "content": fields{"type": "TEXT", "text": way}},
						},
					),
				)
			}
			require.Equal(t, 4, strings.Count(h.Log.String(), "action panicked"))
			silent("in a panic")

			list, err := node.OpenChannels(t.Context(), hostOptions(t, natsURL, options(next, old)...)...)
			require.NoError(t, err)
			rotation, err := list.Store.Rotate(t.Context())
			require.NoError(t, err)
			require.Equal(t, channelstore.Rotation{Resealed: 2}, rotation)
			silent("rotated")
			require.NoError(t, list.Remove(t.Context(), "hand", anyone))
			require.NoError(t, list.Close())
			require.NoError(t, call("channels.remove", fields{"id": "shop"}))
			h.stop()
			silent("removed")
			for _, key := range []string{old, next} {
				_, material, _ := strings.Cut(key, ":")
				require.NotContains(t, h.Log.String()+heard.String()+answers.String()+store.dump(t), material)
			}
			for _, part := range []string{
				"hios.processing.integration.registered", "hios.processing.integration.unregistered", "processing.message.failed",
				`"event":"integration.message.failed"`, "MOL-hios.INFO", "[redacted]",
			} {
				require.Contains(t, heard.String(), part, "the spy hears")
			}
		})
	}
}
