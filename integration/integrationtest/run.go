package integrationtest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/integration"
)

// Main is for TestMain: it runs the tests of a package, and fails if one of them leaves a goroutine behind.
func Main(m *testing.M) { goleak.VerifyTestMain(m) }

// Run runs the suite, each of its checks as a subtest. It takes about two seconds, most of them spent
// waiting for the factory to send again.
func Run(t *testing.T, p Platform) {
	t.Helper()
	p = p.withSigner(t)
	p.requireComplete(t)
	t.Run("definition", func(t *testing.T) { testDefinition(t, p) })
	t.Run("inbound", func(t *testing.T) { testInbound(t, p) })
	t.Run("outbound", func(t *testing.T) { testOutbound(t, p) })
	if p.Definition.Support != nil {
		t.Run("support", func(t *testing.T) { testSupport(t, p) })
	}
	t.Run("account", func(t *testing.T) { testAccount(t, p) })
	if p.signs() {
		t.Run("signatures", func(t *testing.T) { testOwnVectors(t, p) })
		t.Run("signatures from elsewhere", func(t *testing.T) { testVectors(t, p) })
	}
	t.Run("fixtures", func(t *testing.T) { testFixtures(t, p) })
	t.Run("leaks", func(t *testing.T) { testLeaks(t, p) })
}

// requireComplete says what the author has forgotten to tell.
func (p Platform) requireComplete(tb testing.TB) {
	tb.Helper()
	require.NotNil(tb, p.Definition.Platform, "Platform.Definition is missing")
	require.NotNil(tb, p.Channel, "Platform.Channel is missing")
	require.NotNil(tb, p.API, "Platform.API is missing")
	require.NotEmpty(tb, p.Webhooks, "Platform.Webhooks is missing")
	require.NotEmpty(tb, p.Sends, "Platform.Sends is missing")
	table := p.Definition.Errors != nil
	require.True(tb, table || p.Definition.Support == nil || len(p.Failures) > 0, "Platform.Failures is missing")
	require.Equal(
		tb, table, p.Refusal != nil, "Platform.Refusal must be there if, and only if, there is Definition.Errors",
	)
	require.Empty(tb, p.Sends[0].Action, "the first of Platform.Sends must send a message")
	require.Nil(
		tb, p.Sends[0].Answer, "the first of Platform.Sends is sent through all kinds of trouble: leave its answer to API",
	)
	require.Equal(tb, p.Definition.SignatureValidator() != nil, p.signs(),
		"Platform.Sign must be there if, and only if, the platform is a SignatureValidator, or has a signature that cannot "+
			"sign")
	_, declared := p.Definition.Signature.(Signer)
	_, byKey := p.Definition.Signature.(keyed)
	require.False(
		tb, declared && !byKey && p.Sign != nil, "Platform.Sign is not needed: the declared signature signs by itself",
	)
	_, verifies := p.Definition.Platform.(integration.WebhookVerifier)
	require.Equal(
		tb, verifies, p.Handshake != integration.Verification{},
		"Platform.Handshake must be there if, and only if, the platform is a WebhookVerifier",
	)
	secrets := secretsOf(p, p.Channel("http://127.0.0.1"))
	require.NotEmpty(tb, secrets, "Platform.Channel has no value for any secret field")
	for _, secret := range secrets {
		require.GreaterOrEqual(tb, len(secret), 12, "a secret of Platform.Channel is too short to be found in texts for sure")
	}
}
