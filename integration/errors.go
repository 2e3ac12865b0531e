package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/action"
)

// ErrorKind sorts errors by what the caller can do about them. The platform chooses it, and the factory acts on it.
type ErrorKind string

// The kinds of errors. The first four are about what came in, the others about a platform's answer.
const (
	FaultInvalid      ErrorKind = "invalid"      // the webhook or message is malformed
	FaultUnauthorized ErrorKind = "unauthorized" // the webhook's secret or signature is missing or wrong
	FaultForbidden    ErrorKind = "forbidden"    // understood and refused, such as a wrong verify token
	FaultNotFound     ErrorKind = "not_found"    // no such channel

	FaultThrottled ErrorKind = "throttled" // the platform asks to slow down
	FaultTransient ErrorKind = "transient" // network or platform trouble that may pass
	FaultAuth      ErrorKind = "auth"      // the platform refuses the channel's credentials
	FaultPermanent ErrorKind = "permanent" // the platform will never accept this message
	FaultUnknown   ErrorKind = "unknown"   // it may have been carried out: no answer came, or one that leaves that open
)

// Scope says how much of a channel's traffic a platform wants to slow down.
type Scope string

// The scopes.
const (
	PausesChannel   Scope = "channel"
	PausesRecipient Scope = "recipient" // only what goes to the message's recipient
)

// Outcome says whether a send reached its recipient's platform.
type Outcome string

// The outcomes of a send that failed.
const (
	NotDelivered Outcome = "not_delivered"
	Uncertain    Outcome = "unknown"
	// PartlyDelivered stands in failed events only. metadata.messageIds are the messages that arrived.
	PartlyDelivered Outcome = "partly_delivered"
)

// Error is the error type of platforms and of the factory.
type Error struct {
	Kind         ErrorKind
	Code         string        // machine-readable, upper case: one of package codes, or the platform's own
	Message      string        // for people; the factory removes the channel's secrets from it
	RetryAfter   time.Duration // how long the platform asks to wait; zero when it does not say
	Pauses       Scope         // of FaultThrottled: what has to wait; empty is PausesChannel
	PlatformCode string        // the platform's own error code
	HTTPStatus   int           // of the platform's answer; zero when there was none
	Idempotent   bool          // of FaultUnknown: the call may be repeated, it does nothing twice
	Err          error         // cause, never sent to callers
}

// Error implements error.
func (e *Error) Error() string { return e.Message + " (" + e.Code + ")" }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// HasCode says whether err is an [Error] of that code.
func HasCode(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// Retryable says whether the same attempt may succeed later without doing something twice.
func (e *Error) Retryable() bool {
	return e.Kind == FaultThrottled || e.Kind == FaultTransient || e.Kind == FaultUnknown && e.Idempotent
}

// Outcome says whether the platform may have carried out the request.
func (e *Error) Outcome() Outcome {
	if e.Kind == FaultUnknown {
		return Uncertain
	}
	return NotDelivered
}

var statusByKind = map[ErrorKind]int{
	FaultInvalid:      http.StatusBadRequest,
	FaultUnauthorized: http.StatusUnauthorized,
	FaultForbidden:    http.StatusForbidden,
	FaultNotFound:     http.StatusNotFound,
	FaultThrottled:    http.StatusTooManyRequests,
	FaultTransient:    http.StatusServiceUnavailable,
	FaultAuth:         http.StatusBadGateway,
	FaultPermanent:    http.StatusUnprocessableEntity,
	FaultUnknown:      http.StatusGatewayTimeout,
}

// errorData is the data of the Moleculer error.
type errorData struct {
	Kind         ErrorKind `json:"kind"`
	Outcome      Outcome   `json:"outcome,omitempty"`
	RetryAfterMs int64     `json:"retryAfterMs,omitempty"`
	PlatformCode string    `json:"platformCode,omitempty"`
	HTTPStatus   int       `json:"httpStatus,omitempty"`
}

// MoleculerError returns the error that callers get. The kind decides its class and its HTTP status.
func (e *Error) MoleculerError() *action.Error {
	code, ok := statusByKind[e.Kind]
	if !ok {
		code = http.StatusInternalServerError
	}
	data := errorData{
		Kind: e.Kind, RetryAfterMs: e.RetryAfter.Milliseconds(), PlatformCode: e.PlatformCode, HTTPStatus: e.HTTPStatus,
	}
	switch e.Kind {
	case FaultInvalid, FaultUnauthorized, FaultForbidden, FaultNotFound: // nothing was tried
	default:
		data.Outcome = e.Outcome()
	}
	var m *action.Error
	switch {
	case e.Retryable():
		m = action.Retryable(code, e.Code, "%s", e.Message)
	case code < 500:
		m = action.Client(code, e.Code, "%s", e.Message)
	default:
		m = action.Server(code, e.Code, "%s", e.Message)
	}
	return m.With(data).Because(e)
}

// asError finds the *Error in err's chain. Any other error becomes one of kind otherwise and the given code. The result
// may be shared with the platform, so callers do not change it.
func asError(err error, otherwise ErrorKind, code string) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: otherwise, Code: code, Message: err.Error(), Err: err}
}

// maxErrorText bounds, in bytes, the text of an error that is passed on. A platform may answer with a whole page.
const maxErrorText = 1024

// cleaner removes secrets from texts that leave the node. Texts that the caller sent itself stay, see [Secrets].
type cleaner struct {
	secrets Secrets
	req     *action.Request // nil if the caller does not see the text
}

func (s *Service) cleaner(req *action.Request) cleaner { return cleaner{s.runtime.Secrets, req} }

func (c cleaner) redact(text string) string {
	clean := c.secrets.Redact(text)
	if clean == text || c.req == nil || len(c.req.Params) == 0 {
		return clean
	}
	return c.secrets.RedactExcept(text, saidIn(c.req.Params))
}

// saidIn collects all texts and numbers of a JSON value, names of members included.
func saidIn(params json.RawMessage) string {
	decoder := json.NewDecoder(bytes.NewReader(params))
	decoder.UseNumber()
	var said strings.Builder
	for {
		token, err := decoder.Token()
		if err != nil {
			return said.String()
		}
		fmt.Fprintln(&said, token)
	}
}

// error returns a copy of e that may leave the node.
func (c cleaner) error(e *Error) *Error {
	clean := *e
	clean.Message, clean.PlatformCode = c.text(e.Message), c.text(e.PlatformCode)
	return &clean
}

// text removes secrets and then cuts. In the other order the beginning of a secret could stay.
func (c cleaner) text(text string) string { return cut(c.redact(text), maxErrorText) }

// data returns an error's data without secrets. Data without any is returned unchanged.
func (c cleaner) data(data any) any {
	var plain any
	if raw, err := json.Marshal(data); err != nil || json.Unmarshal(raw, &plain) != nil {
		return data // it cannot be encoded, so it is not sent either
	}
	if clean := c.value(plain); !reflect.DeepEqual(clean, plain) {
		return clean
	}
	return data
}

// values returns a copy of values without secrets in its texts.
func (c cleaner) values(values map[string]any) map[string]any {
	if values == nil {
		return nil
	}
	clean := make(map[string]any, len(values))
	for k, v := range values {
		clean[k] = c.value(v)
	}
	return clean
}

func (c cleaner) value(v any) any {
	switch v := v.(type) {
	case string:
		return c.redact(v)
	case map[string]any:
		return c.values(v)
	case []string:
		clean := make([]string, len(v))
		for i, text := range v {
			clean[i] = c.redact(text)
		}
		return clean
	case []any:
		clean := make([]any, len(v))
		for i, item := range v {
			clean[i] = c.value(item)
		}
		return clean
	default:
		return v
	}
}

// cut shortens a text to at most size bytes of valid UTF-8.
func cut(text string, size int) string {
	const mark = "…"
	if len(text) <= size {
		return text
	}
	return strings.ToValidUTF8(text[:size-len(mark)], "") + mark
}
