package integration_test

import (
	"context"
	"encoding/json"
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
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/testserver"
)

// node is a node of a real cluster, and another one that calls it.
type node struct {
	t      *testing.T
	link   *cluster.Link
	caller *cluster.Link
	broker *broker.ServiceBroker
	logs   *test.Hook
}

func newNode(t *testing.T) *node {
	t.Helper()
	log, logs := test.NewNullLogger()
	server := testserver.NATS(t)
	link := func(id string) *cluster.Link {
		nc, err := nats.Connect(server.ClientURL())
		require.NoError(t, err)
		t.Cleanup(nc.Close)
		return cluster.New(nc, cluster.Options{
			NodeID: id, Concurrency: 16, Queue: 500, DrainTimeout: patience, Log: logrus.NewEntry(log),
		})
	}
	n := &node{t: t, link: link("serving"), caller: link("calling"), logs: logs}
	n.broker = n.link.NewBroker()
	n.broker.Start()
	t.Cleanup(n.broker.Stop)
	require.NoError(t, n.caller.Join())
	t.Cleanup(n.caller.Leave)
	return n
}

// serve starts services and publishes them, until the test ends.
func (n *node) serve(services ...*integration.Service) *node {
	n.t.Helper()
	for _, s := range services {
		require.NoError(n.t, s.Start(n.t.Context()))
		n.t.Cleanup(func() { require.NoError(n.t, s.Stop(context.Background())) })
		n.publish(s.Schema())
	}
	return n
}

func (n *node) publish(schema moleculer.ServiceSchema) {
	n.t.Helper()
	n.broker.Publish(schema)
	require.NoError(
		n.t, n.caller.WaitForServices(within(n.t), action.FullName(schema.Name, schema.Version, schema.Settings)),
	)
}

// call calls an action from the other node.
func (n *node) call(name string, params, meta any) (*action.CallResult, error) {
	n.t.Helper()
	return n.caller.Call(within(n.t), name, params, action.CallOptions{Meta: json.RawMessage(toJSON(n.t, meta))})
}

// within is a context for what must happen.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// receive takes what must come.
func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		require.FailNow(t, "nothing came")
		return *new(T)
	}
}

// others is the cluster as a service without one sees it: it records and answers as scripted.
type others struct {
	ledger
	answer func(name string, params json.RawMessage) (*action.CallResult, error)
	wait   func(ctx context.Context) error
}

var _ integration.Cluster = (*others)(nil)

func (o *others) Call(
	_ context.Context, _ *action.Request, name string, params any, _ action.CallOptions,
) (*action.CallResult, error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	return o.answer(name, raw)
}

func (o *others) Emit(_ context.Context, _ *action.Request, name string, data any, opts action.EmitOptions) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	groups, err := json.Marshal(opts)
	o.add(name + " " + string(raw) + " " + string(groups))
	return err
}

func (o *others) WaitForServices(ctx context.Context, _ ...string) error { return o.wait(ctx) }
