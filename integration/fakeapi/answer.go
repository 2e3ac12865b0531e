package fakeapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// Answer is an answer of the API, or what it does instead. The zero value is 200 without a body.
type Answer struct {
	Status int // zero is 200
	Header http.Header
	Body   string

	// Status, Header and Body do not count where one of the fields below says so.

	Delay   time.Duration // before the answer
	Hang    bool          // no answer before the server closes or the caller goes away
	Reset   bool          // reset the connection after the request was read
	Half    bool          // reset the connection after Status, Header and Body were written, with more announced
	Unread  bool          // do not read the request's body
	Handler http.Handler  // answers instead
}

// JSON is an answer with a body of JSON.
func JSON(status int, body any) Answer {
	encoded, err := json.Marshal(body)
	if err != nil { // of a test's own value
		return Answer{Status: http.StatusInternalServerError, Body: err.Error()}
	}
	return Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: string(encoded)}
}

// Bytes is an answer with the content of a file.
func Bytes(contentType string, content []byte) Answer {
	return Answer{Header: http.Header{"Content-Type": {contentType}}, Body: string(content)}
}

// TooManyRequests is an answer that asks to wait, in seconds.
func TooManyRequests(retryAfter int) Answer {
	return Answer{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {strconv.Itoa(retryAfter)}}}
}

// Refusal is a fault that is answered with answer, whatever [API.Refuse] would make of it.
func Refusal(answer Answer) *is.Fault { return &is.Fault{Answer: &answer, Why: answer.Body} }
