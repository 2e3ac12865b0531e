package postgres

import (
	"database/sql/driver"
	"errors"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
)

//nolint:gochecknoinits // a driver registers itself
func init() { datasource.RegisterErrors(readError) }

// readError reads the errors of a PostgreSQL server and of pgx.
func readError(err error) (*action.Error, bool) {
	// The server's own error says more than that the connection was closed.
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return readState(pgErr.Code), true
	}
	_, refused := errors.AsType[*pgconn.ConnectError](err)
	switch {
	case pgconn.Timeout(err):
		return nil, false // the timeout is not this driver's alone
	case refused:
		return datasource.Unavailable("it cannot be connected to"), true
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, pgconn.ErrConnClosed), errors.Is(err, puddle.ErrClosedPool):
		return datasource.Unavailable("the connection was closed"), true
	}
	return nil, false
}

// readState returns the error for a SQLSTATE, nil if a retry does not help.
func readState(code string) *action.Error {
	switch {
	case code == "40001" || code == "40P01":
		return action.Retryable(http.StatusServiceUnavailable, datasource.TypeConflict,
			"The transaction met another one (SQLSTATE %s).", code)
	case strings.HasPrefix(code, "08"):
		return datasource.Unavailable("the connection failed (SQLSTATE " + code + ")")
	case strings.HasPrefix(code, "53"):
		return datasource.Unavailable("it has not enough resources (SQLSTATE " + code + ")")
	case strings.HasPrefix(code, "57P0"):
		return datasource.Unavailable("it is starting or stopping (SQLSTATE " + code + ")")
	}
	return nil
}
