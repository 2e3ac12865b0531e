package action

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Names of Moleculer's error classes. A Node caller rebuilds the class from the name, and some of
// them only from their data (docs/design/moleculer-wire.md §4).
const (
	NameError               = "MoleculerError"
	NameClientError         = "MoleculerClientError"
	NameServerError         = "MoleculerServerError"
	NameRetryableError      = "MoleculerRetryableError"
	NameValidationError     = "ValidationError"
	NameServiceNotFound     = "ServiceNotFoundError"
	NameServiceNotAvailable = "ServiceNotAvailableError"
	NameRequestTimeout      = "RequestTimeoutError"
	NameRequestRejected     = "RequestRejectedError"
	NameQueueIsFull         = "QueueIsFullError"
	NameBrokerDisconnected  = "BrokerDisconnectedError"
	NameRequestSkipped      = "RequestSkippedError"
	NameMaxCallLevel        = "MaxCallLevelError"
)

// Error is a Moleculer error: what a caller on any node of the cluster gets to see.
type Error struct {
	Name      string // class, one of the Name constants
	Message   string
	Code      int    // as an HTTP status; moleculer-web answers with it
	Type      string // machine-readable, such as "CHANNEL_NOT_FOUND"
	Data      any    // encodes to a JSON object or list
	Retryable bool   // whether the same call may succeed later
	NodeID    string // where it arose; empty means here
	cause     error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Type == "" {
		return e.Message
	}
	return fmt.Sprintf("%s (%s)", e.Message, e.Type)
}

// Unwrap gives the cause, which stays on this node: it is never sent.
func (e *Error) Unwrap() error { return e.cause }

// MoleculerError implements [Moleculer].
func (e *Error) MoleculerError() *Error { return e }

// Because returns a copy of e with a cause for errors.Is and logs.
func (e *Error) Because(err error) *Error {
	c := *e
	c.cause = err
	return &c
}

// With returns a copy of e that carries data.
func (e *Error) With(data any) *Error {
	c := *e
	c.Data = data
	return &c
}

// Moleculer is implemented by errors that know how they look to the cluster.
type Moleculer interface {
	error
	MoleculerError() *Error
}

// Client is an error of the caller's making: code is 4xx and repeating the call does not help.
func Client(code int, typ, format string, args ...any) *Error {
	return &Error{Name: NameClientError, Code: code, Type: typ, Message: fmt.Sprintf(format, args...)}
}

// Server is an error on this side that repeating the call does not mend.
func Server(code int, typ, format string, args ...any) *Error {
	return &Error{Name: NameServerError, Code: code, Type: typ, Message: fmt.Sprintf(format, args...)}
}

// Retryable is an error that may pass, such as an unreachable database.
func Retryable(code int, typ, format string, args ...any) *Error {
	return &Error{Name: NameRetryableError, Code: code, Type: typ, Message: fmt.Sprintf(format, args...), Retryable: true}
}

// endpoint is the data of errors about where a call went. Node rebuilds these errors from it alone.
type endpoint struct {
	Action string `json:"action"`
	NodeID string `json:"nodeID,omitempty"`
}

// ServiceNotFound says that the action does not exist on the node (or on any, with an empty nodeID).
func ServiceNotFound(action, nodeID string) *Error {
	e := &Error{
		Name: NameServiceNotFound, Code: http.StatusNotFound, Type: "SERVICE_NOT_FOUND", Retryable: true,
		Message: fmt.Sprintf("Service '%s' is not found.", action), Data: endpoint{action, nodeID},
	}
	if nodeID != "" {
		e.Message = fmt.Sprintf("Service '%s' is not found on '%s' node.", action, nodeID)
	}
	return e
}

// ServiceNotAvailable says that the action exists but nobody serves it now, as on a stopping node.
func ServiceNotAvailable(action, nodeID string) *Error {
	return &Error{
		Name: NameServiceNotAvailable, Code: http.StatusNotFound, Type: "SERVICE_NOT_AVAILABLE", Retryable: true,
		Message: fmt.Sprintf("Service '%s' is not available on '%s' node.", action, nodeID), Data: endpoint{action, nodeID},
	}
}

// RequestTimeout says that the call's time was over before its answer.
func RequestTimeout(action, nodeID string) *Error {
	return &Error{
		Name: NameRequestTimeout, Code: http.StatusGatewayTimeout, Type: "REQUEST_TIMEOUT", Retryable: true,
		Message: fmt.Sprintf("Request is timed out when call '%s' action on '%s' node.", action, nodeID),
		Data:    endpoint{action, nodeID},
	}
}

// RequestSkipped says that the call was not made because its chain's time was over already.
func RequestSkipped(action, nodeID string) *Error {
	return &Error{
		Name: NameRequestSkipped, Code: 514, Type: "REQUEST_SKIPPED",
		Message: fmt.Sprintf("Calling '%s' is skipped because timeout reached on '%s' node.", action, nodeID),
		Data:    endpoint{action, nodeID},
	}
}

// MaxCallLevel says that a chain of calls is deeper than allowed, most likely a loop.
func MaxCallLevel(nodeID string, level int) *Error {
	return &Error{
		Name: NameMaxCallLevel, Code: http.StatusInternalServerError, Type: "MAX_CALL_LEVEL",
		Message: fmt.Sprintf("Request level is reached the limit (%d) on '%s' node.", level, nodeID),
		Data: struct {
			NodeID string `json:"nodeID"`
			Level  int    `json:"level"`
		}{nodeID, level},
	}
}

// RequestRejected says that the node that ran the call left the cluster before it answered.
func RequestRejected(action, nodeID string) *Error {
	return &Error{
		Name: NameRequestRejected, Code: http.StatusServiceUnavailable, Type: "REQUEST_REJECTED", Retryable: true,
		Message: fmt.Sprintf("Request is rejected when call '%s' action on '%s' node.", action, nodeID),
		Data:    endpoint{action, nodeID},
	}
}

// QueueIsFull says that the node has as many requests waiting as it is allowed to hold.
func QueueIsFull(action, nodeID string, size, limit int) *Error {
	return &Error{
		Name: NameQueueIsFull, Code: http.StatusTooManyRequests, Type: "QUEUE_FULL", Retryable: true,
		Message: fmt.Sprintf("Queue is full. Request '%s' action on '%s' node is rejected.", action, nodeID),
		Data: struct {
			endpoint
			Size  int `json:"size"`
			Limit int `json:"limit"`
		}{endpoint{action, nodeID}, size, limit},
	}
}

// BrokerDisconnected says that this node has no connection to the cluster at the moment.
func BrokerDisconnected() *Error {
	return &Error{
		Name: NameBrokerDisconnected, Code: http.StatusBadGateway, Type: "BAD_GATEWAY", Retryable: true,
		Message: "The broker's transporter has disconnected. Please try again when a connection is reestablished.",
		Data:    struct{}{},
	}
}

// Internal hides an unforeseen error behind a message that is safe to send anywhere: what went
// wrong stays in the cause, for this node's log.
func Internal(err error) *Error {
	e := Server(
		http.StatusInternalServerError, "INTERNAL_ERROR",
		"Internal error; the node's log has the details under this requestID",
	)
	e.cause = err
	return e
}

// AsError turns any error into the Moleculer error that a caller gets: itself if it is one, a
// RequestTimeoutError for an expired context, else [Internal].
func AsError(err error, action, nodeID string) *Error {
	var m Moleculer
	switch {
	case errors.As(err, &m):
		if e := m.MoleculerError(); e != nil {
			return e
		}
		return Internal(fmt.Errorf("%T without a value was returned as an error", m))
	case errors.Is(err, context.DeadlineExceeded):
		return RequestTimeout(action, nodeID).Because(err)
	default:
		return Internal(err)
	}
}
