package action_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

// A Node caller rebuilds most of these errors from their data alone.
func TestErrorsLookAsNodeMakesThem(t *testing.T) {
	for name, tc := range map[string]struct {
		got       *action.Error
		code      int
		typ       string
		retryable bool
		message   string
		data      string
	}{
		action.NameClientError: {action.Client(409, "BAD", "bad %s", "luck"), 409, "BAD", false, "bad luck", `null`},
		action.NameServerError: {action.Server(500, "OWN", "our fault"), 500, "OWN", false, "our fault", `null`},
		action.NameRetryableError: {
			action.Retryable(503, "DB_DOWN", "later").With(map[string]int{"after": 5}), 503, "DB_DOWN", true, "later",
			`{"after":5}`,
		},
		action.NameValidationError: {
			action.Validation(action.Fault{Type: "required", Message: "m", Field: "f"}), 422, "VALIDATION_ERROR", false,
			"Parameters validation error!", `[{"type":"required","message":"m","field":"f"}]`,
		},
		action.NameServiceNotFound: {
			action.ServiceNotFound("a.b", "n1"), 404, "SERVICE_NOT_FOUND", true,
			"Service 'a.b' is not found on 'n1' node.", `{"action":"a.b","nodeID":"n1"}`,
		},
		action.NameServiceNotAvailable: {
			action.ServiceNotAvailable("a.b", "n1"), 404, "SERVICE_NOT_AVAILABLE", true,
			"Service 'a.b' is not available on 'n1' node.", `{"action":"a.b","nodeID":"n1"}`,
		},
		action.NameRequestTimeout: {
			action.RequestTimeout("a.b", "n1"), 504, "REQUEST_TIMEOUT", true,
			"Request is timed out when call 'a.b' action on 'n1' node.", `{"action":"a.b","nodeID":"n1"}`,
		},
		action.NameRequestRejected: {
			action.RequestRejected("a.b", "n1"), 503, "REQUEST_REJECTED", true,
			"Request is rejected when call 'a.b' action on 'n1' node.", `{"action":"a.b","nodeID":"n1"}`,
		},
		action.NameQueueIsFull: {
			action.QueueIsFull("a.b", "n1", 8, 7), 429, "QUEUE_FULL", true,
			"Queue is full. Request 'a.b' action on 'n1' node is rejected.", `{"action":"a.b","nodeID":"n1","size":8,"limit":7}`,
		},
		action.NameBrokerDisconnected: {
			action.BrokerDisconnected(), 502, "BAD_GATEWAY", true,
			"The broker's transporter has disconnected. Please try again when a connection is reestablished.", `{}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := json.Marshal(tc.got.Data)
			require.NoError(t, err)
			require.JSONEq(t, tc.data, string(data))
			tc.got.Data = nil
			require.Equal(
				t, &action.Error{Name: name, Code: tc.code, Type: tc.typ, Retryable: tc.retryable, Message: tc.message}, tc.got,
			)
		})
	}
}

func TestServiceNotFoundWithoutANodeNamesOnlyTheAction(t *testing.T) {
	e := action.ServiceNotFound("a.b", "")
	data, err := json.Marshal(e.Data)
	require.NoError(t, err)
	require.JSONEq(t, `{"action":"a.b"}`, string(data))
	require.Equal(t, "Service 'a.b' is not found.", e.Message)
}

func TestInternalErrorHidesItsCause(t *testing.T) {
	cause := errors.New("password is hunter2")
	e := action.Internal(cause)
	require.NotContains(t, fmt.Sprint(e.Error(), e.Data), "hunter2")
	require.ErrorIs(t, e, cause)
	require.Equal(t, []any{action.NameServerError, 500, "INTERNAL_ERROR"}, []any{e.Name, e.Code, e.Type})
}

func TestErrorsTextNamesItsType(t *testing.T) {
	require.Equal(t, "bad (BAD)", action.Client(400, "BAD", "bad").Error())
	require.Equal(t, "bad", action.Client(400, "", "bad").Error())
}

func TestErrorBecauseAndWithCopyTheError(t *testing.T) {
	original := action.Client(400, "BAD", "bad")
	require.ErrorIs(t, original.Because(context.Canceled).With(5), context.Canceled)
	require.Equal(t, action.Client(400, "BAD", "bad"), original)
}

// unsure is a platform's error that knows its Moleculer form, or does not.
type unsure struct{ as *action.Error }

func (u unsure) Error() string                 { return "unsure" }
func (u unsure) MoleculerError() *action.Error { return u.as }

func TestAsError(t *testing.T) {
	typed := action.Client(409, "BAD", "bad")
	for name, tc := range map[string]struct {
		err      error
		wantType string
	}{
		"a Moleculer error is itself":     {typed, "BAD"},
		"a wrapped one too":               {fmt.Errorf("send: %w", typed), "BAD"},
		"an error that knows its form":    {unsure{typed}, "BAD"},
		"an error that gives no form":     {unsure{nil}, "INTERNAL_ERROR"},
		"a nil pointer in an error":       {(*action.Error)(nil), "INTERNAL_ERROR"},
		"an expired deadline":             {fmt.Errorf("get: %w", context.DeadlineExceeded), "REQUEST_TIMEOUT"},
		"an unforeseen error is internal": {errors.New("boom"), "INTERNAL_ERROR"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.wantType, action.AsError(tc.err, "a.b", "n1").Type) })
	}
}
