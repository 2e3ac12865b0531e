package claimstest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/claims"
)

// Terms are terms whose lease does not end during a test.
var Terms = claims.Terms{Lease: time.Minute, TTL: 8 * 24 * time.Hour}

// Claim claims keys and requires that there is no error.
func Claim(t *testing.T, store claims.Store, terms claims.Terms, keys ...string) []claims.Claim {
	t.Helper()
	list, err := store.Claim(t.Context(), terms, keys...)
	require.NoError(t, err)
	return list
}

// RequireState claims a key and requires the state of the claim.
func RequireState(t *testing.T, want claims.State, store claims.Store, key string) {
	t.Helper()
	require.Equal(t, want.String(), Claim(t, store, Terms, key)[0].State.String())
}

// RequireFault requires a [claims.Error] that is permanent or not and contains a text.
func RequireFault(t *testing.T, err error, permanent bool, text string) {
	t.Helper()
	var fault *claims.Error
	require.ErrorAs(t, err, &fault)
	require.Equal(t, permanent, fault.Permanent(), "%v", err)
	require.ErrorContains(t, err, text)
}
