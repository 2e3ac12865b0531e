// Package httpapi calls the HTTP APIs of platforms. Calls have deadlines and share connections, answers have a size
// limit, and errors say whether the platform may have carried out the call.
//
// The package knows no platform. The platform's package says what an answer means.
package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/egress"
	"github.com/hiliosai/switchboard/metrics"
)

const (
	// callTimeout bounds one call, including the body of its answer. slowTimeout is for calls with [Call.Slow].
	callTimeout = 15 * time.Second
	slowTimeout = time.Minute
	// maxAnswer bounds the answers that are read into memory, in bytes. maxLongAnswer is for long polls.
	maxAnswer     = 4 << 20
	maxLongAnswer = 20 << 20
	// connections is how many idle connections are kept per host. As many sends may run at once through one platform.
	connections = 512

	codeAddressRefused      = codes.AddressRefused
	codeMediaAddressRefused = codes.MediaAddressRefused
)

// Client calls one or more APIs. It is safe for concurrent use. One client is enough for a node.
type Client struct {
	// api is for the platforms' APIs. There is no http.Client around it, because that would follow redirects and send the
	// channel's credentials to wherever they point.
	api     transport
	long    transport         // for [Request.Wait]: thousands of waiting calls must not use up the connections of api
	web     *http.Client      // for links that come from outside, see download.go
	metrics *metrics.Registry // nil counts nothing
	strict  *Client           // for channels whose addresses a tenant chose; nil in the strict client itself
}

// transport is an http.RoundTripper with its own connections.
type transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

// Options say what a client may do.
type Options struct {
	// Guard says which addresses may be reached by links and by addresses that tenants choose. Nil means public ones only.
	Guard *egress.Guard
	// AllowPrivate allows all addresses, instead of Guard.
	AllowPrivate bool
	// Dial opens the connections for API calls, for example to a fake in the same process. Nil means the network. If Dial
	// is set, no Guard is asked about API calls.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Metrics counts the calls of APIs; nil counts nothing.
	Metrics *metrics.Registry

	proxy func(*http.Request) (*url.URL, error) // for tests; nil means the proxy of the environment
}

// New returns a client with its own pools of connections. The caller closes it.
func New(o Options) *Client {
	if o.proxy == nil {
		o.proxy = http.ProxyFromEnvironment
	}
	guard := o.Guard
	switch {
	case o.AllowPrivate:
		guard = egress.Anywhere()
	case guard == nil:
		guard = &egress.Guard{}
	}
	web := newWebClient(newGuarded(guard, o.proxy))
	strict, strictLong := newGuarded(guard, o.proxy), newGuarded(guard, o.proxy)
	strict.compress(false)
	strictLong.compress(false)
	tuneForWaiting(strictLong.direct)
	tuneForWaiting(strictLong.proxied)
	api, long := newTransport(newDialer().DialContext, o.proxy), newTransport(newDialer().DialContext, o.proxy)
	api.DisableCompression = true // answers are small, and files are mostly compressed already
	long.DisableCompression = true
	tuneForWaiting(long)
	c := &Client{
		api: api, long: long, web: web, metrics: o.Metrics,
		strict: &Client{api: strict, long: strictLong, web: web, metrics: o.Metrics},
	}
	if o.Dial != nil {
		api.DialContext, long.DialContext, c.strict = o.Dial, o.Dial, nil
	}
	return c
}

// tuneForWaiting sets up a transport for long polls. If the server speaks HTTP/2, many long polls share one connection.
// The transport opens another one when the server allows no more streams.
func tuneForWaiting(t noRedirectQuoting) {
	t.ReadBufferSize, t.WriteBufferSize = 2<<10, 2<<10 // bytes for each connection
	t.HTTP2 = &http.HTTP2Config{
		// A silent connection is closed after 30 s, and all calls on it fail.
		SendPingTimeout: 20 * time.Second, PingTimeout: 10 * time.Second,
		MaxReceiveBufferPerStream: 256 << 10,
	}
}

// For returns the client for a channel with these settings. If a tenant chose the channel's addresses (see
// [integration.ChoseAddresses]), the client's calls reach only addresses that the Guard allows.
func (c *Client) For(settings map[string]string) *Client {
	if c.strict != nil && integration.ChoseAddresses(settings) {
		return c.strict
	}
	return c
}

func newDialer() *net.Dialer {
	return &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
}

type dial func(ctx context.Context, network, address string) (net.Conn, error)

func newTransport(dial dial, proxy func(*http.Request) (*url.URL, error)) noRedirectQuoting {
	return noRedirectQuoting{&http.Transport{
		Proxy:               proxy,
		DialContext:         dial,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        2 * connections,
		MaxIdleConnsPerHost: connections,
		// Shorter than the idle timeouts of platforms. If a platform closes a connection while a request is on its way,
		// nobody knows whether the call was carried out.
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
		ExpectContinueTimeout: time.Second,
	}}
}

// errLocation means that the Location of a redirect is not a URL.
var errLocation = errors.New("the redirect does not lead to a URL")

// noRedirectQuoting refuses redirects whose Location is not a URL. net/http would quote it in an error, and it may hold
// a credential.
type noRedirectQuoting struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (q noRedirectQuoting) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := q.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 == 3 {
		if _, err := req.URL.Parse(res.Header.Get("Location")); err != nil {
			res.Body.Close()
			return nil, errLocation
		}
	}
	return res, nil
}

// guarded is a transport that reaches only addresses that the guard allows. If there is a proxy, the guard checks the
// target, not the proxy. The proxy then resolves the target's name again by itself.
type guarded struct {
	guard           *egress.Guard
	proxy           func(*http.Request) (*url.URL, error)
	resolver        egress.Resolver
	direct, proxied noRedirectQuoting
}

func newGuarded(guard *egress.Guard, proxy func(*http.Request) (*url.URL, error)) *guarded {
	dialer := &egress.Dialer{Dialer: *newDialer(), Guard: guard}
	return &guarded{
		guard: guard, proxy: proxy, resolver: net.DefaultResolver,
		direct: newTransport(dialer.DialContext, nil), proxied: newTransport(newDialer().DialContext, proxy),
	}
}

func (g *guarded) compress(on bool) {
	g.direct.DisableCompression, g.proxied.DisableCompression = !on, !on
}

// RoundTrip implements http.RoundTripper. Its error wraps [egress.ErrRefused] if the guard refuses the address.
func (g *guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	proxy, err := g.proxy(req)
	if err == nil && proxy == nil {
		return g.direct.RoundTrip(req)
	}
	if err == nil {
		err = g.guard.Check(req.Context(), req.URL, g.resolver)
	}
	if err == nil {
		return g.proxied.RoundTrip(req)
	}
	if req.Body != nil {
		_ = req.Body.Close() // as a RoundTripper must
	}
	return nil, err
}

func (g *guarded) CloseIdleConnections() {
	g.direct.CloseIdleConnections()
	g.proxied.CloseIdleConnections()
}

// refused returns the error for an address that the guard refuses. The error is the same whether or not a server is
// there.
func refused(name, code string, u *url.URL) *integration.Error {
	return integration.Refused(
		code, "%s: %q is not a public address, or not known; egress.allow lists what else may be reached, "+
			"media.allowPrivate allows all", name, u.Hostname(),
	)
}

// Close closes the idle connections. Calls in progress go on.
func (c *Client) Close() {
	c.web.CloseIdleConnections()
	for ; c != nil; c = c.strict {
		c.api.CloseIdleConnections()
		c.long.CloseIdleConnections()
	}
}

// Answer is a platform's answer, with any status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Request is one HTTP request to an API.
type Request struct {
	Name   string // such as "telegram sendMessage"; errors show it instead of the URL, which may hold a credential
	Method string // empty means POST
	URL    string
	Header http.Header
	Body   Body
	Slow   bool // gives the call one minute instead of 15 seconds, see [Call.Slow]
	// Wait is how long the API may take longer to answer, for long polls. See [Call.Wait].
	Wait time.Duration
}

// PostJSON is [Client.Do] for a POST with in, encoded as JSON, as its body.
func (c *Client) PostJSON(ctx context.Context, name, url string, header http.Header, in any) (*Answer, error) {
	body, err := JSON(name, in)
	if err != nil {
		return nil, err
	}
	return c.Do(ctx, Request{Name: name, URL: url, Header: header, Body: body})
}

// ErrAnswerTooLong is wrapped in the error of a call whose answer is longer than 4 MB, or 20 MB for a long poll.
var ErrAnswerTooLong = errors.New("the answer is longer")

// Do makes a call once and reads the answer; an error status is an answer, too. Errors are *integration.Error. If there
// is no answer, the kind is transient if the platform cannot have received the whole request, and unknown otherwise.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	began, status := time.Now(), 0
	answer, err := c.do(ctx, r)
	if answer != nil {
		status = answer.Status
	}
	if r.Wait == 0 { // a long poll takes as long as nothing happens
		c.metrics.PlatformCall(r.Name, status, began)
	}
	return answer, err
}

// do is Do, uncounted.
func (c *Client) do(ctx context.Context, r Request) (*Answer, error) {
	transport, limit, timeout := c.api, maxAnswer, callTimeout
	switch {
	case r.Wait > 0:
		transport, limit, timeout = c.long, maxLongAnswer, callTimeout+r.Wait
	case r.Slow:
		timeout = slowTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var written atomic.Bool // the whole request was written
	trace := &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) { written.Store(info.Err == nil) }}
	req, err := r.encode(httptrace.WithClientTrace(ctx, trace))
	if err != nil {
		return nil, err
	}
	res, err := transport.RoundTrip(req)
	if errors.Is(err, egress.ErrRefused) {
		return nil, refused(r.Name, codeAddressRefused, req.URL)
	}
	if err != nil {
		return nil, failure(r.Name, written.Load(), err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, int64(limit)+1))
	if err != nil {
		return nil, failure(r.Name, true, err)
	}
	if len(answer) > limit {
		return nil, failure(r.Name, true, fmt.Errorf("%w than %d bytes", ErrAnswerTooLong, limit))
	}
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: answer}, nil
}

// Get opens a download from the API itself, with any status. For links, see [Client.Download]. The caller closes the
// body. The download may take one minute, including the reading of the body. Errors are *integration.Error.
func (c *Client) Get(ctx context.Context, name, url string, header http.Header) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, slowTimeout)
	req, err := Request{Name: name, Method: http.MethodGet, URL: url, Header: header}.encode(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	res, err := c.api.RoundTrip(req)
	if err != nil {
		cancel()
		if errors.Is(err, egress.ErrRefused) {
			return nil, refused(name, codeMediaAddressRefused, req.URL)
		}
		return nil, failure(name, false, err)
	}
	res.Body = &bounded{res.Body, cancel}
	return res, nil
}

// bounded is a body whose Close also releases the deadline's timer.
type bounded struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *bounded) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// encode returns the request for net/http.
func (r Request) encode(ctx context.Context) (*http.Request, error) {
	var body io.Reader
	if r.Body.Bytes != nil {
		body = bytes.NewReader(r.Body.Bytes)
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.Method, http.MethodPost), r.URL, body)
	if err != nil || req.URL.Host == "" || req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		// err is not wrapped because it quotes the URL.
		return nil, integration.Refused(codeAPIBase, "%s: the channel's apiBase is not an http or https URL", r.Name)
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	if r.Body.ContentType != "" {
		req.Header.Set("Content-Type", r.Body.ContentType)
	}
	// As http.Client does, for self-hosted servers behind a proxy that wants a password.
	if user := req.URL.User; user != nil && req.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	return req, nil
}

// failure returns the error for a call without an answer. written says whether the whole request was written. The error
// of net/http begins with the URL, so only the error that it wraps is kept.
func failure(name string, written bool, err error) error {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	reason := err.Error()
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		reason = "no answer in time"
	}
	e := &integration.Error{
		Kind: integration.FaultTransient, Code: codes.PlatformUnreachable, Message: name + ": " + reason, Err: err,
	}
	if written {
		e.Kind, e.Code = integration.FaultUnknown, codeNoAnswer
		e.Message = name + ": the request was sent but not answered (" + reason + "); it may have been carried out"
	}
	return e
}

// RetryAfter reads the header Retry-After, which is in seconds or an HTTP date (RFC 9110, 10.2.3). It returns how long
// to wait from now, and zero if the header has neither form or is missing.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(v, 64); err == nil && seconds > 0 {
		const most = 1e6 // seconds, more than 11 days; prevents an overflow
		return time.Duration(min(seconds, most) * float64(time.Second))
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
