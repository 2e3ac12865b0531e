package channels_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/internal/testserver/nowhere"
	"github.com/hiliosai/switchboard/services/channels"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type object = map[string]any

// canary is part of every secret of the tests. Where it is seen, a secret is seen.
const canary = "CANARY"

var fields = []integration.Field{
	{
		In: integration.InCredentials, Name: "token", Required: true, Secret: true, Pattern: regexp.MustCompile(`^\d+:`),
		Help: "The token of the bot.",
	},
	{In: integration.InCredentials, Name: "botId", Help: "The bot's name."},
	{In: integration.InSettings, Name: "apiBase", Address: true, Help: "Another API root."},
	{In: integration.InSettings, Name: "cdnBase", Address: true},
	{In: integration.InSettings, Name: "pin", Secret: true},
}

func token(id string) string { return "123456:" + canary + "-token-of-" + id }

// parrot is a platform that accepts all credentials but those of a channel "refused".
type parrot struct{ integration.Platform }

func (parrot) ValidateCredentials(_ context.Context, credentials, _ map[string]string) (bool, error) {
	if credentials["token"] == token("unreachable") {
		return false, errors.New("dial https://api/bot" + token("unreachable"))
	}
	return credentials["token"] != token("refused"), nil
}

// PlanSetup is for a platform that has no webhook yet, or cannot be reached.
func (parrot) PlanSetup(
	_ context.Context, ch *integration.Channel, wanted integration.Setup,
) (*integration.SetupPlan, error) {
	if ch.ID == "unreachable" {
		return nil, errors.New("dial https://api/bot" + ch.Credentials["token"])
	}
	plan := &integration.SetupPlan{Install: func(context.Context) ([]string, error) {
		return []string{"done with " + ch.Credentials["token"]}, nil
	}}
	plan.Change("url", "", wanted.URL, wanted.Force)
	return plan, nil
}

// announcer records what is announced, and fails when told to.
type announcer struct {
	mu   sync.Mutex
	list []string
	err  error
}

func (a *announcer) note(kind string, what any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	data, err := json.Marshal(what)
	a.list = append(a.list, kind+" "+string(data))
	return errors.Join(err, a.err)
}

func (a *announcer) Changed(_ context.Context, ids ...string) error { return a.note("changed", ids) }

func (a *announcer) Registered(_ context.Context, e channels.RegisteredEvent) error {
	return a.note("registered", e)
}

func (a *announcer) Unregistered(_ context.Context, e channels.UnregisteredEvent) error {
	return a.note("unregistered", e)
}

func (a *announcer) lines() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.list)
}

// harness is the service on a store of its own, with channels c1 and c2 of t1 and c3 of t2.
type harness struct {
	t        *testing.T
	path     string
	keys     []string
	store    *channelstore.Database
	announce *announcer
	logs     *test.Hook
	service  *integration.Service
	answers  []string // and errors, all that callers got to see
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	key, err := channelstore.GenerateKey("k1")
	require.NoError(t, err)
	b := &harness{t: t, path: filepath.Join(t.TempDir(), "channels.db"), keys: []string{key}, announce: &announcer{}}
	b.store = b.open(b.keys...)
	for _, id := range []string{"c1", "c2", "c3"} {
		require.NoError(t, b.store.Create(t.Context(), newChannel(id)))
	}
	// Not the node's log with its redaction: no secret shall get that far.
	log, logs := test.NewNullLogger()
	log.SetLevel(logrus.TraceLevel)
	b.logs = logs
	manager := &channels.Manager{
		Store: b.store, Platforms: []string{"parrot"}, Announcer: b.announce, Secrets: &redact.Secrets{},
		Log: logrus.NewEntry(log),
		Platform: func(name string) (integration.Definition, bool) {
			return integration.Definition{Title: "Parrot", Fields: fields, Platform: parrot{}}, name == "parrot"
		},
		Resolver: nowhere.Names{"outer.example": "8.8.8.8", "inner.example": "10.0.0.1"},
		Now:      func() time.Time { return time.UnixMilli(1_800_000_000_000) },
	}
	b.service, err = integration.DefineService(
		channels.Definition(manager), integration.Runtime{Secrets: &redact.Secrets{}, Log: logrus.NewEntry(log)},
	)
	require.NoError(t, err)
	t.Cleanup(b.noSecretWasSeen)
	return b
}

func (b *harness) open(keys ...string) *channelstore.Database {
	b.t.Helper()
	ring, err := channelstore.ParseKeys(keys)
	require.NoError(b.t, err)
	store, err := channelstore.OpenSQLite(b.t.Context(), b.path, ring)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { require.NoError(b.t, store.Close()) })
	return store
}

// damage seals a channel with a key that the service does not have.
func (b *harness) damage(id string) {
	b.t.Helper()
	key, err := channelstore.GenerateKey("lost")
	require.NoError(b.t, err)
	require.NoError(b.t, b.open(key).Apply(b.t.Context(), []*integration.Channel{newChannel(id)}))
}

func newChannel(id string) *integration.Channel {
	return &integration.Channel{
		ID: id, TenantID: map[string]string{"c1": "t1", "c2": "t1", "c3": "t2"}[id], Platform: "parrot", Name: "Polly",
		Status:      integration.ChannelActive,
		Credentials: map[string]string{"token": token(id), "botId": "polly"},
		Settings:    map[string]string{"apiBase": "https://api", "pin": canary + "-pin"},
	}
}

func (b *harness) noSecretWasSeen() {
	seen := append(b.answers, b.announce.lines()...)
	for _, e := range b.logs.AllEntries() {
		seen = append(seen, e.Message, fmt.Sprint(e.Data))
	}
	for _, text := range seen {
		require.NotContains(b.t, text, canary)
	}
}

// user is the meta of a call by somebody of a tenant.
func user(tenant string, permissions ...string) object {
	return object{"user": object{"id": "u1", "tenantId": tenant, "permissions": permissions}}
}

var (
	reader  = user("t1", channels.PermissionRead)
	writer  = user("t1", channels.PermissionWrite)
	foreign = user("t2", channels.PermissionWrite)
	root    = user("", channels.PermissionWrite, channels.AllTenants)
)

// call calls an action and returns its answer as JSON.
func (b *harness) call(meta object, name string, params any) (string, error) {
	b.t.Helper()
	result, err := b.service.Call(
		b.t.Context(), name,
		&action.Request{Params: []byte(toJSON(b.t, params)), Meta: action.NewMeta([]byte(toJSON(b.t, meta)))},
	)
	if err != nil {
		e := action.AsError(err, name, "")
		b.answers = append(b.answers, toJSON(b.t, e))
		return "", err
	}
	b.answers = append(b.answers, toJSON(b.t, result))
	return toJSON(b.t, result), nil
}

// answer is call for what must succeed.
func (b *harness) answer(meta object, name string, params any) string {
	b.t.Helper()
	answer, err := b.call(meta, name, params)
	require.NoError(b.t, err)
	return answer
}

// refused is call for what must fail.
func (b *harness) refused(meta object, name string, params any, code int, typ string) {
	b.t.Helper()
	_ = b.refusal(meta, name, params, code, typ)
}

// refusal is what a call fails with, of the code and type that it must have.
func (b *harness) refusal(meta object, name string, params any, code int, typ string) *action.Error {
	b.t.Helper()
	_, err := b.call(meta, name, params)
	e, ok := errors.AsType[*action.Error](err)
	require.True(b.t, ok, "%v", err)
	require.Equal(b.t, []any{code, typ}, []any{e.Code, e.Type}, e.Message)
	return e
}

// stored is a channel as the store has it.
func (b *harness) stored(id string) *integration.Channel {
	b.t.Helper()
	ch, err := b.store.Channel(b.t.Context(), id)
	require.NoError(b.t, err)
	return ch
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	return v
}
