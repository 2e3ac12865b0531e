package action

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hiliosai/switchboard/action/codes"
)

// Names of Moleculer's error classes. A Node caller rebuilds the class from the name, and some classes only from their
// data (docs/design/moleculer-wire.md §4).
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

// Error is a Moleculer error, as a caller on any node of the cluster gets it.
type Error struct {
	Name      string // class, one of the Name constants
	Message   string
	Code      int    // as an HTTP status; moleculer-web answers with it
	Type      string // machine-readable, one of package codes, or one of your own
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

// Unwrap returns the cause. The cause is never sent to other nodes.
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

// Moleculer is implemented by errors that can be turned into a Moleculer error.
type Moleculer interface {
	error
	MoleculerError() *Error
}

// Client makes an error that the caller caused: code is 4xx, and a retry does not help.
func Client(code int, typ, format string, args ...any) *Error {
	return &Error{Name: NameClientError, Code: code, Type: typ, Message: fmt.Sprintf(format, args...)}
}

// Server makes an error of this side that a retry does not help against.
func Server(code int, typ, format string, args ...any) *Error {
	return &Error{Name: NameServerError, Code: code, Type: typ, Message: fmt.Sprintf(format, args...)}
}

// Retryable makes an error that a retry may help against, such as an unreachable database.
func Retryable(code int, typ, format string, args ...any) *Error {
	return &Error{Name: NameRetryableError, Code: code, Type: typ, Message: fmt.Sprintf(format, args...), Retryable: true}
}

// endpoint is the data of errors about the callee. Node rebuilds these errors from it alone.
type endpoint struct {
	Action string `json:"action"`
	NodeID string `json:"nodeID,omitempty"`
}

// ServiceNotFound says that the action does not exist on the node (or on any, with an empty nodeID).
func ServiceNotFound(action, nodeID string) *Error {
	e := &Error{
		Name: NameServiceNotFound, Code: http.StatusNotFound, Type: codes.ServiceNotFound, Retryable: true,
		Message: fmt.Sprintf("Service '%s' is not found.", action), Data: endpoint{action, nodeID},
	}
	if nodeID != "" {
		e.Message = fmt.Sprintf("Service '%s' is not found on '%s' node.", action, nodeID)
	}
	return e
}

// ServiceNotAvailable says that the action exists but is not served at the moment, as on a stopping node.
func ServiceNotAvailable(action, nodeID string) *Error {
	return &Error{
		Name: NameServiceNotAvailable, Code: http.StatusNotFound, Type: codes.ServiceNotAvailable, Retryable: true,
		Message: fmt.Sprintf("Service '%s' is not available on '%s' node.", action, nodeID), Data: endpoint{action, nodeID},
	}
}

// RequestTimeout says that the call's timeout passed before its answer came.
func RequestTimeout(action, nodeID string) *Error {
	return &Error{
		Name: NameRequestTimeout, Code: http.StatusGatewayTimeout, Type: codes.RequestTimeout, Retryable: true,
		Message: fmt.Sprintf("Request is timed out when call '%s' action on '%s' node.", action, nodeID),
		Data:    endpoint{action, nodeID},
	}
}

// RequestSkipped says that the call was not made because the deadline of its chain of calls had passed.
func RequestSkipped(action, nodeID string) *Error {
	return &Error{
		Name: NameRequestSkipped, Code: 514, Type: codes.RequestSkipped,
		Message: fmt.Sprintf("Calling '%s' is skipped because timeout reached on '%s' node.", action, nodeID),
		Data:    endpoint{action, nodeID},
	}
}

// MaxCallLevel says that a chain of calls is deeper than allowed. Most likely it is a loop.
func MaxCallLevel(nodeID string, level int) *Error {
	return &Error{
		Name: NameMaxCallLevel, Code: http.StatusInternalServerError, Type: codes.MaxCallLevel,
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
		Name: NameRequestRejected, Code: http.StatusServiceUnavailable, Type: codes.RequestRejected, Retryable: true,
		Message: fmt.Sprintf("Request is rejected when call '%s' action on '%s' node.", action, nodeID),
		Data:    endpoint{action, nodeID},
	}
}

// QueueIsFull says that as many requests wait on the node as may wait.
func QueueIsFull(action, nodeID string, size, limit int) *Error {
	return &Error{
		Name: NameQueueIsFull, Code: http.StatusTooManyRequests, Type: codes.QueueFull, Retryable: true,
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
		Name: NameBrokerDisconnected, Code: http.StatusBadGateway, Type: codes.BadGateway, Retryable: true,
		Message: "The broker's transporter has disconnected. Please try again when a connection is reestablished.",
		Data:    struct{}{},
	}
}

// Internal makes an error with a message that is safe to send to any caller. The cause is for this node's log only.
func Internal(err error) *Error {
	e := Server(
		http.StatusInternalServerError, codes.InternalError,
		"Internal error; the node's log has the details under this requestID",
	)
	e.cause = err
	return e
}

// AsError returns the Moleculer error for a caller: err itself if it is one, a RequestTimeoutError for an expired
// context, else [Internal].
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
