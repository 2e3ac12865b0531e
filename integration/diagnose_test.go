package integration_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
)

// diagnosed is what a diagnosis finds, as "check ok", and with its fix where it is not.
func (b *harness) diagnosed() []string {
	b.t.Helper()
	d := integration.Diagnose(b.t.Context(), b.def, b.store.channel, &redact.Secrets{})
	require.NotContains(b.t, toJSON(b.t, d), "CANARY")
	require.Equal(b.t, "c1", d.ChannelID)
	list, ok := []string{}, true
	for _, f := range d.Findings {
		ok = ok && f.OK
		if f.OK {
			require.Empty(b.t, f.Fix)
			list = append(list, f.Check+" ok")
			continue
		}
		require.NotEmpty(b.t, f.Message)
		list = append(list, f.Check+": "+f.Fix)
	}
	require.Equal(b.t, ok, d.OK)
	return list
}

func TestDiagnosisNamesTheFaultAndItsFix(t *testing.T) {
	refusal := func(kind integration.ErrorKind) func(*harness) {
		return func(b *harness) {
			b.platform.healthErr = &integration.Error{Kind: kind, Code: "X", Message: "https://api/bot" + token + " says no"}
		}
	}
	for name, test := range map[string]struct {
		prepare func(*harness)
		want    []string
	}{
		"nothing": {func(*harness) {}, []string{
			"fields ok", "status ok", "credentials ok", "health ok",
		}},
		"a platform that does not check": {(*harness).plain, []string{"fields ok", "status ok"}},
		"refused credentials": {func(b *harness) { b.platform.valid = false }, []string{
			"fields ok", "status ok", "credentials: replace them: token (The token of the bot.)", "health ok",
		}},
		"an error that is a refusal": {
			func(b *harness) {
				b.platform.validErr = &integration.Error{Kind: integration.FaultAuth, Code: "X", Message: "no " + token}
			},
			[]string{"fields ok", "status ok", "credentials: replace them: token (The token of the bot.)", "health ok"},
		},
		"unchecked ones": {
			func(b *harness) { b.platform.validErr = errors.New("dial " + token) },
			[]string{
				"fields ok", "status ok", "credentials: see whether the platform can be reached from this machine, and try again",
				"health ok",
			},
		},
		"an unhealthy platform": {
			func(b *harness) {
				b.platform.health = &integration.Health{Status: integration.HealthUnhealthy, Message: "webhook of " + token}
			},
			[]string{"fields ok", "status ok", "credentials ok", "health: see the platform's own settings of this channel"},
		},
		"an unhealthy platform without a word": {
			func(b *harness) { b.platform.health = &integration.Health{Status: integration.HealthDegraded} },
			[]string{"fields ok", "status ok", "credentials ok", "health: see the platform's own settings of this channel"},
		},
		"a busy platform": {refusal(integration.FaultThrottled), []string{
			"fields ok", "status ok", "credentials ok", "health: wait, the platform asks to slow down",
		}},
		"a refused request": {
			refusal(integration.FaultAuth),
			[]string{"fields ok", "status ok", "credentials ok", "health: replace the credentials"},
		},
		"a channel that is switched off": {
			func(b *harness) { b.store.channel.Status = integration.ChannelInactive },
			[]string{"fields ok", "status: set its status to ACTIVE", "credentials ok", "health ok"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.platform.valid, b.platform.health = true, &integration.Health{Status: integration.HealthHealthy}
			test.prepare(b)
			require.Equal(t, test.want, b.diagnosed())
		})
	}
}

func TestDiagnosisHasAFixForEveryTrouble(t *testing.T) {
	for _, kind := range []integration.ErrorKind{
		integration.FaultInvalid, integration.FaultForbidden, integration.FaultNotFound, integration.FaultThrottled,
		integration.FaultTransient,
		integration.FaultAuth, integration.FaultPermanent, integration.FaultUnknown,
	} {
		b := newHarness(t)
		b.platform.valid, b.platform.healthErr = true, &integration.Error{Kind: kind, Code: "X", Message: "no"}
		require.NotEqual(t, "health: ", b.diagnosed()[3], kind)
	}
}

func TestWrongFieldsKeepADiagnosisFromAskingThePlatform(t *testing.T) {
	b := newHarness(t)
	b.plain() // and what it is not, would panic
	b.def.Platform = struct{ *platform }{}
	b.store.channel.Credentials = map[string]string{"token": "CANARY", "tokne": "CANARY"}
	b.store.channel.TenantID = ""
	require.Equal(t, []string{
		"fields: set credentials.token", "fields: remove credentials.tokne", "fields: set tenantId", "status ok",
	}, b.diagnosed())
}
