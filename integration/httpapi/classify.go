package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hiliosai/switchboard/integration"
)

// Repeatable turns an outcome that is unknown into one that is transient, for calls that change nothing: what
// was not answered may be asked again.
func Repeatable(err error) error {
	if e, ok := errors.AsType[*integration.Error](err); ok && e.Kind == integration.ErrUnknown {
		again := *e
		again.Kind = integration.ErrTransient
		return &again
	}
	return err
}

// Foreign classifies an answer that is not of the API's own form, such as that of a proxy on the way, by its
// status alone. The API may have carried the call out unless the status says that it was never handed on.
func Foreign(name string, answer *Answer) *integration.Error {
	e := &integration.Error{HTTPStatus: answer.Status, Message: fmt.Sprintf("%s: HTTP %d without the API's JSON", name, answer.Status)}
	switch {
	case answer.Status == http.StatusTooManyRequests:
		e.Kind, e.Code, e.RetryAfter = integration.ErrThrottled, "RATE_LIMITED", RetryAfter(answer.Header, time.Now())
	case answer.Status == http.StatusUnauthorized:
		e.Kind, e.Code = integration.ErrAuth, "CREDENTIALS_REFUSED"
	case answer.Status == http.StatusServiceUnavailable:
		e.Kind, e.Code = integration.ErrTransient, "PLATFORM_UNAVAILABLE"
	case answer.Status >= 500:
		e.Kind, e.Code = integration.ErrUnknown, "PLATFORM_NO_ANSWER"
		e.Message += "; it may have been carried out"
	case answer.Status < 300:
		return Unreadable(name, answer.Status, nil)
	default:
		e.Kind, e.Code = integration.ErrPermanent, "API_BASE_INVALID"
		e.Message += "; check the channel's apiBase"
	}
	return e
}

// Unreadable is an answer that says it went well and not what came of it.
func Unreadable(name string, status int, err error) *integration.Error {
	return &integration.Error{
		Kind: integration.ErrUnknown, Code: "ANSWER_UNREADABLE", HTTPStatus: status, Err: err,
		Message: fmt.Sprintf("%s: HTTP %d with an answer that cannot be read; it was probably carried out", name, status),
	}
}
