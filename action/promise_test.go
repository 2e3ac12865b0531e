package action_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

func TestPromiseResolvesOnce(t *testing.T) {
	for name, resolveFirst := range map[string]bool{"asked before": false, "asked after": true} {
		t.Run(name, func(t *testing.T) {
			promise := &action.Promise{}
			resolve := func() {
				promise.Resolve(1, nil)
				promise.Resolve(2, errors.New("too late"))
			}
			if resolveFirst {
				resolve()
			}
			var got []any
			promise.OnDone(func(result any, err error) { got = append(got, "first", result, err) })
			promise.OnDone(func(result any, err error) { got = append(got, "second", result, err) })
			promise.OnDone(func(result any, err error) { got = append(got, "third", result, err) })
			if !resolveFirst {
				require.Empty(t, got)
				resolve()
			}
			require.Equal(t, []any{"first", 1, nil, "second", 1, nil, "third", 1, nil}, got)
		})
	}
}

func TestThenAppliesToResultsAndPromises(t *testing.T) {
	failure := errors.New("no")
	double := func(result any, err error) (any, error) {
		if err != nil {
			return nil, errors.Join(err)
		}
		return result.(int) * 2, nil
	}
	result, err := action.Then(2, nil, double)
	require.NoError(t, err)
	require.Equal(t, 4, result)
	_, err = action.Then(nil, failure, double)
	require.ErrorIs(t, err, failure)

	promise := &action.Promise{}
	result, err = action.Then(promise, nil, double)
	require.NoError(t, err)
	go promise.Resolve(3, nil)
	result, err = action.Wait(t.Context(), result, err)
	require.NoError(t, err)
	require.Equal(t, 6, result)

	promise = &action.Promise{}
	result, err = action.Then(promise, nil, double)
	require.NoError(t, err)
	promise.Resolve(nil, failure)
	_, err = action.Wait(t.Context(), result, err)
	require.ErrorIs(t, err, failure)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := action.Wait(ctx, &action.Promise{}, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestPromiseGoTurnsAPanicIntoAnError(t *testing.T) {
	promise := &action.Promise{}
	promise.Go(func() (any, error) { panic("at work") })
	_, err := action.Wait(t.Context(), promise, nil)
	require.ErrorContains(t, errors.Unwrap(err), "panic: at work")

	promise = &action.Promise{}
	promise.Go(func() (any, error) { return "done", nil })
	result, err := action.Wait(t.Context(), promise, nil)
	require.NoError(t, err)
	require.Equal(t, "done", result)
}
