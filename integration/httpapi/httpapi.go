// Package httpapi calls the HTTP APIs of platforms: with deadlines, with kept connections, with a
// cap on what is read, and with errors that say whether the platform can have carried the call out.
//
// It knows no platform: what an answer means is decided where the platform is.
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
	// callTimeout bounds one call, its answer's body included. slowTimeout bounds a call with [Call.Slow].
	callTimeout = 15 * time.Second
	slowTimeout = time.Minute
	// maxAnswer bounds, in bytes, the answers that are read into memory, maxLongAnswer those of long polls.
	maxAnswer     = 4 << 20
	maxLongAnswer = 20 << 20
	// connections kept per host: as many as sends are likely to run at once through one platform.
	connections = 512

	codeAddressRefused      = codes.AddressRefused
	codeMediaAddressRefused = codes.MediaAddressRefused
)

// Client calls one or many APIs. Safe for concurrent use; one for the whole node is enough.
type Client struct {
	// api is for the platforms' APIs. It is used without an http.Client around it, which would follow redirects: they
	// carry the channel's credentials to wherever they point.
	api     transport
	long    transport         // for [Request.Wait]: thousands of calls that wait must not use up what api keeps
	web     *http.Client      // for links that come from outside, see download.go
	metrics *metrics.Registry // nil counts nothing
	strict  *Client           // for channels whose addresses a tenant chose; nil for that one itself
}

// transport is an http.RoundTripper with connections of its own.
type transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

// Options are what a client may do.
type Options struct {
	// Guard says where links and the addresses that tenants choose may lead; nil is to public addresses only.
	Guard *egress.Guard
	// AllowPrivate is a Guard that lets everything through.
	AllowPrivate bool
	// Dial opens the connections for API calls instead of the network, such as those within a test; nil is the network.
	// No Guard is asked about them.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Metrics counts the calls of APIs; nil counts nothing.
	Metrics *metrics.Registry

	proxy func(*http.Request) (*url.URL, error) // of tests; nil is the environment's
}

// New returns a client with its own pools of connections.
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
	api.DisableCompression = true // answers are small, and files are packed already
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

// tuneForWaiting makes a transport one for long polls. Where the server speaks HTTP/2 many of them share a connection,
// and another one is made when the server allows no more.
func tuneForWaiting(t quiet) {
	t.ReadBufferSize, t.WriteBufferSize = 2<<10, 2<<10 // of each connection
	t.HTTP2 = &http.HTTP2Config{
		// A connection that is dead without a word is given up after 30 s, with all calls on it.
		SendPingTimeout: 20 * time.Second, PingTimeout: 10 * time.Second,
		MaxReceiveBufferPerStream: 256 << 10,
	}
}

// For returns the client for a channel with these settings. Where a tenant chose the channel's addresses, which
// [integration.ChoseAddresses] tells, its calls go only where links may lead.
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

func newTransport(dial dial, proxy func(*http.Request) (*url.URL, error)) quiet {
	return quiet{&http.Transport{
		Proxy:               proxy,
		DialContext:         dial,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        2 * connections,
		MaxIdleConnsPerHost: connections,
		// Shorter than platforms keep theirs: a connection that they close while a request is on its
		// way makes an outcome unknown.
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
		ExpectContinueTimeout: time.Second,
	}}
}

// errLocation is why a redirect that leads nowhere is not followed.
var errLocation = errors.New("a redirect to what is no URL")

// quiet refuses redirects that net/http would quote in its error: there may be a credential in them.
type quiet struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (q quiet) RoundTrip(req *http.Request) (*http.Response, error) {
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

// guarded goes only where the guard lets it. Through a proxy it is the target that is judged, not the proxy, and the
// proxy resolves the target's name once more by itself.
type guarded struct {
	guard           *egress.Guard
	proxy           func(*http.Request) (*url.URL, error)
	resolver        egress.Resolver
	direct, proxied quiet
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

// RoundTrip implements http.RoundTripper. Its error wraps [egress.ErrRefused] where the guard is against it.
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

// refused is the error for an address that the guard is against. It is the same whatever is there.
func refused(name, code string, u *url.URL) *integration.Error {
	return integration.Refused(
		code, "%s: %q is not a public address, or not known; egress.allow lists what else may be reached, "+
			"media.allowPrivate allows all", name, u.Hostname(),
	)
}

// Close ends the connections that wait for a next call.
func (c *Client) Close() {
	c.web.CloseIdleConnections()
	for ; c != nil; c = c.strict {
		c.api.CloseIdleConnections()
		c.long.CloseIdleConnections()
	}
}

// Answer is what a platform answered, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Request is a call of an API.
type Request struct {
	Name   string // such as "telegram sendMessage": stands for the call in errors, since the URL may hold a credential
	Method string // empty is POST
	URL    string
	Header http.Header
	Body   Body
	Slow   bool // it takes its time: a file goes along, or the platform fetches one
	// Wait is how long the API may hold its answer back, as long polls have it do; see [Call.Wait].
	Wait time.Duration
}

// PostJSON is [Client.Do] with in as JSON.
func (c *Client) PostJSON(ctx context.Context, name, url string, header http.Header, in any) (*Answer, error) {
	body, err := JSON(name, in)
	if err != nil {
		return nil, err
	}
	return c.Do(ctx, Request{Name: name, URL: url, Header: header, Body: body})
}

// ErrAnswerTooLong is wrapped in the error of a call whose answer is longer than what is read.
var ErrAnswerTooLong = errors.New("the answer is longer")

// Do makes a call once and reads the answer, whatever its status. Errors are *integration.Error of kind
// transient when the platform cannot have seen the whole request, and unknown when it can.
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
	var written atomic.Bool // the request, to the end
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

// Get opens a download from the API itself; see [Client.Download] for links. The caller closes the body; the deadline
// covers its reading too.
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

// bounded is a body whose deadline is over with it.
type bounded struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *bounded) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// encode makes the request of net/http.
func (r Request) encode(ctx context.Context) (*http.Request, error) {
	var body io.Reader
	if r.Body.Bytes != nil {
		body = bytes.NewReader(r.Body.Bytes)
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.Method, http.MethodPost), r.URL, body)
	if err != nil || req.URL.Host == "" || req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		// The error would quote the URL.
		return nil, integration.Refused(codeAPIBase, "%s: the channel's apiBase is not an http or https URL", r.Name)
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	if r.Body.ContentType != "" {
		req.Header.Set("Content-Type", r.Body.ContentType)
	}
	// As an http.Client would, for servers of one's own behind a proxy that asks for it.
	if user := req.URL.User; user != nil && req.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	return req, nil
}

// failure describes a call without an answer. net/http's own error starts with the URL; only what it wraps is kept.
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

// RetryAfter reads the header of that name: seconds or an HTTP date (RFC 9110, 10.2.3). Zero when it says neither.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(v, 64); err == nil && seconds > 0 {
		const most = 1e6 // as good as never, and no overflow
		return time.Duration(min(seconds, most) * float64(time.Second))
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
