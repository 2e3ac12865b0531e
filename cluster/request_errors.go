package cluster

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/cluster/wire"
)

// panicError logs a panic of a handler and returns the error for its caller.
func (l *Link) panicError(req *action.Request, reason any) error {
	l.requestLog(req).WithField("stack", string(debug.Stack())).Errorf("action panicked: %v", reason)
	return action.Internal(fmt.Errorf("panic: %v", reason))
}

// callerError turns the error of a handler into the one that its caller gets. Internal errors are logged here, because
// the caller does not learn what they were.
func (l *Link) callerError(req *action.Request, err error) *action.Error {
	e := action.AsError(err, req.Action, l.opts.NodeID)
	if known := new(action.Error); l.work.Err() != nil && errors.Is(err, context.Canceled) && !errors.As(err, &known) {
		// the node cut it off: the same as a call to a node that is gone
		e = action.RequestRejected(req.Action, l.opts.NodeID)
	}
	if e.Type == codes.InternalError {
		l.requestLog(req).WithError(err).Error("action failed")
	} else {
		l.requestLog(req).WithFields(logrus.Fields{"code": e.Code, "type": e.Type}).
			Debug("action answered an error: " + e.Message)
	}
	return e
}

func (l *Link) requestLog(req *action.Request) *logrus.Entry {
	return l.log.WithFields(logrus.Fields{"action": req.Action, "requestID": req.RequestID, "caller": req.Sender})
}

// errorObject encodes an error for a RES. It writes all fields: a Node caller hangs for ever on some errors without
// data, and does not retry errors without retryable.
func (l *Link) errorObject(e *action.Error) []byte {
	object := struct {
		Name      string `json:"name"`
		Message   string `json:"message"`
		NodeID    string `json:"nodeID"`
		Code      int    `json:"code"`
		Type      string `json:"type"`
		Retryable bool   `json:"retryable"`
		Data      any    `json:"data"`
	}{e.Name, e.Message, e.NodeID, e.Code, e.Type, e.Retryable, e.Data}
	if object.NodeID == "" {
		object.NodeID = l.opts.NodeID
	}
	if object.Data == nil {
		object.Data = struct{}{}
	}
	data, err := wire.Encode(object)
	if err != nil {
		object.Data = struct{}{}
		if data, err = wire.Encode(object); err != nil {
			data = []byte(`{"name":"MoleculerServerError","message":"Internal error","code":500,` +
				`"type":"INTERNAL_ERROR","retryable":false,"data":{}}`)
		}
	}
	return data
}
