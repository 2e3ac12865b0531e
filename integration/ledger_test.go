package integration_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/integration"
)

// ledger keeps what happened, in order.
type ledger struct {
	mu   sync.Mutex
	list []string
}

func (l *ledger) add(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, what)
}

func (l *ledger) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// noting is a lifecycle function or Before hook that is noted and gives err.
func (l *ledger) noting(what string, err error) func(*integration.Context) error {
	return func(*integration.Context) error {
		l.add(what)
		return err
	}
}

// source is a datasource whose life is noted.
type source struct {
	name   string
	ledger *ledger
	err    error // of Close
}

func (s *source) Close() error {
	s.ledger.add("close " + s.name)
	return s.err
}

func (l *ledger) source(name string, openErr, closeErr error) datasource.Definition {
	return datasource.New(name, func(context.Context) (*source, error) {
		l.add("open " + name)
		return &source{name, l, closeErr}, openErr
	})
}

// service defines a service "users", or of another name.
func (b *harness) service(def integration.ServiceDefinition) *integration.Service {
	b.t.Helper()
	if def.Name == "" {
		def.Name = "users"
	}
	s, err := integration.DefineService(def, b.runtime)
	require.NoError(b.t, err)
	return s
}

// watch gives what the service logs from now on.
func (b *harness) watch() *test.Hook { return test.NewLocal(b.runtime.Log.Logger) }

func linesOf(entries []*logrus.Entry) []string {
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Message)
	}
	return list
}

// ask calls an action without a cluster.
func ask(t *testing.T, s *integration.Service, name string, params, meta any) (any, error) {
	t.Helper()
	req := &action.Request{
		ID: "r1", RequestID: "trace", Params: []byte(toJSON(t, params)), Meta: action.NewMeta([]byte(toJSON(t, meta))),
	}
	return s.Call(t.Context(), name, req)
}
