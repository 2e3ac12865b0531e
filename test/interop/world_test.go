package interop_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cluster"
)

// The login of the matrix's NATS servers, of which no packet may tell.
const natsUser, natsPassword = "interop", "s3cr3t-of-nats"

func withLogin(opts *server.Options) { opts.Username, opts.Password = natsUser, natsPassword }

// world is one cluster of a line, in which its behaviours are shown one after another.
type world struct {
	line line
	url  string
	tap  *wiretap

	node, node2 nodePeer
	golang, go2 *goNode
	// lone leaves balancing to NATS (disableBalancer).
	lone nodePeer
}

// newWorld starts the members. Each has come after some of the others and before some.
func newWorld(t *testing.T, line line) *world {
	t.Helper()
	w := &world{line: line, url: natsServer(t, withLogin).URL()}
	w.tap = tap(t, w.url, line, natsPassword, vaultSecret)

	// Hosted on both sides: which of them serves shows how callers choose.
	shared := []service{
		{Name: "where", Schema: schema("", "shared", nil, nil)},
		listening("common.said", "common", schema("", "common", nil, nil)),
	}
	second := func(prefix string) []service {
		return []service{
			named("list", schema(prefix, "second", nil, nil)),
			{Name: "where", Schema: schema("", "ring", nil, nil)},
			listening("crew.said", "crew", schema("", "crew", nil, nil)),
			listening("everyone.told", "everyone", schema("", "everyone", nil, nil)),
		}
	}
	twins := []service{
		{Name: "where", Schema: schema("go", "twins", nil, nil)},
		listening("couple.said", "couple", schema("", "couple", nil, nil)),
	}
	everyone := listening("everyone.told", "everyone", schema("", "everyone", nil, nil))
	first := func(prefix string) []service { return append(append(canned(prefix), shared...), everyone) }

	w.node = w.startNode(t, nil, first("node")...)
	w.golang = w.startGo(
		t, append(append(first("go"), twins...), service{Name: "plain", Schema: schema("go", "plain", nil, nil)})...,
	)
	w.go2 = startGoNode(t, w.url, line, append(second("go"), twins...))
	w.node2 = w.startNode(t, nil, second("node")...)
	w.lone = w.startNode(t, map[string]any{"disableBalancer": true},
		service{
			Name: "math", Schema: schema("", "lonemath", nil, nil),
		}, listening("lone.*", "", schema("", "lone", nil, nil)))

	for _, m := range []member{w.node, w.golang, w.go2, w.node2, w.lone} {
		for _, action := range []string{
			"goprobe.echo", "gosecond.list", "nodeprobe.echo", "nodesecond.list", "lonemath.add",
		} {
			m.Knows(t, action)
		}
	}
	return w
}

func (w *world) startNode(t *testing.T, options map[string]any, services ...service) nodePeer {
	t.Helper()
	broker := map[string]any{
		"maxCallLevel": maxCallLevel,
		"retryPolicy":  map[string]any{"enabled": true, "retries": 0, "delay": 5, "maxDelay": 5},
	}
	for name, value := range options {
		broker[name] = value
	}
	return nodePeer{startPeer(t, w.url, peerOptions{Line: w.line.name, Services: services, Broker: broker})}
}

func (w *world) startGo(t *testing.T, services ...service) *goNode {
	t.Helper()
	return startGoNode(t, w.url, w.line, services)
}

// row is one behaviour shown one way on one line.
type row struct {
	*testing.T
	*world
	from, to member // who calls, emits or looks, and whom
	to2      member // the second node of to's kind
	key      string // unique
}

// rowPatience bounds each wait of a row.
const rowPatience = time.Minute

// tick is the time between two looks at what has no signal.
const tick = 20 * time.Millisecond

func newRow(t *testing.T, w *world, way way) *row {
	t.Helper()
	r := &row{T: t, world: w, key: uuid.NewString()}
	for _, m := range []nodePeer{w.node, w.node2, w.lone} { // what an earlier row left is not this one's
		m.lines.clear()
	}
	w.golang.events.clear()
	w.go2.events.clear()
	if way == toNode {
		r.from, r.to, r.to2 = w.golang, w.node, w.node2
	} else {
		r.from, r.to, r.to2 = w.node, w.golang, w.go2
	}
	return r
}

// within is a context for what must happen.
func (r *row) within() context.Context {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), rowPatience)
	r.Cleanup(cancel)
	return ctx
}

// try calls an action from one side to the other.
func (r *row) try(action string, params any, opts ...callOptions) (callResult, error) {
	r.Helper()
	return r.from.Call(r.within(), action, params, only(opts))
}

func only(opts []callOptions) callOptions {
	if len(opts) == 0 {
		return callOptions{}
	}
	return opts[0]
}

// call requires that a call succeeds.
func (r *row) call(action string, params any, opts ...callOptions) callResult {
	r.Helper()
	result, err := r.try(action, params, opts...)
	require.NoError(r, err)
	return result
}

// fails requires that a call fails.
func (r *row) fails(action string, params any, opts ...callOptions) *callError {
	r.Helper()
	_, err := r.try(action, params, opts...)
	require.Error(r, err)
	return asCallError(r.T, err)
}

// answers requires that a call of the other side's own action gives this JSON.
func (r *row) answers(want, name string, params any, opts ...callOptions) {
	r.Helper()
	require.JSONEq(r, want, string(r.call(r.to.Own(name), params, opts...).Data))
}

// relay has an action of the calling side call another.
func (r *row) relay(p relayParams, opts ...callOptions) outcome {
	r.Helper()
	return decode[outcome](r.T, r.call(r.from.Own("probe.relay"), p, opts...).Data)
}

// atOnce calls an action n times at once and gives the results and the first failure.
func (r *row) atOnce(n int, params func(i int) any, action string) ([]callResult, error) {
	r.Helper()
	results, failures := make([]callResult, n), make(chan error, n)
	ctx := r.within()
	for i := range n {
		go func() {
			var err error
			results[i], err = r.from.Call(ctx, action, params(i), callOptions{})
			failures <- err
		}()
	}
	var failure error
	for range n {
		if err := <-failures; err != nil {
			failure = err
		}
	}
	return results, failure
}

// event waits for an event.
func (r *row) event(m member, match func(moleculerEvent) bool) moleculerEvent {
	r.Helper()
	e, err := m.Event(r.within(), match)
	require.NoError(r, err, "no event came to %s", m.ID())
	return e
}

// silent requires that no such event has come, once the member has handled all that was sent to it.
func (r *row) silent(m member, match func(moleculerEvent) bool) {
	r.Helper()
	r.waitHandled(m)
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	e, err := m.Event(ctx, match)
	require.ErrorIs(r, err, context.Canceled, "%s heard %v", m.ID(), e)
}

// waitHandled waits until a member has handled what this one and strangers have sent to it.
func (r *row) waitHandled(m member) {
	r.Helper()
	r.stranger().ping(m)
	_, err := r.from.Call(r.within(), "$node.list", fields{}, callOptions{NodeID: m.ID()})
	require.NoError(r, err)
}

// calledEvent matches the events of a name.
func calledEvent(name string) func(moleculerEvent) bool {
	return func(e moleculerEvent) bool { return e.Name == name }
}

// heard matches the events of a name that a listener got.
func heard(listener, name string) func(moleculerEvent) bool {
	return func(e moleculerEvent) bool { return e.Listener == listener && e.Name == name }
}

// stranger is gone at the end of the row.
func (r *row) stranger() *stranger {
	r.Helper()
	s := r.tap.stranger(r.T)
	r.Cleanup(func() { s.send("DISCONNECT", nil) })
	return s
}

// ask has a member tell what it knows: list, services, actions or events, as its own $node does.
func (r *row) ask(m member, what string, params fields) []fields {
	r.Helper()
	result, err := m.Call(r.within(), "$node."+what, params, callOptions{})
	require.NoError(r, err)
	return decode[[]fields](r.T, result.Data)
}

// find gives the object of a list with this value under key, nil if there is none.
func find(list []fields, key string, value any) fields {
	for _, item := range list {
		if item[key] == value {
			return item
		}
	}
	return nil
}

// packet waits for a packet from one member to another, or with a nil member to all.
func (r *row) packet(command string, sender, to member, match func(packet) bool) packet {
	r.Helper()
	target := ""
	if to != nil {
		target = to.ID()
	}
	return expect(r.T, r.tap, command, func(p packet) bool {
		return p.Command == command && p.Target == target && p.fields["sender"] == sender.ID() && match(p)
	})
}

func decode[T any](t *testing.T, data json.RawMessage) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(data, &v), string(data))
	return v
}

// extraGo is one more node for a row that disturbs it.
func (r *row) extraGo(services []service, adjust ...func(*cluster.Options)) *goNode {
	r.Helper()
	return startGoNode(r.T, r.url, r.line, services, adjust...)
}

// extra is one more node of to's kind, with the services probe and where under names of the row.
func (r *row) extra() member {
	r.Helper()
	services := []service{
		{Name: "probe", Schema: schema("", r.own("probe"), nil, nil)},
		{Name: "where", Schema: schema("", r.own("where"), nil, nil)},
	}
	var m member
	if r.to == member(r.golang) {
		m = r.extraGo(services)
	} else {
		m = r.startNode(r.T, nil, services...)
	}
	r.from.Knows(r.T, r.own("where.where"))
	return m
}

// own is a name of this row only.
func (r *row) own(name string) string { return "x" + strings.ReplaceAll(r.key, "-", "") + name }
