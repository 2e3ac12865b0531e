package telegram_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/leases"
	"github.com/hiliosai/switchboard/services/telegram"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

const generous = time.Minute

// pollingWorld is a cluster of nodes whose channels poll a fake Bot API.
type pollingWorld struct {
	t      testing.TB
	server *telegramtest.Server
	store  *channels
	stream *stream
	leases leases.Store
	logs   *integrationtest.Log
}

func newPollingWorld(tb testing.TB, tokens ...string) *pollingWorld {
	tb.Helper()
	server := telegramtest.NewServer(token)
	tb.Cleanup(server.Close)
	w := &pollingWorld{
		t: tb, server: server, store: &channels{}, stream: &stream{}, leases: leases.NewMemory(),
		logs: &integrationtest.Log{},
	}
	for i, token := range append([]string{token}, tokens...) {
		ch := pollingChannel(server.URL())
		ch.ID, ch.Credentials["token"] = "ch-"+strconv.Itoa(i+1), token
		w.store.list = append(w.store.list, ch)
		if i > 0 {
			server.AddBot(token)
		}
	}
	return w
}

func pollingChannel(apiBase string) *integration.Channel {
	ch := channel()
	delete(ch.Credentials, "secretToken")
	ch.Settings["receive"], ch.Settings["apiBase"] = "polling", apiBase
	return ch
}

// node starts a node. stop ends it as a graceful stop does, and may be called again.
func (w *pollingWorld) node(id string) (service *integration.Service, stop func()) {
	w.t.Helper()
	log := logrus.New()
	log.SetOutput(w.logs)
	log.SetLevel(logrus.TraceLevel)
	entry := logrus.NewEntry(log)
	member := leases.NewMember(w.leases, leases.Options{Node: id, Log: entry})
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	def := telegram.Definition(client)
	def.Channels = w.store
	service, err := integration.Define(def, integration.Runtime{
		Channels: w.store, Events: w.stream, Secrets: noSecrets{}, Namespace: "hios", Log: entry, Leases: member,
	})
	require.NoError(w.t, err)
	require.NoError(w.t, service.StartConsuming(context.Background()))
	stop = sync.OnceFunc(func() {
		require.NoError(w.t, service.StopConsuming(context.Background()))
		require.NoError(w.t, member.Close(context.Background()))
		require.NoError(w.t, service.Stop(context.Background()))
		client.Close()
	})
	w.t.Cleanup(stop)
	return service, stop
}

func (w *pollingWorld) eventually(is func() bool, says string) {
	w.t.Helper()
	require.Eventually(w.t, is, generous, 2*time.Millisecond, says)
}

// stored waits until so many texts are stored, and returns them.
func (w *pollingWorld) stored(n int) []string {
	w.t.Helper()
	w.eventually(func() bool { return len(w.stream.texts()) >= n }, "the texts are not stored")
	return w.stream.texts()
}

// waits waits until the bots' polls wait at the server.
func (w *pollingWorld) waits(n int) {
	w.t.Helper()
	w.eventually(func() bool { return w.server.Waiting() == n }, "there is no poll that waits")
}

// state waits until the first connection is in a state, and returns it.
func (w *pollingWorld) state(service *integration.Service, state string) integration.Connection {
	w.t.Helper()
	var conn integration.Connection
	w.eventually(func() bool {
		answer, err := service.Call(context.Background(), integration.ActionHealthCheck, &action.Request{
			Params: json.RawMessage(`{}`),
		})
		health, ok := answer.(*integration.Health)
		if err != nil || !ok {
			return false
		}
		list, _ := health.Details["connections"].([]integration.Connection)
		if len(list) == 0 {
			return false
		}
		conn = list[0]
		return conn.State == state
	}, "the connection is not "+state)
	return conn
}

// channels is a store of channels.
type channels struct {
	mu      sync.Mutex
	list    []*integration.Channel
	changed []func(string)
}

func (c *channels) Channel(_ context.Context, id string) (*integration.Channel, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.list, func(ch *integration.Channel) bool { return ch.ID == id })
	if at < 0 {
		return nil, integration.ErrChannelNotFound
	}
	return c.list[at], nil
}

func (c *channels) OfPlatform(
	_ context.Context, _ string, wanted func(*integration.Channel) bool,
) ([]*integration.Channel, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.list), func(ch *integration.Channel) bool { return !wanted(ch) }), nil
}

func (c *channels) OnChange(f func(string)) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = append(c.changed, f)
	return func() {}
}

// stream takes events, and stores each id once.
type stream struct {
	mu     sync.Mutex
	away   bool
	seen   map[string]bool
	stored []string // the texts
	asked  int
}

var errAway = errors.New("no response from stream")

func (s *stream) Subject(name string) string { return name }

func (s *stream) Publish(_ context.Context, e order.Event, onAck func(bool, error)) {
	s.mu.Lock()
	s.asked++
	duplicate, err := s.seen[e.MsgID], error(nil)
	switch {
	case s.away || e.Fence != nil && !e.Fence():
		err = errAway
	case !duplicate:
		if s.seen == nil {
			s.seen = map[string]bool{}
		}
		s.seen[e.MsgID] = true
		var p integration.MessageReceivedPayload
		_ = json.Unmarshal(e.Payload, &p)
		s.stored = append(s.stored, p.Message.Content.Text)
	}
	s.mu.Unlock()
	onAck(duplicate, err)
}

func (s *stream) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *stream) attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *stream) texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stored)
}

// noSecrets redacts nothing: what is secret must not be written in the first place.
type noSecrets struct{}

func (noSecrets) Add(...string)                      {}
func (noSecrets) Keep(...string)                     {}
func (noSecrets) Redact(text string) string          { return text }
func (noSecrets) RedactExcept(text, _ string) string { return text }
