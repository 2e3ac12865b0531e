// Package action is the contract between the cluster, which delivers calls, and the code that answers them. It defines
// actions, requests, results and errors.
//
// It knows neither NATS nor any platform. Package integration provides a [Handler] for each action, and package cluster
// calls it.
package action

import (
	"context"
	"encoding/json"
	"time"

	"github.com/moleculer-go/moleculer"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// Handler answers one call. The result is encoded as JSON. A json.RawMessage goes out as it is, and a [*Promise] is
// answered when it is resolved. Handlers run concurrently. ctx ends at the caller's deadline and when the node stops.
// Neither ctx nor req may be used after the return, but for a handler that returns a promise: until it is resolved.
type Handler func(ctx context.Context, req *Request) (any, error)

// Request is one call as its caller sent it. Fields that the caller left out are zero.
type Request struct {
	ID        string // of this attempt; a retry has another
	Action    string // full name, such as "telegram.i_sendMessage"
	Service   string // full name of the service that answers; the caller of further calls
	RequestID string // trace id, the same along the whole chain of calls; the correlation id in logs
	ParentID  string
	Caller    string // full name of the calling service, empty at the root of a chain
	Sender    string // node id of the caller
	Level     int    // depth in the chain, 1 at its root
	Tracing   *bool  // sampling decision, nil when undecided
	Params    json.RawMessage
	Meta      Meta
	Headers   json.RawMessage // of protocol 5, a JSON object; nil in protocol 4
	Stream    *Stream         // of an action that takes streams, when it was called with one
	Cluster   Cluster         // see Call, Emit and Broadcast

	known struct { // by SetFields
		params json.RawMessage
		fields Fields
	}
}

// Field is a member of an object. It shares the bytes that it was read from.
type Field = struct {
	Name  string
	Value json.RawMessage
}

// Fields are the members of an object, their values still raw, in their order and repeated names included. Reading is
// safe for concurrent use.
type Fields []Field

// Get gives a member's value, nil where there is none. Of a repeated name the last counts.
func (f Fields) Get(name string) json.RawMessage { return rawjson.Fields(f).Get(name) }

// Set changes a member's value, or adds one.
func (f *Fields) Set(name string, value json.RawMessage) { (*rawjson.Fields)(f).Set(name, value) }

// SetFields saves [Params.Decode] from parsing Params: fields are the members of Params, and must not change. They are
// ignored when Params have been replaced.
func (r *Request) SetFields(fields Fields) { r.known.params, r.known.fields = r.Params, fields }

// fieldsOf returns the members of the object raw: those of SetFields if raw is Params.
func (r *Request) fieldsOf(raw json.RawMessage) (Fields, error) {
	if params := r.known.params; r.known.fields != nil && len(params) == len(raw) && &params[0] == &raw[0] {
		return r.known.fields, nil
	}
	fields, err := rawjson.FieldsOf(raw)
	return Fields(fields), err
}

// Spec describes an action beyond what moleculer-go has fields for. It is the Schema of a [moleculer.Action], where the
// link reads it.
type Spec struct {
	// Rest is Moleculer's rest property: a string such as "GET /health", a [Route], or a list of
	// these. moleculer-web makes auto-aliases of it. Nil means that the action is reachable by calls only.
	Rest any
	// Params are the rules for the action's params, announced in INFO. Package integration checks params before it
	// calls Handle, unless ChecksParams says that Handle does so.
	Params       Params
	ChecksParams bool
	// Timeout bounds calls without a timeout of their own; zero means no bound.
	Timeout time.Duration
	// Stream says that the action takes a request stream, such as an upload through a gateway; calls
	// with one are refused otherwise.
	Stream bool
	// Cache says how results are cached, if the service has a cache; nil means not at all.
	Cache *CacheRule
	// Permissions lists permissions of which the user must have one; see [Request.Require]. mixins.Permissions checks
	// them.
	Permissions []string
	// Concurrency bounds how many calls of the action run at once; as many again may wait, and more
	// are refused with QueueIsFullError. Zero means no bound of its own.
	Concurrency int
	// Visibility is Moleculer's: "published", "public", "protected" or "private"; empty is published.
	Visibility string
	// Fault is an error in the definition. A service with such an action cannot be defined.
	Fault error
	// Description is for people who list the cluster's actions.
	Description string
	// Handle is called directly, with the params still raw.
	Handle Handler
}

// Route is the object form of Moleculer's rest property.
type Route struct {
	Method string `json:"method"`
	Path   string `json:"path"`
}

// New makes a moleculer-go action from a spec. Calls from the cluster go straight to spec.Handle. Local calls of
// moleculer-go services go through the Handler of the returned action.
func New(name string, spec Spec) moleculer.Action {
	return moleculer.Action{
		Name:        name,
		Description: spec.Description,
		Schema:      spec,
		Handler: func(ctx moleculer.Context, params moleculer.Payload) any {
			return callLocal(spec.Handle, name, ctx, params)
		},
	}
}

// callLocal serves a local moleculer-go call, whose payloads are Go values instead of JSON.
func callLocal(handle Handler, name string, ctx moleculer.Context, params moleculer.Payload) any {
	raw, err := json.Marshal(params.Value())
	if err != nil {
		return Client(422, codes.InvalidParams, "the params of %s cannot be encoded", name)
	}
	meta, err := json.Marshal(ctx.Meta().Value())
	if err != nil {
		meta = nil
	}
	req := &Request{Action: name, Params: raw, Meta: NewMeta(meta), Level: 1}
	if bctx, ok := ctx.(moleculer.BrokerContext); ok {
		req.ID, req.RequestID, req.Action, req.Caller = bctx.ID(), bctx.RequestID(), bctx.ActionName(), bctx.Caller()
	}
	// moleculer-go has no deadlines: its contexts carry none to pass on.
	result, err := handle(context.Background(), req)
	if result, err = Wait(context.Background(), result, err); err != nil {
		return err
	}
	var value any
	data, err := json.Marshal(result)
	if err == nil {
		err = json.Unmarshal(data, &value)
	}
	if err != nil {
		return err
	}
	return value
}
