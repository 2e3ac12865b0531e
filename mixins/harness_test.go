package mixins_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/moleculer-go/moleculer/broker"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/internal/testserver"
)

type object = map[string]any

// harness is a cluster of one test, with a node that calls others.
type harness struct {
	t      *testing.T
	server *server.Server
	log    *logrus.Entry
	logs   *test.Hook
	caller *cluster.Link
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	log, logs := test.NewNullLogger()
	b := &harness{t: t, server: testserver.NATS(t), log: logrus.NewEntry(log), logs: logs}
	b.caller = b.link("caller")
	require.NoError(t, b.caller.Join())
	t.Cleanup(b.caller.Leave)
	return b
}

func (b *harness) link(id string) *cluster.Link {
	b.t.Helper()
	nc, err := nats.Connect(b.server.ClientURL())
	require.NoError(b.t, err)
	b.t.Cleanup(nc.Close)
	return cluster.New(nc, cluster.Options{NodeID: id, Concurrency: 200, Queue: 500, DrainTimeout: patience, Log: b.log})
}

// serve starts a node with plain moleculer-go services, until the test ends.
func (b *harness) serve(id string, services ...moleculer.ServiceSchema) *broker.ServiceBroker {
	b.t.Helper()
	link := b.link(id)
	node := link.NewBroker()
	for _, s := range services {
		node.Publish(s)
	}
	node.Start()
	b.t.Cleanup(node.Stop)
	for _, s := range services {
		eventually(b.t, func() bool {
			return slices.ContainsFunc(
				b.caller.Services(),
				func(known cluster.ServiceStatus) bool { return known.FullName == s.Name && known.NodeID == id },
			)
		})
	}
	return node
}

// call calls an action from the other node.
func (b *harness) call(name string, params, meta object) (string, error) {
	b.t.Helper()
	return b.callNode("", name, params, meta)
}

func (b *harness) callNode(id, name string, params, meta object) (string, error) {
	encoded, err := json.Marshal(meta)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	answer, err := b.caller.Call(ctx, name, params, action.CallOptions{Meta: encoded, NodeID: id})
	if err != nil {
		return "", err
	}
	return string(answer.Data), nil
}

func requireError(t *testing.T, err error, code int, typ string) {
	t.Helper()
	_ = errorOf(t, err, code, typ)
}

// errorOf returns what a caller gets to see, of the code and type that it must have.
func errorOf(t *testing.T, err error, code int, typ string) *action.Error {
	t.Helper()
	e, ok := errors.AsType[*action.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, []any{code, typ}, []any{e.Code, e.Type}, e.Message)
	return e
}

// ledger keeps what happened, in order.
type ledger struct {
	mu   sync.Mutex
	list []string
}

func (l *ledger) add(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, what)
	return len(l.list)
}

func (l *ledger) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// eventually waits for what others do in their own time.
func eventually(t *testing.T, what func() bool) {
	t.Helper()
	require.Eventually(t, what, patience, 2*time.Millisecond)
}

func newCache(t *testing.T) *cache.Cache {
	t.Helper()
	c := cache.New(cache.NewMemory(cache.MemoryOptions{}), cache.Options{TTL: time.Minute})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}
