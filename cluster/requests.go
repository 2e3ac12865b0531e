package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// onRequest takes a REQ in. It never blocks: what takes time runs in the pool.
func (l *Link) onRequest(msg *nats.Msg) {
	var p wire.RequestPacket
	if !l.decode(msg, &p) {
		return
	}
	if l.streams.concerns(&p) {
		l.onStreamPacket(&p)
		return
	}
	if local := l.target(&p); local != nil {
		l.accept(&p, local, nil)
	}
}

// target finds the action that a packet asks for. If this node does not serve it, the caller is told.
func (l *Link) target(p *wire.RequestPacket) *localAction {
	if phase := l.currentPhase(); phase < ready || phase >= stopping {
		l.fail(p, action.ServiceNotAvailable(p.Action, l.opts.NodeID))
		return nil
	}
	local, ok := l.catalog.action(p.Action)
	if !ok || !local.remote {
		l.fail(p, action.ServiceNotFound(p.Action, l.opts.NodeID))
		return nil
	}
	return local
}

// accept has a request served, or says why not.
func (l *Link) accept(p *wire.RequestPacket, local *localAction, stream *action.Stream) {
	// The caller's clock runs since it sent the packet, so waiting in the queue counts.
	ctx, cancel := l.limit(p.Limit(), p.Timeout == nil, local)
	limit, open := int64(l.opts.Concurrency+l.opts.Queue), l.unanswered.Add(1)
	bytes := l.unansweredBytes.Add(sizeOf(p))
	job := func() { l.serve(ctx, cancel, p, local, stream) }
	submit := l.pool.submit
	if local.pace.isBrief() {
		submit = l.lane.submit
	}
	if open <= limit && (l.opts.RequestBytes == 0 || bytes <= l.opts.RequestBytes) && submit(job) {
		return
	}
	l.over(cancel, p)
	if l.currentPhase() >= stopping {
		l.fail(p, action.ServiceNotAvailable(p.Action, l.opts.NodeID))
		return
	}
	l.fail(p, action.QueueIsFull(p.Action, l.opts.NodeID, int(open-1), int(limit)))
}

// over ends what accept began.
func (l *Link) over(cancel context.CancelFunc, p *wire.RequestPacket) {
	cancel()
	l.unanswered.Add(-1)
	l.unansweredBytes.Add(-sizeOf(p))
}

// sizeOf is how many bytes a request holds until it is answered.
func sizeOf(p *wire.RequestPacket) int64 { return int64(len(p.Params) + len(p.Meta)) }

// limit gives a request its deadline: the caller's, else the action's own. A caller that sends 0
// wants none, as in Node.
func (l *Link) limit(caller time.Duration, unset bool, local *localAction) (context.Context, context.CancelFunc) {
	if unset {
		caller = local.timeout
	}
	if caller <= 0 {
		return l.work, func() {}
	}
	return context.WithTimeout(l.work, caller)
}

// serve runs an action and answers, now or when the result is there.
func (l *Link) serve(ctx context.Context, cancel context.CancelFunc, p *wire.RequestPacket, local *localAction, stream *action.Stream) {
	if ctx.Err() != nil { // its time was over while it waited
		l.over(cancel, p)
		l.fail(p, action.RequestTimeout(p.Action, l.opts.NodeID))
		return
	}
	req := l.newRequest(p, local, stream)
	result, err := l.run(ctx, req, local)
	promise, ok := result.(*action.Promise)
	if !ok {
		l.over(cancel, p)
		l.finish(p, req, result, err)
		return
	}
	l.pool.hold()
	promise.OnDone(func(result any, err error) {
		defer l.pool.release()
		l.over(cancel, p)
		l.finish(p, req, result, err)
	})
}

// finish answers a request.
func (l *Link) finish(p *wire.RequestPacket, req *action.Request, result any, err error) {
	defer func() { // what the handler returned may have methods that panic, and run has not called them
		if r := recover(); r != nil {
			l.answer(p, l.failure(p, req, p.Meta, l.panicked(req, r)))
		}
	}()
	data, err := encoded(result, err)
	meta, metaErr := req.Meta.MarshalJSON()
	if err == nil && metaErr != nil {
		err = fmt.Errorf("encode meta: %w", metaErr)
	}
	if err != nil {
		l.answer(p, l.failure(p, req, meta, err))
		return
	}
	l.answer(p, (&wire.Answer{Header: l.header(), RawID: p.RawID, Meta: meta, Data: data}).Encode())
}

func (l *Link) newRequest(p *wire.RequestPacket, local *localAction, stream *action.Stream) *action.Request {
	req := &action.Request{
		ID: p.ID, Action: p.Action, Service: local.service, RequestID: p.RequestID, ParentID: orEmpty(p.ParentID), Caller: orEmpty(p.Caller),
		Sender: p.Sender, Level: p.Level, Tracing: p.Tracing, Params: p.Params, Meta: action.NewMeta(p.Meta),
		Headers: p.Headers, Stream: stream, Cluster: (*caller)(l),
	}
	req.SetFields(p.Fields)
	if req.ID == "" { // the calls that the handler makes name it as their parent
		req.ID = uuid.NewString()
	}
	if req.RequestID == "" {
		req.RequestID = req.ID
	}
	return req
}

// run calls a handler and turns its panic into an error: one request must not end the process.
func (l *Link) run(ctx context.Context, req *action.Request, local *localAction) (result any, err error) {
	if local.bulkhead != nil {
		if err := local.bulkhead.enter(ctx, req.Action, l.opts.NodeID); err != nil {
			return nil, err
		}
	}
	started := time.Now()
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, l.panicked(req, r)
		}
		_, later := result.(*action.Promise)
		local.pace.took(time.Since(started), later)
		if local.bulkhead != nil {
			result, err = action.Then(result, err, func(result any, err error) (any, error) {
				local.bulkhead.leave()
				return result, err
			})
		}
	}()
	return local.handle(ctx, req)
}

func (l *Link) panicked(req *action.Request, reason any) error {
	l.requestLog(req).WithField("stack", string(debug.Stack())).Errorf("action panicked: %v", reason)
	return action.Internal(fmt.Errorf("panic: %v", reason))
}

// failed turns what an action failed with into the caller's error. What is wrong on this side is
// logged here, because the caller is told no more than that something is.
func (l *Link) failed(req *action.Request, err error) *action.Error {
	e := action.AsError(err, req.Action, l.opts.NodeID)
	if known := new(action.Error); l.work.Err() != nil && errors.Is(err, context.Canceled) && !errors.As(err, &known) {
		e = action.RequestRejected(req.Action, l.opts.NodeID) // it was cut off: what callers hear of a node that is gone
	}
	if e.Type == "INTERNAL_ERROR" {
		l.requestLog(req).WithError(err).Error("action failed")
	} else {
		l.requestLog(req).WithFields(logrus.Fields{"code": e.Code, "type": e.Type}).Debug("action answered an error: " + e.Message)
	}
	return e
}

// failure encodes the RES of a failed request.
func (l *Link) failure(p *wire.RequestPacket, req *action.Request, meta []byte, err error) []byte {
	e := l.failed(req, err)
	return (&wire.Answer{Header: l.header(), RawID: p.RawID, Meta: meta, Error: l.errorObject(e)}).Encode()
}

func (l *Link) requestLog(req *action.Request) *logrus.Entry {
	return l.log.WithFields(logrus.Fields{"action": req.Action, "requestID": req.RequestID, "caller": req.Sender})
}

// fail answers a request that no handler saw.
func (l *Link) fail(p *wire.RequestPacket, e *action.Error) {
	l.answer(p, (&wire.Answer{Header: l.header(), RawID: p.RawID, Meta: p.Meta, Error: l.errorObject(e)}).Encode())
}

// errorObject writes all fields: a Node caller hangs for ever on some errors that come without data,
// and does not retry those that come without retryable.
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
			data = []byte(`{"name":"MoleculerServerError","message":"Internal error","code":500,"type":"INTERNAL_ERROR","retryable":false,"data":{}}`)
		}
	}
	return data
}

// answer sends a RES. One that NATS would refuse as too large becomes an error: silence would leave
// the caller hanging.
func (l *Link) answer(p *wire.RequestPacket, packet []byte) {
	if limit := l.nc.MaxPayload(); limit > 0 && int64(len(packet)) > limit {
		l.log.WithFields(logrus.Fields{"action": p.Action, "requestID": p.RequestID, "bytes": len(packet)}).Warn("an answer is larger than NATS takes")
		tooLarge := action.Server(http.StatusInternalServerError, "MAX_PAYLOAD_EXCEEDED",
			"the answer of '%s' has %d bytes, the cluster's NATS server takes %d (max_payload)", p.Action, len(packet), limit)
		packet = (&wire.Answer{Header: l.header(), RawID: p.RawID, Error: l.errorObject(tooLarge)}).Encode()
	}
	if err := l.nc.Publish(wire.Subject(l.prefix, wire.Response, p.Sender), packet); err != nil {
		l.log.WithError(err).WithFields(logrus.Fields{"action": p.Action, "requestID": p.RequestID}).Warn("an answer could not be sent")
	}
}

// encoded encodes the result of a handler that did not fail.
func encoded(result any, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return encodeResult(result)
}

var errNotJSON = errors.New("what was given as raw JSON is none")

func encodeResult(result any) ([]byte, error) {
	if raw, ok := result.(json.RawMessage); ok && len(raw) > 0 {
		// A packet with something else in it would be dropped, and its receiver wait for ever.
		if !rawjson.Valid(raw) {
			return nil, errNotJSON
		}
		return raw, nil
	}
	data, err := wire.Encode(result)
	if err != nil {
		return nil, fmt.Errorf("encode the result: %w", err)
	}
	return data, nil
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
