package overdue_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/testserver/overdue"
)

func TestDeadlineComesWhenTheTestSaysSo(t *testing.T) {
	ctx, expire := overdue.Context(t.Context())
	derived, cancel := context.WithCancel(ctx)
	defer cancel()
	require.NoError(t, derived.Err())
	expire()
	expire()
	<-derived.Done()
	require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
	require.ErrorIs(t, derived.Err(), context.DeadlineExceeded)
}
