package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/metrics"
)

// caller is the action.Cluster of the link's handlers.
type caller Link

var _ action.Cluster = (*caller)(nil)

// Caller returns the cluster for code that runs outside of a request.
func (l *Link) Caller() interface {
	action.Cluster
	WaitForServices(ctx context.Context, names ...string) error
} {
	return (*caller)(l)
}

// WaitForServices is [Link.WaitForServices].
func (c *caller) WaitForServices(ctx context.Context, names ...string) error {
	return (*Link)(c).WaitForServices(ctx, names...)
}

// NodesOf lists the other nodes that serve an action. It is empty if this node serves it.
func (c *caller) NodesOf(action string) []string {
	l := (*Link)(c)
	if _, own := l.catalog.action(action); own {
		return nil
	}
	return l.registry.nodesOf(action)
}

// Call implements action.Cluster.
func (c *caller) Call(
	ctx context.Context, parent *action.Request, name string, params any, opts action.CallOptions,
) (*action.CallResult, error) {
	return (*Link)(c).call(ctx, parent, name, params, opts)
}

// Emit implements action.Cluster.
func (c *caller) Emit(
	ctx context.Context, parent *action.Request, name string, data any, opts action.EmitOptions,
) error {
	return (*Link)(c).emit(ctx, parent, name, data, opts)
}

// Call calls an action of the cluster: on this node if it serves the action, else on the other nodes in turn. params is
// encoded as JSON; a json.RawMessage goes out as it is. The deadline of ctx travels with the call. Errors are
// *action.Error.
func (l *Link) Call(ctx context.Context, name string, params any, opts action.CallOptions) (*action.CallResult, error) {
	return l.call(ctx, nil, name, params, opts)
}

func (l *Link) call(
	ctx context.Context, parent *action.Request, name string, params any, opts action.CallOptions,
) (*action.CallResult, error) {
	if params == nil {
		params = struct{}{} // as in Node, whose handlers may rely on it
	}
	raw, err := encodeResult(params)
	if err != nil {
		return nil, action.Client(
			http.StatusBadRequest, codes.InvalidParams, "the params of '%s' cannot be encoded", name,
		).Because(err)
	}
	p := &wire.RequestPacket{Header: l.header(), Action: name, Params: raw, Level: 1, RequestID: opts.RequestID}
	if l.opts.Protocol == wire.V5 {
		p.Headers = json.RawMessage("{}")
	}
	meta := action.NewMeta(opts.Meta)
	if parent != nil {
		if limit := l.opts.MaxCallLevel; limit > 0 && parent.Level >= limit {
			return nil, action.MaxCallLevel(l.opts.NodeID, parent.Level)
		}
		if deadline, ok := ctx.Deadline(); ctx.Err() != nil || ok && !time.Now().Before(deadline) {
			return nil, action.RequestSkipped(name, l.opts.NodeID).Because(ctx.Err())
		}
		p.Level, p.RequestID, p.Tracing = parent.Level+1, cmp.Or(parent.RequestID, opts.RequestID), parent.Tracing
		if parent.ID != "" { // a lifecycle hook has no call
			p.ParentID = &parent.ID
		}
		if parent.Service != "" {
			p.Caller = &parent.Service
		}
		meta = parent.Meta.With(opts.Meta)
	}
	if p.Meta, err = meta.MarshalJSON(); err != nil {
		return nil, action.Client(
			http.StatusBadRequest, codes.InvalidParams, "the meta of '%s' cannot be encoded", name,
		).Because(err)
	}
	result, err := l.attempts(ctx, p, opts)
	if parent != nil && result != nil {
		parent.Meta.Merge(result.Meta) // after a failed call too, as in Node
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// attempts makes a call, with the retries that the caller or the action's definition asks for.
func (l *Link) attempts(
	ctx context.Context, p *wire.RequestPacket, opts action.CallOptions,
) (*action.CallResult, error) {
	policy := l.registry.policy(p.Action)
	retry := policy.RetryPolicy
	retries := opts.Retries
	if retries == 0 && retry.Enabled {
		retries = defaultRetries
		if retry.Retries != nil {
			retries = min(*retry.Retries, maxRetries)
		}
	}
	tried := ""
	for n := 0; ; n++ {
		node, local, err := l.choose(p.Action, opts.NodeID, tried)
		var result *action.CallResult
		if err == nil {
			tried = node
			timeout := milliseconds(policy.Timeout)
			if local != nil {
				timeout = local.timeout
			}
			result, err = l.attempt(ctx, p, node, local, cmp.Or(opts.Timeout, timeout))
		}
		var e *action.Error
		if err == nil || n >= retries || !errors.As(err, &e) || !e.Retryable || ctx.Err() != nil {
			return result, err
		}
		// Node's defaults: 100 ms, doubled each time, at most a second.
		delay := cmp.Or(retry.Delay, 100) * math.Pow(cmp.Or(retry.Factor, 2), float64(n))
		pause := time.NewTimer(milliseconds(min(delay, cmp.Or(retry.MaxDelay, 1000))))
		select {
		case <-pause.C:
			l.metrics.Retried(p.Action)
			continue
		case <-ctx.Done():
		case <-l.ctx.Done():
		}
		pause.Stop()
		return result, err
	}
}

// choose returns the node to call: the given one, else this one, else the others in turn. A node that was tried already
// comes last. local is not nil if the node is this one.
func (l *Link) choose(name, nodeID, tried string) (node string, local *localAction, err error) {
	own := l.opts.NodeID
	local, here := l.catalog.action(name)
	if here && (nodeID == own || nodeID == "" && tried != own) {
		return own, local, nil
	}
	node, err = l.registry.pick(name, nodeID, tried)
	if err != nil && here && nodeID == "" {
		return own, local, nil
	}
	return node, nil, err
}

// defaultRetries is Node's default for a retryPolicy without retries.
const defaultRetries = 5

// maxRetries bounds what another node's definition can make this one do.
const maxRetries = 10

func milliseconds(ms float64) time.Duration {
	if !(ms > 0) || ms > 1e12 {
		return 0
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// attempt makes a call once, of the local action if local is not nil. The result may hold meta beside an error.
func (l *Link) attempt(
	ctx context.Context, p *wire.RequestPacket, nodeID string, local *localAction, timeout time.Duration,
) (*action.CallResult, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	attempt := *p
	attempt.ID = uuid.NewString()
	if attempt.RequestID == "" { // a trace begins; the retries belong to it
		attempt.RequestID, p.RequestID = attempt.ID, attempt.ID
	}
	if local != nil {
		return l.callLocal(ctx, &attempt, local)
	}
	if deadline, ok := ctx.Deadline(); ok {
		ms := float64(time.Until(deadline)) / float64(time.Millisecond)
		if ms <= 0 {
			return nil, action.RequestTimeout(p.Action, nodeID)
		}
		attempt.Timeout = &ms
	}
	return l.request(ctx, &attempt, nodeID)
}

// callLocal calls an action of this node.
func (l *Link) callLocal(
	ctx context.Context, p *wire.RequestPacket, local *localAction,
) (result *action.CallResult, err error) {
	req := l.newRequest(p, local, nil)
	began, counted := time.Now(), l.countLocal(req)
	result = &action.CallResult{Meta: p.Meta, NodeID: l.opts.NodeID}
	defer func() { // encoding calls methods of the result, and these may panic
		if r := recover(); r != nil {
			err = l.callerError(req, l.panicError(req, r))
		}
		counted.End(began, known(err))
	}()
	value, err := l.callHandler(ctx, req, local)
	value, err = action.Wait(ctx, value, err)
	data, meta, err := encodeOutcome(req, value, err)
	if meta != nil {
		result.Meta = meta
	}
	if err != nil {
		return result, l.callerError(req, err)
	}
	result.Data = data
	return result, nil
}

// request sends a REQ to a node and waits for its RES.
func (l *Link) request(
	ctx context.Context, p *wire.RequestPacket, nodeID string,
) (result *action.CallResult, err error) {
	began := time.Now()
	counted := l.metrics.Begin(metrics.Call{Action: p.Action, Caller: orEmpty(p.Caller), Remote: true}, p.Level)
	defer func() { counted.End(began, known(err)) }()
	answer := l.pending.add(p.ID, p.Action, nodeID)
	defer l.pending.remove(p.ID)
	if !l.registry.available(nodeID) { // it left after it was chosen, before the call was added to pending
		return nil, action.RequestRejected(p.Action, nodeID)
	}
	if !l.nc.IsConnected() {
		return nil, action.BrokerDisconnected()
	}
	if err := l.publish(wire.Request, nodeID, p); err != nil {
		return nil, sendError(err, fmt.Sprintf("params of '%s'", p.Action))
	}
	select {
	case r := <-answer:
		return r.result, r.err
	case <-l.ctx.Done(): // this node has left
		err = action.BrokerDisconnected()
	case <-ctx.Done():
		err = action.RequestTimeout(p.Action, nodeID).Because(ctx.Err())
	}
	select {
	case r := <-answer: // it came at the same time
		return r.result, r.err
	default:
		return nil, err
	}
}

// sendError returns the caller's error for a packet that could not be sent.
func sendError(err error, what string) *action.Error {
	var invalid *json.MarshalerError
	switch {
	case errors.As(err, &invalid):
		return action.Client(http.StatusBadRequest, codes.InvalidParams, "%s: not valid JSON", what).Because(err)
	case errors.Is(err, nats.ErrMaxPayload):
		return action.Client(http.StatusRequestEntityTooLarge, codes.MaxPayloadExceeded,
			"%s: larger than the cluster's NATS server takes (max_payload)", what).Because(err)
	default:
		return action.BrokerDisconnected().Because(err)
	}
}

// onResponse receives a RES.
func (l *Link) onResponse(msg *nats.Msg) {
	var p wire.ResponsePacket
	if !l.decode(msg, &p) {
		return
	}
	outcome := callOutcome{result: &action.CallResult{Data: p.Data, Meta: p.Meta, NodeID: p.Sender}}
	switch {
	case p.Success && p.Stream:
		outcome = callOutcome{
			err: action.Server(http.StatusNotImplemented, codes.StreamNotSupported, "node %s answered with a stream", p.Sender),
		}
	case !p.Success:
		outcome.result.Data, outcome.err = nil, remoteError(&p)
	}
	if !l.pending.resolve(p.ID, outcome) {
		l.metrics.Orphan()
		l.log.WithField("peer", p.Sender).Debug("an answer is dropped: no call waits for it any more")
	}
}

func remoteError(p *wire.ResponsePacket) *action.Error {
	if p.Error == nil {
		return action.Server(
			http.StatusInternalServerError, codes.InvalidResponse, "node %s answered with neither success nor error", p.Sender,
		)
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
		e.Type = string(p.Error.Code) // an error of a library, such as NATS's, has a text as its code
	}
	return e
}

// pendingCalls are the calls that wait for their RES. Safe for concurrent use.
type pendingCalls struct {
	mu    sync.Mutex
	calls map[string]*pendingCall
	n     uint64 // calls so far
}

type pendingCall struct {
	n              uint64 // its number among all calls
	action, nodeID string
	answer         chan callOutcome // holds one, so that resolve never blocks
}

type callOutcome struct {
	result *action.CallResult
	err    error
}

func newPendingCalls() *pendingCalls { return &pendingCalls{calls: map[string]*pendingCall{}} }

func (p *pendingCalls) add(id, name, nodeID string) <-chan callOutcome {
	c := &pendingCall{action: name, nodeID: nodeID, answer: make(chan callOutcome, 1)}
	p.mu.Lock()
	p.n++
	c.n = p.n
	p.calls[id] = c
	p.mu.Unlock()
	return c.answer
}

// last is the number of the last call.
func (p *pendingCalls) last() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

func (p *pendingCalls) remove(id string) {
	p.mu.Lock()
	delete(p.calls, id)
	p.mu.Unlock()
}

// resolve delivers an answer to the call that waits for it. It returns false if no call does, as for late answers.
func (p *pendingCalls) resolve(id string, o callOutcome) bool {
	p.mu.Lock()
	c, ok := p.calls[id]
	delete(p.calls, id)
	p.mu.Unlock()
	if ok {
		c.answer <- o
	}
	return ok
}

// reject fails all calls that wait for a node.
func (p *pendingCalls) reject(nodeID string) {
	p.rejectIf(func(c *pendingCall) bool { return c.nodeID == nodeID }, func(c *pendingCall) error {
		return action.RequestRejected(c.action, c.nodeID)
	})
}

func (p *pendingCalls) rejectIf(match func(*pendingCall) bool, reason func(*pendingCall) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, c := range p.calls {
		if match(c) {
			delete(p.calls, id)
			c.answer <- callOutcome{err: reason(c)}
		}
	}
}
