package integrationtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
)

// namespace of the reliable events.
const namespace = "hios"

// object is a JSON object.
type object = map[string]any

// harness is a platform's service with all that is round it scripted. Everything that leaves the service
// is kept, and looked through for secrets in the end.
type harness struct {
	tb      testing.TB
	p       Platform
	channel *integration.Channel
	fake    *fake
	service *integration.Service
	events  *publisher
	secrets *secrets
	echoes  bool // the API tells secrets, so that texts may need redaction

	mu   sync.Mutex
	said bytes.Buffer // logs, answers and errors
}

// newHarness makes a harness. change alters the channel.
func newHarness(tb testing.TB, p Platform, change ...func(*integration.Channel)) *harness {
	tb.Helper()
	b := &harness{tb: tb, p: p, fake: newFake(tb, p.API(tb)), events: &publisher{}, secrets: &secrets{}}
	b.channel = p.Channel(b.fake.URL())
	for _, f := range change {
		f(b.channel)
	}
	before := toJSON(tb, b.channel)
	log := logrus.New()
	log.SetOutput(b)
	log.SetLevel(logrus.TraceLevel)
	log.AddHook(b.secrets)
	var err error
	b.service, err = integration.Define(p.Definition, integration.Runtime{
		Channels: store{b.channel}, Events: b.events, Secrets: b.secrets, Namespace: namespace,
		Log: logrus.NewEntry(log), Now: Now,
	})
	require.NoError(tb, err)
	require.NoError(tb, b.service.Start(tb.Context()))
	tb.Cleanup(func() {
		require.NoError(tb, b.service.Stop(context.Background()))
		require.JSONEq(tb, before, toJSON(tb, b.channel), "the platform changed the channel, which is not its own")
		b.requireNoLeak()
	})
	return b
}

// Write takes in log lines.
func (b *harness) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.Write(line)
}

// call runs an action as the cluster does, and takes a panic for the failure that it is.
func (b *harness) call(
	ctx context.Context, name string, params any, req *action.Request,
) (result json.RawMessage, err error) {
	b.tb.Helper()
	data, err := json.Marshal(params)
	require.NoError(b.tb, err)
	req.Params = data
	defer func() {
		if r := recover(); r != nil {
			b.tb.Errorf("%s panicked: %v\nparams: %.2000s\n%s", name, r, data, debug.Stack())
			err = errors.New("panic")
		}
	}()
	answer, err := b.service.Call(ctx, name, req)
	if err != nil {
		b.tell(err)
		return nil, err
	}
	result = json.RawMessage(toJSON(b.tb, answer))
	fmt.Fprintf(b, "answer of %s: %s\n", name, result)
	return result, nil
}

// tell keeps what an error says to its caller. What its causes say stays on the node, where it may end
// up in anybody's log line: it must not hold a secret either, unless the API brought it in.
func (b *harness) tell(err error) {
	if e, ok := errors.AsType[*action.Error](err); ok {
		data, _ := json.Marshal(e.Data)
		fmt.Fprintf(b, "error: %s %s %s\n", e.Message, e.Type, data)
	}
	for cause := err; cause != nil && !b.echoes; cause = errors.Unwrap(cause) {
		fmt.Fprintf(b, "cause: %v\n", cause)
	}
}

// receive hands a webhook over as a gateway does. change alters the params.
func (b *harness) receive(
	body []byte, headers map[string]string, change ...func(params object),
) (json.RawMessage, error) {
	b.tb.Helper()
	return b.receiveAs(&action.Request{}, body, headers, change...)
}

// receiveAs is receive with a request whose meta the caller wants to see afterwards.
func (b *harness) receiveAs(
	req *action.Request, body []byte, headers map[string]string, change ...func(params object),
) (json.RawMessage, error) {
	b.tb.Helper()
	params := object{
		"channelId": b.channel.ID, "payload": payload(body), "headers": headers, "timestamp": Now().UnixMilli(),
		"rawBody": base64.StdEncoding.EncodeToString(body), "rawBodyEncoding": "base64",
		"method": http.MethodPost, "url": b.p.path(b.channel),
	}
	for _, f := range change {
		f(params)
	}
	return b.call(b.tb.Context(), integration.ActionReceiveWebhook, params, req)
}

// httpAnswer is what a gateway makes of the answer to a webhook.
type httpAnswer struct {
	Status      int             `json:"status"`
	ContentType string          `json:"contentType,omitempty"`
	Body        json.RawMessage `json:"body,omitempty"`
}

// answered hands over a webhook as the platform sends it now, and returns how it is answered.
func (b *harness) answered(w Webhook) (httpAnswer, error) {
	b.tb.Helper()
	req := &action.Request{Meta: action.NewMeta(nil)}
	result, err := b.receiveAs(req, w.Body, b.p.headers(b.tb, b.channel, w))
	a := httpAnswer{Status: http.StatusOK, ContentType: req.Meta.String("$responseType"), Body: result}
	req.Meta.Get("$statusCode", &a.Status)
	return a, err
}

// marking is a channel that passes on what its own account wrote.
func marking(ch *integration.Channel) {
	if ch.Settings == nil {
		ch.Settings = map[string]string{}
	}
	ch.Settings["ownMessages"] = "mark"
}

// genuine hands over a webhook as the platform sends it now.
func (b *harness) genuine(w Webhook) (json.RawMessage, error) {
	b.tb.Helper()
	return b.receive(w.Body, b.p.headers(b.tb, b.channel, w))
}

// headers are those of a genuine webhook.
func (p Platform) headers(tb testing.TB, ch *integration.Channel, w Webhook) map[string]string {
	tb.Helper()
	headers := map[string]string{"content-type": p.contentType()}
	maps.Copy(headers, w.Headers)
	maps.Copy(headers, p.signature(tb, ch, Webhook{Body: w.Body, Headers: headers}, Now()))
	return headers
}

// path is the one at which a gateway takes in a channel's webhooks.
func (p Platform) path(ch *integration.Channel) string { return "/" + p.Definition.Name + "/" + ch.ID }

// contentType is that of a webhook that tells none.
func (p Platform) contentType() string {
	first := integration.NewHeaders(p.Webhooks[0].Headers)
	return cmp.Or(first.Get("content-type"), "application/json")
}

// payload is what a gateway makes of a body: JSON, or the fields of a form.
func payload(body []byte) any {
	if json.Valid(body) {
		return json.RawMessage(body)
	}
	fields := object{}
	if form, err := url.ParseQuery(string(body)); err == nil && bytes.Contains(body, []byte("=")) {
		for k, v := range form {
			fields[k] = v[0]
		}
	}
	return fields
}

// canaries are the pieces of the channel's secrets that must not be seen.
func (b *harness) canaries() []string {
	var pieces []string
	for _, secret := range secretsOf(b.p, b.channel) {
		half := len(secret) / 2
		for _, piece := range []string{secret[:half], secret[half:]} {
			pieces = append(pieces, piece, url.QueryEscape(piece), url.PathEscape(piece))
		}
	}
	return pieces
}

// secretsOf lists the values of the fields that are secret.
func secretsOf(p Platform, ch *integration.Channel) []string {
	var values []string
	for _, f := range p.Definition.Fields {
		part := ch.Credentials
		if f.In == integration.InSettings {
			part = ch.Settings
		}
		if v := part[f.Name]; f.Secret && v != "" {
			values = append(values, v)
		}
	}
	return values
}

// requireNoLeak looks through what has left the service since it was last called.
func (b *harness) requireNoLeak() {
	b.tb.Helper()
	left := b.said.String() + toJSON(b.tb, b.events.events)
	b.said.Reset()
	b.events.events, b.events.taken = nil, 0
	for _, piece := range b.canaries() {
		if i := strings.Index(left, piece); i >= 0 {
			require.Fail(
				b.tb, "a secret leaves the service", "the piece %q of it, in: …%s…", piece,
				left[max(0, i-200):min(len(left), i+200)],
			)
		}
	}
	if !b.echoes {
		require.Empty(b.tb, b.secrets.found(), "the platform puts a secret into a text; it must not rely on redaction")
	}
}

// secrets removes secrets as a node does, and keeps the texts that needed it.
type secrets struct {
	redact.Secrets

	mu    sync.Mutex
	texts []string
}

// Redact implements integration.Secrets.
func (s *secrets) Redact(text string) string {
	clean := s.Secrets.Redact(text)
	if clean != text {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.texts = append(s.texts, clean)
	}
	return clean
}

// Fire implements logrus.Hook.
func (s *secrets) Fire(entry *logrus.Entry) error {
	s.Redact(entry.Message)
	for _, v := range entry.Data {
		s.Redact(fmt.Sprint(v))
	}
	return s.Secrets.Fire(entry)
}

func (s *secrets) found() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.texts
}

// store holds one channel.
type store struct{ channel *integration.Channel }

func (s store) Channel(_ context.Context, id string) (*integration.Channel, error) {
	if id != s.channel.ID {
		return nil, integration.ErrChannelNotFound
	}
	return s.channel, nil
}

// event is one that was published.
type event struct {
	Name    string              `json:"name"`
	ID      string              `json:"id,omitempty"`
	Payload json.RawMessage     `json:"payload"`
	Header  map[string][]string `json:"header,omitempty"`
}

// publisher keeps the events.
type publisher struct {
	mu     sync.Mutex
	events []event
	taken  int
}

func (p *publisher) Subject(name string) string { return name }

func (p *publisher) Publish(_ context.Context, e order.Event, onAck func(bool, error)) {
	p.mu.Lock()
	p.events = append(p.events, event{e.Name, e.MsgID, e.Payload, e.Header})
	p.mu.Unlock()
	onAck(false, nil)
}

// take returns the events since it was last called.
func (p *publisher) take() []event {
	p.mu.Lock()
	defer p.mu.Unlock()
	events := p.events[p.taken:]
	p.taken = len(p.events)
	return events
}

func toJSON(tb testing.TB, v any) string {
	tb.Helper()
	data, err := json.Marshal(v)
	require.NoError(tb, err)
	return string(data)
}

func indented(tb testing.TB, v any) []byte {
	tb.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(tb, encoder.Encode(v))
	return b.Bytes()
}
