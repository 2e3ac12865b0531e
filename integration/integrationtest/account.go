package integrationtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/testserver/nowhere"
)

// testAccount checks what is asked about a channel's account at the platform.
func testAccount(t *testing.T, p Platform) {
	t.Helper()
	if _, ok := p.Definition.Platform.(integration.HealthChecker); ok {
		for name, test := range map[string]struct {
			trouble *trouble
			closed  bool
			not     string
		}{
			"an API that is well":            {nil, false, integration.HealthUnhealthy},
			"credentials that are refused":   {new(status(http.StatusUnauthorized, "")), false, integration.HealthHealthy},
			"an API that is overloaded":      {new(status(http.StatusServiceUnavailable, "")), false, integration.HealthHealthy},
			"an API that cannot be reached":  {nil, true, integration.HealthHealthy},
			"an answer that cannot be read":  {&trouble{Answer: Answer{Body: "<html>"}}, false, integration.HealthHealthy},
			"a connection that breaks later": {&trouble{reset: true}, false, integration.HealthHealthy},
		} {
			t.Run("health sees "+name, func(t *testing.T) {
				b := inTrouble(t, p, test.trouble, test.closed)
				health := b.health()
				require.NotEqual(t, test.not, health.Status, health.Message)
				require.Contains(
					t, []string{integration.HealthHealthy, integration.HealthDegraded, integration.HealthUnhealthy}, health.Status,
				)
				require.NotEmpty(t, health.Message)
			})
		}
	}
	if p.validatesCredentials() {
		t.Run("the right credentials are valid", func(t *testing.T) {
			valid, err := inTrouble(t, p, nil, false).valid(nil)
			require.NoError(t, err)
			require.True(t, valid)
		})
		t.Run("credentials that the platform refuses are not", func(t *testing.T) {
			valid, err := inTrouble(t, p, new(status(http.StatusUnauthorized, "")), false).valid(nil)
			require.NoError(t, err)
			require.False(t, valid)
		})
		t.Run("no credentials are not", func(t *testing.T) {
			b := inTrouble(t, p, new(status(http.StatusUnauthorized, "")), false)
			valid, err := b.valid(map[string]string{})
			require.NoError(t, err)
			require.False(t, valid)
		})
		t.Run("a platform that is down leaves the question open", func(t *testing.T) {
			_, err := inTrouble(t, p, nil, true).valid(nil)
			require.Error(t, err, "the credentials may be good: no answer is not an answer")
		})
	}
}

// validatesCredentials says whether i_validateCredentials answers: a health check suffices.
func (p Platform) validatesCredentials() bool {
	_, validates := p.Definition.Platform.(integration.CredentialsValidator)
	_, checks := p.Definition.Platform.(integration.HealthChecker)
	return validates || checks
}

// inTrouble is a harness whose API is in trouble, or away.
func inTrouble(tb testing.TB, p Platform, t *trouble, closed bool) *harness {
	tb.Helper()
	if closed {
		return newHarness(tb, p, unreachable(tb, p))
	}
	b := newHarness(tb, p)
	if t != nil {
		b.fake.play(*t)
	}
	return b
}

// unreachable makes a channel one whose API nobody serves.
func unreachable(tb testing.TB, p Platform) func(*integration.Channel) {
	tb.Helper()
	url := nowhere.URL(tb)
	return func(ch *integration.Channel) { *ch = *p.Channel(url) }
}

func (b *harness) health() integration.Health {
	b.tb.Helper()
	result, err := b.call(
		b.tb.Context(), integration.ActionHealthCheck, object{"channelId": b.channel.ID}, &action.Request{},
	)
	require.NoError(b.tb, err, "a channel that cannot work is an answer, not an error")
	var health integration.Health
	require.NoError(b.tb, json.Unmarshal(result, &health))
	return health
}

// valid asks about the channel's credentials, or others.
func (b *harness) valid(others map[string]string) (bool, error) {
	b.tb.Helper()
	credentials := maps.Clone(b.channel.Credentials)
	if others != nil {
		credentials = others
	}
	result, err := b.call(b.tb.Context(), integration.ActionValidateCredentials,
		object{"credentials": credentials, "settings": b.channel.Settings}, &action.Request{})
	if err != nil {
		return false, err
	}
	var answer struct{ Valid bool }
	require.NoError(b.tb, json.Unmarshal(result, &answer))
	return answer.Valid, nil
}
