package action

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/moleculer-go/moleculer"
)

// Cluster is how a handler reaches other services. Package cluster implements it.
type Cluster interface {
	// Call calls an action on behalf of parent, which may be nil. Errors are *Error.
	Call(ctx context.Context, parent *Request, name string, params any, opts CallOptions) (*CallResult, error)
	// Emit sends an event on behalf of parent, which may be nil.
	Emit(ctx context.Context, parent *Request, name string, data any, opts EmitOptions) error
}

// CallOptions are the options of a call. The zero value has Moleculer's defaults.
type CallOptions struct {
	NodeID string          // call this node only; empty chooses one in turn, this node first
	Meta   json.RawMessage // a JSON object, merged over the parent's meta
	// Timeout bounds each attempt of the call. Zero means the action's own timeout. The deadline of ctx always holds.
	Timeout time.Duration
	// Retries is how often a call that failed with a retryable error is repeated, on another node if there is one.
	// Zero means the action's retryPolicy.
	Retries int
	// RequestID is the trace id of a call without a parent; empty starts a new trace.
	RequestID string
}

// CallResult is a successful answer. Meta is the callee's ctx.meta when it returned.
type CallResult struct {
	Data   json.RawMessage
	Meta   json.RawMessage
	NodeID string // who answered
}

// EmitOptions are the options of an event.
type EmitOptions struct {
	// Groups are the groups to reach; empty means all.
	Groups []string
	// Broadcast reaches every listening node instead of one in each group.
	Broadcast bool
}

var errNoCluster = errors.New("this request has no cluster to call")

// Call calls an action of the cluster as part of this request: the call has the same trace, the remaining time and the
// request's meta, into which the callee's meta is merged. params is encoded as JSON. Errors are *Error.
func (r *Request) Call(ctx context.Context, name string, params any, opts CallOptions) (*CallResult, error) {
	if r.Cluster == nil {
		return nil, Internal(errNoCluster)
	}
	return r.Cluster.Call(ctx, r, name, params, opts)
}

// Emit sends an event to one listener in each group.
func (r *Request) Emit(ctx context.Context, name string, data any, groups ...string) error {
	if r.Cluster == nil {
		return errNoCluster
	}
	return r.Cluster.Emit(ctx, r, name, data, EmitOptions{Groups: groups})
}

// Broadcast sends an event to all listeners.
func (r *Request) Broadcast(ctx context.Context, name string, data any, groups ...string) error {
	if r.Cluster == nil {
		return errNoCluster
	}
	return r.Cluster.Emit(ctx, r, name, data, EmitOptions{Groups: groups, Broadcast: true})
}

// Stream is a request stream, collected to its end.
type Stream struct {
	Bytes   []byte            // of a byte stream
	Objects []json.RawMessage // of a stream in object mode
}

// Event is an event as its listener gets it. Its Request has the trace, the meta and the methods to call and emit;
// Params holds the event's data.
type Event struct {
	Request
	Name        string
	Groups      []string
	IsBroadcast bool // sent to all listeners, not to one in each group
}

// EventHandler handles an event. Its error is logged and not sent to anyone.
type EventHandler func(ctx context.Context, event *Event) error

// NewEvent makes a moleculer-go listener for a name or pattern (with *, ** and ?). An empty group means the service's
// name.
func NewEvent(name, group string, handle EventHandler) moleculer.Event {
	return moleculer.Event{Name: name, Group: group, Handler: func(ctx moleculer.Context, data moleculer.Payload) {
		goctx, event := context.Background(), &Event{Name: name}
		if raw, err := json.Marshal(data.Value()); err == nil {
			event.Params = raw
		}
		if c, ok := ctx.(eventContext); ok {
			goctx, event = c.Event()
		}
		if err := handle(goctx, event); err != nil {
			ctx.Logger().WithError(err).WithField("event", event.Name).Error("event handler failed")
		}
	}}
}

// eventContext is what the contexts of package cluster's listeners implement.
type eventContext interface {
	Event() (context.Context, *Event)
}
