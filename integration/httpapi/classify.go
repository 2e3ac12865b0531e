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

// Repeatable changes the kind of an error from unknown to transient. It is for calls that change nothing that anybody
// sees: such a call may be made again if it was not answered. Other errors are returned unchanged.
func Repeatable(err error) error {
	if e, ok := errors.AsType[*integration.Error](err); ok && e.Kind == integration.FaultUnknown {
		again := *e
		again.Kind = integration.FaultTransient
		return &again
	}
	return err
}

// Idempotent marks an error of kind unknown as that of an idempotent call: a second call changes nothing more, so the
// call may be made again. The kind stays unknown. Other errors are returned unchanged.
func Idempotent(err error) error {
	if e, ok := errors.AsType[*integration.Error](err); ok && e.Kind == integration.FaultUnknown {
		again := *e
		again.Idempotent = true
		return &again
	}
	return err
}

// codeNoAnswer is the code for calls that the API itself did not answer.
const codeNoAnswer = codes.PlatformNoAnswer

// Fail sets the kind and code of e for a call that the API itself answered with status, which is 500 or more, or with
// an error code that means the same. See [integration.ServerError].
func Fail(e *integration.Error, status int) {
	row := integration.ServerError(status)
	if e.Kind, e.Code = row.Kind, row.Code; e.Kind == integration.FaultUnknown {
		e.Message += "; it may have been carried out"
	}
}

// refusals says what a status means if the answer is not the API's own: a server on the way did not pass the call on.
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

// Foreign returns the error for an answer that is not the API's own, such as an error page of a proxy. It classifies
// the answer by its status, and for some statuses by words in the page. The error does not quote the page.
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
			status = http.StatusGatewayTimeout // the call may have been carried out
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

// brokeOff reports whether a page with HTTP 503 comes from the proxy Envoy, which Slack uses, and means that the
// connection broke after the call had been passed on. Envoy answers with the same status if it could not connect at
// all.
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

// Unreadable returns the error for an answer that reports success but cannot be read. Its kind is unknown: the call was
// probably carried out. err is the cause, and may be nil.
func Unreadable(name string, status int, err error) *integration.Error {
	return &integration.Error{
		Kind: integration.FaultUnknown, Code: codes.AnswerUnreadable, HTTPStatus: status, Err: err,
		Message: fmt.Sprintf("%s: HTTP %d with an answer that cannot be read; it was probably carried out", name, status),
	}
}
