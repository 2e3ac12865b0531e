package integration_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
)

// diagnosed is what a diagnosis finds, as "check ok", and with its fix where it is not.
func (b *bench) diagnosed() []string {
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

func TestADiagnosisFindsWhatIsWrongAndSaysHowToMendIt(t *testing.T) {
	refusal := func(kind integration.ErrorKind) func(*bench) {
		return func(b *bench) {
			b.platform.healthErr = &integration.Error{Kind: kind, Code: "X", Message: "https://api/bot" + token + " says no"}
		}
	}
	for name, test := range map[string]struct {
		prepare func(*bench)
		want    []string
	}{
		"nothing":                        {func(*bench) {}, []string{"fields ok", "status ok", "credentials ok", "health ok"}},
		"a platform that does not check": {(*bench).plain, []string{"fields ok", "status ok"}},
		"refused credentials":            {func(b *bench) { b.platform.valid = false }, []string{"fields ok", "status ok", "credentials: replace them: token (The token of the bot.)", "health ok"}},
		"an error that is a refusal": {
			func(b *bench) {
				b.platform.validErr = &integration.Error{Kind: integration.ErrAuth, Code: "X", Message: "no " + token}
			},
			[]string{"fields ok", "status ok", "credentials: replace them: token (The token of the bot.)", "health ok"},
		},
		"unchecked ones": {
			func(b *bench) { b.platform.validErr = errors.New("dial " + token) },
			[]string{"fields ok", "status ok", "credentials: see whether the platform can be reached from this machine, and try again", "health ok"},
		},
		"an unhealthy platform": {
			func(b *bench) {
				b.platform.health = &integration.Health{Status: integration.Unhealthy, Message: "webhook of " + token}
			},
			[]string{"fields ok", "status ok", "credentials ok", "health: see the platform's own settings of this channel"},
		},
		"an unhealthy platform without a word": {
			func(b *bench) { b.platform.health = &integration.Health{Status: integration.Degraded} },
			[]string{"fields ok", "status ok", "credentials ok", "health: see the platform's own settings of this channel"},
		},
		"a busy platform":   {refusal(integration.ErrThrottled), []string{"fields ok", "status ok", "credentials ok", "health: wait, the platform asks to slow down"}},
		"a refused request": {refusal(integration.ErrAuth), []string{"fields ok", "status ok", "credentials ok", "health: replace the credentials"}},
		"a channel that is switched off": {
			func(b *bench) { b.store.channel.Status = integration.StatusInactive },
			[]string{"fields ok", "status: set its status to ACTIVE", "credentials ok", "health ok"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.platform.valid, b.platform.health = true, &integration.Health{Status: integration.Healthy}
			test.prepare(b)
			require.Equal(t, test.want, b.diagnosed())
		})
	}
}

func TestEveryTroubleHasItsFix(t *testing.T) {
	for _, kind := range []integration.ErrorKind{
		integration.ErrInvalid, integration.ErrForbidden, integration.ErrNotFound, integration.ErrThrottled, integration.ErrTransient,
		integration.ErrAuth, integration.ErrPermanent, integration.ErrUnknown,
	} {
		b := newBench(t)
		b.platform.valid, b.platform.healthErr = true, &integration.Error{Kind: kind, Code: "X", Message: "no"}
		require.NotEqual(t, "health: ", b.diagnosed()[3], kind)
	}
}

func TestWrongFieldsKeepADiagnosisFromAskingThePlatform(t *testing.T) {
	b := newBench(t)
	b.plain() // and what it is not, would panic
	b.def.Platform = struct{ *platform }{}
	b.store.channel.Credentials = map[string]string{"token": "CANARY", "tokne": "CANARY"}
	b.store.channel.TenantID = ""
	require.Equal(t, []string{
		"fields: set credentials.token", "fields: remove credentials.tokne", "fields: set tenantId", "status ok",
	}, b.diagnosed())
}
