package integrationtest

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

// testFailures has the API refuse the first message in each of the platform's ways.
func testFailures(t *testing.T, p Platform) {
	t.Helper()
	failures := slices.Concat(literals(t, p), p.Failures)
	type refused struct {
		*harness
		result json.RawMessage
		err    error
	}
	all := make([]refused, len(failures))
	var wg sync.WaitGroup
	for i, f := range failures { // all at once, for they wait for the factory to try again
		all[i].harness = newHarness(t, p)
		all[i].fake.play(trouble{Answer: f.Answer})
		wg.Go(func() { all[i].result, all[i].err = all[i].attempt(p.Sends[0].Message, time.Minute) })
	}
	wg.Wait()
	for i, f := range failures {
		t.Run(f.Name, func(t *testing.T) {
			b := all[i].harness
			outer := b.tb
			b.tb = t
			t.Cleanup(func() { b.tb = outer })
			v := b.told(all[i].result, all[i].err)
			require.Equal(t, f.Kind, v.kind, "%+v", v)
			require.Equal(t, f.Code, v.code, "%+v", v)
			require.Equal(t, f.PlatformCode, v.platformCode, "%+v", v)
			require.Equal(t, f.retryable(), v.retryable, "%+v", v)
			if f.retryable() { // others are not told how long to wait
				require.Equal(t, f.RetryAfter, v.retryAfter, "%+v", v)
			}
			require.Len(t, b.fake.seen(), f.calls(), "calls of the API")
			if f.Kind == integration.FaultThrottled {
				testScope(t, p, f)
			}
		})
	}
}

// testScope asks the platform itself what has to wait: one recipient's limit must not stop the whole channel.
func testScope(t *testing.T, p Platform, f Failure) {
	t.Helper()
	b := newHarness(t, p)
	b.fake.play(trouble{Answer: f.Answer})
	message := p.Sends[0].Message
	_, err := p.Definition.Platform.Send(t.Context(), &message, b.channel)
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(
		t, cmp.Or(f.Pauses, integration.PausesChannel), cmp.Or(e.Pauses, integration.PausesChannel), "what has to wait",
	)
}

func (f Failure) retryable() bool {
	return slices.Contains([]integration.ErrorKind{integration.FaultThrottled, integration.FaultTransient}, f.Kind)
}

// calls is how often the API is asked to do what it refuses like this.
func (f Failure) calls() int {
	if f.Calls != 0 || !f.retryable() || f.RetryAfter > patience {
		return cmp.Or(f.Calls, 1)
	}
	return attempts
}
