package datasource_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
)

func postgresError(code string) error {
	return fmt.Errorf("insert user: %w", &pgconn.PgError{Code: code, Message: canary})
}

func TestErrorThatMayPassIsRetryable(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err      error
		wantType string
		want     string
	}{
		"a query out of time": {fmt.Errorf(
			"query: %w", context.DeadlineExceeded,
		), datasource.TypeUnavailable, "in time"},
		"a refused connection": {&net.OpError{
			Op: "dial", Err: syscall.ECONNREFUSED,
		}, datasource.TypeUnavailable, "connected to"},
		"an unknown host":          {&net.DNSError{Name: canary}, datasource.TypeUnavailable, "connected to"},
		"a bad connection":         {driver.ErrBadConn, datasource.TypeUnavailable, "closed"},
		"a connection cut off":     {fmt.Errorf("receive: %w", io.ErrUnexpectedEOF), datasource.TypeUnavailable, "closed"},
		"PostgreSQL starting":      {postgresError("57P03"), datasource.TypeUnavailable, "57P03"},
		"PostgreSQL stopping":      {postgresError("57P01"), datasource.TypeUnavailable, "57P01"},
		"PostgreSQL full":          {postgresError("53300"), datasource.TypeUnavailable, "53300"},
		"PostgreSQL's connection":  {postgresError("08006"), datasource.TypeUnavailable, "08006"},
		"a serialization failure":  {postgresError("40001"), datasource.TypeConflict, "40001"},
		"a deadlock":               {postgresError("40P01"), datasource.TypeConflict, "40P01"},
		"Redis out of connections": {redis.ErrPoolTimeout, datasource.TypeUnavailable, "in use"},
		"Redis closed":             {redis.ErrClosed, datasource.TypeUnavailable, "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, ok := errors.AsType[*action.Error](datasource.AsError(tc.err))
			require.True(t, ok)
			require.Equal(
				t, []any{tc.wantType, 503, true, action.NameRetryableError}, []any{e.Type, e.Code, e.Retryable, e.Name},
			)
			require.ErrorIs(t, e, tc.err)
			require.Contains(t, e.Message, tc.want)
			require.NotContains(t, e.Message, canary)
		})
	}
}

func TestErrorThatDoesNotPassIsUnchanged(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"none":                                  nil,
		"an unforeseen one":                     errors.New("boom"),
		"a unique violation":                    postgresError("23505"),
		"a cancelled context":                   fmt.Errorf("query: %w", context.Canceled),
		"a connection that ended because of it": fmt.Errorf("%w: %w", context.Canceled, io.ErrUnexpectedEOF),
		"no rows":                               sql.ErrNoRows,
		"no such key":                           redis.Nil,
		"a Moleculer error":                     action.Client(404, "NO_USER", "no user").Because(io.EOF),
		"a wrapped Moleculer error":             fmt.Errorf("get: %w", action.Client(404, "NO_USER", "no user")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, err, datasource.AsError(err))
		})
	}
}
