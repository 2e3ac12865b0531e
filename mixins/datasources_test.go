package mixins_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"testing"

	"github.com/moleculer-go/moleculer"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/mixins"
)

// source is a datasource whose end is noted.
type source struct{ life *ledger }

func (s *source) Name() string { return "parrots" }

func (s *source) Close() error {
	s.life.add("close")
	return nil
}

// drawing is a set of one datasource "db" that opens at the n-th attempt.
func (b *harness) drawing(life *ledger, n int) *datasource.Set {
	b.t.Helper()
	set, err := datasource.NewSet(b.log, datasource.New("db", func(context.Context) (*source, error) {
		if life.add("open") < n {
			return nil, errors.New("wrong password") // which does not pass by itself
		}
		return &source{life}, nil
	}))
	require.NoError(b.t, err)
	return set
}

// reading is a plain moleculer-go service with an action "read" that uses the datasource.
func reading(mixin moleculer.Mixin) moleculer.ServiceSchema {
	return moleculer.ServiceSchema{Name: "old", Mixins: []moleculer.Mixin{mixin}, Actions: []moleculer.Action{
		{Name: "read", Handler: func(ctx moleculer.Context, _ moleculer.Payload) any {
			db, err := datasource.Get[*source](action.ContextOf(ctx), "db")
			if err != nil {
				return err
			}
			return db.Name()
		}},
	}}
}

func TestDatasourcesLiveAsLongAsTheirService(t *testing.T) {
	b, life := newHarness(t), &ledger{}
	node := b.serve("n1", reading(mixins.Datasources(b.drawing(life, 0), b.log)))
	eventually(t, func() bool { return len(life.lines()) == 1 })
	eventually(t, func() bool {
		answer, err := b.call("old.read", nil, nil)
		return err == nil && answer == `"parrots"`
	})
	node.Stop()
	require.Equal(t, []string{"open", "close"}, life.lines())
}

func TestDatasourcesThatFailToOpenAreRetried(t *testing.T) {
	b, life := newHarness(t), &ledger{}
	b.serve("n1", reading(mixins.Datasources(b.drawing(life, 2), b.log)))
	eventually(t, func() bool { return len(life.lines()) == 1 })
	_, err := b.call("old.read", nil, nil)
	require.True(t, errorOf(t, err, 503, datasource.TypeUnavailable).Retryable)
	eventually(t, func() bool {
		_, err := b.call("old.read", nil, nil)
		return err == nil
	})
	require.True(
		t,
		slices.ContainsFunc(
			b.logs.AllEntries(), func(e *logrus.Entry) bool { return e.Message == "the service's datasources do not open" },
		),
	)
}

func TestServiceWithoutOpenDatasourcesStops(t *testing.T) {
	b, life := newHarness(t), &ledger{}
	node := b.serve("n1", reading(mixins.Datasources(b.drawing(life, 1000), b.log)))
	eventually(t, func() bool { return len(life.lines()) == 1 })
	node.Stop()
	require.NotContains(t, life.lines(), "close")
}

func TestServiceThatWasNeverStartedStops(t *testing.T) {
	b, life := newHarness(t), &ledger{}
	mixins.Datasources(b.drawing(life, 0), b.log).Stopped(nil, moleculer.ServiceSchema{}) // and does not wait for a start
	require.Empty(t, life.lines())
}

func TestMixinMayBeSharedByTwoServices(t *testing.T) {
	b, life := newHarness(t), &ledger{}
	m := mixins.Datasources(b.drawing(life, 0), b.log)
	one, other := reading(m), reading(m)
	other.Name = "older"
	node := b.serve("n1", one, other)
	eventually(t, func() bool {
		_, err := b.call("older.read", nil, nil)
		return err == nil
	})
	node.Stop()
	require.Equal(t, []string{"open", "close"}, life.lines())
}

func TestServiceMayBeStartedAgain(t *testing.T) {
	b, life := newHarness(t), &ledger{}
	m := mixins.Datasources(b.drawing(life, 0), b.log)
	for i := range 2 {
		m.Started(nil, moleculer.ServiceSchema{})
		eventually(t, func() bool { return len(life.lines()) == 2*i+1 })
		m.Stopped(nil, moleculer.ServiceSchema{})
	}
	require.Equal(t, []string{"open", "close", "open", "close"}, life.lines())
}

func TestDriverErrorThatMayPassIsRetryable(t *testing.T) {
	for name, test := range map[string]struct {
		err       error
		code      int
		typ       string
		retryable bool
	}{
		"a lost connection": {driver.ErrBadConn, 503, datasource.TypeUnavailable, true},
		"a wrapped one": {errors.Join(
			errors.New("read the users"), driver.ErrBadConn,
		), 503, datasource.TypeUnavailable, true},
		"a timeout of its own":     {context.DeadlineExceeded, 503, datasource.TypeUnavailable, true},
		"what the author says":     {action.Client(409, "TAKEN", "taken"), 409, "TAKEN", false},
		"what will not pass":       {errors.New("syntax error"), 500, "", false},
		"what the handler retries": {action.Retryable(503, "OWN", "own").Because(driver.ErrBadConn), 503, "OWN", true},
	} {
		t.Run(name, func(t *testing.T) {
			b, life := newHarness(t), &ledger{}
			s := reading(mixins.Datasources(b.drawing(life, 0), b.log))
			s.Actions = append(s.Actions,
				moleculer.Action{Name: "plain", Handler: func(moleculer.Context, moleculer.Payload) any { return test.err }},
				action.New(
					"spec", action.Spec{Handle: func(context.Context, *action.Request) (any, error) { return nil, test.err }},
				),
			)
			b.serve("n1", s)
			for _, name := range []string{"old.plain", "old.spec"} {
				_, err := b.call(name, nil, nil)
				e, ok := errors.AsType[*action.Error](err)
				require.True(t, ok, name)
				if test.typ == "" {
					require.Equal(t, []any{test.code, false}, []any{e.Code, e.Retryable}, name)
					continue
				}
				require.Equal(t, []any{test.code, test.typ, test.retryable}, []any{e.Code, e.Type, e.Retryable}, name)
			}
		})
	}
}

func TestEventsOfAPlainServiceFindItsDatasources(t *testing.T) {
	b, life, heard := newHarness(t), &ledger{}, make(chan error, 100)
	s := reading(mixins.Datasources(b.drawing(life, 0), b.log))
	s.Events = []moleculer.Event{{Name: "dawn", Handler: func(ctx moleculer.Context, _ moleculer.Payload) {
		_, err := datasource.Get[*source](action.ContextOf(ctx), "db")
		heard <- err
	}}}
	b.serve("n1", s)
	eventually(t, func() bool {
		require.NoError(t, b.caller.Emit(t.Context(), "dawn", nil, action.EmitOptions{}))
		return <-heard == nil
	})
}
