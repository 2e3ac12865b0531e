package datasource_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testserver.Main(testserver.Parallel(m))) }

const (
	// generous bounds what has to happen at some time.
	generous = time.Minute
	// moment is how often it is looked for.
	moment = 20 * time.Millisecond
	// canary stands for a password, which must be in no error and no log.
	canary = "CANARY-hunter2"
)

func newSet(t *testing.T, definitions ...datasource.Definition) (*datasource.Set, *test.Hook) {
	t.Helper()
	log, logs := test.NewNullLogger()
	log.SetLevel(logrus.TraceLevel)
	set, err := datasource.NewSet(logrus.NewEntry(log), definitions...)
	require.NoError(t, err)
	return set, logs
}

// open opens a set for a test and returns a context with it.
func open(t *testing.T, definitions ...datasource.Definition) (context.Context, *datasource.Set, *test.Hook) {
	t.Helper()
	set, logs := newSet(t, definitions...)
	require.NoError(t, set.Open(t.Context()))
	t.Cleanup(func() { require.NoError(t, set.Close(context.Background())) })
	return set.Context(t.Context()), set, logs
}

func get[T any](ctx context.Context, t *testing.T, name string) T {
	t.Helper()
	instance, err := datasource.Get[T](ctx, name)
	require.NoError(t, err)
	return instance
}

func messages(logs *test.Hook) []string {
	var lines []string
	for _, e := range logs.AllEntries() {
		lines = append(lines, fmt.Sprintf("%s %v", e.Message, e.Data["datasource"]))
	}
	return lines
}

func requireNoSecret(t *testing.T, logs *test.Hook, errs ...error) {
	t.Helper()
	for _, e := range logs.AllEntries() {
		line, err := e.String()
		require.NoError(t, err)
		require.NotContains(t, line, canary)
	}
	for _, err := range errs {
		for ; err != nil; err = errors.Unwrap(err) {
			require.NotContains(t, err.Error(), canary)
		}
	}
}

func requireUnavailable(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	e, ok := errors.AsType[*action.Error](datasource.AsError(err))
	require.True(t, ok, "%T %v", err, err)
	require.Equal(t, []any{datasource.TypeUnavailable, 503, true}, []any{e.Type, e.Code, e.Retryable}, "%v", err)
	require.ErrorIs(t, e, err)
}
