package httpapi

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// API calls a platform's JSON API for one account. An API may be made for a single call or kept for many. It is safe
// for concurrent use as long as its fields do not change.
type API struct {
	Client *Client
	// Name is put before the names of all calls in errors, such as "slack".
	Name string
	// Base is the beginning of all URLs. The Path of a [Call] is appended to it unchanged.
	Base string
	// Header is sent with every call, such as Authorization.
	Header http.Header
	// KeyHeader is the header for [Call.Key], such as "Idempotency-Key". It is "" if the API has none.
	KeyHeader string
	// Errors says what the API's errors mean.
	Errors *integration.ErrorTable
	// Read reads an answer. It returns the JSON to decode, or a refusal if the API refused the call. It returns neither if
	// the answer is not the API's own, such as an error page of a proxy. It returns an error if the call succeeded but the
	// answer cannot be read. [ErrorShape.Read] is such a function.
	Read func(answer *Answer) (result []byte, refusal *integration.Refusal, err error)
}

// Call is one call of an API.
type Call struct {
	Name   string // such as "chat.postMessage"; errors show it instead of the path, which may hold a credential
	Method string // empty means POST
	Path   string // appended to the API's Base, with the query; empty means Name
	Body   Body
	JSON   any  // sent as the body, encoded as JSON, instead of Body
	Slow   bool // gives the call one minute instead of 15 seconds: for uploads, and if the platform fetches a file
	// Wait is how long the API may take longer to answer, for long polls. Such calls have connections of their own, and
	// their answers may have 20 MB instead of 4 MB. They must not change anything.
	Wait time.Duration
	// Key is the idempotency key, for an API that carries out calls with the same key only once. It is sent in the API's
	// KeyHeader, and the call counts as [Idempotent]. Empty means none. See [integration.Message.IdempotencyKey].
	Key string
	// Again is applied to the error of a call that may be made twice. It is [Repeatable] for a call that changes nothing,
	// and [Idempotent] for a call that changes nothing more the second time. It is nil for all other calls.
	Again func(error) error
}

// Get returns a GET call of path, mostly for [API.Ask].
func Get(name, path string) Call { return Call{Name: name, Method: http.MethodGet, Path: path} }

// Do makes a call once and decodes its result into out, unless out is nil. Errors are *integration.Error. If there was
// an answer, it is returned even with an error.
func (a *API) Do(ctx context.Context, c Call, out any) (*Answer, error) {
	if c.Key != "" {
		a, c.Again = a.With(http.Header{a.KeyHeader: {c.Key}}), Idempotent
	}
	answer, err := a.do(ctx, &c, out)
	if err != nil && c.Again != nil {
		err = c.Again(err)
	}
	return answer, err
}

// Ask is [API.Do] for calls that change nothing. If such a call is not answered, its error is transient: it may be made
// again.
func (a *API) Ask(ctx context.Context, c Call, out any) (*Answer, error) {
	c.Again = Repeatable
	return a.Do(ctx, c, out)
}

// AskAll asks for each of the paths, one after the other, and returns the answers in the same order. It is for example
// for health checks. HTTP 404 gives an empty answer. AskAll returns the first other error.
func (a *API) AskAll(ctx context.Context, paths ...string) ([]payload.Tree, error) {
	answers := make([]payload.Tree, len(paths))
	for i, path := range paths {
		_, err := a.Ask(ctx, Get(path, path), &answers[i])
		if e, ok := errors.AsType[*integration.Error](err); ok && e.HTTPStatus != http.StatusNotFound {
			return nil, err
		}
	}
	return answers, nil
}

// Change is [API.Do] for calls that may be made twice because the second call changes nothing more, such as a call that
// sets a value or removes something. The result is not decoded.
func (a *API) Change(ctx context.Context, c Call) error {
	c.Again = Idempotent
	_, err := a.Do(ctx, c, nil)
	return err
}

func (a *API) do(ctx context.Context, c *Call, out any) (*Answer, error) {
	name := a.Name + " " + c.Name
	if c.JSON != nil {
		body, err := JSON(name, c.JSON)
		if err != nil {
			return nil, err
		}
		c.Body = body
	}
	answer, err := a.Client.Do(ctx, Request{
		Name: name, Method: c.Method, URL: a.Base + cmp.Or(c.Path, c.Name), Header: a.Header, Body: c.Body, Slow: c.Slow,
		Wait: c.Wait,
	})
	if err != nil {
		return nil, err
	}
	result, refusal, err := a.Read(answer)
	switch {
	case err != nil:
		return answer, Unreadable(name, answer.Status, err)
	case refusal != nil:
		return answer, a.refused(name, answer, refusal)
	case result == nil:
		return answer, a.Foreign(name, answer)
	case out == nil:
		return answer, nil
	}
	if err := rawjson.Unmarshal(result, out); err != nil {
		return answer, Unreadable(name, answer.Status, err)
	}
	return answer, nil
}

// BasicAuth returns an Authorization header for HTTP basic authentication.
func BasicAuth(user, password string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}}
}

// Bearer returns an Authorization header with a bearer token (RFC 6750).
func Bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// refused returns the error for a refusal. It fills in what Read left empty: the status, and how long to wait.
func (a *API) refused(name string, answer *Answer, r *integration.Refusal) *integration.Error {
	r.Name = name
	if r.Status == 0 {
		r.Status = answer.Status
	}
	if r.RetryAfter == 0 {
		r.RetryAfter = RetryAfter(answer.Header, time.Now())
	}
	e := a.Errors.Error(r)
	e.HTTPStatus = answer.Status
	return e
}

// Foreign returns the error for an answer that is not the API's own. If the error table has no row for its status, it
// is the error of the function [Foreign].
func (a *API) Foreign(name string, answer *Answer) *integration.Error {
	e := Foreign(name, answer)
	row, ok := a.Errors.Foreign[answer.Status]
	if !ok {
		return e
	}
	own := row.Error(fmt.Sprintf("%s: HTTP %d without the API's JSON", name, answer.Status), answer.Status)
	if own.Kind == integration.FaultThrottled && e.RetryAfter > 0 {
		own.RetryAfter = e.RetryAfter
	}
	return own
}

// With returns a copy of the API with these headers set. An empty value removes a header.
func (a *API) With(header http.Header) *API {
	other := *a
	other.Header = a.Header.Clone()
	if other.Header == nil {
		other.Header = http.Header{}
	}
	maps.Copy(other.Header, header)
	maps.DeleteFunc(other.Header, func(_ string, values []string) bool { return len(values) == 0 || values[0] == "" })
	return &other
}
