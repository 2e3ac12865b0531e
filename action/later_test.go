package action_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

func TestALaterResultComesOnceAndToWhoAsks(t *testing.T) {
	for name, settleFirst := range map[string]bool{"asked before": false, "asked after": true} {
		t.Run(name, func(t *testing.T) {
			later := &action.Later{}
			settle := func() {
				later.Settle(1, nil)
				later.Settle(2, errors.New("too late"))
			}
			if settleFirst {
				settle()
			}
			var got []any
			later.Then(func(result any, err error) { got = append(got, result, err) })
			if !settleFirst {
				require.Empty(t, got)
				settle()
			}
			require.Equal(t, []any{1, nil}, got)
		})
	}
}

func TestThenChangesWhatIsThereAndWhatIsToCome(t *testing.T) {
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

	later := &action.Later{}
	result, err = action.Then(later, nil, double)
	require.NoError(t, err)
	go later.Settle(3, nil)
	result, err = action.Wait(t.Context(), result, err)
	require.NoError(t, err)
	require.Equal(t, 6, result)

	later = &action.Later{}
	result, err = action.Then(later, nil, double)
	require.NoError(t, err)
	later.Settle(nil, failure)
	_, err = action.Wait(t.Context(), result, err)
	require.ErrorIs(t, err, failure)
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := action.Wait(ctx, &action.Later{}, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestAPanicInLaterWorkIsItsError(t *testing.T) {
	later := &action.Later{}
	later.Work(func() (any, error) { panic("at work") })
	_, err := action.Wait(t.Context(), later, nil)
	require.ErrorContains(t, errors.Unwrap(err), "panic: at work")

	later = &action.Later{}
	later.Work(func() (any, error) { return "done", nil })
	result, err := action.Wait(t.Context(), later, nil)
	require.NoError(t, err)
	require.Equal(t, "done", result)
}
