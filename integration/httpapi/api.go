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

// API is a platform's JSON API, as one account calls it. It is a value that is made for a call or for many. Safe for
// concurrent use.
type API struct {
	Client *Client
	// Name begins the names of all calls in errors, such as "slack".
	Name string
	// Base is the beginning of all URLs; a Call's Path follows it as it is.
	Base string
	// Header goes with every call, such as Authorization.
	Header http.Header
	// KeyHeader is the header for the Key of calls, such as "Idempotency-Key"; "" where the API has none.
	KeyHeader string
	// Errors says what refusals mean.
	Errors *integration.ErrorTable
	// Read takes an answer apart. It returns the JSON to decode, or what the API refused; neither where the answer is not
	// of the API's own form, such as a page of a proxy. Its error means a success that cannot be read. [ErrorShape] has
	// one.
	Read func(answer *Answer) (result []byte, refusal *integration.Refusal, err error)
}

// Call is a call of an API.
type Call struct {
	Name   string // such as "chat.postMessage": stands for the call in errors, since the path may hold a credential
	Method string // empty is POST
	Path   string // after the API's Base, with the query; empty is Name
	Body   Body
	JSON   any  // instead of Body: what the body is the JSON of
	Slow   bool // it takes its time: a file goes along, or the platform fetches one
	// Wait is how long the API may hold its answer back, as long polls have it do. Such calls have connections of their
	// own, and may be answered with 20 MB instead of 4. They must change nothing.
	Wait time.Duration
	// Key names what the call does, for an API that carries out calls of one key once. It goes into the API's KeyHeader
	// and makes the call one for [Idempotent]. Empty is none, see [integration.Message.IdempotencyKey].
	Key string
	// Again says of a call that may be made twice why it may, and is applied to its error: [Repeatable] where it changes
	// nothing, [Idempotent] where it changes nothing more the second time. Nil is for all other calls.
	Again func(error) error
}

// Get returns a call that reads what is at path. It is mostly for [API.Ask].
func Get(name, path string) Call { return Call{Name: name, Method: http.MethodGet, Path: path} }

// Do makes a call once and decodes its result into out, unless that is nil. Errors are *integration.Error.
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

// Ask is [API.Do] for calls that change nothing: one that was not answered may be made again.
func (a *API) Ask(ctx context.Context, c Call, out any) (*Answer, error) {
	c.Again = Repeatable
	return a.Do(ctx, c, out)
}

// AskAll asks for what is at each of the paths, such as for a health check, and returns the answers in their order.
// What is not there, as HTTP 404 says, is an empty answer.
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

// Change is [API.Do] for calls that do nothing more when they are made twice, such as one that sets a value or removes
// something. The result is not read.
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

// BasicAuth returns the header Authorization of HTTP's basic authentication.
func BasicAuth(user, password string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}}
}

// Bearer returns the header Authorization with a token (RFC 6750).
func Bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// refused is the error for a refusal, which Read need not fill in wholly.
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

// Foreign is the error for an answer that is not of the API's own form. It is that of the function [Foreign], unless
// the error table has a row for the status.
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

// With returns the API with other headers: an empty value removes one.
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
