package integration_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

func TestUnknownOutcomeIsRetriedOnlyWhereSafeOrWanted(t *testing.T) {
	idempotent := trouble(integration.FaultUnknown, 0)
	idempotent.Idempotent = true
	unknown, permanent := trouble(integration.FaultUnknown, 0), trouble(integration.FaultPermanent, 0)
	for name, test := range map[string]struct {
		setting   string // unknownOutcome
		sending   sending
		attempts  int
		sent      bool
		retryable bool
		outcome   string
	}{
		"by default it is reported":               {"", failing(unknown), 1, false, false, "unknown"},
		"as it is where the channel says so":      {"report", failing(unknown), 1, false, false, "unknown"},
		"a channel may prefer a double":           {"retry", failing(unknown), 2, true, false, ""},
		"to a gap, three times at most":           {"retry", always(unknown), 3, false, false, "unknown"},
		"what does nothing twice is made again":   {"", failing(idempotent), 2, true, false, ""},
		"and stays unknown where no attempt says": {"", always(idempotent), 3, false, true, "unknown"},
		"also where the last is refused":          {"", failing(idempotent, permanent), 2, false, false, "unknown"},
		"or where the last was not done": {"", failing(
			idempotent, trouble(integration.FaultTransient, 0), trouble(integration.FaultTransient, 0),
		), 3, false, true, "unknown"},
		"also for a channel that prefers a double": {"retry", failing(unknown, permanent), 2, false, false, "unknown"},
		"a refusal after what was not done is one": {"retry", failing(
			trouble(integration.FaultTransient, 0), permanent,
		), 2, false, false, "not_delivered"},
		"a channel that prefers a double takes refusal": {"retry", failing(permanent), 1, false, false, "not_delivered"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newHarness(t)
				if test.setting != "" {
					b.store.channel.Settings = map[string]string{"unknownOutcome": test.setting}
				}
				b.platform.sending = test.sending
				result, err := b.send()
				require.Len(t, b.platform.steps, test.attempts)
				if test.sent {
					require.NoError(t, err)
					require.Equal(t, "hios.processing.message.sent", b.events.one(t).Name)
					return
				}
				require.Contains(t, string(b.events.one(t).Payload), `"outcome":"`+test.outcome+`"`)
				if test.outcome == "not_delivered" {
					require.NoError(t, err)
					require.Contains(t, toJSON(t, result), `"kind":"permanent"`)
					return
				}
				e, ok := errors.AsType[*action.Error](err)
				require.True(t, ok)
				require.Equal(t, 504, e.Code)
				require.Equal(t, test.retryable, e.Retryable)
				require.Contains(t, toJSON(t, e.Data), `"outcome":"unknown"`)
			})
		})
	}
}
