package interop_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/test/parrot"
)

// What the parrot's channels hold.
const (
	parrotKey    = "cn4rqz81-wv0x6kty"
	parrotSecret = "ub73hjf9-eo2mslpd"
	parrotToken  = "g5tiyxa0-rk8vwcnz"
)

// maxEvent bounds, in bytes, the events of received messages, so that a message can be too large.
const maxEvent = 256 << 10

// cages are the parrot's channels. The one called "lost" cannot be read.
type cages map[string]*integration.Channel

func newCages(apiBase, deadBase string) cages {
	cage := func(id, base string) *integration.Channel {
		return &integration.Channel{
			ID: id, TenantID: tenantID, Platform: "parrot", Status: integration.ChannelActive,
			Credentials: map[string]string{"apiKey": parrotKey, "webhookSecret": parrotSecret, "verifyToken": parrotToken},
			Settings:    map[string]string{"apiBase": base},
		}
	}
	list := cages{}
	for _, id := range []string{"cage", "asleep", "phone", "wild", "open", "busy"} {
		list[id] = cage(id, apiBase)
	}
	list["asleep"].Status = integration.ChannelInactive
	list["phone"].Platform = "telegram"
	list["wild"].TenantID = ""
	list["open"].Credentials = map[string]string{"apiKey": parrotKey}
	list["dead"] = cage("dead", deadBase)
	return list
}

// Channel implements integration.ChannelStore.
func (c cages) Channel(_ context.Context, id string) (*integration.Channel, error) {
	if id == "lost" {
		return nil, errors.New("the database is away")
	}
	if ch, ok := c[id]; ok {
		return ch, nil
	}
	return nil, integration.ErrChannelNotFound
}

// apiAnswer is one answer of Parrot's API. The zero value is that of a good day.
type apiAnswer struct {
	status     int
	body       string
	retryAfter string
	reset      bool // the connection, when the request was read
}

// apiRequest is what Parrot's API was asked.
type apiRequest struct {
	Method        string          `json:"method"`
	Path          string          `json:"path"`
	Authorization string          `json:"authorization"`
	ContentType   string          `json:"contentType"`
	Body          json.RawMessage `json:"body"`
}

// parrotAPI plays Parrot for one side, by a script.
type parrotAPI struct {
	*httptest.Server

	mu     sync.Mutex
	script []apiAnswer
	asked  []apiRequest
}

func startParrotAPI(t *testing.T) *parrotAPI {
	t.Helper()
	api := &parrotAPI{}
	api.Server = httptest.NewServer(api)
	t.Cleanup(api.Close)
	return api
}

// play sets the next answers; behind them come good ones.
func (a *parrotAPI) play(script []apiAnswer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.script, a.asked = script, nil
}

func (a *parrotAPI) requests() []apiRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

func (a *parrotAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || !json.Valid(body) {
		body, _ = json.Marshal(fmt.Sprint("unreadable: ", string(body), err))
	}
	answer := a.next(apiRequest{r.Method, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), body})
	if answer.reset {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
		return
	}
	if answer.retryAfter != "" {
		w.Header().Set("Retry-After", answer.retryAfter)
	}
	w.WriteHeader(answer.status)
	fmt.Fprint(w, answer.body)
}

func (a *parrotAPI) next(asked apiRequest) apiAnswer {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, asked)
	answer := apiAnswer{
		status: http.StatusOK,
		body:   map[string]string{"/v1/messages": `{"id":"m-9"}`, "/v1/me": `{"id":"polly"}`}[asked.Path],
	}
	if len(a.script) > 0 {
		answer, a.script = a.script[0], a.script[1:]
	}
	return answer
}

// sdkSide is a cluster with the service parrot, in a namespace of its own. All ids are the same on both sides, so
// that they need not be made equal before they are compared.
type sdkSide struct {
	namespace string
	caller    *peer
	api       *parrotAPI
	js        jetstream.JetStream
	read      map[string]uint64 // per stream, the last event that was looked at
}

// newSDKSide prepares a side up to its service. The streams are there before that: @moleculer/channels has its
// consumers make them.
func newSDKSide(t *testing.T, natsURL, namespace string) *sdkSide {
	t.Helper()
	conn, err := nats.Connect(natsURL)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	s := &sdkSide{namespace: namespace, api: startParrotAPI(t), read: map[string]uint64{}}
	s.js, err = jetstream.New(conn)
	require.NoError(t, err)
	for _, name := range integration.EventNames(namespace) {
		_, err := s.js.CreateStream(t.Context(), s.stream(name))
		require.NoError(t, err)
	}
	return s
}

// stream is the configuration of an event's stream.
func (s *sdkSide) stream(name string) jetstream.StreamConfig {
	subject := s.namespace + "." + name
	c := jetstream.StreamConfig{Name: strings.ReplaceAll(subject, ".", "_"), Subjects: []string{subject}}
	if strings.HasSuffix(name, ".received") {
		c.MaxMsgSize = maxEvent
	}
	return c
}

// fill has the stream of received messages take no more, or take them again.
func (s *sdkSide) fill(ctx context.Context, full bool) error {
	c := s.stream(s.namespace + ".processing.message.received")
	if full {
		c.MaxBytes, c.Discard = 1, jetstream.DiscardNew
	}
	_, err := s.js.UpdateStream(ctx, c)
	return err
}

const sdkNode, sdkCaller = "parrot-node", "parrot-caller"

// startParrots runs the same platform on a Node.js node and on a Go node.
func startParrots(t *testing.T) (node, golang *sdkSide) {
	t.Helper()
	url := natsServer(t).URL()
	node, golang = newSDKSide(t, url, "sdknode"), newSDKSide(t, url, "sdkgo")
	dead := startParrotAPI(t)
	dead.Close()

	var starting sync.WaitGroup
	start := func(opts peerOptions, keep **peer) {
		starting.Go(func() { *keep = startPeer(t, url, opts) })
	}
	var host *peer
	start(peerOptions{
		NodeID: sdkNode, Namespace: node.namespace, Channels: true, Script: "parrot.js",
		Services: []service{{Name: "parrot", Params: fields{
			"channels": newCages(node.api.URL, dead.URL), "webhookSecret": parrotSecret, "verifyToken": parrotToken,
			"apiBase": node.api.URL,
		}}},
	}, &host)
	for _, side := range []*sdkSide{node, golang} {
		start(peerOptions{NodeID: sdkCaller, Namespace: side.namespace}, &side.caller)
	}

	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	t.Cleanup(client.Close)
	platform := parrot.Definition(client)
	platform.Channels = newCages(golang.api.URL, dead.URL)
	// With this publishTimeout, a full stream's refusal is known soon, and a large event has the time it needs.
	startHost(t, url, offered(platform), settings(`
node: {id: %q, namespace: %q}
events: {namespace: %q, publishTimeout: 2s}
services: [parrot]
http: {listen: ""}
log: {level: warn}
`, sdkNode, golang.namespace, golang.namespace))
	starting.Wait()
	for _, side := range []*sdkSide{node, golang} {
		require.NotNil(t, side.caller, "a Node.js process did not start")
		side.caller.WaitForServices(t, "parrot")
	}
	require.NotNil(t, host)
	return node, golang
}

// sdkOutcome is all that can be seen of a call from outside.
type sdkOutcome struct {
	Data     json.RawMessage `json:"data,omitempty"`
	Error    *callError      `json:"error,omitempty"`
	Meta     json.RawMessage `json:"meta,omitempty"`
	Requests []apiRequest    `json:"requests"` // to the platform
	Events   []sdkEvent      `json:"events"`   // that were stored
}

// sdkEvent is an event of a stream.
type sdkEvent struct {
	Subject string            `json:"subject"`
	Headers map[string]string `json:"headers"`
	Meta    json.RawMessage   `json:"meta"` // the header $meta, decoded
	Payload json.RawMessage   `json:"payload"`
}

// run gives a side one input.
func (s *sdkSide) run(ctx context.Context, in sdkInput, trace string) (*sdkOutcome, error) {
	if err := s.fill(ctx, in.full); err != nil {
		return nil, err
	}
	s.api.play(in.api)
	opts := fields{"requestID": trace, "timeout": patience.Milliseconds()}
	if in.meta != nil {
		opts["meta"] = in.meta
	}
	params, err := s.own(in.params)
	if err != nil {
		return nil, err
	}
	out := &sdkOutcome{}
	for range max(in.times, 1) { // the last answer counts
		result, err := s.caller.Call(ctx, "parrot."+in.action, params, opts)
		*out = sdkOutcome{Data: result.Data, Meta: result.Meta}
		if err != nil && !errors.As(err, &out.Error) {
			return nil, err
		}
		if out.Error != nil {
			out.Meta = out.Error.Meta
		}
	}
	out.Requests = s.api.requests()
	out.Events, err = s.events(ctx)
	return out, err
}

// sideAPI stands in an input's params for the URL of the side's platform.
const sideAPI = "the side's API"

// own puts what is the side's own into params.
func (s *sdkSide) own(params any) (any, error) {
	if params == nil {
		return nil, nil
	}
	data, err := json.Marshal(params)
	return json.RawMessage(bytes.ReplaceAll(data, []byte(sideAPI), []byte(s.api.URL))), err
}

// events gives what was stored since the last look, stream by stream.
func (s *sdkSide) events(ctx context.Context) ([]sdkEvent, error) {
	list := []sdkEvent{}
	for _, name := range integration.EventNames(s.namespace) {
		stream, err := s.js.Stream(ctx, s.stream(name).Name)
		if err != nil {
			return nil, err
		}
		for last := stream.CachedInfo().State.LastSeq; s.read[name] < last; {
			s.read[name]++
			raw, err := stream.GetMsg(ctx, s.read[name])
			if err != nil {
				return nil, err
			}
			e, err := s.comparable(raw)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
	}
	return list, nil
}

var anyUUID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// comparable takes out of an event what cannot be the same on both sides, and nothing else:
//   - the namespace, which is what separates the sides;
//   - uuids, made anew for each call ($parentID) and for each outcome of a send (Nats-Msg-Id);
//   - the payload's timestamp, which is that of the side's clock: a number of milliseconds remains one.
//
// $meta is looked into, so that the order of its members does not matter.
func (s *sdkSide) comparable(raw *jetstream.RawStreamMsg) (sdkEvent, error) {
	neutral := func(text string) string {
		return anyUUID.ReplaceAllString(strings.ReplaceAll(text, s.namespace, "NAMESPACE"), "UUID")
	}
	e := sdkEvent{Subject: neutral(raw.Subject), Headers: map[string]string{}}
	for name, values := range raw.Header {
		e.Headers[name] = neutral(strings.Join(values, ", "))
	}
	meta, err := base64.StdEncoding.DecodeString(raw.Header.Get("$meta"))
	if err != nil {
		return e, fmt.Errorf("$meta: %w", err)
	}
	if len(meta) > 0 {
		e.Meta = meta
	}
	delete(e.Headers, "$meta")

	var payload map[string]json.RawMessage
	if err := json.Unmarshal(raw.Data, &payload); err != nil {
		return e, fmt.Errorf("payload %s: %w", raw.Data, err)
	}
	if millis.Match(payload["timestamp"]) {
		payload["timestamp"] = json.RawMessage(`"ms"`)
	}
	e.Payload, err = json.Marshal(payload)
	return e, err
}

var millis = regexp.MustCompile(`^1\d{12}$`)

// differences gives the paths of all that is not the same in two values. Lists of different lengths are one difference.
func differences(t *testing.T, a, b any) []string {
	t.Helper()
	return compare("", plain(t, a), plain(t, b))
}

func compare(path string, a, b any) (paths []string) {
	at := func(key any) string { return strings.TrimPrefix(fmt.Sprintf("%s.%v", path, key), ".") }
	switch left := a.(type) {
	case map[string]any:
		right, ok := b.(map[string]any)
		if !ok {
			return []string{path}
		}
		both := maps.Clone(left)
		maps.Copy(both, right)
		for _, key := range slices.Sorted(maps.Keys(both)) {
			l, inLeft := left[key]
			r, inRight := right[key]
			if inLeft != inRight {
				paths = append(paths, at(key))
				continue
			}
			paths = append(paths, compare(at(key), l, r)...)
		}
	case []any:
		right, ok := b.([]any)
		if !ok || len(left) != len(right) {
			return []string{path}
		}
		for i := range left {
			paths = append(paths, compare(at(i), left[i], right[i])...)
		}
	default:
		if !reflect.DeepEqual(a, b) {
			return []string{path}
		}
	}
	return paths
}

// plain is a value as JSON has it, with the digits of its numbers.
func plain(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	var out any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	require.NoError(t, d.Decode(&out))
	return out
}
