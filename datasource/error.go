package datasource

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
)

// The types of the errors that [AsError] makes.
const (
	// TypeUnavailable says that the datasource cannot be reached, is starting, stopping or overloaded, or does not answer
	// in time. A write may have been carried out.
	TypeUnavailable = codes.DatasourceUnavailable
	// TypeConflict says that the transaction conflicted with another one and was rolled back.
	TypeConflict = codes.DatasourceConflict
)

// AsError returns an error of a datasource that may pass as a retryable *action.Error with code 503 and the type
// [TypeUnavailable] or [TypeConflict]. Its message quotes nothing; the error of the driver is its cause. All other
// errors are returned unchanged, also Moleculer errors and context.Canceled.
func AsError(err error) error {
	if _, ok := errors.AsType[action.Moleculer](err); ok || err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	drivers.RLock()
	defer drivers.RUnlock()
	for _, read := range drivers.readers {
		if e, known := read(err); e != nil {
			return e.Because(err)
		} else if known {
			return err
		}
	}
	if reason := passing(err); reason != "" {
		return Unavailable(reason).Because(err)
	}
	return err
}

// ErrorReader reads the errors of a driver. known says that err is one of them. e is then the error for callers,
// without its cause; it is nil if a retry does not help.
type ErrorReader func(err error) (e *action.Error, known bool)

var drivers struct {
	sync.RWMutex

	readers []ErrorReader
}

// RegisterErrors adds a reader to [AsError]. A package that opens a kind of datasource calls it in its init.
func RegisterErrors(read ErrorReader) {
	drivers.Lock()
	defer drivers.Unlock()
	drivers.readers = append(drivers.readers, read)
}

// Unavailable returns an error of type [TypeUnavailable]. The reason completes "The datasource is not available: …" and
// must quote nothing.
func Unavailable(reason string) *action.Error {
	return action.Retryable(http.StatusServiceUnavailable, TypeUnavailable, "The datasource is not available: %s.", reason)
}

// MayPass says whether a retry may succeed.
func MayPass(err error) bool {
	m := moleculer(err)
	return m != nil && m.Retryable
}

// moleculer returns err as the cluster sees it, nil if it is no Moleculer error.
func moleculer(err error) *action.Error {
	if m, ok := errors.AsType[action.Moleculer](AsError(err)); ok {
		return m.MoleculerError()
	}
	return nil
}

// passing returns the reason for an error that may pass, "" for any other error.
func passing(err error) string {
	var netErr net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &netErr) && netErr.Timeout():
		return "it does not answer in time"
	case isAs[*net.OpError](err), isAs[*net.DNSError](err):
		return "it cannot be connected to"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	return ""
}

func isAs[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
