package datasource

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
	"github.com/redis/go-redis/v9"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hiliosai/switchboard/action"
)

// The types of the errors that [AsError] makes.
const (
	// TypeUnavailable: the datasource cannot be reached, is starting, stopping or overloaded, or does
	// not answer in time. Whether a write was carried out is unknown.
	TypeUnavailable = "DATASOURCE_UNAVAILABLE"
	// TypeConflict: the transaction met another one and was rolled back.
	TypeConflict = "DATASOURCE_CONFLICT"
)

// AsError makes trouble with a datasource that may pass a retryable *action.Error with code 503 and
// the type [TypeUnavailable] or [TypeConflict]. Its message quotes nothing; the error of the driver is
// its cause. All other errors are returned unchanged, also those that are Moleculer errors already
// and the end of a context by its caller's will.
func AsError(err error) error {
	if _, ok := errors.AsType[action.Moleculer](err); ok || err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && (pgErr.Code == "40001" || pgErr.Code == "40P01") {
		return action.Retryable(http.StatusServiceUnavailable, TypeConflict,
			"The transaction met another one (SQLSTATE %s).", pgErr.Code).Because(err)
	}
	if reason := passing(err); reason != "" {
		return unavailable(reason).Because(err)
	}
	return err
}

func unavailable(reason string) *action.Error {
	return action.Retryable(http.StatusServiceUnavailable, TypeUnavailable, "The datasource is not available: %s.", reason)
}

// mayPass says whether it makes sense to try again later.
func mayPass(err error) bool {
	m := moleculer(err)
	return m != nil && m.Retryable
}

// moleculer is what err looks like to the cluster, nil when it has no such form.
func moleculer(err error) *action.Error {
	if m, ok := errors.AsType[action.Moleculer](AsError(err)); ok {
		return m.MoleculerError()
	}
	return nil
}

// passing says why a datasource does not serve at the moment, "" when that is not the matter.
func passing(err error) string {
	// What a server says tells more than that a connection has ended.
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return passingPostgres(pgErr.Code)
	}
	if redisErr, ok := errors.AsType[redis.Error](err); ok {
		return passingRedis(redisErr)
	}
	if sqliteErr, ok := errors.AsType[*sqlite.Error](err); ok {
		switch sqliteErr.Code() & 0xff { // the rest of the code is detail
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return "it is locked by another use"
		}
		return ""
	}
	var netErr net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &netErr) && netErr.Timeout():
		return "it does not answer in time"
	case errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted):
		return "all connections are in use"
	case isAs[*net.OpError](err), isAs[*net.DNSError](err), isAs[*pgconn.ConnectError](err):
		return "it cannot be connected to"
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, pgconn.ErrConnClosed), errors.Is(err, puddle.ErrClosedPool),
		errors.Is(err, redis.ErrClosed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	return ""
}

// passingPostgres reads a SQLSTATE.
func passingPostgres(code string) string {
	switch {
	case strings.HasPrefix(code, "08"):
		return "the connection failed (SQLSTATE " + code + ")"
	case strings.HasPrefix(code, "53"):
		return "it has not enough resources (SQLSTATE " + code + ")"
	case strings.HasPrefix(code, "57P0"):
		return "it is starting or stopping (SQLSTATE " + code + ")"
	}
	return ""
}

func passingRedis(err error) string {
	switch {
	case redis.IsLoadingError(err), redis.IsMasterDownError(err), redis.IsClusterDownError(err):
		return "it is starting or stopping"
	case redis.IsReadOnlyError(err), redis.IsTryAgainError(err), redis.IsNoReplicasError(err):
		return "it is changing its roles"
	case redis.IsMaxClientsError(err):
		return "it has too many clients"
	}
	return ""
}

func isAs[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
