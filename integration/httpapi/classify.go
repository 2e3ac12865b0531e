package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

// Repeatable turns an outcome that is unknown into one that is transient, for calls that change nothing that anybody
// sees: what was not answered may be asked again.
func Repeatable(err error) error {
	if e, ok := errors.AsType[*integration.Error](err); ok && e.Kind == integration.FaultUnknown {
		again := *e
		again.Kind = integration.FaultTransient
		return &again
	}
	return err
}

// Idempotent marks an outcome that is unknown as that of a call that may be made again, for calls that do nothing more
// when they are made twice. The outcome stays unknown until one is answered.
func Idempotent(err error) error {
	if e, ok := errors.AsType[*integration.Error](err); ok && e.Kind == integration.FaultUnknown {
		again := *e
		again.Idempotent = true
		return &again
	}
	return err
}

// codeNoAnswer is for calls that the API has not answered itself.
const codeNoAnswer = codes.PlatformNoAnswer

// Fail makes e the error of a call that the API answered itself with a status of 500 or more or with such a code, see
// [integration.ServerError].
func Fail(e *integration.Error, status int) {
	row := integration.ServerError(status)
	if e.Kind, e.Code = row.Kind, row.Code; e.Kind == integration.FaultUnknown {
		e.Message += "; it may have been carried out"
	}
}

// refusals says what statuses mean where the answer is not the API's: something on the way has not passed the call on.
var refusals = map[int]struct {
	kind integration.ErrorKind
	code string
	says string
}{
	http.StatusUnauthorized: {
		integration.FaultAuth, codes.CredentialsRefused, "a server on the way wants other credentials",
	},
	http.StatusForbidden: {
		integration.FaultPermanent, codes.PlatformBlocked,
		"a server on the way, such as a proxy or a firewall, does not let the call through",
	},
	http.StatusProxyAuthRequired: {integration.FaultPermanent, codes.PlatformBlocked, "the proxy wants credentials"},
	http.StatusRequestTimeout: {
		integration.FaultTransient, codes.PlatformUnavailable, "the call did not arrive in time",
	},
	http.StatusRequestEntityTooLarge: {
		integration.FaultPermanent, codes.MediaTooLarge, "the file is larger than the server, or one on the way, takes",
	},
	http.StatusTooEarly: {
		integration.FaultTransient, codes.PlatformUnavailable, "the server wants the call later",
	},
	http.StatusNotFound:           {integration.FaultPermanent, codeAPIBase, fixAPIBase},
	http.StatusMethodNotAllowed:   {integration.FaultPermanent, codeAPIBase, fixAPIBase},
	http.StatusGone:               {integration.FaultPermanent, codeAPIBase, fixAPIBase},
	http.StatusMisdirectedRequest: {integration.FaultPermanent, codeAPIBase, fixAPIBase},
	http.StatusUnavailableForLegalReasons: {
		integration.FaultPermanent, codes.PlatformBlocked,
		"a server on the way does not let the call through for legal reasons",
	},
}

const (
	codeAPIBase = codes.APIBaseInvalid
	fixAPIBase  = "no API is there; check the channel's apiBase"
)

// Foreign classifies an answer that is not of the API's own form, such as a page of a proxy on the way, by its status.
// The page itself is not quoted.
func Foreign(name string, answer *Answer) *integration.Error {
	status := answer.Status
	if status < http.StatusMultipleChoices {
		return Unreadable(name, status, nil)
	}
	e := &integration.Error{
		Kind: integration.FaultPermanent, Code: codes.MessageRejected, HTTPStatus: status,
		Message: fmt.Sprintf("%s: HTTP %d without the API's JSON", name, status),
	}
	refused, known := refusals[status]
	switch {
	case status == http.StatusTooManyRequests:
		e.Kind, e.Code, e.RetryAfter = integration.FaultThrottled, codes.RateLimited, RetryAfter(answer.Header, time.Now())
	case status >= http.StatusInternalServerError:
		if status == http.StatusServiceUnavailable && brokeOff(answer.Body) {
			status = http.StatusGatewayTimeout // which it is in truth
		}
		if Fail(e, status); e.Kind == integration.FaultUnknown {
			e.Code = codeNoAnswer
		}
	case known:
		e.Kind, e.Code = refused.kind, refused.code
		e.Message += "; " + refused.says
	case status < http.StatusBadRequest, bytes.Contains(answer.Body, []byte("HTTP request was sent to HTTPS port")):
		e.Code = codeAPIBase
		e.Message += "; " + fixAPIBase
	default:
		e.Message += "; a server on the way refused the call as malformed"
	}
	return e
}

// brokeOff says whether a page with 503 is Envoy's, which stands before Slack, for a connection that broke after the
// call had been passed on: it gives the same status for that as for one that it could not make.
func brokeOff(page []byte) bool {
	if !bytes.Contains(page, []byte("reset before headers")) {
		return false
	}
	for _, reason := range []string{"connection failure", "connection timeout", "overflow", "refused stream"} {
		if bytes.Contains(page, []byte(reason)) {
			return false
		}
	}
	return true
}

// Unreadable is an answer that says it went well and not what came of it.
func Unreadable(name string, status int, err error) *integration.Error {
	return &integration.Error{
		Kind: integration.FaultUnknown, Code: codes.AnswerUnreadable, HTTPStatus: status, Err: err,
		Message: fmt.Sprintf("%s: HTTP %d with an answer that cannot be read; it was probably carried out", name, status),
	}
}
