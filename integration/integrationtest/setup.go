package integrationtest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
)

// SetUp sets a channel up at a fake three times: a dry run, which must change nothing, the setup itself, which must
// change what the dry run said, and the setup once more, which must find nothing to change. The second result is
// compared with testdata/golden/setup/NAME.json and returned. No result may have a secret of the channel.
func SetUp(
	t *testing.T, name string, def integration.Definition, ch *integration.Channel, wanted integration.Setup,
) *integration.SetupResult {
	t.Helper()
	setUp := func(dryRun bool) *integration.SetupResult {
		t.Helper()
		result, err := TrySetUp(t, def, ch, wanted, dryRun)
		require.NoError(t, err)
		text := string(indented(t, result))
		for _, f := range def.Fields {
			if value := f.Of(ch); f.Secret && value != "" {
				require.NotContains(t, text, value, f.Name)
			}
		}
		return result
	}
	planned, done := setUp(true), setUp(false)
	require.False(t, planned.Done)
	require.Equal(t, planned.Changes, done.Changes, "a dry run says what is done, and does nothing")
	golden(t, "setup", name, done)
	again := setUp(false)
	require.Empty(t, again.Changes, "a second setup changes nothing")
	require.False(t, again.Done)
	return done
}

// TrySetUp is [integration.SetUp], once.
func TrySetUp(
	t *testing.T, def integration.Definition, ch *integration.Channel, wanted integration.Setup, dryRun bool,
) (*integration.SetupResult, error) {
	t.Helper()
	return integration.SetUp(t.Context(), def, ch, wanted, dryRun, &redact.Secrets{})
}
