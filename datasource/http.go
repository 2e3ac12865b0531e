package datasource

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
)

// connectTimeout bounds one attempt to connect to a server.
const connectTimeout = 5 * time.Second

// HTTPOptions say which API to call, and how. A zero value means the default after the colon.
type HTTPOptions struct {
	BaseURL         string        // paths of calls are appended to it
	Timeout         time.Duration // of a call with its answer's body: 10 s
	MaxConnsPerHost int           // connections, which are reused: 64
	MaxBodyBytes    int64         // of an answer: 4 MiB
	Header          http.Header   // sent with every call, such as Authorization
	HealthPath      string        // a GET that succeeds while the API is healthy; empty checks nothing
}

// Validate returns all that is wrong with the options.
func (o HTTPOptions) Validate() error {
	_, err := o.base()
	return errors.Join(err,
		notNegative("timeout", o.Timeout),
		notNegative("maxConnsPerHost", o.MaxConnsPerHost),
		notNegative("maxBodyBytes", o.MaxBodyBytes))
}

func notNegative[N int | int64 | time.Duration](name string, n N) error {
	if n < 0 {
		return fmt.Errorf("%s is negative", name)
	}
	return nil
}

func (o HTTPOptions) base() (*url.URL, error) {
	u, err := url.Parse(o.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("baseUrl is not an http or https URL without query and fragment") // it may hold a password
	}
	return u, nil
}

// HTTPClient calls an HTTP API. Safe for concurrent use.
type HTTPClient struct {
	name string
	base *url.URL
	opts HTTPOptions
	http *http.Client
}

// HTTP defines a datasource of type *HTTPClient. Opening it does not call the API.
func HTTP(name string, opts HTTPOptions) Definition {
	d := New(name, func(context.Context) (*HTTPClient, error) { return newHTTPClient(name, opts) })
	d.Invalid = opts.Validate()
	return d
}

func newHTTPClient(name string, opts HTTPOptions) (*HTTPClient, error) {
	base, err := opts.base()
	if err != nil {
		return nil, err
	}
	opts.Timeout = cmp.Or(opts.Timeout, 10*time.Second)
	opts.MaxConnsPerHost = cmp.Or(opts.MaxConnsPerHost, 64)
	opts.MaxBodyBytes = cmp.Or(opts.MaxBodyBytes, 4<<20)
	dialer := &net.Dialer{Timeout: connectTimeout}
	return &HTTPClient{name: name, base: base, opts: opts, http: &http.Client{
		Timeout: opts.Timeout,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dialer.DialContext,
			ForceAttemptHTTP2:   true,
			MaxConnsPerHost:     opts.MaxConnsPerHost,
			MaxIdleConnsPerHost: opts.MaxConnsPerHost,
			// Usually shorter than at servers: a call on a connection that the server closes would fail.
			IdleConnTimeout:     30 * time.Second,
			TLSHandshakeTimeout: connectTimeout,
		},
		// A redirect would send the header's credentials to another server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close closes the idle connections.
func (c *HTTPClient) Close() { c.http.CloseIdleConnections() }

// Check implements [Checker].
func (c *HTTPClient) Check(ctx context.Context) error {
	if c.opts.HealthPath == "" {
		return nil
	}
	_, err := c.Do(ctx, http.MethodGet, c.opts.HealthPath, nil, nil)
	return err
}

// GetJSON gets path, which may have a query, and decodes the answer into result, a pointer. Escape variable parts of a
// path with url.PathEscape. Errors are as of Do.
func (c *HTTPClient) GetJSON(ctx context.Context, path string, result any) error {
	return c.json(ctx, http.MethodGet, path, nil, nil, result)
}

// PostJSON posts body as JSON and decodes the answer into result, a pointer; nil ignores the answer. Errors are as of
// Do.
func (c *HTTPClient) PostJSON(ctx context.Context, path string, body, result any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the request to %s: %w", c.name, err)
	}
	return c.json(ctx, http.MethodPost, path, http.Header{"Content-Type": {"application/json"}}, encoded, result)
}

func (c *HTTPClient) json(ctx context.Context, method, path string, header http.Header, body []byte, result any) error {
	answer, err := c.Do(ctx, method, path, header, body)
	if err != nil || result == nil {
		return err
	}
	if err := json.Unmarshal(answer.Body, result); err != nil {
		return invalidAnswer(c.name).Because(err)
	}
	return nil
}

// HTTPAnswer is an answer with a status of 2xx.
type HTTPAnswer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do makes a call. header is added to the header of the options and overrides it. A call that fails, or whose status is
// not 2xx, is an *HTTPError. Do does not retry.
func (c *HTTPClient) Do(
	ctx context.Context, method, path string, header http.Header, body []byte,
) (*HTTPAnswer, error) {
	target, err := c.target(path)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the request to %s is malformed", c.name) // the error would quote the URL
	}
	for _, h := range []http.Header{c.opts.Header, header} {
		for k, v := range h {
			req.Header[http.CanonicalHeaderKey(k)] = v
		}
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.failure(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, c.opts.MaxBodyBytes+1))
	if err != nil {
		return nil, c.failure(err)
	}
	if int64(len(answer)) > c.opts.MaxBodyBytes {
		return nil, action.Server(
			http.StatusBadGateway, codes.DatasourceAnswerTooLarge, "The answer of %s is longer than %d bytes.", c.name,
			c.opts.MaxBodyBytes,
		)
	}
	if res.StatusCode/100 != 2 {
		return nil, &HTTPError{Datasource: c.name, Status: res.StatusCode, Body: answer, RetryAfter: retryAfter(res.Header)}
	}
	return &HTTPAnswer{Status: res.StatusCode, Header: res.Header, Body: answer}, nil
}

// target appends a path to the base. The path cannot lead to another host.
func (c *HTTPClient) target(path string) (*url.URL, error) {
	ref, err := url.Parse(path)
	if err != nil || ref.Host != "" || ref.Scheme != "" {
		return nil, fmt.Errorf("the path of a call to %s is malformed", c.name)
	}
	target := c.base.JoinPath(ref.EscapedPath())
	target.RawQuery = ref.RawQuery
	return target, nil
}

// failure returns the error of a call without an answer. It keeps only the cause of net/http's error, which quotes the
// URL.
func (c *HTTPClient) failure(err error) error {
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		err = urlErr.Err
	}
	return &HTTPError{Datasource: c.name, Err: err}
}

// HTTPError is the error of a call without an answer, or with a status other than 2xx.
type HTTPError struct {
	Datasource string
	Status     int           // 0 if there is no answer
	Body       []byte        // of the answer; no error message quotes it
	RetryAfter time.Duration // of the answer; 0 if it has none
	Err        error         // why there is no answer
}

func (e *HTTPError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("datasource %q: no answer: %v", e.Datasource, e.Err)
	}
	return fmt.Sprintf("datasource %q answered %d", e.Datasource, e.Status)
}

func (e *HTTPError) Unwrap() error { return e.Err }

// Retryable says whether the same call may succeed later: there was no answer, or its status is 429 or 5xx. The call
// may have been carried out.
func (e *HTTPError) Retryable() bool {
	return e.Err != nil || e.Status == http.StatusTooManyRequests || e.Status >= 500
}

// MoleculerError implements [action.Moleculer].
func (e *HTTPError) MoleculerError() *action.Error {
	switch {
	case e.Err != nil:
		return Unavailable(cmp.Or(passing(e.Err), "it does not answer")).Because(e)
	case e.Retryable():
		as := Unavailable("it answered " + strconv.Itoa(e.Status)).Because(e)
		if e.RetryAfter > 0 {
			as = as.With(map[string]int64{"retryAfterMs": e.RetryAfter.Milliseconds()})
		}
		return as
	default:
		// The refusal is about this node's call, not about the request that this node serves.
		return action.Server(http.StatusBadGateway, codes.DatasourceRefused, "The datasource answered %d.", e.Status).
			Because(e)
	}
}

// retryAfter reads the header Retry-After: seconds or a date (RFC 9110, 10.2.3).
func retryAfter(header http.Header) time.Duration {
	v := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
