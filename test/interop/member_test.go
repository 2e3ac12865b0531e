package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

// member is a node of the cluster, in Go or in Node.js. Both host the same services (see canned).
type member interface {
	ID() string
	// Own is the full name of one of its own services, actions or events: "probe.echo" is "goprobe.echo".
	Own(name string) string
	// Call calls an action on behalf of nobody. A failure of the call is a *callError.
	Call(ctx context.Context, action string, params any, opts callOptions) (callResult, error)
	// Emit sends an event on behalf of nobody.
	Emit(t *testing.T, name string, data any, opts emitOptions)
	// Event waits for the next event of its listeners that matches.
	Event(ctx context.Context, match func(moleculerEvent) bool) (moleculerEvent, error)
	// Host starts a service while it runs.
	Host(t *testing.T, s service)
	// Knows waits until it can call an action.
	Knows(t *testing.T, action string)
	// Leave ends it gracefully.
	Leave(t *testing.T)
}

// callOptions are Moleculer's; zero fields are left out.
type callOptions struct {
	NodeID    string         `json:"nodeID,omitempty"`
	Meta      map[string]any `json:"meta,omitempty"`
	TimeoutMS float64        `json:"timeout,omitempty"`
	Retries   int            `json:"retries,omitempty"`
	RequestID string         `json:"requestID,omitempty"`
}

func (o callOptions) goOptions() (action.CallOptions, error) {
	opts := action.CallOptions{
		NodeID: o.NodeID, Timeout: time.Duration(o.TimeoutMS * float64(time.Millisecond)), Retries: o.Retries,
		RequestID: o.RequestID,
	}
	if o.Meta == nil {
		return opts, nil
	}
	var err error
	opts.Meta, err = json.Marshal(o.Meta)
	return opts, err
}

type emitOptions struct {
	Groups    []string
	Broadcast bool
}

// seen is an error as a caller in Go sees it, in the form in which one in Node.js does.
func seen(err error) error {
	var e *action.Error
	if !errors.As(err, &e) {
		return err
	}
	data, err := json.Marshal(e.Data)
	if err != nil {
		return err
	}
	return &callError{
		Name: e.Name, Message: e.Message, Code: float64(e.Code), Type: e.Type, Data: data, Retryable: e.Retryable,
		NodeID: e.NodeID,
	}
}

// outcome is what the action relay tells of the call that it made.
type outcome struct {
	ID    string          `json:"id"` // of the call of relay itself
	Data  json.RawMessage `json:"data,omitempty"`
	Error *callError      `json:"error,omitempty"`
	Meta  json.RawMessage `json:"meta"` // of relay, after its call
}

// echoed is what the action echo tells of its call.
type echoed struct {
	Params    json.RawMessage `json:"params"`
	Meta      json.RawMessage `json:"meta"`
	RequestID string          `json:"requestID"`
	ParentID  string          `json:"parentID"`
	Caller    string          `json:"caller"`
	Level     int             `json:"level"`
	Timeout   *float64        `json:"timeout"`
	Headers   json.RawMessage `json:"headers"`
}

// The listeners of every member; names, patterns and groups are its own ones (see member.Own).
var listeners = []struct{ service, pattern, group string }{
	{"star", "star.*", ""},
	{"rest", "rest.**", ""},
	{"mark", "mark.?", ""},
	{"exact", "exact", ""},
	{"mail", "twice", "mail"},
	{"audit", "twice", "audit"},
	{"dollar", "$dollar.*", ""},
}

// canned are the services of the member whose names begin with prefix.
func canned(prefix string) []service {
	list := []service{
		{Name: "math", Schema: schema(prefix, "math", nil, nil)},
		{Name: "probe", Schema: schema(prefix, "probe", nil, nil)},
		named("list", schema(prefix, "posts", 2, nil)),
		named("list", schema(prefix, "posts", "beta", nil)),
		named("list", schema(prefix, "pages", 3, map[string]any{"$noVersionPrefix": true})),
		named(prefix+"bare", schema(prefix, "nobody", nil, map[string]any{"$noServiceNamePrefix": true})),
		named("list", schema(prefix, "vault", nil, map[string]any{
			"region": "eu", "token": vaultSecret, "$secureSettings": []string{"token"},
		})),
		listening("$node.*", "", schema(prefix, "nodewatch", nil, nil)),
	}
	for _, l := range listeners {
		if l.group != "" {
			l.group = prefix + l.group
		}
		list = append(list, listening(own(prefix, l.pattern), l.group, schema(prefix, l.service, nil, nil)))
	}
	return list
}

func schema(prefix, name string, version any, settings map[string]any) map[string]any {
	s := map[string]any{"name": prefix + name}
	if version != nil {
		s["version"] = version
	}
	if settings != nil {
		s["settings"] = settings
	}
	return s
}

func named(action string, schema map[string]any) service {
	return service{Name: "named", Params: map[string]any{"action": action}, Schema: schema}
}

func listening(pattern, group string, schema map[string]any) service {
	params := map[string]any{"pattern": pattern}
	if group != "" {
		params["group"] = group
	}
	return service{Name: "listener", Params: params, Schema: schema}
}

// own puts a member's prefix before a name, behind the $ of internal ones.
func own(prefix, name string) string {
	if rest, internal := strings.CutPrefix(name, "$"); internal {
		return "$" + prefix + rest
	}
	return prefix + name
}

// vaultSecret is a setting that no node may tell.
const vaultSecret = "s3cr3t-of-the-vault"

// nodePeer is a peer as a member.
type nodePeer struct{ *peer }

func (p nodePeer) ID() string { return p.NodeID }

func (nodePeer) Own(name string) string { return own("node", name) }

func (p nodePeer) Call(ctx context.Context, action string, params any, opts callOptions) (callResult, error) {
	return p.peer.Call(ctx, action, params, opts)
}

func (p nodePeer) Emit(t *testing.T, name string, data any, opts emitOptions) {
	t.Helper()
	send := p.peer.Emit
	if opts.Broadcast {
		send = p.Broadcast
	}
	var more map[string]any
	if opts.Groups != nil {
		more = map[string]any{"groups": opts.Groups}
	}
	send(t, name, data, more)
}

func (p nodePeer) Event(ctx context.Context, match func(moleculerEvent) bool) (moleculerEvent, error) {
	var e moleculerEvent
	_, err := p.nextLine(ctx, func(line event) bool {
		e = moleculerEvent{}
		return line.kind == "event" && json.Unmarshal(line.line, &e) == nil && match(e)
	})
	return e, err
}

func (p nodePeer) Host(t *testing.T, s service) {
	t.Helper()
	p.CreateService(t, s)
}

func (p nodePeer) Knows(t *testing.T, action string) {
	t.Helper()
	require.Eventually(t, func() bool {
		endpoints, err := p.peer.Call(t.Context(), "$node.actions", map[string]any{"onlyAvailable": true}, nil)
		return err == nil && contains(endpoints.Data, "name", action)
	}, patience, 20*time.Millisecond, action)
}

func (p nodePeer) Leave(t *testing.T) {
	t.Helper()
	p.Stop(t)
}

// contains says whether a JSON list has an object with this value under key.
func contains(list json.RawMessage, key, value string) bool {
	var items []map[string]any
	if json.Unmarshal(list, &items) != nil {
		return false
	}
	for _, item := range items {
		if item[key] == value {
			return true
		}
	}
	return false
}
