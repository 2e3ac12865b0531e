package interop_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/moleculer-go/moleculer/broker"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/cluster/wire"
)

// goNode is a node of package cluster with the services of services.js, and some that only it can have.
type goNode struct {
	nc     *nats.Conn
	link   *cluster.Link
	broker *broker.ServiceBroker
	logs   *test.Hook
	events *inbox[moleculerEvent]
	leave  func()
}

var _ member = (*goNode)(nil)

// startGoNode runs a node until the test ends.
func startGoNode(
	t *testing.T, natsURL string, line line, services []service, adjust ...func(*cluster.Options),
) *goNode {
	t.Helper()
	nc, err := nats.Connect(
		natsURL, nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.ReconnectWait(50*time.Millisecond),
	)
	require.NoError(t, err)
	t.Cleanup(nc.Close)

	logger, logs := test.NewNullLogger()
	opts := cluster.Options{
		NodeID: fmt.Sprintf("go-%d", nodes.Add(1)), Namespace: namespace, Version: nodeVersion, Protocol: line.protocol,
		MaxCallLevel: maxCallLevel, StreamLimit: streamLimit,
		Concurrency: 512, Queue: 512, DrainTimeout: patience, Log: logrus.NewEntry(logger),
	}
	for _, f := range adjust {
		f(&opts)
	}
	n := &goNode{nc: nc, link: cluster.New(nc, opts), logs: logs, events: newInbox[moleculerEvent]()}
	n.broker = n.link.NewBroker()
	for _, s := range services {
		n.broker.Publish(n.schema(t, s))
	}
	n.broker.Start()
	n.leave = sync.OnceFunc(n.broker.Stop)
	t.Cleanup(n.leave)
	return n
}

const (
	nodeVersion  = "1.2.3"
	maxCallLevel = 9
	streamLimit  = 400_000
)

func (n *goNode) ID() string { return n.link.NodeID() }

func (*goNode) Own(name string) string { return own("go", name) }

func (n *goNode) Call(ctx context.Context, name string, params any, opts callOptions) (callResult, error) {
	o, err := opts.goOptions()
	if err != nil {
		return callResult{}, err
	}
	result, err := n.link.Call(ctx, name, params, o)
	if err != nil {
		return callResult{}, seen(err)
	}
	return callResult{Data: result.Data, Meta: result.Meta}, nil
}

func (n *goNode) Emit(t *testing.T, name string, data any, opts emitOptions) {
	t.Helper()
	require.NoError(t, n.emit(t.Context(), name, data, opts))
}

func (n *goNode) emit(ctx context.Context, name string, data any, opts emitOptions) error {
	return n.link.Emit(ctx, name, data, action.EmitOptions{Groups: opts.Groups, Broadcast: opts.Broadcast})
}

func (n *goNode) Event(ctx context.Context, match func(moleculerEvent) bool) (moleculerEvent, error) {
	return n.events.next(ctx, match)
}

func (n *goNode) Host(t *testing.T, s service) {
	t.Helper()
	n.broker.Publish(n.schema(t, s))
}

func (n *goNode) Knows(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, n.link.WaitFor(ctx, name), name)
}

func (n *goNode) Leave(*testing.T) { n.leave() }

// schema is the counterpart of a service of services.js.
func (n *goNode) schema(t *testing.T, s service) moleculer.ServiceSchema {
	t.Helper()
	params := func(name string) string {
		text, _ := s.Params[name].(string)
		return text
	}
	made := moleculer.ServiceSchema{Name: s.Name}
	switch s.Name {
	case "math":
		made.Actions = []moleculer.Action{add}
	case "probe":
		made.Actions = n.probe()
	case "where":
		made.Actions = n.where()
	case "named":
		made.Actions = []moleculer.Action{
			does(params("action"), func(_ context.Context, req *action.Request) (any, error) { return req.Action, nil }),
		}
	case "listener":
		made.Events = []moleculer.Event{n.listener(s.Schema["name"].(string), params("pattern"), params("group"))}
	case "plain":
		made.Actions, made.Events = plainActions, []moleculer.Event{n.plainListener()}
	default:
		require.Fail(t, "no such service in Go", s.Name)
	}
	if name, ok := s.Schema["name"].(string); ok {
		made.Name = name
	}
	if version, ok := s.Schema["version"]; ok {
		made.Version = fmt.Sprint(version)
	}
	if settings, ok := s.Schema["settings"].(map[string]any); ok {
		made.Settings = settings
	}
	return made
}

func does(name string, handle action.Handler) moleculer.Action {
	return action.New(name, action.Spec{Handle: handle})
}

// decoded makes a handler of a function that takes its params decoded.
func decoded[P any](handle func(ctx context.Context, req *action.Request, params P) (any, error)) action.Handler {
	return func(ctx context.Context, req *action.Request) (any, error) {
		var params P
		if len(req.Params) > 0 {
			if err := json.Unmarshal(req.Params, &params); err != nil {
				return nil, err
			}
		}
		return handle(ctx, req, params)
	}
}

var addParams = action.Params{{Name: "a", Type: action.Number}, {Name: "b", Type: action.Number}}

var add = action.New("add", action.Spec{Params: addParams, Handle: func(
	ctx context.Context, req *action.Request,
) (any, error) {
	if _, err := addParams.Decode(req); err != nil {
		return nil, err
	}
	return decoded(func(_ context.Context, _ *action.Request, p struct{ A, B float64 }) (any, error) {
		return p.A + p.B, nil
	})(ctx, req)
}})

// probe has the actions of the service probe, and those of a node in Go only.
func (n *goNode) probe() []moleculer.Action {
	var tries flaky
	var meetings barrier
	return []moleculer.Action{
		does("echo", echo),
		does("same", func(_ context.Context, req *action.Request) (any, error) { return req.Params, nil }),
		does("meta", decoded(func(_ context.Context, req *action.Request, meta map[string]any) (any, error) {
			setMeta(req, meta)
			return nil, nil
		})),
		does("metaError", decoded(func(_ context.Context, req *action.Request, meta map[string]any) (any, error) {
			setMeta(req, meta)
			return nil, action.Client(400, "NO", "no")
		})),
		does(
			"error", decoded(func(_ context.Context, _ *action.Request, e wireError) (any, error) { return nil, e.typed() }),
		),
		does("mistake", func(context.Context, *action.Request) (any, error) {
			return nil, errors.New("the password of the database is wrong")
		}),
		does("relay", decoded(relay)),
		does("late", decoded(n.late)),
		does("emit", decoded(func(ctx context.Context, req *action.Request, p struct {
			Name string
			Data any
		},
		) (any, error) {
			return nil, req.Emit(ctx, p.Name, p.Data)
		})),
		does(
			"flaky", decoded(func(_ context.Context, _ *action.Request, p flakyParams) (any, error) { return tries.try(p) }),
		),
		patient(&tries),
		does("gather", decoded(meetings.meet)),
		does("slow", decoded(slow)),
		action.New("limited", action.Spec{Timeout: 60 * time.Millisecond, Handle: func(
			ctx context.Context, req *action.Request,
		) (any, error) {
			return slow(ctx, req, slowParams{1000})
		}}),
		does("fan", decoded(fan)),
		action.New("described", action.Spec{
			Rest: "GET /described", Params: action.Params{{Name: "q", Type: action.String, Optional: true}},
			Timeout: 5 * time.Second, Description: "does nothing",
			Handle: func(context.Context, *action.Request) (any, error) { return nil, nil },
		}),
		does("big", decoded(func(_ context.Context, _ *action.Request, p struct{ Bytes int }) (any, error) {
			return strings.Repeat("x", p.Bytes), nil
		})),
		{Name: "guarded", Settings: map[string]any{"visibility": "protected"}, Handler: plainly("guarded")},
		{Name: "hidden", Settings: map[string]any{"visibility": "private"}, Handler: plainly("hidden")},
		action.New("upload", action.Spec{Stream: true, Handle: upload}),
		action.New("narrow", action.Spec{Concurrency: 1, Handle: decoded(meetings.meet)}),
		does("panic", func(context.Context, *action.Request) (any, error) { panic("as planned") }),
	}
}

func plainly(result any) moleculer.ActionHandler {
	return func(moleculer.Context, moleculer.Payload) any { return result }
}

func echo(ctx context.Context, req *action.Request) (any, error) {
	meta, err := json.Marshal(req.Meta)
	if err != nil {
		return nil, err
	}
	e := echoed{
		Params: req.Params, Meta: meta, RequestID: req.RequestID, ParentID: req.ParentID, Caller: req.Caller,
		Level: req.Level, Headers: req.Headers,
	}
	if deadline, ok := ctx.Deadline(); ok {
		ms := float64(time.Until(deadline)) / float64(time.Millisecond)
		e.Timeout = &ms
	}
	return e, nil
}

func setMeta(req *action.Request, meta map[string]any) {
	for key, value := range meta {
		req.Meta.Set(key, value)
	}
}

// wireError is an error as the wire describes it.
type wireError struct {
	Name      string          `json:"name"`
	Message   string          `json:"message"`
	Code      int             `json:"code"`
	Type      string          `json:"type"`
	Data      json.RawMessage `json:"data"`
	Retryable bool            `json:"retryable"`
}

func (e wireError) typed() error {
	return &action.Error{
		Name: e.Name, Message: e.Message, Type: e.Type, Code: e.Code, Data: e.Data, Retryable: e.Retryable,
	}
}

type relayParams struct {
	Action  string          `json:"action"`
	Params  json.RawMessage `json:"params,omitempty"`
	Opts    callOptions     `json:"opts"`
	Meta    map[string]any  `json:"meta,omitempty"`
	Rethrow bool            `json:"rethrow,omitempty"`
}

func relay(ctx context.Context, req *action.Request, p relayParams) (any, error) {
	opts, err := p.Opts.goOptions()
	if err != nil {
		return nil, err
	}
	setMeta(req, p.Meta)
	out := outcome{ID: req.ID}
	result, err := req.Call(ctx, p.Action, p.Params, opts)
	switch {
	case err == nil:
		out.Data = result.Data
	case p.Rethrow:
		return nil, err
	case !errors.As(seen(err), &out.Error):
		return nil, err
	}
	out.Meta, err = json.Marshal(req.Meta)
	return out, err
}

// fan makes calls at once.
func fan(ctx context.Context, req *action.Request, p struct {
	Action string
	Params json.RawMessage
	Count  int
},
) (any, error) {
	failed := make(chan error, p.Count)
	for range p.Count {
		go func() {
			_, err := req.Call(ctx, p.Action, p.Params, action.CallOptions{})
			failed <- err
		}()
	}
	var all error
	for range p.Count {
		all = errors.Join(all, <-failed)
	}
	return nil, all
}

func (n *goNode) late(ctx context.Context, req *action.Request, p struct{ Action string }) (any, error) {
	<-ctx.Done()
	_, err := req.Call(ctx, p.Action, nil, action.CallOptions{})
	data, jsonErr := json.Marshal(seen(err))
	n.events.add(moleculerEvent{Name: "late", Data: data})
	return nil, errors.Join(err, jsonErr)
}

// flaky counts attempts by key. Safe for concurrent use.
type flaky struct {
	mu       sync.Mutex
	attempts map[string]int
}

type flakyParams struct {
	Key       string `json:"key"`
	Times     int    `json:"times"`
	Retryable bool   `json:"retryable"`
}

func (f *flaky) try(p flakyParams) (any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.attempts == nil {
		f.attempts = map[string]int{}
	}
	f.attempts[p.Key]++
	data := map[string]any{"attempts": f.attempts[p.Key]}
	if f.attempts[p.Key] > p.Times {
		return data, nil
	}
	return nil, &action.Error{
		Name: action.NameServerError, Message: "not yet", Code: 500, Type: "FLAKY", Retryable: p.Retryable, Data: data,
	}
}

// patient is flaky's action, announced with a policy for its callers; only plain moleculer-go actions can have one.
func patient(f *flaky) moleculer.Action {
	return moleculer.Action{
		Name: "patient",
		Settings: map[string]any{
			"retryPolicy": map[string]any{"enabled": true, "retries": 2, "delay": 5, "maxDelay": 5, "factor": 1},
		},
		Handler: func(_ moleculer.Context, params moleculer.Payload) any {
			result, err := f.try(flakyParams{
				Key: params.Get("key").String(), Times: params.Get("times").Int(), Retryable: params.Get("retryable").Bool(),
			})
			if err != nil {
				return err
			}
			return result
		},
	}
}

// barrier keeps calls until enough of them are here. Safe for concurrent use.
type barrier struct {
	mu       sync.Mutex
	meetings map[string]*meeting
}

type meeting struct {
	here int
	full chan struct{}
}

type meetParams struct {
	Key   string `json:"key"`
	Count int    `json:"count"`
}

func (g *barrier) meet(ctx context.Context, _ *action.Request, p meetParams) (any, error) {
	select {
	case <-g.join(p):
		return p.Count, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (g *barrier) join(p meetParams) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.meetings == nil {
		g.meetings = map[string]*meeting{}
	}
	m, ok := g.meetings[p.Key]
	if !ok {
		m = &meeting{full: make(chan struct{})}
		g.meetings[p.Key] = m
	}
	if m.here++; m.here == p.Count {
		close(m.full)
	}
	return m.full
}

type slowParams struct {
	MS int `json:"ms"`
}

func slow(ctx context.Context, req *action.Request, p slowParams) (any, error) {
	timer := time.NewTimer(time.Duration(p.MS) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return req.Params, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// uploaded is what the action upload tells of a stream.
type uploaded struct {
	Length  int               `json:"length"`
	Sum     string            `json:"sum"`
	Objects []json.RawMessage `json:"objects"`
	Params  json.RawMessage   `json:"params"`
}

func upload(_ context.Context, req *action.Request) (any, error) {
	if req.Stream == nil {
		return nil, action.Client(400, "NO_STREAM", "no stream came")
	}
	return uploaded{len(req.Stream.Bytes), sum(req.Stream.Bytes), req.Stream.Objects, req.Params}, nil
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// where has the actions of the service where.
func (n *goNode) where() []moleculer.Action {
	return []moleculer.Action{
		does("where", func(context.Context, *action.Request) (any, error) { return n.ID(), nil }),
		does("elsewhere", decoded(func(_ context.Context, _ *action.Request, p struct{ Than string }) (any, error) {
			if n.ID() == p.Than {
				return nil, action.Retryable(500, "NOT_HERE", "not here")
			}
			return n.ID(), nil
		})),
	}
}

// listener reports what comes in the words of services.js.
func (n *goNode) listener(service, pattern, group string) moleculer.Event {
	return action.NewEvent(pattern, group, func(_ context.Context, e *action.Event) error {
		meta, err := json.Marshal(e.Meta)
		n.events.add(moleculerEvent{
			Listener: service, Name: e.Name, Type: eventType(e.IsBroadcast), Groups: e.Groups, Data: e.Params, Meta: meta,
			Sender: e.Sender, RequestID: e.RequestID, ParentID: e.ParentID, Caller: e.Caller, Level: e.Level,
		})
		return err
	})
}

func eventType(broadcast bool) string {
	if broadcast {
		return "broadcast"
	}
	return "emit"
}

// plainActions are of a service written for moleculer-go alone.
var plainActions = []moleculer.Action{
	{Name: "greet", Handler: func(
		_ moleculer.Context, params moleculer.Payload,
	) any {
		return "hello " + params.Get("name").String()
	}},
	{Name: "call", Handler: func(ctx moleculer.Context, params moleculer.Payload) any {
		return <-ctx.Call(params.Get("action").String(), params.Get("params"))
	}},
	{Name: "mcall", Handler: func(ctx moleculer.Context, params moleculer.Payload) any {
		calls := map[string]map[string]any{}
		for i := range params.Get("count").Int() {
			calls[fmt.Sprint(i)] = map[string]any{"action": params.Get("action").String(), "params": params.Get("params")}
		}
		for _, answer := range <-ctx.MCall(calls) {
			if answer.IsError() {
				return answer.Error()
			}
		}
		return nil
	}},
	{Name: "emit", Handler: func(ctx moleculer.Context, params moleculer.Payload) any {
		ctx.Emit(params.Get("name").String(), params.Get("data"))
		return nil
	}},
	{Name: "broadcast", Handler: func(ctx moleculer.Context, params moleculer.Payload) any {
		ctx.Broadcast(params.Get("name").String(), params.Get("data"))
		return nil
	}},
}

func (n *goNode) plainListener() moleculer.Event {
	return moleculer.Event{Name: "goplain.said", Handler: func(_ moleculer.Context, data moleculer.Payload) {
		raw, err := json.Marshal(data.Value())
		if err == nil {
			n.events.add(moleculerEvent{Listener: "goplain", Name: "goplain.said", Data: raw})
		}
	}}
}

// line is a line of Moleculer and the protocol that it speaks.
type line struct {
	name     string
	protocol wire.Version
}

var lines = []line{{"0.14", wire.V4}, {"0.15", wire.V5}}
