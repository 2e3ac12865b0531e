package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/cache/rediscache"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
)

const token = "123456:CANARY/token"

var now = time.UnixMilli(1_800_000_000_000)

var fields = []integration.Field{
	{
		In: integration.InCredentials, Name: "token", Required: true, Secret: true, Pattern: regexp.MustCompile(`^\d+:`),
		Help: "The token of the bot.",
	},
	{In: integration.InSettings, Name: "apiBase", Help: "Another API root."},
	{In: integration.InSettings, Name: "pin", Secret: true},
}

type object = map[string]any

func newChannel() *integration.Channel {
	return &integration.Channel{
		ID: "c1", TenantID: "t1", Platform: "parrot", Status: integration.ChannelActive,
		Credentials: map[string]string{"token": token},
	}
}

// harness is a defined integration with everything round it replaced by scripted parts.
type harness struct {
	t        *testing.T
	platform *platform
	store    *store
	events   *publisher
	logs     *logBuffer
	def      integration.Definition
	runtime  integration.Runtime
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	b := &harness{
		t: t, platform: &platform{}, store: &store{channel: newChannel()}, events: &publisher{}, logs: &logBuffer{},
	}
	secrets, log := &redact.Secrets{}, logrus.New()
	log.SetOutput(b.logs)
	log.SetLevel(logrus.TraceLevel)
	log.AddHook(secrets)
	b.def = integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "parrot"}, Fields: fields, Platform: b.platform,
		Title: "Parrot",
	}
	b.runtime = integration.Runtime{
		Channels: b.store, Events: b.events, Secrets: secrets, Namespace: "hios", Log: logrus.NewEntry(log),
		Now: func() time.Time { return now },
		OpenRedis: func(url string) (cache.Store, error) {
			return rediscache.New(rediscache.Options{URL: url, Prefix: rediscache.Prefix("hios")})
		},
	}
	return b
}

// logBuffer keeps what is logged. Safe for concurrent use.
type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *logBuffer) String() string { return string(l.Bytes()) }

func (l *logBuffer) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.buffer.Bytes())
}

func (l *logBuffer) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buffer.Reset()
}

// plain takes from the platform all that a platform need not have.
func (b *harness) plain() { b.def.Platform = struct{ integration.Platform }{b.platform} }

func (b *harness) define() *integration.Service {
	b.t.Helper()
	service, err := integration.Define(b.def, b.runtime)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { require.NoError(b.t, service.Stop(context.Background())) }) // else it goes on to tell of channels
	return service
}

func (b *harness) call(name string, params object) (any, error) {
	b.t.Helper()
	return b.callWith(b.t.Context(), name, params, &action.Request{})
}

func (b *harness) callWith(ctx context.Context, name string, params object, req *action.Request) (any, error) {
	b.t.Helper()
	req.Params = json.RawMessage(toJSON(b.t, params))
	return b.define().Call(ctx, name, req)
}

func (b *harness) receive(params object) (any, error) {
	b.t.Helper()
	return b.call(integration.ActionReceiveWebhook, params)
}

func (b *harness) send() (any, error) {
	b.t.Helper()
	return b.call(integration.ActionSendMessage, sendParams())
}

func sendParams() object {
	return object{
		"channelId": "c1", "message": object{"to": object{"id": 42}, "content": object{"type": "TEXT", "text": "hi"}},
	}
}

func webhookParams(changes ...object) object {
	params := object{"channelId": "c1", "payload": object{"n": 1}, "headers": object{}, "timestamp": now.UnixMilli()}
	for _, change := range changes {
		maps.Copy(params, change)
	}
	return params
}

// pass lets time go by, of which there is as much as wanted within a synctest.
func pass(d time.Duration) { <-time.After(d) }

func metaOf(t *testing.T, meta object) action.Meta {
	t.Helper()
	return action.NewMeta(json.RawMessage(toJSON(t, meta)))
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

func decode(t *testing.T, v, target any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(toJSON(t, v)), target))
}

func requireError(t *testing.T, err error, code int, typ string) {
	t.Helper()
	_ = errorOf(t, err, code, typ)
}

// errorOf returns what a caller gets to see, of the code and type that it must have.
func errorOf(t *testing.T, err error, code int, typ string) *action.Error {
	t.Helper()
	m, ok := errors.AsType[*action.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, typ, m.Type, m.Message)
	require.Equal(t, code, m.Code, m.Message)
	return m
}

// platform records the steps that it is taken through, and answers as scripted.
type platform struct {
	mu       sync.Mutex
	steps    []string
	webhook  *integration.Webhook
	messages []integration.Message

	validateErr, normalizeErr error
	signature                 func(*integration.Webhook) error
	sending                   func(
		ctx context.Context, attempt int, m *integration.Message,
	) (*integration.SendResult, error)
	verify                func(integration.Verification) (string, error)
	health                *integration.Health
	healthErr             error
	valid                 bool
	validErr              error
	credentials, settings map[string]string
	media                 *integration.MediaFile
	mediaErr              error
}

var (
	_ integration.WebhookValidator     = (*platform)(nil)
	_ integration.SignatureValidator   = (*platform)(nil)
	_ integration.WebhookVerifier      = (*platform)(nil)
	_ integration.HealthChecker        = (*platform)(nil)
	_ integration.CredentialsValidator = (*platform)(nil)
	_ integration.MediaFetcher         = (*platform)(nil)
)

func (p *platform) step(name string) (times int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps = append(p.steps, name)
	for _, s := range p.steps {
		if s == name {
			times++
		}
	}
	return times
}

func (p *platform) ValidateWebhook(_ context.Context, _ *integration.Webhook) error {
	p.step("structure")
	return p.validateErr
}

func (p *platform) ValidateSignature(_ context.Context, w *integration.Webhook) error {
	p.step("signature")
	if p.signature == nil {
		return nil
	}
	return p.signature(w)
}

func (p *platform) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	p.step("normalize")
	p.mu.Lock()
	p.webhook = w
	p.mu.Unlock()
	return p.messages, p.normalizeErr
}

func (p *platform) Send(
	ctx context.Context, m *integration.Message, _ *integration.Channel,
) (*integration.SendResult, error) {
	return p.sending(ctx, p.step("send"), m)
}

func (p *platform) VerifyWebhook(
	_ context.Context, v integration.Verification, _ *integration.Channel,
) (string, error) {
	return p.verify(v)
}

func (p *platform) CheckHealth(context.Context, *integration.Channel) (*integration.Health, error) {
	return p.health, p.healthErr
}

func (p *platform) ValidateCredentials(_ context.Context, credentials, settings map[string]string) (bool, error) {
	p.credentials, p.settings = credentials, settings
	return p.valid, p.validErr
}

func (p *platform) FetchMedia(context.Context, string, *integration.Channel) (*integration.MediaFile, error) {
	return p.media, p.mediaErr
}

// file is an attachment that tells whether it was closed.
type file struct {
	io.Reader
	closed bool
}

func (f *file) Close() error {
	f.closed = true
	return nil
}

type store struct {
	mu      sync.Mutex
	channel *integration.Channel
	err     error
	changed func(id string)
	lists   int // how often all channels were read
}

// set changes what is read, also while a node reads it.
func (s *store) set(ch *integration.Channel, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channel, s.err = ch, err
}

func (s *store) Channel(_ context.Context, id string) (*integration.Channel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if id != s.channel.ID {
		return nil, integration.ErrChannelNotFound
	}
	return s.channel, nil
}

// event is one that was handed over.
type event struct {
	Name, ID string
	Header   map[string][]string
	Payload  json.RawMessage
}

// publisher keeps what it is given. fail decides what becomes of an event; nil means stored.
type publisher struct {
	mu     sync.Mutex
	events []event
	steps  []string
	// conditions are the events of channels' conditions. They come by themselves, while others are looked at.
	conditions []event
	fail       func(event) error
	// duplicate is whether the stream holds all that it is given already.
	duplicate bool
	// held keeps all acks back until it is closed; nil is none.
	held chan struct{}
}

func (p *publisher) Subject(name string) string { return "prefix." + name }

func (p *publisher) Publish(ctx context.Context, published order.Event, onAck func(bool, error)) {
	if published.Fence != nil && !published.Fence() {
		onAck(false, errors.New("fenced"))
		return
	}
	e := event{published.Name, published.MsgID, published.Header, published.Payload}
	if strings.Contains(e.Name, ".processing.channel.") {
		p.mu.Lock()
		p.conditions = append(p.conditions, e)
		p.mu.Unlock()
		var err error
		if p.fail != nil {
			err = p.fail(e)
		}
		onAck(false, err)
		return
	}
	p.step("publish "+e.ID, &e)
	if p.held != nil {
		go func() {
			<-p.held
			onAck(p.end(ctx, e))
		}()
		return
	}
	onAck(p.end(ctx, e))
}

func (p *publisher) end(ctx context.Context, e event) (duplicate bool, err error) {
	p.step("end "+e.ID, nil)
	if p.fail != nil {
		if err := p.fail(e); err != nil {
			return false, err
		}
	}
	return p.duplicate, ctx.Err()
}

// handed waits until so many events have been handed over.
func (p *publisher) handed(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.events) == n
	}, time.Minute, time.Millisecond)
}

func (p *publisher) step(name string, e *event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps = append(p.steps, name)
	if e != nil {
		p.events = append(p.events, *e)
	}
}

// one returns the only event that was handed over.
func (p *publisher) one(t *testing.T) event {
	t.Helper()
	require.Len(t, p.events, 1)
	return p.events[0]
}

// rejected is an error of an event that can never be stored.
type rejected struct{ error }

func (rejected) Permanent() bool { return true }
