package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster/wire"
)

// CallOptions refine a call.
type CallOptions struct {
	NodeID string          // call this node only; empty lets the registry choose
	Meta   json.RawMessage // ctx.meta of the callee, a JSON object
	// RequestID is the trace id to go on with; empty starts a new trace.
	RequestID string
}

// CallResult is a successful answer. Meta is the callee's ctx.meta at its end.
type CallResult struct {
	Data   json.RawMessage
	Meta   json.RawMessage
	NodeID string
}

// Call runs an action of the cluster, on this node if it serves it, else on another in turn. params
// is encoded as JSON, a json.RawMessage goes out as it is. The deadline of ctx travels with the call.
// Errors are *action.Error.
func (l *Link) Call(ctx context.Context, name string, params any, opts CallOptions) (*CallResult, error) {
	raw, err := encodeResult(params)
	if err != nil {
		return nil, action.Client(http.StatusBadRequest, "INVALID_PARAMS", "the params of '%s' cannot be encoded", name).Because(err)
	}
	id := uuid.NewString()
	if opts.RequestID == "" {
		opts.RequestID = id
	}
	if local, ok := l.catalog.action(name); ok && (opts.NodeID == "" || opts.NodeID == l.opts.NodeID) {
		req := &action.Request{ID: id, Action: name, RequestID: opts.RequestID, Sender: l.opts.NodeID, Level: 1, Params: raw, Meta: action.NewMeta(opts.Meta)}
		return l.callLocal(ctx, req, local)
	}
	nodeID, err := l.registry.pick(name, opts.NodeID)
	if err != nil {
		return nil, err
	}
	p := &wire.RequestPacket{Header: l.header(), ID: id, Action: name, Params: raw, Meta: opts.Meta, Level: 1, RequestID: opts.RequestID}
	if len(p.Meta) == 0 {
		p.Meta = json.RawMessage("{}")
	}
	if deadline, ok := ctx.Deadline(); ok {
		ms := float64(time.Until(deadline)) / float64(time.Millisecond)
		if ms <= 0 {
			return nil, action.RequestTimeout(name, nodeID)
		}
		p.Timeout = &ms
	}
	return l.request(ctx, p, nodeID)
}

func (l *Link) callLocal(ctx context.Context, req *action.Request, local *localAction) (*CallResult, error) {
	result, err := l.run(ctx, req, local)
	if err != nil {
		return nil, action.AsError(err, req.Action, l.opts.NodeID)
	}
	data, err := encodeResult(result)
	if err != nil {
		return nil, action.Internal(err)
	}
	meta, err := req.Meta.MarshalJSON()
	if err != nil {
		return nil, action.Internal(err)
	}
	return &CallResult{Data: data, Meta: meta, NodeID: l.opts.NodeID}, nil
}

func (l *Link) request(ctx context.Context, p *wire.RequestPacket, nodeID string) (*CallResult, error) {
	answer := l.pending.add(p.ID, p.Action, nodeID)
	defer l.pending.remove(p.ID)
	if !l.registry.available(nodeID) { // it left after it was chosen, too early to be told to this call
		return nil, action.RequestRejected(p.Action, nodeID)
	}
	var invalid *json.MarshalerError
	switch err := l.publish(wire.Request, nodeID, p); {
	case errors.As(err, &invalid):
		return nil, action.Client(http.StatusBadRequest, "INVALID_PARAMS", "the params or meta of '%s' are not valid JSON", p.Action).Because(err)
	case errors.Is(err, nats.ErrMaxPayload):
		return nil, action.Client(http.StatusRequestEntityTooLarge, "MAX_PAYLOAD_EXCEEDED",
			"the params of '%s' are larger than the cluster's NATS server takes (max_payload)", p.Action).Because(err)
	case err != nil:
		return nil, action.BrokerDisconnected().Because(err)
	}
	select {
	case r := <-answer:
		return r.result, r.err
	case <-l.ctx.Done(): // this node has left
		return nil, action.BrokerDisconnected()
	case <-ctx.Done():
		return nil, action.RequestTimeout(p.Action, nodeID).Because(ctx.Err())
	}
}

// onResponse takes a RES in.
func (l *Link) onResponse(msg *nats.Msg) {
	var p wire.ResponsePacket
	if !l.decode(msg, &p) {
		return
	}
	switch {
	case p.Success && p.Stream:
		l.pending.settle(p.ID, callOutcome{err: action.Server(http.StatusNotImplemented, "STREAM_NOT_SUPPORTED", "node %s answered with a stream", p.Sender)})
	case p.Success:
		l.pending.settle(p.ID, callOutcome{result: &CallResult{Data: p.Data, Meta: p.Meta, NodeID: p.Sender}})
	default:
		l.pending.settle(p.ID, callOutcome{err: remoteError(&p)})
	}
}

func remoteError(p *wire.ResponsePacket) *action.Error {
	if p.Error == nil {
		return action.Server(http.StatusInternalServerError, "INVALID_RESPONSE", "node %s answered with neither success nor error", p.Sender)
	}
	e := &action.Error{
		Name: p.Error.Name, Message: p.Error.Message, Code: p.Error.Code.Int(), Type: p.Error.Type,
		Retryable: p.Error.Retryable, NodeID: p.Error.NodeID,
	}
	if len(p.Error.Data) > 0 {
		e.Data = p.Error.Data
	}
	if e.NodeID == "" {
		e.NodeID = p.Sender
	}
	if e.Type == "" && string(p.Error.Code) != fmt.Sprint(e.Code) {
		e.Type = string(p.Error.Code) // a library's error, whose code is a word
	}
	return e
}

// pendingCalls are the calls that wait for their RES. Safe for concurrent use.
type pendingCalls struct {
	mu    sync.Mutex
	calls map[string]*pendingCall
}

type pendingCall struct {
	action, nodeID string
	answer         chan callOutcome // holds one, so that settling never blocks
}

type callOutcome struct {
	result *CallResult
	err    error
}

func newPendingCalls() *pendingCalls { return &pendingCalls{calls: map[string]*pendingCall{}} }

func (p *pendingCalls) add(id, name, nodeID string) <-chan callOutcome {
	c := &pendingCall{action: name, nodeID: nodeID, answer: make(chan callOutcome, 1)}
	p.mu.Lock()
	p.calls[id] = c
	p.mu.Unlock()
	return c.answer
}

func (p *pendingCalls) remove(id string) {
	p.mu.Lock()
	delete(p.calls, id)
	p.mu.Unlock()
}

// settle delivers an answer to the call that waits for it; late ones find nobody.
func (p *pendingCalls) settle(id string, o callOutcome) {
	p.mu.Lock()
	c, ok := p.calls[id]
	delete(p.calls, id)
	p.mu.Unlock()
	if ok {
		c.answer <- o
	}
}

// reject fails the calls that wait for a node.
func (p *pendingCalls) reject(nodeID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, c := range p.calls {
		if c.nodeID == nodeID {
			delete(p.calls, id)
			c.answer <- callOutcome{err: action.RequestRejected(c.action, c.nodeID)}
		}
	}
}
