package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/internal/rawjson"
	"github.com/hiliosai/switchboard/metrics"
)

// inbound is a request on its way through this node, from its REQ to its RES.
type inbound struct {
	link   *Link
	packet wire.RequestPacket
	stream *action.Stream // nil unless the request came with one

	// Set by accept.
	local  *localAction
	size   int64           // bytes that the request holds until it is answered
	ctx    context.Context // ends at the caller's deadline and when the node stops
	cancel context.CancelFunc

	// Set by serve.
	req     *action.Request // what the handler gets
	began   time.Time
	counted *metrics.Requests
}

// onRequest receives a REQ. It never blocks: handlers run in the pool.
func (l *Link) onRequest(msg *nats.Msg) {
	in := &inbound{link: l}
	switch {
	case !l.decode(msg, &in.packet):
	case isStreamPart(&in.packet):
		l.onStreamPacket(&in.packet)
	default:
		l.accept(in)
	}
}

// accept queues a request for its action, or answers why it is refused.
func (l *Link) accept(in *inbound) {
	p := &in.packet
	local, refusal := l.target(p.Action)
	if refusal != nil {
		l.refuse(p, refusal)
		return
	}
	in.local, in.size = local, int64(len(p.Params)+len(p.Meta))
	in.ctx, in.cancel = l.requestContext(p, local)
	open, bytes := l.unanswered.Add(1), l.unansweredBytes.Add(in.size)
	limit := int64(l.opts.Concurrency + l.opts.Queue)
	hasRoom := open <= limit && (l.opts.RequestBytes == 0 || bytes <= l.opts.RequestBytes)
	submit := l.pool.submit
	if local.latency.isBrief() {
		submit = l.fastQueue.submit
	}
	if hasRoom && submit(in.serve) {
		return
	}
	in.release()
	if l.currentPhase() >= stopping {
		l.refuse(p, action.ServiceNotAvailable(p.Action, l.opts.NodeID))
		return
	}
	l.refuse(p, action.QueueIsFull(p.Action, l.opts.NodeID, int(open-1), int(limit)))
}

// target returns the action that a request asks for, or why this node does not serve it.
func (l *Link) target(name string) (*localAction, *action.Error) {
	if phase := l.currentPhase(); phase < ready || phase >= stopping {
		return nil, action.ServiceNotAvailable(name, l.opts.NodeID)
	}
	local, ok := l.catalog.action(name)
	if !ok || !local.remote {
		return nil, action.ServiceNotFound(name, l.opts.NodeID)
	}
	return local, nil
}

// requestContext returns the context of a request. Its deadline is the caller's, or the action's own if the caller
// sends none. A caller that sends 0 wants no deadline, as in Node. The time starts now, so that waiting in the queue
// counts.
func (l *Link) requestContext(p *wire.RequestPacket, local *localAction) (context.Context, context.CancelFunc) {
	timeout := p.Limit()
	if p.Timeout == nil {
		timeout = local.timeout
	}
	if timeout <= 0 {
		return l.work, func() {}
	}
	return context.WithTimeout(l.work, timeout)
}

// serve calls the handler and answers: at once, or when the promise that the handler returned is resolved. It runs in
// a worker of the pool.
func (in *inbound) serve() {
	l := in.link
	if in.ctx.Err() != nil { // the deadline passed in the queue
		in.release()
		l.refuse(&in.packet, action.RequestTimeout(in.packet.Action, l.opts.NodeID))
		return
	}
	in.req = l.newRequest(&in.packet, in.local, in.stream)
	in.began, in.counted = time.Now(), l.countLocal(in.req)
	result, err := l.callHandler(in.ctx, in.req, in.local)
	promise, ok := result.(*action.Promise)
	if !ok {
		in.respond(result, err)
		return
	}
	l.pool.promised.Add(1)
	promise.OnDone(func(result any, err error) {
		defer l.pool.promiseKept()
		in.respond(result, err)
	})
}

// release ends the request's context and gives its place to another request.
func (in *inbound) release() {
	in.cancel()
	in.link.unanswered.Add(-1)
	in.link.unansweredBytes.Add(-in.size)
}

// callHandler calls a handler. It turns a panic into an error, because one request must not end the process.
func (l *Link) callHandler(ctx context.Context, req *action.Request, local *localAction) (result any, err error) {
	if local.bulkhead != nil {
		if err := local.bulkhead.enter(ctx, req.Action, l.opts.NodeID); err != nil {
			return nil, err
		}
	}
	started := time.Now()
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, l.panicError(req, r)
		}
		_, isPromise := result.(*action.Promise)
		local.latency.observe(time.Since(started), isPromise)
		if local.bulkhead != nil {
			result, err = action.Then(result, err, func(result any, err error) (any, error) {
				local.bulkhead.leave()
				return result, err
			})
		}
	}()
	return local.handle(ctx, req)
}

// respond sends the RES of a request, with what its handler returned.
func (in *inbound) respond(result any, err error) {
	in.release()
	l, p := in.link, &in.packet
	defer func() { // encoding calls methods of the result, and these may panic
		if r := recover(); r != nil {
			e := l.callerError(in.req, l.panicError(in.req, r))
			in.counted.End(in.began, e)
			l.sendResponse(p, wire.Answer{Meta: p.Meta, Error: l.errorObject(e)})
		}
	}()
	data, meta, err := encodeOutcome(in.req, result, err)
	if err != nil {
		e := l.callerError(in.req, err)
		in.counted.End(in.began, e)
		l.sendResponse(p, wire.Answer{Meta: meta, Error: l.errorObject(e)})
		return
	}
	in.counted.End(in.began, nil)
	l.sendResponse(p, wire.Answer{Meta: meta, Data: data})
}

// encodeOutcome encodes what a handler returned, and the request's meta, which goes back to the caller with errors
// too. meta is nil if it cannot be encoded.
func encodeOutcome(req *action.Request, result any, err error) (data, meta []byte, _ error) {
	if err == nil {
		data, err = encodeResult(result)
	}
	meta, metaErr := req.Meta.MarshalJSON()
	if err == nil && metaErr != nil {
		err = fmt.Errorf("encode meta: %w", metaErr)
	}
	return data, meta, err
}

// refuse answers a request with an error before any handler saw it.
func (l *Link) refuse(p *wire.RequestPacket, e *action.Error) {
	l.sendResponse(p, wire.Answer{Meta: p.Meta, Error: l.errorObject(e)})
}

// sendResponse sends a RES. If NATS would refuse it as too large, an error goes out instead: without any RES the caller
// would wait until its timeout.
func (l *Link) sendResponse(p *wire.RequestPacket, res wire.Answer) {
	res.Header, res.RawID = l.header(), p.RawID
	packet := res.Encode()
	log := func() *logrus.Entry {
		return l.log.WithFields(logrus.Fields{"action": p.Action, "requestID": p.RequestID})
	}
	if limit := l.nc.MaxPayload(); limit > 0 && int64(len(packet)) > limit {
		log().WithField("bytes", len(packet)).Warn("an answer is larger than NATS takes")
		tooLarge := action.Server(http.StatusInternalServerError, codes.MaxPayloadExceeded,
			"the answer of '%s' has %d bytes, the cluster's NATS server takes %d (max_payload)", p.Action, len(packet), limit)
		res.Meta, res.Data, res.Error = nil, nil, l.errorObject(tooLarge)
		packet = res.Encode()
	}
	if err := l.nc.Publish(wire.Subject(l.prefix, wire.Response, p.Sender), packet); err != nil {
		log().WithError(err).Warn("an answer could not be sent")
		return
	}
	l.metrics.PacketSent(string(wire.Response), len(packet))
}

// newRequest makes what the handler of an action gets from a REQ.
func (l *Link) newRequest(p *wire.RequestPacket, local *localAction, stream *action.Stream) *action.Request {
	req := &action.Request{
		ID: p.ID, Action: p.Action, Service: local.service,
		RequestID: p.RequestID, ParentID: orEmpty(p.ParentID), Caller: orEmpty(p.Caller), Sender: p.Sender,
		Level: p.Level, Tracing: p.Tracing, Params: p.Params, Meta: action.NewMeta(p.Meta), Headers: p.Headers,
		Stream: stream, Cluster: (*caller)(l),
	}
	req.SetFields(action.Fields(p.Fields))
	if req.ID == "" { // the calls that the handler makes name it as their parent
		req.ID = uuid.NewString()
	}
	if req.RequestID == "" {
		req.RequestID = req.ID
	}
	return req
}

// errNotJSON means that a handler returned a json.RawMessage that holds no valid JSON.
var errNotJSON = errors.New("the raw JSON is not valid")

// encodeResult encodes a result, params or event data as JSON.
func encodeResult(result any) ([]byte, error) {
	if raw, ok := result.(json.RawMessage); ok && len(raw) > 0 {
		// A packet with anything else in it is dropped by its receiver, which then waits for ever.
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
