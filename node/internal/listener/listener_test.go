package listener_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/node/internal/listener"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// generous bounds what has to happen at some time.
const generous = time.Minute

// node records the calls that it gets, and answers as scripted.
type node struct {
	mu     sync.Mutex
	calls  []call
	answer func(ctx context.Context) (data, meta string, err error)
}

type call struct {
	name, requestID string
	params          map[string]json.RawMessage
}

func (n *node) Call(ctx context.Context, name string, params any, opts action.CallOptions) (*action.CallResult, error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	c := call{name: name, requestID: opts.RequestID}
	if err := json.Unmarshal(raw, &c.params); err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.calls = append(n.calls, c)
	n.mu.Unlock()
	data, meta, err := `{"success":true}`, `{}`, error(nil)
	if n.answer != nil {
		data, meta, err = n.answer(ctx)
	}
	if err != nil {
		return nil, err
	}
	return &action.CallResult{Data: json.RawMessage(data), Meta: json.RawMessage(meta)}, nil
}

// only returns the one call that there was.
func (n *node) only(t *testing.T) call {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	require.Len(t, n.calls, 1)
	return n.calls[0]
}

// harness is a running listener and a client that follows no redirects.
type harness struct {
	t    *testing.T
	sick atomic.Bool // the node is not ready
	logs *test.Hook
	*node
	*listener.Listener
	client http.Client
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	b := &harness{t: t, node: &node{}, client: http.Client{Transport: &http.Transport{}}}
	log, logs := test.NewNullLogger()
	b.logs = logs
	var err error
	b.Listener, err = listener.Start(t.Context(), listener.Options{
		Address: "127.0.0.1:0", Caller: b.node, Services: []string{"parrot", "crow"}, Ready: b.ready, Channel: b.known,
		MaxBodies: maxBodies,
		Log:       logrus.NewEntry(log),
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		b.client.CloseIdleConnections()
		require.NoError(t, b.Stop(context.Background()))
	})
	return b
}

// known says that there is any channel but one.
func (b *harness) known(_ context.Context, service, id string) error {
	if id == "nobody" {
		return action.Client(http.StatusNotFound, "CHANNEL_NOT_FOUND", "there is no %s channel %q", service, id)
	}
	return nil
}

func (b *harness) ready(context.Context) (bool, any) {
	return !b.sick.Load(), map[string]bool{"ready": !b.sick.Load()}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (b *harness) do(method, path, body string, header ...string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, "http://"+b.Address()+path, strings.NewReader(body))
	require.NoError(b.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := b.client.Do(req)
	require.NoError(b.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	return answer{res.StatusCode, res.Header, string(data)}
}

func (b *harness) post(body string, header ...string) answer {
	b.t.Helper()
	return b.do(http.MethodPost, "/parrot/c1", body, header...)
}

func text(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var s string
	require.NoError(t, json.Unmarshal(raw, &s))
	return s
}

func TestWebhookBecomesACall(t *testing.T) {
	const body = ` {"n": 9007199254740993} `
	b := newHarness(t)
	before := time.Now().UnixMilli()
	a := b.post(body, "Content-Type", "application/json", "X-Signature", "abc", "X-Twice", "1", "X-Twice", "2")
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, `{"success":true}`, a.body)
	require.Equal(t, "application/json; charset=utf-8", a.header.Get("Content-Type"))
	require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))

	c := b.only(t)
	require.Equal(t, "parrot.i_receiveWebhook", c.name)
	require.Equal(t, "c1", text(t, c.params["channelId"]))
	require.Equal(t, body, text(t, c.params["rawBody"]))
	require.Equal(t, `{"n":9007199254740993}`, string(c.params["payload"]))
	require.NotContains(t, c.params, "rawBodyEncoding")
	var headers map[string]string
	require.NoError(t, json.Unmarshal(c.params["headers"], &headers))
	require.Equal(
		t, []string{"abc", "1, 2", b.Address()}, []string{headers["x-signature"], headers["x-twice"], headers["host"]},
	)
	require.Equal(t, []string{"POST", "/parrot/c1"}, []string{text(t, c.params["method"]), text(t, c.params["url"])})
	var timestamp int64
	require.NoError(t, json.Unmarshal(c.params["timestamp"], &timestamp))
	require.GreaterOrEqual(t, timestamp, before)
	require.LessOrEqual(t, timestamp, time.Now().UnixMilli())
}

func TestPayloadIsDecodedAsAGatewayWould(t *testing.T) {
	const form, binary = "application/x-www-form-urlencoded; charset=utf-8", "{\"a\":\"\xff\"}"
	for name, test := range map[string]struct{ contentType, body, payload, rawBody, encoding string }{
		"JSON without a type":    {"", ` {"a":1} `, `{"a":1}`, ` {"a":1} `, ""},
		"JSON that is a list":    {"", `[1]`, `{}`, `[1]`, ""}, // params are objects; the platform reads the raw body
		"JSON of another type":   {"text/plain", `{"a":1}`, `{"a":1}`, `{"a":1}`, ""},
		"XML":                    {"text/xml", `<a/>`, `{}`, `<a/>`, ""},
		"multipart":              {"multipart/form-data; boundary=B", "--B--", `{}`, "--B--", ""},
		"nothing":                {"application/json", "", `{}`, "", ""},
		"a form":                 {form, "a=1&b=x+y&b=%C3%BC", `{"a":"1","b":["x y","ü"]}`, "a=1&b=x+y&b=%C3%BC", ""},
		"an empty form":          {form, "", `{}`, "", ""},
		"bytes that are no text": {"application/json", binary, "", "eyJhIjoi/yJ9", "base64"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			require.Equal(t, http.StatusOK, b.post(test.body, "Content-Type", test.contentType).status)
			params := b.only(t).params
			if test.payload != "" {
				require.JSONEq(t, test.payload, string(params["payload"]))
			}
			require.Equal(t, test.rawBody, text(t, params["rawBody"]))
			require.Equal(t, test.encoding != "", params["rawBodyEncoding"] != nil)
			if test.encoding != "" {
				require.Equal(t, test.encoding, text(t, params["rawBodyEncoding"]))
			}
		})
	}
}

func TestRequestThatIsNotAWebhookReachesNoService(t *testing.T) {
	large := strings.Repeat(" ", 3<<20-2) + "{}"
	for name, test := range map[string]struct {
		method, path, contentType, body string
		status                          int
		typ                             string // of the error; "" where net/http itself answers
	}{
		"another service":   {http.MethodPost, "/owl/c1", "", "{}", 404, "NOT_FOUND"},
		"another to verify": {http.MethodGet, "/owl/c1", "", "", 404, "NOT_FOUND"},
		"another path":      {http.MethodPost, "/parrot/c1/more", "", "{}", 404, ""},
		"no channel":        {http.MethodPost, "/parrot/", "", "{}", 404, ""},
		"the root":          {http.MethodGet, "/", "", "", 404, ""},
		"another method":    {http.MethodDelete, "/parrot/c1", "", "", 405, ""},
		"a body too large":  {http.MethodPost, "/parrot/c1", "", large + " ", 413, "BODY_TOO_LARGE"},
		"no JSON":           {http.MethodPost, "/parrot/c1", "application/json", "{", 400, "BODY_INVALID"},
		"two values":        {http.MethodPost, "/parrot/c1", "application/json", "{}{}", 400, "BODY_INVALID"},
		"a form that is none": {
			http.MethodPost, "/parrot/c1", "application/x-www-form-urlencoded", "a=%zz", 400, "BODY_INVALID",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			a := b.do(test.method, test.path, test.body, "Content-Type", test.contentType)
			require.Equal(t, test.status, a.status)
			require.Empty(t, b.calls)
			if test.typ != "" {
				e := decode(t, a)
				require.Equal(t, test.typ, e["type"])
				require.InDelta(t, test.status, e["code"], 0)
			}
		})
	}
	require.Equal(t, http.StatusOK, newHarness(t).post(large).status, "the largest body is taken")
}

func decode(t *testing.T, a answer) map[string]any {
	t.Helper()
	require.Equal(t, "application/json; charset=utf-8", a.header.Get("Content-Type"))
	var e map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &e))
	return e
}

func TestRequestIDIsTheCallersOrNew(t *testing.T) {
	long := strings.Repeat("x", 129)
	for name, test := range map[string]struct {
		header []string
		want   string // a new one when empty
	}{
		"none":                     {nil, ""},
		"the caller's":             {[]string{"X-Request-Id", "r1"}, "r1"},
		"the correlation id first": {[]string{"X-Request-Id", "r1", "X-Correlation-Id", "c1"}, "c1"},
		"the longest":              {[]string{"X-Request-Id", long[:128]}, long[:128]},
		"one too long":             {[]string{"X-Request-Id", long}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			a := b.post("{}", test.header...)
			got := b.only(t).requestID
			require.Equal(t, got, a.header.Get("X-Request-Id"))
			if test.want != "" {
				require.Equal(t, test.want, got)
				return
			}
			require.Len(t, got, 36)
		})
	}
}

func TestErrorsLookAsMoleculerWebWritesThem(t *testing.T) {
	for name, test := range map[string]struct {
		err        error
		status     int
		body       string
		retryAfter string
	}{
		"the caller's fault": {
			action.Client(401, "SIGNATURE_INVALID", "no").With(map[string]string{"kind": "unauthorized"}),
			401,
			`{"name":"MoleculerClientError","message":"no","code":401,"type":"SIGNATURE_INVALID",` +
				`"data":{"kind":"unauthorized"}}`,
			"",
		},
		"trouble that passes": {
			action.Retryable(503, "EVENTS_UNAVAILABLE", "later"),
			503, `{"name":"MoleculerRetryableError","message":"later","code":503,"type":"EVENTS_UNAVAILABLE"}`, "1",
		},
		"no time left": {
			context.DeadlineExceeded,
			504,
			`{"name":"RequestTimeoutError","message":"Request is timed out when call 'webhook' action on '' node.",` +
				`"code":504,"type":"REQUEST_TIMEOUT","data":{"action":"webhook"}}`,
			"1",
		},
		"what nobody foresaw": {
			errors.New("CANARY"),
			500,
			`{"name":"MoleculerServerError","message":"Internal error; the node's log has the details under this requestID",` +
				`"code":500,"type":"INTERNAL_ERROR"}`,
			"",
		},
		"a code that is no status": {
			action.Client(200, "ODD", "CANARY"),
			500,
			`{"name":"MoleculerServerError","message":"Internal error; the node's log has the details under this requestID",` +
				`"code":500,"type":"INTERNAL_ERROR"}`,
			"",
		},
		"data that is no JSON": {
			action.Client(400, "ODD", "no").With(make(chan int)),
			400, `{"name":"MoleculerServerError","message":"Internal error","code":500,"type":"INTERNAL_ERROR"}`, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.answer = func(context.Context) (string, string, error) { return "", "", test.err }
			a := b.post("{}")
			require.Equal(t, test.status, a.status)
			require.JSONEq(t, test.body, a.body)
			require.Equal(t, test.retryAfter, a.header.Get("Retry-After"))
			require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
		})
	}
}

func TestCalleesMetaShapesTheAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		data, meta string
		status     int
		kind, body string
	}{
		"a text": {
			`"<42>"`, `{"$responseType":"text/plain; charset=utf-8","$statusCode":200}`, 200,
			"text/plain; charset=utf-8", "<42>",
		},
		"another status":       {`{"a":1}`, `{"$statusCode":202}`, 202, "application/json; charset=utf-8", `{"a":1}`},
		"a status of no sense": {`{"a":1}`, `{"$statusCode":99}`, 200, "application/json; charset=utf-8", `{"a":1}`},
		"JSON of another type": {
			`{"a":1}`, `{"$responseType":"application/problem+json"}`, 200, "application/problem+json", `{"a":1}`,
		},
		"a text as JSON": {`"a"`, `{"user":"u1"}`, 200, "application/json; charset=utf-8", `"a"`},
		"JSON of its type": {
			`{"n":9007199254740993}`, `{"$responseType":"application/json"}`, 200, "application/json",
			`{"n":9007199254740993}`,
		},
		"a text that is JSON":  {`"\"a\""`, `{"$responseType":"application/json"}`, 200, "application/json", `"a"`},
		"an empty text":        {`""`, `{"$responseType":"text/plain"}`, 200, "text/plain", ""},
		"nothing":              {`null`, `{}`, 200, "", ""},
		"nothing at all":       {``, `{}`, 200, "", ""},
		"nothing of a type":    {`null`, `{"$responseType":"text/plain"}`, 200, "", ""},
		"accepted":             {`null`, `{"$statusCode":202}`, 202, "", ""},
		"no content":           {`null`, `{"$statusCode":204}`, 204, "", ""},
		"no content, and some": {`{"a":1}`, `{"$statusCode":204}`, 204, "", ""},
		"a refusal":            {`"no"`, `{"$statusCode":403,"$responseType":"text/plain"}`, 403, "text/plain", "no"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.answer = func(context.Context) (string, string, error) { return test.data, test.meta, nil }
			a := b.post("{}")
			require.Equal(t, test.status, a.status)
			require.Equal(t, test.kind, a.header.Get("Content-Type"))
			require.Equal(t, test.body, a.body)
			require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
		})
	}
}

func TestCalleesHeadersAreSent(t *testing.T) {
	b := newHarness(t)
	b.answer = func(context.Context) (string, string, error) {
		return `{}`, `{"$responseHeaders":{"X-Parrot":"Polly\r\nX-Forged: 1"}}`, nil
	}
	a := b.post("{}")
	require.Equal(t, "Polly  X-Forged: 1", a.header.Get("X-Parrot"))
	require.Empty(t, a.header.Get("X-Forged"))
}

func TestHandshakesQueryBecomesItsParams(t *testing.T) {
	b := newHarness(t)
	query := url.Values{"hub.mode": {"subscribe", "other"}, "hub.challenge": {"a b"}, "channelId": {"c2"}}
	require.Equal(t, http.StatusOK, b.do(http.MethodGet, "/crow/c%201?"+query.Encode(), "").status)
	c := b.only(t)
	require.Equal(t, "crow.i_verifyWebhook", c.name)
	params := map[string]string{}
	for k, v := range c.params {
		params[k] = text(t, v)
	}
	require.Equal(t, map[string]string{"channelId": "c 1", "hub.mode": "subscribe", "hub.challenge": "a b"}, params)
}

func TestTakenAddressIsOneLine(t *testing.T) {
	b := newHarness(t)
	log, _ := test.NewNullLogger()
	_, err := listener.Start(
		t.Context(), listener.Options{Address: b.Address(), Caller: b.node, Log: logrus.NewEntry(log)},
	)
	require.EqualError(t, err, "http.listen "+b.Address()+": bind: address already in use")
}

func TestStopWaitsForARunningWebhook(t *testing.T) {
	b := newHarness(t)
	running, finish := make(chan struct{}), make(chan struct{})
	b.answer = func(context.Context) (string, string, error) {
		close(running)
		<-finish
		return `{"late":true}`, `{}`, nil
	}
	answered, stopped := make(chan string, 1), make(chan error, 1)
	go func() { answered <- b.postOnce() }()
	wait(t, running)
	go func() { stopped <- b.Stop(context.Background()) }()
	require.Eventually(t, func() bool { return refuses(b) }, generous, time.Millisecond, "new connections are refused")
	require.Empty(t, stopped)
	close(finish)
	require.JSONEq(t, `{"late":true}`, wait(t, answered))
	require.NoError(t, wait(t, stopped))
}

func TestStopWaitIsBounded(t *testing.T) {
	b := newHarness(t)
	running, ended := make(chan struct{}), make(chan struct{})
	b.answer = func(ctx context.Context) (string, string, error) {
		close(running)
		<-ctx.Done() // its connection is cut
		close(ended)
		return "", "", ctx.Err()
	}
	answered := make(chan string, 1)
	go func() { answered <- b.postOnce() }()
	wait(t, running)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, b.Stop(ctx), context.Canceled)
	wait(t, ended)
	require.Equal(t, "no answer", wait(t, answered))
}

func TestListenerServesTheNodesHealth(t *testing.T) {
	b := newHarness(t)
	require.Equal(t, http.StatusNoContent, b.do(http.MethodGet, "/-/live", "").status)
	got := b.do(http.MethodGet, "/-/ready", "")
	require.Equal(t, http.StatusOK, got.status)
	require.JSONEq(t, `{"ready":true}`, got.body)
	b.sick.Store(true)
	got = b.do(http.MethodGet, "/-/ready", "")
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.JSONEq(t, `{"ready":false}`, got.body)
	require.Equal(t, http.StatusNoContent, b.do(http.MethodGet, "/-/live", "").status)
	require.Empty(t, b.calls)
}

// postOnce is for other goroutines than the test's: it tells of a failure in what it returns.
func (b *harness) postOnce() string {
	res, err := b.client.Post("http://"+b.Address()+"/parrot/c1", "application/json", strings.NewReader("{}"))
	if err != nil {
		return "no answer"
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "no answer"
	}
	return string(body)
}

// wait takes what a channel delivers, or its end.
func wait[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(generous):
		require.Fail(t, "it never happened")
		panic("unreachable")
	}
}

// refuses says whether the listener takes no new connections.
func refuses(b *harness) bool {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + b.Address() + "/owl/c1")
	if err != nil {
		return true
	}
	_ = res.Body.Close()
	return false
}
